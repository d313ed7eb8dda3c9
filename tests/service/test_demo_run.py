"""The tour of the demo over a real engine on a file, offline."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from context0 import MemoryEngine, Settings
from context0.demo.render import show
from context0.demo.run import run_demo
from context0.errors import InvalidInput


def engine_at(folder: Path) -> MemoryEngine:
    return MemoryEngine(Settings(store_url=f"sqlite:///{folder / 'demo.db'}"))


async def test_the_tour_finds_what_was_said_and_leaves_nothing(tmp_path: Path) -> None:
    report = await run_demo(lambda: engine_at(tmp_path))
    assert report.written.memories == 94
    assert len(report.answers) == 10
    assert report.answered >= 6
    assert (report.pages.pages, report.pages.memories, report.pages.duplicates) == (5, 94, 0)
    assert [(version.version, "rosemary" in version.content) for version in report.history] == [(1, False), (2, True)]
    assert report.chat.success
    assert "at the Amalienbad.” (Ben, 19 September 2026)" in report.chat.answer
    assert report.erasure.clean
    assert report.ok


async def test_the_report_is_plain_data_and_can_be_shown(tmp_path: Path) -> None:
    report = await run_demo(lambda: engine_at(tmp_path))
    plain = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert plain["ok"] is True
    assert plain["erasure"]["clean"] is True
    assert all(memory["arms"] for answer in plain["answers"] for memory in answer["found"])
    shown = Console(file=io.StringIO(), width=100)
    show(report, shown)
    assert isinstance(shown.file, io.StringIO)
    text = shown.file.getvalue()
    assert all(answer.question in text for answer in report.answers)
    assert "nothing is left" in text


async def test_an_owner_with_memories_is_refused_and_keeps_them(tmp_path: Path) -> None:
    async with engine_at(tmp_path) as engine:
        await engine.add("I moved to Munich in May", user_id="demo")
    with pytest.raises(InvalidInput, match="'demo' has memories"):
        await run_demo(lambda: engine_at(tmp_path))
    async with engine_at(tmp_path) as engine:
        assert len((await engine.list(user_id="demo", limit=5)).items) == 1
