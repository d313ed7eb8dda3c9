"""chromadb, persistent, one collection per owner, vectors handed in."""

from collections.abc import Sequence
from pathlib import Path

import chromadb
from chromadb.config import Settings
from harness.corpus import Memory, Question
from harness.embedding import PrecomputedEmbedder

from peers.protocol import Found

COSINE = {"hnsw": {"space": "cosine"}}
WAL_FORMAT = 2


class ChromaPeer:
    def __init__(self, embedder: PrecomputedEmbedder) -> None:
        del embedder
        self._collections: dict[str, chromadb.Collection] = {}

    async def open(self, path: Path) -> None:
        self._file = path / "chroma.sqlite3"
        settings = Settings(anonymized_telemetry=False)
        self._client = chromadb.PersistentClient(str(path), settings=settings)

    async def durability(self) -> str:
        # Its connection is inside the Rust core; only what the file itself says can be read from here.
        with self._file.open("rb") as file:
            wal = file.read(20)[18] == WAL_FORMAT
        return f"SQLite journal_mode={'wal' if wal else 'rollback journal'} (file header); HNSW segment files beside it"

    async def add(self, memory: Memory) -> str:
        return (await self.add_many([memory]))[0]

    async def add_many(self, memories: Sequence[Memory]) -> list[str]:
        ids = [str(memory.row) for memory in memories]
        self._collection(memories[0].owner).add(
            ids=ids,
            embeddings=[memory.vector for memory in memories],
            documents=[memory.content for memory in memories],
            metadatas=[
                {"speaker": m.speaker, "session_id": m.session_id, "occurred_at": m.occurred_at.isoformat()}
                for m in memories
            ],
        )
        return ids

    async def search_vector(self, question: Question, k: int) -> list[Found]:
        result = self._collection(question.owner).query(
            query_embeddings=[question.vector], n_results=k, include=["documents"]
        )
        return [Found(*pair) for pair in zip(result["ids"][0], (result["documents"] or [[]])[0], strict=True)]

    async def get(self, owner: str, memory_id: str) -> Found:
        return self._rows(self._collection(owner).get(ids=[memory_id], include=["documents"]))[0]

    async def seek(self, owner: str, number: int, size: int) -> object:
        del owner
        return (number - 1) * size

    async def page(self, owner: str, position: object, size: int) -> list[Found]:
        offset = position if isinstance(position, int) else 0
        return self._rows(self._collection(owner).get(limit=size, offset=offset, include=["documents"]))

    async def close(self) -> None:
        self._collections.clear()
        self._client.close()

    def _rows(self, result: chromadb.GetResult) -> list[Found]:
        return [Found(*pair) for pair in zip(result["ids"], result["documents"] or [], strict=True)]

    def _collection(self, owner: str) -> chromadb.Collection:
        collection = self._collections.get(owner)
        if collection is None:
            collection = self._client.get_or_create_collection(owner, embedding_function=None, configuration=COSINE)
            self._collections[owner] = collection
        return collection
