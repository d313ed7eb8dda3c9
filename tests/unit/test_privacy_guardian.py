"""B1, B5, B9, S14, S16: the guardian of a turn: what it masks, what it remembers, and what holds when it fails."""

import asyncio
import json
import re
from datetime import UTC, datetime
from typing import Final

import pytest

from context0.agents.base import Agent, Turn
from context0.agents.privacy_guardian import WITHHELD, PrivacyGuardian
from context0.errors import InvalidInput
from context0.privacy.report import PRIVACY_MODES, PrivacyMode
from context0.privacy.scanning import WINDOW_CHARACTERS
from stores.records import Scope

TEXT: Final = "I am Jo, jo@example.com, and my password is canary77."


def turn_of(text: str, mode: PrivacyMode = "normal") -> Turn:
    return Turn(
        id="t1",
        scope=Scope(owner="anna"),
        session_id=None,
        text=text,
        asked_at=datetime(2024, 5, 1, tzinfo=UTC),
        mode=mode,
    )


def remembered(guardian: PrivacyGuardian) -> int:
    return len(guardian._scans)


def test_it_is_an_agent_with_a_name_and_a_deadline() -> None:
    agent: Agent = PrivacyGuardian(deadline_s=0.1)
    assert (agent.name, agent.deadline_s) == ("privacy_guardian", 0.1)


@pytest.mark.parametrize("mode", [mode for mode in PRIVACY_MODES if mode != "redact"])
async def test_it_reports_and_leaves_the_text_alone_unless_it_is_to_mask(mode: PrivacyMode) -> None:
    turn = await PrivacyGuardian().run(turn_of(TEXT, mode))
    assert turn.text == TEXT
    assert turn.privacy is not None
    assert dict(turn.privacy.found) == {"email": 1, "password": 1}
    assert (turn.privacy.mode, turn.privacy.masked, turn.privacy.checked) == (mode, False, True)


async def test_redact_masks_the_text_before_anything_else_sees_it() -> None:
    turn = await PrivacyGuardian().run(turn_of(TEXT, "redact"))
    assert turn.text == "I am Jo, [email], and my password is [password]."
    assert turn.privacy is not None
    assert turn.privacy.masked
    assert turn.privacy.writes_memory
    assert "canary77" not in json.dumps(turn.privacy.to_json())
    assert "canary77" not in repr(turn)


async def test_redact_says_so_when_there_was_nothing_to_mask() -> None:
    turn = await PrivacyGuardian().run(turn_of("I like tea", "redact"))
    assert (turn.text, turn.privacy is not None and turn.privacy.masked) == ("I like tea", False)


async def test_a_repeated_message_is_looked_through_once() -> None:
    guardian = PrivacyGuardian()
    first = await guardian.run(turn_of(TEXT))
    again = await guardian.run(turn_of(TEXT))
    assert first.privacy == again.privacy
    assert remembered(guardian) == 1


async def test_what_is_remembered_is_a_digest_and_places_never_text() -> None:
    guardian = PrivacyGuardian()
    await guardian.run(turn_of(TEXT))
    ((key, scan),) = guardian._scans.items()
    assert len(key) == 32
    assert "canary77" not in repr(scan)


async def test_a_message_off_the_record_leaves_no_trace_in_any_cache() -> None:
    guardian = PrivacyGuardian()
    await guardian.run(turn_of(TEXT, "off_record"))
    assert remembered(guardian) == 0
    assert "canary77" not in repr(vars(guardian))
    assert not any("canary77" in str(key) for key in re._cache)  # type: ignore[attr-defined]  # a cache like any other


async def test_a_message_off_the_record_is_not_even_looked_up() -> None:
    guardian = PrivacyGuardian(max_cached_findings=6)
    await guardian.run(turn_of(TEXT))
    await guardian.run(turn_of("second"))
    await guardian.run(turn_of(TEXT, "off_record"))  # had it been looked up, it would be the youngest again
    await guardian.run(turn_of("third"))
    await guardian.run(turn_of("a@example.com"))
    assert weights(guardian) == [1, 1, 2]


def weights(guardian: PrivacyGuardian) -> list[int]:
    return sorted(1 + len(scan.findings) for scan in guardian._scans.values())


async def test_what_it_remembers_is_bounded_by_findings_and_not_by_messages_alone() -> None:
    guardian = PrivacyGuardian(max_cached_findings=50)
    await guardian.run(turn_of("write to a@example.com " * 60))
    assert remembered(guardian) == 0
    for number in range(100):
        await guardian.run(turn_of(f"message {number}"))
    assert remembered(guardian) == 50


@pytest.mark.parametrize("text", ["", "\ud800 lone", "nul \x00 inside", "é" * 10])
async def test_odd_text_passes_as_it_is(text: str) -> None:
    assert (await PrivacyGuardian().run(turn_of(text, "redact"))).text == text


async def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(InvalidInput, match="must be one of"):
        await PrivacyGuardian().run(turn_of(TEXT, "redacted"))  # type: ignore[arg-type]  # what the rule is about


async def test_a_long_message_lets_everything_else_have_its_turn() -> None:
    turns, ended = 0, False

    async def other() -> None:
        nonlocal turns
        while not ended:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    await PrivacyGuardian().run(turn_of("we went to the market " * 2_000))
    ended = True
    await beside
    assert turns >= 2_000 * 22 // WINDOW_CHARACTERS


async def test_a_long_message_can_be_given_up_and_leaves_nothing_behind() -> None:
    guardian = PrivacyGuardian()
    work = asyncio.create_task(guardian.run(turn_of("we went to the market " * 2_000)))
    await asyncio.sleep(0)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert remembered(guardian) == 0


@pytest.mark.parametrize("mode", ["normal", "read_only", "off_record"])
def test_when_it_fails_the_turn_is_off_the_record(mode: PrivacyMode) -> None:
    turn = PrivacyGuardian().fallback(turn_of(TEXT, mode), "timeout")
    assert (turn.mode, turn.text, turn.found, turn.history) == ("off_record", TEXT, None, ())
    assert turn.failures == {"privacy_guardian": "timeout"}
    assert turn.privacy is not None
    told = turn.privacy.to_json()
    nothing = ("uses_memory", "uses_history", "stores_messages", "writes_memory", "checked", "withheld")
    assert [told[name] for name in nothing] == [False] * 6


@pytest.mark.parametrize("mode", ["redact", "redacted"])
def test_when_it_fails_a_text_that_was_to_be_masked_is_withheld(mode: str) -> None:
    turn = PrivacyGuardian().fallback(turn_of(TEXT, mode), "error")  # type: ignore[arg-type]  # unknown ones too
    assert turn.text == WITHHELD
    assert turn.privacy is not None
    assert turn.privacy.withheld
    assert not turn.privacy.writes_memory
    assert "canary77" not in repr(turn)


async def test_a_turn_that_was_checked_stays_checked_when_something_fails_later() -> None:
    guardian = PrivacyGuardian()
    checked = await guardian.run(turn_of(TEXT, "redact"))
    later = guardian.fallback(checked, "late")
    assert (later.text, later.mode, later.privacy) == (checked.text, "redact", checked.privacy)
