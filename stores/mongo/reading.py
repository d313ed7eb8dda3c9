"""How a query of `queries` is asked: one find, one reply wherever 16 MB suffice."""

from collections.abc import AsyncIterator, Callable

from stores.mongo.client import MongoDatabase, Row
from stores.mongo.queries import Query


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
