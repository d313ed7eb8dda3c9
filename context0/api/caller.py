"""Who asks: what a credential says, and nothing else."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """owner: whose memory it opens. operator: it also reads what is about the service as a whole.

    credential: its name for the audit trail, such as "key:3f2a"; never the secret.
    """

    owner: str
    operator: bool = False
    credential: str = field(default="", compare=False)
