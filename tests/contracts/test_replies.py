"""What every store of replies does. D12."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from stores.records import Scope
from stores.reply_protocol import Reply, ReplyClaim, ReplyRecord, ReplyStore
from tests.contracts.builders import ANNA, NOW
from tests.contracts.reply_bench import REPLY_BACKENDS

HELD: Final = timedelta(seconds=10)
DAY: Final = timedelta(days=1)
FIRST: Final = ReplyClaim(id="a", scope=ANNA, fingerprint="asked", holder="first")
AGAIN: Final = replace(FIRST, holder="again")
BENS: Final = replace(FIRST, id="b", scope=Scope(owner="ben"))
REPLY: Final = Reply(status=201, body=b'{"id": "\xc3\xbc"}', headers={"location": "/v1/memories/1", "a.b": "$c"})


@pytest.fixture(params=REPLY_BACKENDS.values(), ids=REPLY_BACKENDS.keys())
async def replies(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ReplyStore]:
    async with request.param.open(tmp_path) as opened:
        yield opened


async def claimed(replies: ReplyStore, claim: ReplyClaim, at: datetime = NOW) -> ReplyRecord:
    return await replies.claim(claim, now=at, until=at + HELD, expires_at=at + DAY)


async def test_what_is_free_is_taken_and_what_is_taken_is_told(replies: ReplyStore) -> None:
    mine = ReplyRecord(fingerprint="asked", holder="first")
    assert await claimed(replies, FIRST) == mine
    assert await claimed(replies, AGAIN) == mine
    assert (await claimed(replies, BENS)).holder == "first", "of another owner"


async def test_a_reply_is_told_as_it_was_kept_until_its_time_is_over(replies: ReplyStore) -> None:
    await claimed(replies, FIRST)
    assert await replies.keep(FIRST, REPLY)
    late = NOW + DAY - timedelta(milliseconds=1)
    assert (await claimed(replies, AGAIN, late)).reply == REPLY
    assert (await claimed(replies, replace(AGAIN, fingerprint="other"), late)).fingerprint == "asked"
    assert await claimed(replies, AGAIN, NOW + DAY) == ReplyRecord(fingerprint="asked", holder="again")


async def test_of_many_who_claim_at_once_one_gets_it(replies: ReplyStore) -> None:
    claims = [replace(FIRST, holder=str(number)) for number in range(20)]
    told = await asyncio.gather(*(claimed(replies, claim) for claim in claims))
    assert len({record.holder for record in told}) == 1
    late = NOW + HELD
    again = await asyncio.gather(*(claimed(replies, replace(c, holder=f"late {c.holder}"), late) for c in claims))
    assert len({record.holder for record in again}) == 1
    assert again[0].holder.startswith("late")


async def test_what_a_holder_told_no_outcome_of_is_taken_over_by_the_same_request_only(replies: ReplyStore) -> None:
    await claimed(replies, FIRST)
    late = NOW + HELD
    assert (await claimed(replies, replace(AGAIN, fingerprint="other"), late)).holder == "first"
    assert await claimed(replies, AGAIN, late) == ReplyRecord(fingerprint="asked", holder="again")
    assert not await replies.keep(FIRST, REPLY), "the first one is late"
    assert not await replies.hold(FIRST, until=late + HELD)
    assert await replies.keep(AGAIN, REPLY)
    assert await claimed(replies, FIRST, late) == ReplyRecord(fingerprint="asked", holder="again", reply=REPLY)


async def test_what_is_held_for_longer_is_not_taken_over(replies: ReplyStore) -> None:
    await claimed(replies, FIRST)
    assert await replies.hold(FIRST, until=NOW + 2 * HELD)
    assert (await claimed(replies, AGAIN, NOW + HELD)).holder == "first"
    assert (await claimed(replies, AGAIN, NOW + 2 * HELD)).holder == "again"


async def test_what_is_released_is_free_and_what_was_kept_stays(replies: ReplyStore) -> None:
    await claimed(replies, FIRST)
    await replies.release(AGAIN)
    assert (await claimed(replies, AGAIN)).holder == "first"
    await replies.release(FIRST)
    assert await claimed(replies, AGAIN) == ReplyRecord(fingerprint="asked", holder="again")
    await replies.keep(AGAIN, REPLY)
    await replies.release(AGAIN)
    assert (await claimed(replies, FIRST)).reply == REPLY


async def test_an_owner_is_erased_and_late_replies_do_not_come_back(replies: ReplyStore) -> None:
    for claim in (FIRST, BENS, replace(FIRST, id="c")):
        await claimed(replies, claim)
    assert await replies.count(ANNA) == 2
    assert await replies.erase(ANNA) == 2
    assert not await replies.keep(FIRST, REPLY)
    assert [await replies.count(scope) for scope in (ANNA, BENS.scope)] == [0, 1]


async def test_what_is_over_is_swept(replies: ReplyStore) -> None:
    await claimed(replies, FIRST)
    await replies.keep(FIRST, REPLY)
    await claimed(replies, BENS, NOW + HELD)
    assert await replies.sweep(now=NOW + DAY) == 1
    assert [await replies.count(scope) for scope in (ANNA, BENS.scope)] == [0, 1]
