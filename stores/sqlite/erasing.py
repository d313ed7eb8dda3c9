"""Who was erased, in the same file: noted in the commit that erases, looked up in the commit of each late write."""

import time
from collections.abc import Iterable

import apsw

from stores.lateness import digest_of, is_late, refusal
from stores.sqlite.rows import as_json, query


def note(owner: str, connection: apsw.Connection) -> None:
    """Remember that the owner is erased by this commit."""
    sql = (
        "INSERT INTO erasures VALUES (?, 1, ?)"
        " ON CONFLICT DO UPDATE SET number = number + 1, erased_s = excluded.erased_s"
    )
    connection.execute(sql, (digest_of(owner), time.time()))


def begun_before(owner: str, begun_s: float | None, connection: apsw.Connection) -> bool:
    """Say whether the owner was erased after that moment."""
    if begun_s is None:
        return False
    erased_s = connection.execute("SELECT erased_s FROM erasures WHERE owner = ?", (digest_of(owner),)).get
    return is_late(begun_s, erased_s, time.time())


def erased(owners: Iterable[str], connection: apsw.Connection) -> dict[str, float]:
    """Return when those owners were erased who were."""
    digests = {digest_of(owner): owner for owner in owners}
    sql = "SELECT owner, erased_s FROM erasures WHERE owner IN (SELECT value FROM json_each(?))"
    return {digests[digest]: erased_s for digest, erased_s in query(connection, sql, (as_json(digests),))}


def refuse_late(owner: str, begun_s: float | None, connection: apsw.Connection) -> None:
    """Raise Erased for what was begun before the owner was erased."""
    if begun_before(owner, begun_s, connection):
        raise refusal()


def within(seconds: float, connection: apsw.Connection) -> frozenset[tuple[str, int]]:
    sql = "SELECT owner, number FROM erasures WHERE erased_s >= ?"
    return frozenset(query(connection, sql, (time.time() - seconds,)))
