"""pinecone://index to the hosted vectors."""

from stores.pinecone.vectors import PineconeOptions, PineconeVectors
from stores.protocols import DocumentStore
from stores.registry import StoreOptions


def build(url: str, documents: DocumentStore, options: StoreOptions) -> PineconeVectors:  # noqa: ARG001 - the shape of all builders
    """Return the vectors of one index, unopened."""
    chosen = PineconeOptions(api_key=options.pinecone_api_key, observer=options.observer)
    return PineconeVectors.from_url(url, options=chosen)
