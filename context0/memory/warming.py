"""What a first search would wait for, prepared while the store is read."""

from contextlib import suppress

from context0.embeddings.protocol import Embedder
from context0.errors import Context0Error
from context0.memory.rules.terms import analyse_terms
from stores.blocking import in_thread


async def warm_up(embedder: Embedder) -> None:
    """Load the word stemmer, and a local embedding model; what fails here fails again when it is used."""
    await in_thread(analyse_terms, "warming")
    if embedder.local:
        with suppress(Context0Error):
            await embedder.embed([])
