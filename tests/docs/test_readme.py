"""The README: its examples run, its commands work, its table of settings is current."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.settings_table import with_table
from tests.command_line import ROOT, CommandLine

README = (ROOT / "README.md").read_text("utf-8")
MAIN_JOB = "pip install . && context0 demo"
ALL_TESTS = 'pip install ".[dev]" && pytest'


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("source", blocks("python"))
def test_a_python_example_runs(source: str, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CONTEXT0_")}
    environment |= {"PYTHONPATH": str(ROOT), "CONTEXT0_DATA_DIR": str(tmp_path), "PYTHONWARNINGS": "error"}
    environment |= dict.fromkeys(("CONTEXT0_SLOW_OPERATION_MS", "CONTEXT0_SLOW_COMMAND_MS"), "60000")  # a busy machine
    run = subprocess.run(
        [sys.executable, "-c", source], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout


def test_the_first_page_names_exactly_two_commands_to_set_up() -> None:
    assert [block.strip() for block in blocks("bash") if "pip" in block] == [MAIN_JOB, ALL_TESTS]


def test_the_continuous_integration_runs_what_the_readme_says() -> None:
    commands = [line.strip() for line in (ROOT / ".ci" / "run").read_text("utf-8").splitlines()]
    for command in (MAIN_JOB, ALL_TESTS):
        assert any(command in line for line in commands if not line.startswith("#")), command


def test_every_command_of_the_readme_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    context0 = CommandLine(tmp_path, monkeypatch, capsys)
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    (block,) = (block for block in blocks("bash") if block.startswith("context0 "))
    for line in block.splitlines():
        name, *arguments = shlex.split(line)
        outcome = context0(*arguments)
        assert (name, outcome.code, outcome.err) == ("context0", 0, ""), line


def test_the_table_of_settings_is_current() -> None:
    assert with_table(README) == README, "run python scripts/settings_table.py"


def test_files_that_it_names_are_there() -> None:
    named = re.findall(r"\]\(([^):#]+)\)|`([\w./]+/[\w./]*)`", README)
    paths = {path for pair in named for path in pair if path}
    assert {"LICENSE", "CHANGELOG.md", "stores/registry.py"} <= paths
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []


def test_the_place_of_the_figures_is_marked() -> None:
    assert README.count("## Figures\n\n<!-- figures -->\n") == 1
