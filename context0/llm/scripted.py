"""A model that says what a script tells it to: for tests and load tests, deterministic, with nothing behind it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel

from context0.errors import ConfigurationError, LLMRejected, LLMUnavailable
from context0.llm.protocol import A, Chunk, Prompt, Usage
from context0.llm.structured import read_answer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from context0.llm.options import LlmOptions

Answer = str | BaseModel | Exception
Script = Sequence[Answer] | Callable[[Prompt], Answer]

_PIECE: Final = re.compile(r"\s*\S+\s*")


def echo(prompt: Prompt) -> str:
    """Answer with the last message of the prompt."""
    return prompt.messages[-1].content if prompt.messages else prompt.question


def down(_: Prompt) -> Answer:
    """Never answer."""
    return LLMUnavailable("the scripted model is down")


BEHAVIOURS: Final[Mapping[str, Callable[[Prompt], Answer]]] = {"echo": echo, "down": down}


class ScriptedLLM:
    """Answers from a list, one after another, or by a function of the prompt; an error in it is raised.

    prompts: what it was asked.  calls: how often.  cancelled: streams that were closed before their end.
    A list that is used up raises LLMRejected: a test has called more often than it thinks.
    """

    def __init__(
        self,
        script: Script = echo,
        *,
        model: str = "echo",
        first_token_s: float = 0.0,
        interval_s: float = 0.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """first_token_s, interval_s: how long `sleep` is told to wait before the first piece, and between pieces."""
        self.prompts: list[Prompt] = []
        self.cancelled = 0
        self._script = script
        self._model = model
        self._first_token_s = first_token_s
        self._interval_s = interval_s
        self._sleep = sleep

    @property
    def calls(self) -> int:
        return len(self.prompts)

    @property
    def name(self) -> str:
        return f"scripted:{self._model}"

    async def warm(self) -> None: ...

    async def aclose(self) -> None: ...

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        """Yield the answer by words. Raises the script's errors before the first."""
        answer = self._next(prompt)
        ended = False
        try:
            await self._pause(self._first_token_s)
            text = answer if isinstance(answer, str) else answer.model_dump_json()
            pieces = _PIECE.findall(text) or [text]
            for number, piece in enumerate(pieces):
                if number:
                    await self._pause(self._interval_s)
                yield Chunk(text=piece)
            ended = True
            yield Chunk(model=self.name, usage=_usage(prompt, len(pieces)))
        finally:
            self.cancelled += not ended

    async def complete(self, prompt: Prompt, *, schema: type[A]) -> tuple[A, Usage]:
        answer = self._next(prompt)
        await self._pause(self._first_token_s)
        text = answer if isinstance(answer, str) else answer.model_dump_json()
        return read_answer(text, schema, self.name), _usage(prompt, len(text.split()))

    def _next(self, prompt: Prompt) -> str | BaseModel:
        self.prompts.append(prompt)
        answer = self._answer(prompt)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _answer(self, prompt: Prompt) -> Answer:
        if callable(self._script):
            return self._script(prompt)
        if self.calls > len(self._script):
            return LLMRejected(f"the script holds {len(self._script)} answers; this is call {self.calls}")
        return self._script[self.calls - 1]

    async def _pause(self, seconds: float) -> None:
        if seconds:
            await self._sleep(seconds)


def scripted(options: LlmOptions) -> ScriptedLLM:
    """Return the behaviour that `options.model` names; the default is `echo`. Raises ConfigurationError."""
    model = options.model or "echo"
    behaviour = BEHAVIOURS.get(model)
    if behaviour is None:
        raise ConfigurationError(f"llm_model must be one of {', '.join(BEHAVIOURS)} for the scripted provider")
    return ScriptedLLM(behaviour, model=model)


def _usage(prompt: Prompt, pieces: int) -> Usage:
    """Count words as tokens."""
    return Usage(
        prompt_tokens=sum(len(message.content.split()) for message in prompt.messages), completion_tokens=pieces
    )
