"""How the Redis cache is to be reached."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisOptions:
    """deadline_s: of every call, with connecting and waiting for a connection. prefix: of all the keys."""

    deadline_s: float = 0.05
    max_connections: int = 32
    prefix: str = "context0:"
