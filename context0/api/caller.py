"""Who asks: what a credential says, and nothing else."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """owner: whose memory it opens. operator: it also reads what is about the service as a whole."""

    owner: str
    operator: bool = False
