"""Starts a language model on loopback, a service and locust, and prints one table.

    python -m load_tests.service.run --users 500 --seconds 60 --json load.json

Exit status 1 when locust misses a threshold, or the service ends badly.
"""

import argparse
import csv
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx

ROOT: Final = Path(__file__).parents[2]
_READY_S: Final = 60.0
_ENDING_S: Final = 30.0
_COLUMNS: Final = {
    "Request Count": "requests",
    "Failure Count": "failures",
    "Requests/s": "per_s",
    "50%": "p50_ms",
    "95%": "p95_ms",
    "99%": "p99_ms",
}


def main() -> int:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder, _model() as model_url, _service(model_url, Path(folder)) as service:
        url, secret, process = service
        before = _performance(url, secret)
        code, rows = _locust(url, secret, arguments, Path(folder))
        told = {
            "users": arguments.users,
            "seconds": arguments.seconds,
            "rows": rows,
            "service": {
                **_performance(url, secret),
                "rss_mb": _rss_mb(process.pid),
                "rss_mb_before": before.get("rss_mb"),
            },
        }
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(told, indent=2), "utf-8")
    _print(told)
    return code


@contextmanager
def _model() -> Iterator[str]:
    """Run the loopback model: 300 ms to the first token, 20 tokens at 20 ms."""
    command = [sys.executable, "-m", "tests.loopback_llm", "--port", "0", "--first-token-ms", "300", "--tokens", "20"]
    with _running([*command, "--interval-ms", "20"], {}, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()


@contextmanager
def _service(model_url: str, folder: Path) -> Iterator[tuple[str, str, "subprocess.Popen[str]"]]:
    secret, port = secrets.token_hex(32), _free_port()
    environment = {
        "CONTEXT0_DATA_DIR": str(folder),
        "CONTEXT0_STORE_URL": f"sqlite:///{folder}/load.db",
        "CONTEXT0_JWT_SECRET": secret,
        "CONTEXT0_LLM_PROVIDER": "openai",
        "CONTEXT0_LLM_MODEL": "stub",
        "CONTEXT0_LLM_BASE_URL": model_url,
        "CONTEXT0_LLM_API_KEY": "none",
        "CONTEXT0_CHAT_EXTRACTION": "rules",
        "CONTEXT0_LLM_MAX_CONNECTIONS": "2000",
        "CONTEXT0_LOG_LEVEL": "WARNING",
    }
    command = [sys.executable, "-m", "context0", "serve", "--host", "127.0.0.1", "--port", str(port)]
    with _running(command, environment, stderr=(folder / "service.log").open("w")) as process:
        url = f"http://127.0.0.1:{port}"
        _await_ready(url, process, folder / "service.log")
        yield url, secret, process


def _locust(url: str, secret: str, arguments: argparse.Namespace, folder: Path) -> tuple[int, list[dict[str, Any]]]:
    command = [
        *(sys.executable, "-m", "locust", "-f", str(ROOT / "load_tests" / "chat_load_test.py"), "--headless"),
        *("--host", url, "-u", str(arguments.users), "-r", str(max(1, arguments.users // 5))),
        *("-t", f"{arguments.seconds}s", "--stop-timeout", "20", "--csv", str(folder / "load"), "--only-summary"),
    ]
    environment = {**os.environ, "CONTEXT0_LOAD_SECRET": secret, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, cwd=ROOT, env=environment, check=False, stdout=sys.stderr)
    with (folder / "load_stats.csv").open(encoding="utf-8") as file:
        rows = [
            {
                "name": row["Name"],
                **{ours: float(row[theirs]) for theirs, ours in _COLUMNS.items() if row[theirs] != "N/A"},
            }
            for row in csv.DictReader(file)
        ]
    return ended.returncode, rows


@contextmanager
def _running(command: list[str], environment: Mapping[str, str], **streams: Any) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}, text=True, **streams)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_ENDING_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_ready(url: str, process: "subprocess.Popen[str]", log: Path) -> None:
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", timeout=1).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise SystemExit(f"the service did not start:\n{log.read_text('utf-8')[-2_000:]}")


def _performance(url: str, secret: str) -> dict[str, Any]:
    """Return what the service tells of itself; nothing of a service without metrics."""
    import jwt

    token = jwt.encode(
        {"sub": "load-observer", "scope": "operator", "exp": time.time() + 600}, secret, algorithm="HS256"
    )
    answer = httpx.get(f"{url}/api/performance/metrics", headers={"Authorization": f"Bearer {token}"}, timeout=10)
    found: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
    return found


def _rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _print(told: Mapping[str, Any]) -> None:
    print(f"{told['users']} users, {told['seconds']} s, {told['service'].get('rss_mb', 0):.0f} MB resident")
    print("| | requests | failures | per s | p50 ms | p95 ms | p99 ms |\n|---|---|---|---|---|---|---|")
    for row in told["rows"]:
        cells = (f"{row.get(name, 0):.0f}" for name in ("requests", "failures", "per_s", "p50_ms", "p95_ms", "p99_ms"))
        print(f"| {row['name']} | {' | '.join(cells)} |")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=50, help="at the same time (default: 50)")
    parser.add_argument("--seconds", type=int, default=60, help="how long (default: 60)")
    parser.add_argument("--json", metavar="FILE", help="write the figures here too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
