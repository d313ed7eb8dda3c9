"""Which backends the contract suite of API keys runs on."""

from collections.abc import Mapping
from typing import Final

from stores.key_protocol import KeyStore
from stores.reference.keys import ReferenceKeys
from stores.sqlite.keys import SqliteKeys
from tests.contracts.backends import Backend
from tests.contracts.small_stores import small_backends

KEY_BACKENDS: Final[Mapping[str, Backend[KeyStore]]] = small_backends(
    ReferenceKeys, SqliteKeys, "stores.mongo.keys:MongoKeys"
)
