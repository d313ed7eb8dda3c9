"""reference:// to dicts, for tests and to try things out: nothing is kept."""

from stores.reference.audit import ReferenceAudit
from stores.reference.chats import ReferenceChats
from stores.reference.documents import ReferenceDocuments
from stores.reference.graph import ReferenceGraph
from stores.reference.keys import ReferenceKeys
from stores.reference.replies import ReferenceReplies
from stores.registry import StoreOptions, StoreSet


def build(url: str, options: StoreOptions) -> StoreSet:  # noqa: ARG001 - the shape of all builders
    """Return empty stores."""
    documents = ReferenceDocuments()
    return StoreSet(
        documents=documents,
        graph=ReferenceGraph(documents),
        chats=ReferenceChats(),
        keys=ReferenceKeys(),
        replies=ReferenceReplies(),
        audit=ReferenceAudit(),
    )
