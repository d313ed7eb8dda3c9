"""Which backends the contract suite of replies runs on."""

from collections.abc import Mapping
from typing import Final

from stores.reference.replies import ReferenceReplies
from stores.reply_protocol import ReplyStore
from stores.sqlite.replies import SqliteReplies
from tests.contracts.backends import Backend
from tests.contracts.small_stores import small_backends

REPLY_BACKENDS: Final[Mapping[str, Backend[ReplyStore]]] = small_backends(
    ReferenceReplies, SqliteReplies, "stores.mongo.replies:MongoReplies"
)
