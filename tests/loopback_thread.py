"""The chat server of `tests.loopback_llm` for tests that wait for another process instead of on an event loop."""

from collections.abc import Iterator
from contextlib import contextmanager

from context0.cli.loop_thread import LoopThread
from tests.loopback_llm import LoopbackLLM, loopback_llm


@contextmanager
def loopback_llm_in_a_thread() -> Iterator[LoopbackLLM]:
    """Serve from a thread until the block ends."""
    with LoopThread() as loop:
        serving = loopback_llm()
        yield loop.run(serving.__aenter__())
        loop.run(serving.__aexit__(None, None, None))
