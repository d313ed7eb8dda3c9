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


class RefusedLine(Record):
    """A line that could not be taken, and why. line: its number, from 1."""

    line: int
    code: str
    message: str


class ImportRecord(Record):
    """What came of an import. read: memories; each was added, or known already, or refused.

    refused: lines, with those that are no memory at all; errors: a hundred of them at most. passed_over: lines of
    sessions, messages and decisions. whole: whether it was all of an export, by its last line; null for other lines.
    """

    read: int
    added: int
    known: int
    refused: int
    passed_over: int
    whole: bool | None
    errors: tuple[RefusedLine, ...]
