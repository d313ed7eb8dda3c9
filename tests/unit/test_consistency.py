"""Consistency tokens: signed for their owner, ordered within their process, kept by the client. S8."""

import base64
import random
from datetime import timedelta

import pytest

from context0.errors import InvalidConsistencyToken
from context0.memory.consistency import MOST_TOKENS, Consistency
from context0.sdk.consistency import HEADER, SeenWrites
from context0.sdk.requests import Answer
from tests.contracts.builders import ANNA, BEN, NOW

KEY = bytes(range(32))
MUTATIONS = 20_000


def armed(key: bytes = KEY) -> Consistency:
    made = Consistency()
    made.arm(key)
    return made


def token_of(process: Consistency, changes: int = 1) -> str:
    for _ in range(changes):
        process.changed(ANNA, NOW)
    told = process.token(ANNA)
    assert told is not None
    return told


def test_a_process_names_what_it_has_written_of_each_owner() -> None:
    writer = armed()
    assert writer.token(ANNA) is None
    first, second = token_of(writer), token_of(writer)
    assert first != second
    assert (writer.token(ANNA), writer.token(BEN)) == (second, None)


def test_what_was_seen_once_covers_all_that_its_process_wrote_before() -> None:
    writer, reader = armed(), armed()
    first, second, third = (token_of(writer) for _ in range(3))
    assert writer.unseen(third, ANNA) == []
    [claim] = reader.unseen(second, ANNA)
    assert claim.since_ms == NOW.timestamp() * 1000
    reader.saw([claim], ANNA)
    assert (reader.unseen(second, ANNA), reader.unseen(first, ANNA)) == ([], [])
    assert len(reader.unseen(f"{first}, {third}", ANNA)) == 1
    reader.saw(reader.unseen(third, ANNA), ANNA)
    assert reader.unseen(f"{first},{second},{third}", ANNA) == []


def test_a_token_of_another_owner_or_store_or_one_that_was_changed_is_refused() -> None:
    """S8"""
    writer, reader = armed(), armed()
    good = token_of(writer, 9)
    chance = random.Random(7)
    for other in (good.upper(), f"{good}=", f" {good}x", "", ".", "..", "1.2.3.é", "a.1.2." + "A" * 22, good * 5):
        with pytest.raises(InvalidConsistencyToken):
            reader.unseen(other, ANNA)
    with pytest.raises(InvalidConsistencyToken):
        reader.unseen(good, BEN)
    with pytest.raises(InvalidConsistencyToken):
        armed(bytes(32)).unseen(good, ANNA)
    with pytest.raises(InvalidConsistencyToken, match="at most"):
        reader.unseen(",".join([good] * (MOST_TOKENS + 1)), ANNA)
    forged = 0
    signature = base64.urlsafe_b64decode(good.rpartition(".")[2] + "==")
    for _ in range(MUTATIONS):
        place = chance.randrange(len(good))
        changed = good[:place] + chance.choice("abcdef0123456789.-_XYZ") + good[place + 1 :]
        if changed == good or base64.urlsafe_b64decode(changed.rpartition(".")[2][:22].ljust(22, "A") + "==") == (
            signature if changed.rpartition(".")[0] == good.rpartition(".")[0] else b""
        ):
            continue
        try:
            reader.unseen(changed, ANNA)
        except InvalidConsistencyToken:
            forged += 1
        else:
            raise AssertionError(changed)
    assert forged > MUTATIONS * 0.8


def answer(token: str | None, status: int = 200, body: bytes = b"") -> Answer:
    return Answer(status=status, headers={} if token is None else {HEADER: token}, body=body)


def test_a_client_sends_the_latest_of_each_process_and_nothing_before_it_was_told() -> None:
    first, second = armed(), armed()
    seen = SeenWrites()
    assert seen.headers() == {}
    old, new, other = token_of(first), token_of(first), token_of(second)
    for token in (new, None, old, other, "nonsense", "x.y.z"):
        seen.take(answer(token))
    told = seen.headers()[HEADER].split(",")
    assert sorted(told) == sorted([new, other])
    assert len(armed().unseen(",".join(told), ANNA)) == 2


def test_a_client_keeps_those_of_eight_processes_and_forgets_what_the_service_refuses() -> None:
    seen = SeenWrites()
    tokens = [token_of(armed()) for _ in range(20)]
    for token in tokens:
        seen.take(answer(token))
    assert seen.headers()[HEADER].split(",") == tokens[-8:]
    seen.take(answer(None, 400, b'{"error": {"code": "invalid_input"}}'))
    assert seen.headers()
    seen.take(answer(None, 400, b'{"error": {"code": "invalid_consistency_token"}}'))
    assert seen.headers() == {}


def test_only_so_many_processes_are_remembered_as_seen() -> None:
    reader = armed()
    tokens = [token_of(armed()) for _ in range(100)]
    for token in tokens:
        reader.saw(reader.unseen(token, ANNA), ANNA)
    assert reader.unseen(tokens[-1], ANNA) == []
    assert len(reader.unseen(tokens[0], ANNA)) == 1
    assert len(reader._seen[ANNA.owner]) == 32


def test_a_change_tells_its_time() -> None:
    writer = armed()
    writer.changed(ANNA, NOW - timedelta(seconds=5))
    [claim] = armed().unseen(writer.token(ANNA) or "", ANNA)
    assert claim.since_ms == (NOW - timedelta(seconds=5)).timestamp() * 1000
