"""Builds the graph of an owner's vectors and tells each step, until it is killed: `python -m … FOLDER`."""

import asyncio
import sys
from pathlib import Path

from stores.sqlite.database import SqliteDatabase
from stores.sqlite.documents import SqliteDocuments
from tests.contracts.builders import ANNA
from tests.local_vectors import local_vectors


async def main(folder: Path) -> None:
    documents = SqliteDocuments(SqliteDatabase(folder / "context0.db"))
    await documents.open()
    store = local_vectors(documents, folder / "vectors")
    await store.build(ANNA, lambda done, of: print(done, of, flush=True))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
