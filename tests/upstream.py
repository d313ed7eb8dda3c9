"""Something slow that a cache asks: it answers when a test lets it, and counts its calls."""

import asyncio


class Upstream:
    """error: raised in place of an answer."""

    def __init__(self) -> None:
        self.calls = 0
        self.called = asyncio.Event()
        self.go = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> str:
        self.calls += 1
        self.called.set()
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return f"answer {self.calls}"
