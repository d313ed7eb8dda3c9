"""Cursors, keys and tokens, changed in every way that somebody without the secret can: none is taken. S8, S13.

python -m tests.faults.rows S8 --count 100000
"""

import asyncio
import base64
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import jwt
import orjson

from context0.api.keys import KeyRing, new_key
from context0.api.tokens import TokenRules, Tokens
from stores.cursors import MAX_AGE, CursorCodec, CursorContext
from stores.errors import InvalidCursor
from stores.reference.keys import ReferenceKeys
from tests.contracts.builders import NOW
from tests.faults.rows.outcome import Outcome, RowOptions

if TYPE_CHECKING:
    from context0.api.caller import Caller

CHARACTERS: Final = "abcXYZ019-_.=+/ \0é"
SECRET: Final = "a secret of more than thirty-two bytes"
HERS: Final = CursorContext(kind="list", owner="anna", query={"limit": 20})
OTHERS: Final = (
    replace(HERS, owner="ben"),
    replace(HERS, owner="anna "),
    replace(HERS, kind="search"),
    replace(HERS, query={"limit": 21}),
    replace(HERS, query={"limit": 20, "filters": {"speaker": "Ben"}}),
    replace(HERS, query=None),
)


def cursors(options: RowOptions) -> Outcome:
    """Change cursors and take them elsewhere."""
    source, codec = random.Random(options.seed), CursorCodec(b"s" * 32)
    stolen = CursorCodec(b"t" * 32)
    counts: Counter[str] = Counter({"accepted": 0})
    for forged, kind in _forged_cursors(source, codec, stolen, options.count):
        counts[kind] += 1
        counts["forgeries"] += 1
        try:
            codec.decode(forged, HERS, now=NOW)
        except InvalidCursor:
            continue
        counts["accepted"] += 1
    return Outcome.of(dict(counts), "accepted")


def _forged_cursors(
    source: random.Random, codec: CursorCodec, stolen: CursorCodec, count: int
) -> Iterator[tuple[str, str]]:
    kinds: Mapping[str, Callable[[list[Any]], str]] = {
        "another owner's, query's or kind's": lambda keyset: codec.encode(keyset, source.choice(OTHERS), now=NOW),
        "another secret's": lambda keyset: stolen.encode(keyset, HERS, now=NOW),
        "expired": lambda keyset: codec.encode(
            keyset, HERS, now=NOW - MAX_AGE - timedelta(seconds=source.randint(1, 9))
        ),
        "spliced": lambda keyset: _spliced(
            codec.encode(keyset, HERS, now=NOW), codec.encode([*keyset, 1], source.choice(OTHERS), now=NOW), source
        ),
    }
    for number in range(count):
        keyset = [source.randrange(1 << 45), f"{source.randrange(1 << 60):x}"]
        if number % 5 == 4:
            kind = source.choice(sorted(kinds))
            yield kinds[kind](keyset), kind
        else:
            genuine = codec.encode(keyset, HERS, now=NOW)
            yield changed(genuine, source), "changed"


def _spliced(one: str, other: str, source: random.Random) -> str:
    place = source.randrange(1, len(one))
    return one[:place] + other[place:]


def changed(text: str, source: random.Random) -> str:
    """Return the text with a bit flipped, cut, grown, turned around or with other characters; never as it was."""
    told, place = text, source.randrange(len(text))
    while told == text:
        place = source.randrange(len(text))
        match source.randrange(6):
            case 0:
                told = f"{text[:place]}{chr(ord(text[place]) ^ (1 << source.randrange(7)))}{text[place + 1 :]}"
            case 1:
                told = f"{text[:place]}{source.choice(CHARACTERS)}{text[place + 1 :]}"
            case 2:
                told = text[:place]
            case 3:
                told = f"{text[:place]}{source.choice(CHARACTERS)}{text[place:]}"
            case 4:
                told = text[:place] + text[place + 1 :]
            case _:
                told = text[place:] + text[:place]
    return told


def credentials(options: RowOptions) -> Outcome:
    """Change keys and tokens, and make some up."""
    return asyncio.run(_credentials(options))


