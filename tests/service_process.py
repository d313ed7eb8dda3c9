"""`context0 serve` as a process of its own, started as a user would."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

ROOT = Path(__file__).parents[1]
_END_S = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceProcess:
    """The running process and its address."""

    process: "subprocess.Popen[str]"
    url: str

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self, within_s: float = _END_S) -> int:
        """Return the exit code when it has ended."""
        return self.process.wait(timeout=within_s)


def command(*arguments: str, folder: Path, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run `context0 …` to its end."""
    whole = [sys.executable, "-m", "context0", *arguments]
    environment = _environment(folder, settings)
    return subprocess.run(whole, env=environment, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def key_for(user: str, folder: Path, *more: str, **settings: str) -> str:
    told = command("keys", "create", "--user", user, "--json", *more, folder=folder, **settings)
    assert told.returncode == 0, told.stderr
    key: str = orjson.loads(told.stdout)["key"]
    return key


@contextmanager
def serving(*arguments: str, folder: Path, **settings: str) -> Iterator[ServiceProcess]:
    """Run `context0 serve --port 0 …` until the block ends; settings become environment variables."""
    with (folder / "stderr").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "context0", "serve", "--port", "0", *arguments],
            env=_environment(folder, settings),
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("context0 serves http://"), (folder / "stderr").read_text()
            yield ServiceProcess(process=process, url=line.split()[-1])
        finally:
            process.kill()
            process.communicate()


def _environment(folder: Path, settings: Mapping[str, str]) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("CONTEXT0_")}
    ours = {f"CONTEXT0_{name.upper()}": value for name, value in settings.items()}
    return {**plain, "PYTHONPATH": str(ROOT), "CONTEXT0_DATA_DIR": str(folder), **ours}
