"""How a query of `queries` is asked: one find, one reply wherever 16 MB suffice."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, TypeVar

from stores.mongo.client import MongoDatabase, Row
from stores.mongo.queries import Query

_GivenT = TypeVar("_GivenT")
_MadeT = TypeVar("_MadeT")
_SLICE: Final = 64
"""So many documents are encoded or decoded in about a millisecond; then others get their turn."""


async def find(query: Query, database: MongoDatabase) -> list[Row]:
    """Return all that the query finds. One round trip, and one more for every 16 MB. Raises Unavailable."""
    with database.calls():
        cursor = database.collection(query.collection).find(
            query.filter,
            query.projection,
            sort=list(query.sort) or None,
            limit=query.limit,
            batch_size=query.batch,
        )
        return await cursor.to_list(None)


async def each(function: Callable[[_GivenT], _MadeT], items: Sequence[_GivenT]) -> list[_MadeT]:
    """Return `function` of each item; other tasks run between slices of them."""
    made: list[_MadeT] = []
    for start in range(0, len(items), _SLICE):
        if start:
            await asyncio.sleep(0)
        made += map(function, items[start : start + _SLICE])
    return made


async def batches(first: Query, after: Callable[[Row], Query], database: MongoDatabase) -> AsyncIterator[list[Row]]:
    """Yield batch after batch, each from a find of its own that starts behind the last row of the one before.

    So a slow consumer holds no cursor open, and an election between two batches is not noticed.
    """
    query = first
    while rows := await find(query, database):
        yield rows
        if len(rows) < query.limit:
            return
        query = after(rows[-1])
