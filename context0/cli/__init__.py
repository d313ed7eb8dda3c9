"""The command line: `context0 demo`, `add`, `search`, `list`, `chat`, `doctor`, `reindex`, `evaluate`."""

from context0.cli.application import main

__all__ = ["main"]