async def _credentials(options: RowOptions) -> Outcome:
    source, store = random.Random(options.seed), ReferenceKeys()
    keys = [await _key(store, user) for user in ("anna", "ben")]
    revoked = await _key(store, "carla")
    await store.revoke([revoked.split("_")[1]], now=NOW)
    ring = KeyRing(store, cache_s=0.0)
    tokens = Tokens(TokenRules(secret=SECRET, audience="context0"))
    for genuine, check in ((keys[0], ring.caller_of), (signed(), tokens.caller_of)):
        caller = await check(genuine)
        if caller is None or caller.owner != "anna" or caller.operator:
            return Outcome(counts={"forgeries": 0}, broken=("a genuine credential is refused: nothing was tested",))
    counts: Counter[str] = Counter({"accepted": 0})
    ways: Sequence[tuple[str, Callable[[], str], Callable[[str], Awaitable[Caller | None]]]] = (
        ("changed keys", lambda: changed(source.choice(keys), source), ring.caller_of),
        ("spliced keys", lambda: _mixed_key(keys, source), ring.caller_of),
        ("revoked keys", lambda: revoked, ring.caller_of),
        ("changed tokens", lambda: _changed_token(source), tokens.caller_of),
        ("spliced tokens", lambda: _mixed_token(source), tokens.caller_of),
        ("tokens of another claim, algorithm or secret", lambda: _wrong_token(source), tokens.caller_of),
    )
    for number in range(options.count):
        kind, forge, check = ways[number % len(ways)]
        counts[kind] += 1
        counts["forgeries"] += 1
        counts["accepted"] += await check(forge()) is not None
    return Outcome.of(dict(counts), "accepted")


async def _key(store: ReferenceKeys, user: str) -> str:
    key, held = new_key(user, now=NOW)
    await store.put(held)
    return key


def _mixed_key(keys: Sequence[str], source: random.Random) -> str:
    """One's public part with the other's secret, or with no more than a part of it."""
    (_, one, _), (_, _, other) = keys[0].split("_", 2), keys[1].split("_", 2)
    return f"c0_{one}_{other[: source.randrange(len(other) + 1)]}"


def claims(**more: Any) -> dict[str, Any]:
    told = {"sub": "anna", "aud": "context0", "exp": time.time() + 300, **more}
    return {name: value for name, value in told.items() if value is not None}


def signed(secret: str = SECRET, algorithm: str = "HS256", headers: Any = None, **more: Any) -> str:
    return jwt.encode(claims(**more), secret, algorithm, headers)


def _changed_token(source: random.Random) -> str:
    """Return a token that is another one: the last character of a part has bits that mean nothing."""
    genuine = signed()
    while _bytes_of(told := changed(genuine, source)) == _bytes_of(genuine):
        pass
    return told


def _bytes_of(token: str) -> list[bytes] | str:
    try:
        return [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split(".")]
    except ValueError:
        return token


def _mixed_token(source: random.Random) -> str:
    """Parts of several tokens, at least one of another."""
    hers, bens = signed().split("."), signed(sub="ben", scope="operator").split(".")
    taken = source.choice([(0, 1, 0), (1, 1, 0), (0, 0, 1), (1, 0, 1)])
    if taken[1] == taken[2]:
        return ".".join((hers[0], bens[1], hers[2]))
    return ".".join((hers, bens)[which][at] for at, which in enumerate(taken))


def _wrong_token(source: random.Random) -> str:
    now = datetime.now(UTC)
    match source.randrange(8):
        case 0:
            return signed(exp=now - timedelta(seconds=source.randint(31, 9_999)))
        case 1:
            return signed(nbf=now + timedelta(seconds=source.randint(60, 9_999)))
        case 2:
            return signed(aud=source.choice([None, "context1", "", ["a", "b"]]))
        case 3:
            return signed(source.choice(["secret", "changeme", "", "x" * 32]) or "y")
        case 4:
            return signed(SECRET * 2, algorithm=source.choice(["HS384", "HS512"]))
        case 5:
            return signed(source.choice([SECRET[:-1], SECRET + " ", SECRET.upper()]))
        case 6:
            return signed(sub=source.choice([None, "", " ", "a\0b", "x" * 300]))
    return _unsigned(source.choice(["none", "None", "NONE", "nOnE", "HS256", "RS256", "ES256", None, ["HS256"], ""]))


def _unsigned(algorithm: Any) -> str:
    parts = ({"alg": algorithm, "typ": "JWT"}, claims())
    return ".".join(base64.urlsafe_b64encode(orjson.dumps(part)).rstrip(b"=").decode() for part in parts) + "."
