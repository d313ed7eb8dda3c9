"""How one server wants to be asked: the body of a request, and what its refusals teach about the optional parts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from context0.llm.protocol import Prompt

Body = dict[str, Any]

_OPTIONAL: Final = ("stream_options", "response_format", "max_completion_tokens", "max_tokens", "temperature")
_OFTEN_UNKNOWN: Final = ("stream_options", "response_format")
_AS_JSON: Final = "Answer with nothing but one JSON object that is valid by this JSON schema:\n"


class OpenAIDialect:
    """Starts from what OpenAI documents; drops or renames a part that the server refuses, and remembers that.

    Servers differ: some know no `response_format` or `stream_options`, newer models want `max_completion_tokens`,
    reasoning models take no `temperature`.
    """

    def __init__(self, model: str, *, max_tokens: int, newest: bool) -> None:
        """newest: OpenAI itself, which prefers `max_completion_tokens`."""
        self._model = model
        self._max_tokens = max_tokens
        self._limit = "max_completion_tokens" if newest else "max_tokens"
        self._left_out: frozenset[str] = frozenset()
        self._known: frozenset[str] = frozenset()

    def streamed(self, prompt: Prompt) -> Body:
        body = self._body(prompt)
        body["stream"] = True
        if "stream_options" not in self._left_out:
            body["stream_options"] = {"include_usage": True}
        return body

    def structured(self, prompt: Prompt, schema: type[BaseModel]) -> Body:
        """Ask for JSON by the schema, by `response_format` or, where the server refuses that, in the prompt."""
        body = self._body(prompt)
        parameters = strict_schema(schema)
        if "response_format" in self._left_out:
            wish = {"role": "system", "content": _AS_JSON + orjson.dumps(parameters).decode()}
            body["messages"] = [wish, *body["messages"]]
        else:
            named = {"name": schema.__name__, "schema": parameters, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": named}
        return body

    def accepted(self, body: Mapping[str, object]) -> None:
        """The server took this body: a later vague refusal is not the fault of its parts."""
        self._known |= body.keys() & set(_OFTEN_UNKNOWN)

    def refused(self, body: Mapping[str, object], said: str) -> bool:
        """Learn from a refusal in the server's words; tell whether there is another way to ask. At most 5 times."""
        named = [part for part in _OPTIONAL if part in body and _names(said, part)]
        if not named:
            named = [part for part in _OFTEN_UNKNOWN if part in body and part not in self._known]
        for part in named[:1]:
            if part == self._limit and part == "max_tokens":
                self._limit = "max_completion_tokens"
            elif part == self._limit and "max_tokens" not in self._left_out:
                self._limit = "max_tokens"
            self._left_out |= {part}
        return bool(named)

    def _body(self, prompt: Prompt) -> Body:
        body: Body = {
            "model": self._model,
            "messages": [{"role": message.role, "content": message.content} for message in prompt.messages],
        }
        if self._limit not in self._left_out:
            body[self._limit] = min(prompt.max_tokens, self._max_tokens)
        if prompt.temperature is not None and "temperature" not in self._left_out:
            body["temperature"] = prompt.temperature
        return body


def strict_schema(schema: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema in the form that OpenAI's strict mode wants: closed objects, everything required."""
    from openai import pydantic_function_tool

    return dict(pydantic_function_tool(schema)["function"].get("parameters", {}))


def _names(said: str, part: str) -> bool:
    """Tell whether the server names this part, as a whole word."""
    return re.search(rf"(?<!\w){part}(?!\w)", said) is not None
