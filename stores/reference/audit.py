"""The audit trail over a dict: what the protocol means, in the fewest words."""

from collections.abc import Sequence

from stores.audit import AuditHead, AuditLine
from stores.errors import Conflict


class ReferenceAudit:
    """An AuditStore that keeps everything in dicts."""

    name = "reference-audit"

    def __init__(self) -> None:
        self.lines: dict[str, dict[int, AuditLine]] = {}
        self.heads: dict[str, AuditHead] = {}

    async def open(self) -> None:
        """Nothing to connect to."""

    async def aclose(self) -> None:
        """Nothing to close."""

    async def head(self, owner: str) -> AuditHead:
        return self.heads.get(owner, AuditHead())

    async def append(self, lines: Sequence[AuditLine]) -> None:
        hers, last = self.lines.setdefault(lines[0].owner, {}), lines[-1]
        if any(line.seq in hers for line in lines):
            raise Conflict("the audit trail has gone on; read its head again")
        hers.update({line.seq: line for line in lines})
        self.heads[last.owner] = AuditHead(last.seq, last.code)

    async def list_page(self, owner: str, *, limit: int, before: int | None = None) -> list[AuditLine]:
        hers = self.lines.get(owner, {})
        numbers = sorted((seq for seq in hers if before is None or seq < before), reverse=True)
        return [hers[seq] for seq in numbers[:limit]]
