"""The indexes, declared: one table, which the store, the script and the tests read.

There is no TTL index. MongoDB's own sweeper would remove a document behind the engine's back: its vectors and cached
answers would stay, and no tombstone would tell the other processes. `expired()` finds such memories by an index, and
the engine's sweeper deletes them as a person would.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pymongo import IndexModel

from stores.mongo.client import CollectionName, Row

Keys = tuple[tuple[str, int | str], ...]

TEXT_OPTIONS: Final[Mapping[str, str]] = {"default_language": "english", "language_override": "text_language"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """A declared index. `serves` says which queries need it; `partial` restricts it to some documents."""

    collection: CollectionName
    name: str
    keys: Keys
    serves: str
    unique: bool = False
    partial: Mapping[str, Any] | None = None

    @property
    def is_text(self) -> bool:
        return any(kind == "text" for _, kind in self.keys)

    def keys_on(self, *, exact: bool) -> Keys:
        """Return the keys; exact=False: as a stand-in can have them."""
        return self.keys if exact else tuple((name, kind) for name, kind in self.keys if name != "_id")

    def model(self, *, exact: bool = True) -> IndexModel:
        options: Row = {"name": self.name}
        if self.unique:
            options["unique"] = True
        if self.partial is not None:
            options["partialFilterExpression"] = dict(self.partial)
        return IndexModel(list(self.keys_on(exact=exact)), **options, **(TEXT_OPTIONS if self.is_text else {}))


UNIQUE_MEMORY: Final = Index(
    collection="memories",
    name="dedupe_key_unique",
    keys=(("source_user_id", 1), ("dedupe_key", 1)),
    serves="put_many, update: one live memory per key; correctness, not speed",
    unique=True,
    partial={"dedupe_key": {"$exists": True}},
)

DOCUMENT_INDEXES: Final[tuple[Index, ...]] = (
    UNIQUE_MEMORY,
    Index(
        collection="memories",
        name="newest",
        keys=(("source_user_id", 1), ("created_at", -1), ("_id", -1)),
        serves="A1: list_page, match, count, erase; scan and scan_documents, backwards",
    ),
    Index(
        collection="memories",
        name="newest_of_type",
        keys=(("memory_type", 1), ("source_user_id", 1), ("created_at", -1)),
        serves="A1: list_page and match with a filter on memory_type",
    ),
    Index(
        collection="memories",
        name="quarantined",
        keys=(("source_user_id", 1), ("created_at", -1), ("_id", -1), ("quarantine", 1)),
        serves="quarantined: what is kept back from searches",
        partial={"quarantine": {"$exists": True}},
    ),
    Index(
        collection="memories",
        name="words",
        keys=(("source_user_id", 1), ("input", "text"), ("summary", "text"), ("tags", "text")),
        serves="A1: keyword; the owner's words only are read",
    ),
    Index(
        collection="memories",
        name="tags",
        keys=(("tags", 1), ("source_user_id", 1)),
        serves="A1: list_page and match with a filter on tags",
    ),
    Index(
        collection="memories",
        name="events",
        keys=(("source_user_id", 1), ("event_at", -1), ("_id", -1)),
        serves="temporal",
    ),
    Index(
        collection="memories",
        name="changes",
        keys=(("source_user_id", 1), ("updated_at", 1), ("_id", 1)),
        serves="scan since a moment: what other processes changed",
    ),
    Index(
        collection="memories",
        name="relation_sources",
        keys=(("source_user_id", 1), ("relations.source", 1)),
        serves="graph: relations that start at an entity",
    ),
    Index(
        collection="memories",
        name="relation_targets",
        keys=(("source_user_id", 1), ("relations.target", 1)),
        serves="graph: relations that end at an entity",
    ),
    Index(
        collection="memories",
        name="relation_ends",
        keys=(("source_user_id", 1), ("relations.closed_by", 1)),
        serves="statements: what a memory has ended",
        partial={"relations.closed_by": {"$exists": True}},
    ),
    Index(
        collection="memories",
        name="pending",
        keys=(("index.state", 1), ("updated_at", 1), ("_id", 1), ("index.next_attempt_at", 1)),
        serves="pending: index work of all owners, oldest first",
        partial={"index.state": "pending"},
    ),
    Index(
        collection="memories",
        name="failed",
        keys=(("index.state", 1), ("_id", 1), ("source_user_id", 1)),
        serves="failed: index work that was given up",
        partial={"index.state": "failed"},
    ),
    Index(
        collection="memories",
        name="expiry",
        keys=(("expires_at", 1),),
        serves="expired: the sweeper",
        partial={"expires_at": {"$exists": True}},
    ),
    Index(
        collection="memory_history",
        name="versions",
        keys=(("source_user_id", 1), ("memory_id", 1), ("version", 1)),
        serves="history, delete, erase: versions that no longer fit inside their memory",
    ),
    Index(
        collection="audit_lines",
        name="latest_lines",
        keys=(("owner", 1), ("seq", -1)),
        serves="list_page of an audit trail",
    ),
    Index(
        collection="context0_erasures",
        name="latest_erasures",
        keys=(("erased_at", 1),),
        serves="erasures: what other processes have to forget",
    ),
)

CHAT_INDEXES: Final[tuple[Index, ...]] = (
    Index(
        collection="chat_sessions",
        name="latest",
        keys=(("source_user_id", 1), ("updated_at", -1), ("_id", -1)),
        serves="A1: list_sessions, erase, count",
    ),
    Index(
        collection="chat_messages",
        name="in_order",
        keys=(("source_user_id", 1), ("session_id", 1), ("seq", 1)),
        serves="A1: recent, delete_session, erase, count; one message per place",
        unique=True,
    ),
    Index(
        collection="chat_profiles",
        name="profile_owner",
        keys=(("source_user_id", 1),),
        serves="erase, count",
    ),
    Index(
        collection="chat_decisions",
        name="newest_decisions",
        keys=(("source_user_id", 1), ("created_at", -1), ("_id", -1)),
        serves="list_decisions, erase, count",
    ),
    Index(
        collection="chat_decisions",
        name="decisions_in_state",
        keys=(("source_user_id", 1), ("state", 1), ("created_at", -1), ("_id", -1)),
        serves="list_decisions of one state",
    ),
)

REPLY_INDEXES: Final[tuple[Index, ...]] = (
    Index(collection="replies", name="replies_owner", keys=(("source_user_id", 1),), serves="replies: erase, count"),
    Index(collection="replies", name="replies_expiry", keys=(("expires_at", 1),), serves="replies: sweep"),
)

INDEXES: Final[tuple[Index, ...]] = (*DOCUMENT_INDEXES, *CHAT_INDEXES, *REPLY_INDEXES)
