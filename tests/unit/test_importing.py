"""Lines out of the pieces in which they arrive."""

import time
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from context0.errors import InvalidInput
from context0.memory.importing import lines_in


async def arriving(pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def lines(pieces: Sequence[bytes], max_bytes: int = 1 << 20) -> list[tuple[int, bytes]]:
    return [line async for line in lines_in(arriving(pieces), max_bytes=max_bytes)]


@given(st.lists(st.binary(max_size=6).map(lambda text: text.replace(b"\r", b"\n")), max_size=12))
async def test_lines_are_the_same_wherever_the_pieces_end(pieces: list[bytes]) -> None:
    whole = b"".join(pieces).split(b"\n")
    expected = list(enumerate(whole if whole[-1] else whole[:-1], start=1))
    assert await lines(pieces) == expected


@pytest.mark.parametrize("pieces", [[b"a\n", b"bb", b"bb"], [b"a\nbbbb\nc"], [b"a\nbbbb"]])
async def test_a_line_that_is_too_long_is_named(pieces: list[bytes]) -> None:
    with pytest.raises(InvalidInput, match="more than 3 bytes") as caught:
        await lines(pieces, max_bytes=3)
    assert caught.value.field == "line 2"


async def test_a_line_in_very_small_pieces_takes_time_in_proportion_to_its_length() -> None:
    """S12: by the processor's time; twice the pieces took four times as long where each was put to all before it."""

    async def taken(count: int) -> float:
        started = time.process_time()
        await lines([b"x"] * count)
        return time.process_time() - started

    few, many = [min([await taken(count) for _ in range(3)]) for count in (50_000, 400_000)]
    assert many < 8 * 4 * few
