"""sqlite:///path.db to live stores."""

from stores.registry import StoreOptions, StoreSet, path_of
from stores.sqlite.audit import SqliteAudit
from stores.sqlite.chats import SqliteChats
from stores.sqlite.database import SqliteDatabase
from stores.sqlite.documents import SqliteDocuments
from stores.sqlite.graph import SqliteGraph
from stores.sqlite.keys import SqliteKeys
from stores.sqlite.replies import SqliteReplies


def build(url: str, options: StoreOptions) -> StoreSet:
    """Return the stores over one file, unopened."""
    database = SqliteDatabase(path_of(url), synchronous=options.sqlite_synchronous, observer=options.observer)
    return StoreSet(
        documents=SqliteDocuments(database),
        graph=SqliteGraph(database),
        chats=SqliteChats(database),
        keys=SqliteKeys(database),
        replies=SqliteReplies(database),
        audit=SqliteAudit(database),
    )
