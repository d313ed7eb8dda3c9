"""mongodb://… to live stores."""

from stores.mongo.audit import MongoAudit
from stores.mongo.chats import MongoChats
from stores.mongo.client import MongoDatabase, MongoOptions
from stores.mongo.documents import MongoDocuments
from stores.mongo.graph import MongoGraph
from stores.mongo.keys import MongoKeys
from stores.mongo.replies import MongoReplies
from stores.registry import StoreOptions, StoreSet


def build(url: str, options: StoreOptions) -> StoreSet:
    """Return the stores over one database, unopened."""
    database = MongoDatabase(
        url,
        options=MongoOptions(
            timeout_s=options.mongodb_timeout_ms / 1000,
            slow_command_ms=options.slow_command_ms,
            observer=options.observer,
            retries=options.retries,
        ),
    )
    return StoreSet(
        documents=MongoDocuments(database),
        graph=MongoGraph(database),
        chats=MongoChats(database),
        keys=MongoKeys(database),
        replies=MongoReplies(database),
        audit=MongoAudit(database),
    )
