"""Reads a model's answer as the value that was asked for, strictly."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from context0.errors import LLMInvalid

if TYPE_CHECKING:
    from context0.llm.protocol import A

_FENCED: Final = re.compile(r"\A\s*```(?:json)?\s*\n(.*?)\n?```\s*\Z", re.DOTALL)
_MOST_PROBLEMS: Final = 5


def read_answer(text: str, schema: type[A], model: str) -> A:
    """Return the value in `text`: JSON, also between ``` fences, valid by `schema` without any conversion.

    Raises LLMInvalid, which names the fields and what is wrong with them, never what the model wrote.
    """
    fenced = _FENCED.match(text)
    try:
        return schema.model_validate_json(fenced[1] if fenced else text, strict=True)
    except ValidationError as error:
        raise LLMInvalid(f"{model} did not answer by the schema: {_problems(error)}", answer=text) from None


def _problems(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    told = [f"{'.'.join(map(str, problem['loc'])) or 'the whole'}: {problem['type']}" for problem in found]
    return "; ".join(told[:_MOST_PROBLEMS])
