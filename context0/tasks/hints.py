"""What travels between processes: an owner, ids and generations, and never a text. Pure."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from context0.errors import InvalidInput
from context0.memory.announcing import Piece
from context0.memory.inputs import check_name
from stores.records import MemoryId

INDEX: Final = "context0.index"
"""The name of the only task: index these memories of this owner."""
MAX_PIECES: Final = 128
"""How many memories one message names at most: about 6 KB."""

Told: TypeAlias = list[list[str | int]]
"""Pieces as they travel, in JSON's types."""


def told_of(pieces: Sequence[Piece]) -> Told:
    """Return pieces as JSON has them."""
    return [[memory_id, generation] for memory_id, generation in pieces]


def pieces_of(owner: object, told: object) -> tuple[str, list[Piece]]:
    """Return what a message says. Raises InvalidInput for one that nobody of us has written."""
    name = check_name("owner", owner)
    if not isinstance(told, list) or len(told) > MAX_PIECES:
        raise InvalidInput("pieces", f"a message names at most {MAX_PIECES} memories")
    return name, [_piece(one) for one in told]


def _piece(told: object) -> Piece:
    match told:
        case [str() as memory_id, int() as generation] if not isinstance(generation, bool):
            return MemoryId(check_name("id", memory_id)), generation
    raise InvalidInput("pieces", "a piece is an id and a generation")


def queue_name(store_url: str) -> str:
    """Return the queue of a store, so that two stores that share a broker do not share their work.

    Named by hosts and database, or by file; user, password and options do not matter.
    """
    parts = urlsplit(store_url)
    path = parts.path
    if parts.scheme == "sqlite":
        path = str(Path(path[1:]).expanduser().resolve())
    hosts = ",".join(sorted(parts.netloc.rpartition("@")[2].lower().split(",")))
    return f"{INDEX}.{sha256(f'{parts.scheme}://{hosts}{path}'.encode()).hexdigest()[:16]}"
