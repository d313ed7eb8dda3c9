"""Bodies that are far too large, nested, compressed, without end, or longer or shorter than they say. S6.

Each is refused with 4xx, or its connection ended, before much of it was taken; the memory of the service stays level.
Sent by hand, as no client would send them.

python -m tests.faults.rows S6 --count 100
"""

import gzip
import itertools
import json
import re
import socket
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from tests.faults.rows.outcome import Outcome, RowOptions
from tests.served_process import Served, served

MOST_GROWTH_MB: Final = 64.0
"""Of the largest that the service has been, over all bodies: sixteen times the largest request."""
_DEADLINE_S: Final = 30.0
_HUGE: Final = 50 << 20
_PIECE: Final = b'"' + b"x" * 65_534 + b'"'
_PATHS: Final = ("/v1/memories", "/v1/memories/batch", "/v1/memories/search", "/v1/chat", "/v1/chat/completions")
Pieces = tuple[str, Iterable[bytes]]
"""The lines of the head that tell of a body, and the body."""


def _told(body: bytes) -> Pieces:
    return f"content-length: {len(body)}", (body,)


def _chunks(number: int) -> Iterable[bytes]:
    return itertools.repeat(b"%x\r\n%s\r\n" % (len(_PIECE), _PIECE), number)


def _nested(opening: str, closing: str, depth: int = 100_000) -> Pieces:
    return _told(f'{{"content": "x", "metadata": {opening * depth}1{closing * depth}}}'.encode())


BODIES: Final[Mapping[str, Callable[[], Pieces]]] = {
    "50 MB": lambda: (f"content-length: {_HUGE}", itertools.repeat(_PIECE, _HUGE // len(_PIECE))),
    "50 MB in chunks": lambda: ("transfer-encoding: chunked", _chunks(_HUGE // len(_PIECE))),
    "chunks without end": lambda: ("transfer-encoding: chunked", _chunks(1 << 20)),
    "a gzip bomb": lambda: (lambda bomb: (f"content-encoding: gzip\r\n{_told(bomb)[0]}", (bomb,)))(
        gzip.compress(bytes(_HUGE), 1)
    ),
    "nested objects": lambda: _nested('{"a":', "}"),
    "nested lists": lambda: _nested("[", "]"),
    "nested without end": lambda: _told(b"[" * 100_000),
    "10,000 values": lambda: _told(json.dumps({"content": "x", "tags": ["x"] * 10_000}).encode()),
    "100,000 memories": lambda: _told(json.dumps({"memories": [{}] * 100_000}).encode()),
    "100,000 keys": lambda: _told(
        json.dumps({"content": "x", "metadata": dict.fromkeys(map(str, range(100_000)), 1)}).encode()
    ),
    "a long number": lambda: _told(b'{"content": "x", "importance": ' + b"9" * 1_000_000 + b"}"),
    "longer than it says": lambda: ("content-length: 5", (b'{"content": "' + b"x" * 100_000 + b'"}',)),
    "an endless length": lambda: (f"content-length: {'9' * 30}", (b"{}",)),
    "a negative length": lambda: ("content-length: -1", (b"{}",)),
    "two lengths": lambda: ("content-length: 2\r\ncontent-length: 50", (b"{}",)),
    "a length and chunks": lambda: ("content-length: 2\r\ntransfer-encoding: chunked", (b"2\r\n{}\r\n0\r\n\r\n",)),
    "a chunk of no size": lambda: ("transfer-encoding: chunked", (b"fffffffffffffffff\r\n{}",)),
    "shorter than it says": lambda: ("content-length: 100", (b'{"content": "x"',)),
}


def run(options: RowOptions) -> Outcome:
    """count: bodies, each kind in turn, to each route that takes one."""
    counts: Counter[str] = Counter({"taken": 0, "server errors": 0, "no answer": 0})
    met: list[str] = []
    with tempfile.TemporaryDirectory() as folder, served(Path(folder), receive_deadline_s=1) as service:
        key = service.key("anna")
        _sent(service, key, _PATHS[0], _told(b'{"content": "the first one"}'))
        before = _peak_mb(service)
        pairs = itertools.cycle(itertools.product(_PATHS, BODIES))
        for path, kind in itertools.islice(pairs, options.count):
            status, bytes_sent = _sent(service, key, path, BODIES[kind]())
            counts["bodies"] += 1
            counts[f"answered {status or 'by an end'}"] += 1
            counts["most bytes taken of a body"] = max(counts["most bytes taken of a body"], bytes_sent)
            name = "server errors" if status >= 500 else "taken" if status and status < 400 else ""
            if name:
                counts[name] += 1
                met.append(f"{kind} to {path}: {status}")
        counts["no answer"] += _sent(service, key, _PATHS[0], _told(b'{"content": "the last one"}'))[0] != 201
        grown = round(_peak_mb(service) - before, 1)
    if grown > MOST_GROWTH_MB:
        met.append(f"the service has grown by {grown} MB")
    told = {**counts, "peak RSS before, MB": before, "growth of the peak, MB": grown}
    return Outcome.of(told, "taken", "server errors", "no answer", broken=tuple(met[:5]))


def _peak_mb(service: Served) -> float:
    told = Path(f"/proc/{service.process.pid}/status").read_text()
    peak = re.search(r"VmHWM:\s+(\d+) kB", told)
    assert peak is not None
    return round(int(peak.group(1)) / 1_000, 1)


def _sent(service: Served, key: str, path: str, pieces: Pieces) -> tuple[int, int]:
    """Send until the service has had enough; return its status, 0 where the connection just ended, and how much."""
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\ncontent-type: application/json\r\n"
    lines, body = pieces
    sent, answer = 0, b""
    with socket.create_connection(("127.0.0.1", service.port), timeout=_DEADLINE_S) as connection:
        with suppress(ConnectionError):
            connection.sendall(f"{head}{lines}\r\n\r\n".encode())
            for piece in body:
                connection.sendall(piece)
                sent += len(piece)
        with suppress(ConnectionError):
            answer = connection.recv(65_536)
    return int(answer.split(b" ")[1]) if answer.startswith(b"HTTP/1.1 ") else 0, sent
