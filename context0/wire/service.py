"""What the service says of itself and of what went wrong."""

from context0.wire.base import Record


class ErrorBody(Record):
    """code: stable, for programs. message: what to do next. request_id: what the logs name the request."""

    code: str
    message: str
    request_id: str


class ErrorReply(Record):
    """Every failure of the service."""

    error: ErrorBody


class Health(Record):
    """status: "ok", or why not. version: of the service."""

    status: str
    version: str


class OwnerRecord(Record):
    """Whose memory the credential opens."""

    user_id: str
