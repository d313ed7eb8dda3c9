"""reference:// to dicts, for tests and to try things out: nothing is kept."""

from stores.reference.documents import ReferenceDocuments
from stores.reference.graph import ReferenceGraph
from stores.registry import StoreOptions


def build(url: str, options: StoreOptions) -> tuple[ReferenceDocuments, ReferenceGraph]:  # noqa: ARG001 - the shape of all builders
    """Return empty stores."""
    documents = ReferenceDocuments()
    return documents, ReferenceGraph(documents)
