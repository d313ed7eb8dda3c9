"""Searches that somebody judged: what each signal said of the candidates, and which of them were useful."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import orjson

from context0.clock import from_ms, to_ms
from context0.errors import Context0Error, InvalidInput
from context0.memory.sealed import DamagedState, seal, unseal
from stores.records import FloatMatrix, MemoryId

MAX_CANDIDATES: Final = 64
"""Candidates kept of one search. A weight vector can bring nothing into a replayed search that was not among them."""
MAX_EPISODES: Final = 500
MAX_BYTES: Final = 3 << 20
"""500 searches of 64 candidates and 12 signals take 2.0 MB; MongoDB's limit for one value is 16 MB."""
_KIND: Final = b"XP01"
_LARGEST: Final = float(np.finfo(np.float16).max)


class UnknownSearch(Context0Error):
    """No such search of this user: too long ago, of another process, or learning was off."""

    code = "unknown_search"

    def __init__(self, search_id: str) -> None:
        super().__init__(
            f"search {search_id[:80]!r} is not remembered; judge a search within the hour, in the process that ran it"
        )
        self.search_id = search_id


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Episode:
    """One search. features: float32, shape (candidates, signals), finite; row by row the candidates in `ids`.

    At most 64 candidates. `useful` holds the judged ones only: the others were found, and nobody said anything.
    """

    search_id: str
    features: FloatMatrix
    ids: tuple[MemoryId, ...]
    at: datetime
    useful: Mapping[MemoryId, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise InvalidInput unless features, ids and judgements belong together."""
        if self.features.ndim != 2 or len(self.features) != len(self.ids) or len(self.ids) > MAX_CANDIDATES:
            raise InvalidInput("features", f"give one row for each candidate, and at most {MAX_CANDIDATES}")
        if not np.isfinite(self.features).all():
            raise InvalidInput("features", "give finite numbers only")
        if not self.useful.keys() <= set(self.ids):
            raise InvalidInput("useful", "judges what was not a candidate of this search")

    @classmethod
    def of_search(cls, search_id: str, features: FloatMatrix, ids: Sequence[MemoryId], at: datetime) -> Self:
        """Record a search that just ran: its first 64 candidates, best first.

        The signals are rounded to half precision, as they are stored: a replay before and after is the same.
        Raises InvalidInput when they are not finite, or not one row a candidate.
        """
        first = cls(search_id=search_id, features=features[:MAX_CANDIDATES], ids=tuple(ids[:MAX_CANDIDATES]), at=at)
        rounded = np.clip(first.features, -_LARGEST, _LARGEST).astype(np.float16).astype(np.float32)
        rounded.setflags(write=False)
        return replace(first, features=rounded)

    def judged(self, memory_id: MemoryId, *, useful: bool) -> Self:
        """Return the episode with one judgement more; a later one about the same memory replaces the earlier.

        Raises InvalidInput for a memory that was not a candidate of the search.
        """
        if memory_id not in self.ids:
            raise InvalidInput("memory_id", f"{memory_id[:80]!r} was not among the best {len(self.ids)} of this search")
        return replace(self, useful={**self.useful, memory_id: useful})


def signal_matrix(
    signals: Mapping[str, npt.NDArray[np.float32]], names: Sequence[str], rows: npt.NDArray[np.intp]
) -> FloatMatrix:
    """Return the features of `rows`: float32, shape (rows, names); a signal that said nothing is a column of zeros."""
    matrix = np.zeros((len(rows), len(names)), np.float32)
    for column, name in enumerate(names):
        if name in signals:
            matrix[:, column] = signals[name][rows]
    return matrix


class ExperienceBuffer:
    """The latest judged searches of one owner, oldest first; both bounds hold after every call.

    signals: the names of the features' columns. max_bytes: of what `encode` returns.
    """

    def __init__(self, signals: Sequence[str], *, max_episodes: int = MAX_EPISODES, max_bytes: int = MAX_BYTES) -> None:
        self.signals = tuple(signals)
        self.dropped = 0
        """Episodes that were decoded but not kept: of other signals, or beyond the bounds."""
        self._max_episodes = max_episodes
        self._room = max_bytes - len(seal(_KIND, _header(self.signals, [])))
        self._used = 0
        self._episodes: dict[str, tuple[Episode, int]] = {}

    def __len__(self) -> int:
        return len(self._episodes)

    @property
    def episodes(self) -> tuple[Episode, ...]:
        """Oldest first."""
        return tuple(episode for episode, _ in self._episodes.values())

    def find(self, search_id: str) -> Episode | None:
        found = self._episodes.get(search_id)
        return None if found is None else found[0]

    def put(self, episode: Episode) -> None:
        """Take over `episode` as the newest, in place of an earlier state of the same search; the oldest make room.

        Raises InvalidInput if it has other signals or alone is over the bounds; the buffer is then as before.
        """
        if episode.features.shape[1] != len(self.signals):
            raise InvalidInput("episode", f"has {episode.features.shape[1]} signals, not {len(self.signals)}")
        size = _encoded_bytes(episode)
        if size > self._room or self._max_episodes < 1:
            raise InvalidInput("episode", f"takes {size} bytes, more than the {self._room} that the buffer has")
        self._drop(episode.search_id)
        self._episodes[episode.search_id] = (episode, size)
        self._used += size
        while self._used > self._room or len(self._episodes) > self._max_episodes:
            self._drop(next(iter(self._episodes)))

    def encode(self) -> bytes:
        """Return everything as one value: a JSON header, then the features as half floats."""
        episodes = self.episodes
        body = b"".join(episode.features.astype("<f2").tobytes() for episode in episodes)
        return seal(_KIND, _header(self.signals, [_entry(episode) for episode in episodes]), body)

    @classmethod
    def decode(
        cls, value: bytes, signals: Sequence[str], *, max_episodes: int = MAX_EPISODES, max_bytes: int = MAX_BYTES
    ) -> Self:
        """Return the buffer that `encode` wrote, as far as it fits the bounds and was recorded with `signals`.

        Raises DamagedState.
        """
        buffer = cls(signals, max_episodes=max_episodes, max_bytes=max_bytes)
        episodes, count = _episodes_in(value, buffer.signals)
        for episode in episodes:
            with suppress(InvalidInput):  # alone over the bounds, which were wider when it was put
                buffer.put(episode)
        buffer.dropped = count - len(buffer)
        return buffer

    def _drop(self, search_id: str) -> None:
        _, size = self._episodes.pop(search_id, (None, 0))
        self._used -= size


def _header(signals: Sequence[str], entries: Sequence[Any]) -> dict[str, Any]:
    return {"signals": signals, "episodes": entries}


def _entry(episode: Episode) -> list[Any]:
    """Return what stands of an episode in the header: its rows are found in the body by the number of ids."""
    places = {memory_id: row for row, memory_id in enumerate(episode.ids)}
    judgements = [[places[memory_id], useful] for memory_id, useful in episode.useful.items()]
    return [episode.search_id, to_ms(episode.at), episode.ids, judgements]


def _encoded_bytes(episode: Episode) -> int:
    return len(orjson.dumps(_entry(episode))) + len(",") + 2 * episode.features.size


def _episodes_in(value: bytes, signals: tuple[str, ...]) -> tuple[list[Episode], int]:
    """Return the sealed episodes, none if they are of other signals, and how many there were. Raises DamagedState."""
    header, body = unseal(_KIND, value)
    try:
        if tuple(header["signals"]) != signals:
            return [], len(header["episodes"])
        counts = [len(ids) for _, _, ids, _ in header["episodes"]]
        rows = np.frombuffer(body, "<f2").astype(np.float32).reshape(sum(counts), len(signals))
        rows.setflags(write=False)
        starts = np.cumsum([0, *counts]).tolist()
        episodes = [
            Episode(
                search_id=search_id,
                features=rows[start : start + len(ids)],
                ids=tuple(ids),
                at=from_ms(at_ms),
                useful={ids[row]: bool(useful) for row, useful in judgements},
            )
            for start, (search_id, at_ms, ids, judgements) in zip(starts, header["episodes"], strict=False)
        ]
        return episodes, len(episodes)
    except (KeyError, IndexError, TypeError, ValueError, OverflowError, OSError) as exc:
        raise DamagedState("it lacks a part") from exc
