"""What can go wrong for a program that talks to the service.

ClientError                     the root; each has code, status, request_id
├── InvalidInput                a value is off; nothing was done (also a context0.errors.InvalidInput)
├── Unauthorized                no key, or one that is not taken (any more)
├── Forbidden                   the key may not do this
├── WrongOwner                  `user_id` is not who the key belongs to; nothing was sent
├── NotFound                    no such memory, session, decision or turn (another owner's looks the same)
├── Conflict                    somebody else changed it first, or it was settled before
│   └── IdempotencyMismatch     the key was used before for another body
├── TooLarge                    the request is larger than the service takes
├── RateLimited                 too many requests; retry_after_s says when to come back
├── Unavailable                 the service, its store or its model cannot answer now; later it may
│   ├── Unreachable             no connection could be made: nothing was done
│   └── NoAnswer                it was sent, and no answer came in time: it may have been done
├── StreamCut                   a streamed turn broke off, and could not be taken up again
├── ServerFailed                the service is at fault; its logs know the request by `request_id`
├── Unreadable                  what answered does not speak this API: a wrong base_url, a proxy, another version
└── ClientClosed                the client was used after it was closed

The code is the service's own, where it gave one, so that it says more than the class.
"""

from context0.errors import Context0Error
from context0.errors import InvalidInput as InvalidInputOfLibrary


class ClientError(Context0Error):
    """The root. status: of the HTTP answer, None where there was none. request_id: what the service's logs call it."""

    code = "client_error"

    def __init__(
        self, message: str, *, code: str | None = None, status: int | None = None, request_id: str | None = None
    ) -> None:
        Exception.__init__(self, message if request_id is None else f"{message} (request {request_id})")
        if code is not None:
            vars(self)["code"] = code  # a constant of the class elsewhere; here the service's own says more
        self.status = status
        self.request_id = request_id


class InvalidInput(ClientError, InvalidInputOfLibrary):
    """field: what is off, where it was found here; empty when the service found it, whose message names it."""

    code = "invalid_input"

    def __init__(
        self,
        message: str,
        *,
        field: str = "",
        code: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        told = f"{field}: {message}" if field else message
        ClientError.__init__(self, told, code=code, status=status, request_id=request_id)
        self.field = field


class Unauthorized(ClientError):
    code = "unauthorized"


class Forbidden(ClientError):
    code = "forbidden"


class WrongOwner(ClientError):
    code = "wrong_owner"


class NotFound(ClientError):
    code = "not_found"


class Conflict(ClientError):
    code = "conflict"


class IdempotencyMismatch(Conflict):
    code = "idempotency_mismatch"


class TooLarge(ClientError):
    code = "too_large"


class _Passing(ClientError):
    """retry_after_s: seconds to wait before the next attempt, None when the service did not say."""

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float | None = None,
        code: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, code=code, status=status, request_id=request_id)
        self.retry_after_s = retry_after_s


class RateLimited(_Passing):
    code = "rate_limited"


class Unavailable(_Passing):
    code = "unavailable"


class Unreachable(Unavailable):
    code = "unreachable"


class NoAnswer(Unavailable):
    code = "no_answer"


class StreamCut(ClientError):
    """turn_id, last_event_id: where `client.chat.resume` can go on; None when not even the turn began."""

    code = "stream_cut"

    def __init__(self, message: str, *, turn_id: str | None = None, last_event_id: str | None = None) -> None:
        super().__init__(message)
        self.turn_id = turn_id
        self.last_event_id = last_event_id


class ServerFailed(ClientError):
    code = "internal"


class Unreadable(ClientError):
    code = "unreadable"


class ClientClosed(ClientError):
    code = "client_closed"
