"""What all requests and responses are made of."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema


class Record(BaseModel):
    """Something that the service answers with. A client passes over fields that it does not know."""

    model_config = ConfigDict(frozen=True)


class Body(BaseModel):
    """Something that the service is sent. An unknown field is refused, and no value is converted."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def _aware(value: object) -> object:
    """Read ISO text with an offset; a number would be taken for seconds, and is left to be refused."""
    if not isinstance(value, str):
        return value
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("write an ISO time such as 2026-05-01T00:00:00Z") from None
    if moment.tzinfo is None:
        raise ValueError("has no time zone; write 2026-05-01T00:00:00Z")
    return moment


Time = Annotated[
    datetime,
    BeforeValidator(_aware),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-05-01T08:00:00Z"]}),
]
"""An ISO time with an offset."""
