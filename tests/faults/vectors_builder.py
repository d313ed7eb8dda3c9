"""Writes an owner's vectors to their files until it is killed: `python -m … FOLDER`.

It tells each step, and goes on when it is given a line: so it cannot be done before the kill, however fast it is.
"""

import asyncio
import sys
from pathlib import Path

from stores.sqlite import documents as sqlite_documents
from stores.sqlite.database import SqliteDatabase
from stores.sqlite.documents import SqliteDocuments
from tests.contracts.builders import ANNA
from tests.local_vectors import local_vectors

ROWS_AT_ONCE = 300


async def main(folder: Path) -> None:
    sqlite_documents._SCAN_ROWS = ROWS_AT_ONCE  # type: ignore[misc]  # so that there are many steps
    documents = SqliteDocuments(SqliteDatabase(folder / "context0.db"))
    await documents.open()
    store = local_vectors(documents, folder / "vectors")

    def tell(done: int, of: int) -> None:
        print(done, of, flush=True)
        sys.stdin.readline()

    await store.build(ANNA, tell)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
