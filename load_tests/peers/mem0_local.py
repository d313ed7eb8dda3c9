"""mem0 with `infer=False`: no LLM, a local vector store (qdrant or faiss) and its history database."""

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from harness.corpus import Memory, Question
from harness.embedding import DIMENSION, PrecomputedEmbedder
from mem0 import Memory as Mem0
from mem0.configs.llms.base import BaseLlmConfig
from mem0.embeddings.base import EmbeddingBase
from mem0.utils.factory import EmbedderFactory, LlmFactory

from peers.bare import asked_durability
from peers.protocol import Found

COLLECTION = "memories"
PROVIDER = "langchain"  # a name that mem0's validation knows; what stands behind it is ours, so no key and no network


class LookupEmbedding(EmbeddingBase):
    """mem0's embedder interface over the precomputed vectors, which are put in after construction."""

    vectors: PrecomputedEmbedder

    def embed(self, text: str, memory_action: str | None = None) -> list[float]:
        del memory_action
        return self.vectors(text)


class NoLanguageModel:
    """Stands where mem0 wants a model; with `infer=False` it is never asked."""

    def __init__(self, config: BaseLlmConfig | None = None) -> None:
        del config


class Mem0Peer:
    provider: str
    store_settings: dict[str, object]

    def __init__(self, embedder: PrecomputedEmbedder) -> None:
        self._embedder = embedder
        EmbedderFactory.provider_to_class[PROVIDER] = f"{__name__}.LookupEmbedding"
        LlmFactory.register_provider(PROVIDER, f"{__name__}.NoLanguageModel", BaseLlmConfig)

    async def open(self, path: Path) -> None:
        store = {"collection_name": COLLECTION, "path": str(path / "vectors"), "embedding_model_dims": DIMENSION}
        self._memory = Mem0.from_config(
            {
                "vector_store": {"provider": self.provider, "config": {**store, **self.store_settings}},
                "embedder": {"provider": PROVIDER, "config": {"embedding_dims": DIMENSION}},
                "llm": {"provider": PROVIDER, "config": {}},
                "history_db_path": str(path / "history.db"),
            }
        )
        self._memory.embedding_model.vectors = self._embedder

    async def durability(self) -> str:
        return f"history: {asked_durability(self._memory.db.connection)}; {self._store_durability()}"

    async def add(self, memory: Memory) -> str:
        return self._add([memory])[0]

    async def add_many(self, memories: Sequence[Memory]) -> list[str]:
        # One call carries one metadata record, so a call is a session, as an application would make it.
        sessions = groupby(memories, key=attrgetter("session_id"))
        return [memory_id for _, turns in sessions for memory_id in self._add(list(turns))]

    async def search_vector(self, question: Question, k: int) -> list[Found]:
        found = self._memory.search(question.text, top_k=k, filters={"user_id": question.owner}, threshold=0.0)
        return _rows(found["results"])

    async def get(self, owner: str, memory_id: str) -> Found:
        del owner
        return _rows([self._memory.get(memory_id)])[0]

    async def seek(self, owner: str, number: int, size: int) -> object:
        del owner
        return (number - 1) * size

    async def page(self, owner: str, position: object, size: int) -> list[Found]:
        offset = position if isinstance(position, int) else 0
        listed = self._memory.get_all(filters={"user_id": owner}, top_k=offset + size)
        return _rows(listed["results"][offset:])

    async def close(self) -> None:
        self._memory.close()

    def _add(self, memories: Sequence[Memory]) -> list[str]:
        first = memories[0]
        added = self._memory.add(
            [{"role": "user", "content": memory.content, "name": memory.speaker} for memory in memories],
            user_id=first.owner,
            metadata={"session_id": first.session_id, "occurred_at": first.occurred_at.isoformat()},
            infer=False,
        )
        return [row["id"] for row in added["results"]]

    def _store_durability(self) -> str:
        raise NotImplementedError


class Mem0QdrantPeer(Mem0Peer):
    provider = "qdrant"
    store_settings = {"on_disk": True}  # noqa: RUF012 - never changed

    def _store_durability(self) -> str:
        collections = attrgetter("_client.collections")(self._memory.vector_store.client)
        return f"qdrant: {asked_durability(collections[COLLECTION].storage.storage)}"

    async def close(self) -> None:
        self._memory.vector_store.client.close()
        await super().close()


class Mem0FaissPeer(Mem0Peer):
    provider = "faiss"
    store_settings = {"distance_strategy": "cosine"}  # noqa: RUF012 - never changed

    def _store_durability(self) -> str:
        return "faiss: the index and its JSON are rewritten in place on each add, without fsync"


def _rows(rows: Sequence[dict[str, str]]) -> list[Found]:
    return [Found(row["id"], row["memory"]) for row in rows]
