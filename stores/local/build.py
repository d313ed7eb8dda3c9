"""local:// to the vectors in memory."""

from stores.local.sizes import Sizes
from stores.local.vectors import LocalVectors
from stores.protocols import DocumentStore
from stores.registry import StoreOptions


def build(url: str, documents: DocumentStore, options: StoreOptions) -> LocalVectors:  # noqa: ARG001 - the shape of all builders
    """Return the vectors that follow `documents`."""
    return LocalVectors(
        documents,
        folder=options.vector_folder,
        max_bytes=options.vector_max_bytes,
        sizes=Sizes(files_from=options.vector_files_from),
        staleness_s=options.staleness_s,
    )
