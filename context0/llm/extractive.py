"""Answers from the memories in the prompt, by rules and with citations: the offline default, no model at all."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Final

from context0.errors import LLMRejected
from context0.llm.extractive_choice import Quote, answers_to, related_to, surely_answers
from context0.llm.extractive_words import kind_of, subjects_of
from context0.llm.protocol import A, Chunk, Prompt, Usage
from stores.blocking import in_thread_if

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from datetime import datetime

    from context0.llm.options import LlmOptions

_PIECE: Final = re.compile(r"\s*\S+\s*")
_WORDS_A_PIECE: Final = 4
_INLINE_CHARACTERS: Final = 8_000
"""Up to so many are read in about a millisecond."""

_NOTHING: Final = "Your memories hold nothing on that, and without a language model I can only quote them."
_FROM: Final = "From your memories: "
_UNREADABLE: Final = "I cannot look into your memories right now, so I cannot tell. Please ask again."
_IN_PART: Final = " (Not all of your memories could be looked at just now.)"
_NEAREST: Final = "I find nothing in your memories that surely answers this. The nearest: "
_RELATED: Final = " Your memories hold on this: "
_REPLIES: Final = {
    "statement": "Thanks for telling me.",
    "greeting": "Hello! Ask me, and I look in your memories.",
    "thanks": "You're welcome.",
    "farewell": "Goodbye!",
}


class ExtractiveLLM:
    """Quotes `Prompt.sources` in answer to `Prompt.question`; needs no network, no key and no state. Under 1 ms.

    A citation [n] is the source's place in the prompt; the last chunk's `cited` holds the ids. It never says more
    than its sources do, and that it only quotes.
    """

    @property
    def name(self) -> str:
        return "extractive:rules"

    async def warm(self) -> None:
        """Load the stemmer (20 ms)."""
        subjects_of("warming")

    async def aclose(self) -> None: ...

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        characters = len(prompt.question) + sum(len(source.content) for source in prompt.sources)
        text, quotes = await in_thread_if(characters > _INLINE_CHARACTERS, partial(reply_to, prompt))
        words = _PIECE.findall(text)
        for start in range(0, len(words), _WORDS_A_PIECE):
            yield Chunk(text="".join(words[start : start + _WORDS_A_PIECE]))
        cited = tuple(dict.fromkeys(quote.source.memory_id for quote in quotes))
        yield Chunk(model=self.name, usage=Usage(), cited=cited)

    async def complete(self, prompt: Prompt, *, schema: type[A]) -> tuple[A, Usage]:  # noqa: ARG002 - the protocol's
        """Raises LLMRejected, always: rules cannot fill a schema."""
        raise LLMRejected(
            f"{self.name} only quotes memories and fills no {schema.__name__}; set llm_provider to a model"
        )


def reply_to(prompt: Prompt) -> tuple[str, Sequence[Quote]]:
    """Return the answer and what it quotes. Without a `question`, the last message of the prompt is answered."""
    question = prompt.question or (prompt.messages[-1].content if prompt.messages else "")
    kind = kind_of(question)
    if kind == "question":
        return _answer(question, prompt)
    related = related_to(question, prompt.sources) if kind == "statement" else None
    if related is None:
        return _REPLIES[kind], ()
    return _REPLIES[kind] + _RELATED + _quoted(related), (related,)


def _answer(question: str, prompt: Prompt) -> tuple[str, Sequence[Quote]]:
    quotes = answers_to(question, prompt.sources)
    if not quotes:
        return _UNREADABLE if prompt.missing else _NOTHING, ()
    rest = _IN_PART if prompt.missing else ""
    if not surely_answers(quotes, question):
        return _NEAREST + _quoted(quotes[0]) + rest, quotes[:1]
    return _FROM + " ".join(map(_quoted, quotes)) + rest, quotes


def _quoted(quote: Quote) -> str:
    """Return “the words” (who, when, whether they still hold) [number]"""
    source = quote.source
    known = [source.speaker or "", _day(source.said_at) if source.said_at else ""]
    if source.invalid_at is not None:
        known.append(f"no longer true since {_day(source.invalid_at)}")
    told = ", ".join(filter(None, known))
    return f"“{quote.text.rstrip()}”{f' ({told})' if told else ''} [{quote.number}]"


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y}"


def extractive(_: LlmOptions) -> ExtractiveLLM:
    """Return the one there is; no option concerns it."""
    return ExtractiveLLM()
