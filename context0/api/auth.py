"""Who asks: the owner comes from the credential alone, and whatever is not declared public needs one."""

import re
from collections.abc import Sequence
from typing import Final, Protocol
from urllib.parse import parse_qsl

from starlette.types import Scope

from context0.api.caller import Caller
from context0.api.errors import Refused
from context0.api.keys import PREFIX, KeyRing
from context0.api.tokens import Tokens
from context0.memory.erasing import OwnerStore

DEV_OWNER: Final = "dev"
_IN_URL: Final = frozenset(
    {"api_key", "apikey", "api-key", "x-api-key", "key", "token", "access_token", "authorization", "jwt", "secret"}
)
_LOCAL_HOST: Final = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")
_CHALLENGE: Final = {"www-authenticate": "Bearer"}


class Authenticator(Protocol):
    """Says whose request it is by its headers. Raises Refused.

    held: what it keeps of owners, which ends with them.
    """

    @property
    def held(self) -> Sequence[OwnerStore]: ...

    async def caller_of(self, headers: Sequence[tuple[bytes, bytes]]) -> Caller: ...

    async def aclose(self) -> None: ...


class Credentials:
    """API keys, and tokens where they are set up."""

    def __init__(self, keys: KeyRing, tokens: Tokens | None = None) -> None:
        self._keys = keys
        self._tokens = tokens
        self.held: Sequence[OwnerStore] = (keys,)

    async def caller_of(self, headers: Sequence[tuple[bytes, bytes]]) -> Caller:
        credential = _credential(headers)
        if credential.startswith(PREFIX):
            caller = await self._keys.caller_of(credential)
        else:
            caller = None if self._tokens is None else await self._tokens.caller_of(credential)
        if caller is None:
            raise _unauthorised("the credential is unknown, expired or revoked; get a new one")
        return caller

    async def aclose(self) -> None:
        if self._tokens is not None:
            await self._tokens.aclose()


class LocalDeveloper:
    """Everybody on this machine is one owner: for `--dev`, on a loopback address only.

    Pages of other sites that a browser here has open are kept out: they cannot name this host.
    """

    held: Sequence[OwnerStore] = ()

    async def caller_of(self, headers: Sequence[tuple[bytes, bytes]]) -> Caller:
        told = dict(headers)
        if not _LOCAL_HOST.fullmatch(told.get(b"host", b"").decode("latin-1")):
            raise Refused(403, "not_local", "with --dev only http://127.0.0.1 and http://localhost are served")
        origin = told.get(b"origin", b"").decode("latin-1").lower()
        if origin and not _LOCAL_HOST.fullmatch(origin.partition("://")[2]):
            raise Refused(403, "not_local", "with --dev other sites are not served")
        return Caller(owner=DEV_OWNER, operator=True, credential="dev")

    async def aclose(self) -> None:
        """Nothing to close."""


class Gate:
    """Lets a request in when its owner is known. public: paths that need no credential."""

    def __init__(self, authenticator: Authenticator, *, public: frozenset[str]) -> None:
        self._authenticator = authenticator
        self._public = public

    async def caller_of(self, scope: Scope) -> Caller | None:
        """Return whose request it is; None for a public path. Raises Refused."""
        if scope["query_string"]:
            _refuse_credentials_in(scope["query_string"])
        return None if scope["path"] in self._public else await self._authenticator.caller_of(scope["headers"])


def _credential(headers: Sequence[tuple[bytes, bytes]]) -> str:
    """Return the one credential of a request. Raises Refused for none, and for two that differ."""
    given: set[str] = set()
    for name, value in headers:
        if name == b"x-api-key":
            given.add(value.decode("latin-1").strip())
        elif name == b"authorization":
            scheme, _, rest = value.decode("latin-1").strip().partition(" ")
            if scheme.lower() != "bearer":
                raise _unauthorised("send the credential as `Authorization: Bearer …` or `X-API-Key: …`")
            given.add(rest.strip())
    if len(given) > 1:
        raise _unauthorised("two credentials were sent; send one")
    if not given or not all(given):
        raise _unauthorised("send an API key or a token as `Authorization: Bearer …` or `X-API-Key: …`")
    return given.pop()


def _refuse_credentials_in(query: bytes) -> None:
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name.lower() in _IN_URL or value.startswith(PREFIX):
            raise Refused(
                400,
                "credential_in_url",
                "a credential in an address ends up in logs: it was not used; revoke it, and send one in a header",
            )


def _unauthorised(message: str) -> Refused:
    return Refused(401, "unauthorized", message, _CHALLENGE)
