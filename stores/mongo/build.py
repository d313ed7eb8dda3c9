"""mongodb://… to live stores."""

from stores.mongo.client import MongoDatabase, MongoOptions
from stores.mongo.documents import MongoDocuments
from stores.mongo.graph import MongoGraph
from stores.registry import StoreOptions


def build(url: str, options: StoreOptions) -> tuple[MongoDocuments, MongoGraph]:
    """Return the stores over one database, unopened."""
    database = MongoDatabase(
        url,
        options=MongoOptions(timeout_s=options.mongodb_timeout_ms / 1000, slow_command_ms=options.slow_command_ms),
    )
    return MongoDocuments(database), MongoGraph(database)
