"""The agent that looks at a message before anything else does, by rules, and says what the turn may do."""

import hashlib
from typing import Final

from cachetools import LRUCache

from context0.agents.base import Turn
from context0.observability.recorder import CacheReading
from context0.privacy.masking import masking
from context0.privacy.modes import check_mode, report_for, unchecked_report
from context0.privacy.phones import load_phone_tables
from context0.privacy.scanning import Scan, scanning, take_turns

WITHHELD: Final = "[withheld]"
"""Stands for a message that should have been masked and could not be."""
_MODES_WITH_TEXT: Final = ("normal", "read_only", "off_record")


class PrivacyGuardian:
    """Checks the mode, finds personal data and secrets, masks them in the mode `redact`, and fills `Turn.privacy`.

    `Turn.mode` is taken as the mode that holds: see `effective_mode`. It must have run before the text of the turn is
    sent, searched for or stored. Rules only: no network, no model, nothing logged. A short message costs 10 to 90 µs,
    a repeated one 6; a long one is looked through in windows between which the event loop turns, on no other thread.

    What was found is remembered by the SHA-256 of the text, as places and kinds, never as text. A message off the
    record is neither looked up there nor remembered.
    """

    def __init__(self, *, deadline_s: float = 0.25, max_cached_findings: int = 8_192) -> None:
        """max_cached_findings: bound of what is remembered; a message counts as one more than its findings."""
        self._deadline_s = deadline_s
        self._scans: LRUCache[bytes, Scan] = LRUCache(max_cached_findings, getsizeof=_entries)
        self._hits = self._misses = 0

    @property
    def name(self) -> str:
        return "privacy_guardian"

    @property
    def deadline_s(self) -> float:
        return self._deadline_s

    def warm(self) -> None:
        """Load what the first telephone number would wait for: about 50 ms of reading and imports."""
        load_phone_tables()

    async def run(self, turn: Turn) -> Turn:
        """Return the turn with `privacy`, and with `text` masked in the mode `redact`. Raises InvalidInput (mode)."""
        mode = check_mode(turn.mode)
        if mode == "off_record":
            scan = await take_turns(scanning(turn.text))
        else:
            scan = await self._remembered(turn.text)
        if mode != "redact" or not scan.findings:
            return turn.evolve(privacy=report_for(mode, scan))
        text = await take_turns(masking(turn.text, scan))
        return turn.evolve(text=text, privacy=report_for(mode, scan, masked=True))

    def reading(self) -> CacheReading:
        """Return how often a message was known already; bytes are not counted."""
        return CacheReading(hits=self._hits, misses=self._misses, entries=len(self._scans))

    def fallback(self, turn: Turn, reason: str) -> Turn:
        """Return the turn as one off the record: nothing is read for it and nothing is kept of it.

        Its text stays, to be answered, unless it was to be masked (or the mode is unknown): then it is `WITHHELD`,
        and the report says so, for nothing of it may leave unmasked. A turn that is checked already stays as it is.
        """
        if turn.privacy is not None:
            return turn.failed(self.name, reason)
        withheld = turn.mode not in _MODES_WITH_TEXT
        return turn.evolve(
            text=WITHHELD if withheld else turn.text,
            mode="off_record",
            history=(),
            found=None,
            privacy=unchecked_report(withheld=withheld),
        ).failed(self.name, reason)

    async def _remembered(self, text: str) -> Scan:
        key = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        scan = self._scans.get(key)
        if scan is not None:
            self._hits += 1
        else:
            self._misses += 1
            scan = await take_turns(scanning(text))
            if _entries(scan) <= self._scans.maxsize:
                self._scans[key] = scan
        return scan


def _entries(scan: Scan) -> int:
    return 1 + len(scan.findings)
