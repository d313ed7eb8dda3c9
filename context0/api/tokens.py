"""Tokens of others (JWT): HS256 by a shared secret, RS256 by the published keys of who makes them."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

import httpx
import jwt
import orjson

from context0.api.caller import Caller
from context0.api.errors import Refused
from context0.errors import ConfigurationError, InvalidInput
from context0.memory.inputs import check_scope
from stores.blocking import in_thread

log = logging.getLogger(__name__)

MIN_SECRET_BYTES: Final = 32
OPERATOR: Final = "operator"
"""The word in the claim `scope` of whoever watches the service."""
_LEAST_VARIETY: Final = 8
_MAX_TOKEN: Final = 8_192
_FRESH_S: Final = 300.0
_STALE_S: Final = 3_600.0
_BETWEEN_FETCHES_S: Final = 10.0
_FETCH_S: Final = 5.0
_MAX_JWKS_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRules:
    """What a token must be. secret: for HS256. issuer, audience: None is not asked for."""

    secret: str = ""
    jwks_url: str = ""
    issuer: str | None = None
    audience: str | None = None
    leeway_s: int = 30

    def check(self) -> None:
        """Raises ConfigurationError for rules that would take what they should not."""
        if self.secret and len(self.secret.encode()) < MIN_SECRET_BYTES:
            raise ConfigurationError(
                f"CONTEXT0_JWT_SECRET has fewer than {MIN_SECRET_BYTES} bytes and could be guessed; make one with"
                " `python -c 'import secrets; print(secrets.token_urlsafe(32))'`"
            )
        if self.secret and len(set(self.secret)) < _LEAST_VARIETY:
            raise ConfigurationError("CONTEXT0_JWT_SECRET repeats a few characters and could be guessed; make another")
        if not self.jwks_url:
            return
        parts = urlsplit(self.jwks_url)
        is_local = parts.hostname in ("127.0.0.1", "::1", "localhost")
        if not (parts.scheme in ("https", "file") or (parts.scheme == "http" and is_local)):
            raise ConfigurationError("CONTEXT0_JWT_JWKS_URL: write https://… or file:///…; http only on this machine")
        if not self.audience:
            raise ConfigurationError(
                "CONTEXT0_JWT_AUDIENCE is not set; with CONTEXT0_JWT_JWKS_URL it must be, or tokens made for other"
                " services would be taken too"
            )


class Tokens:
    """Checks tokens; whose a token is, its `sub` says. One of the two ways for each token, by its algorithm alone."""

    def __init__(self, rules: TokenRules, published: "PublishedKeys | None" = None) -> None:
        rules.check()
        self._rules = rules
        self._published = published or (PublishedKeys(rules.jwks_url) if rules.jwks_url else None)

    async def caller_of(self, token: str) -> Caller | None:
        """Return whose token this is, or None for one that opens nothing. Raises Refused (503) without any keys."""
        if len(token) > _MAX_TOKEN:
            return None
        try:
            header = jwt.get_unverified_header(token)
            key = await self._key_for(header)
            if key is None:
                return None
            claims = self._claims(token, key, str(header["alg"]))
            return Caller(
                owner=check_scope(claims["sub"]).owner,
                operator=_is_operator(claims.get("scope")),
                credential=f"token:{str(claims.get('jti', ''))[:64]}",
            )
        except (jwt.PyJWTError, InvalidInput, ValueError, OverflowError):
            return None

    async def aclose(self) -> None:
        if self._published is not None:
            await self._published.aclose()

    async def _key_for(self, header: Mapping[str, Any]) -> Any:
        match header.get("alg"):
            case "HS256" if self._rules.secret:
                return self._rules.secret
            case "RS256" if self._published is not None:
                return await self._published.get(header.get("kid"))
        return None

    def _claims(self, token: str, key: Any, algorithm: str) -> Mapping[str, Any]:
        rules = self._rules
        claims: Mapping[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],  # HS256 or RS256, with the key of that kind
            audience=rules.audience,
            issuer=rules.issuer,
            leeway=rules.leeway_s,
            options={"require": ["exp", "sub"]},
        )
        return claims


def _is_operator(scope: object) -> bool:
    """Scopes come as words in one text (RFC 8693)."""
    return isinstance(scope, str) and OPERATOR in scope.split(" ")


class PublishedKeys:
    """The RSA keys at an address (JWKS), by their id: read when needed, again after 5 minutes and for an unknown id.

    When they cannot be read, those of up to an hour ago hold on.
    """

    def __init__(
        self, url: str, *, client: httpx.AsyncClient | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._url = url
        self._client = client
        self._clock = clock
        self._keys: Mapping[str | None, jwt.PyJWK] = {}
        self._read_at = -_STALE_S
        self._tried_at = -_STALE_S
        self._reading = asyncio.Lock()

    async def get(self, kid: object) -> jwt.PyJWK | None:
        """Return the key of this id; without an id the only one there is. Raises Refused (503) without any keys."""
        wanted = kid if isinstance(kid, str) else None
        if self._clock() - self._read_at > _FRESH_S or (wanted is not None and wanted not in self._keys):
            await self._refresh()
        if self._clock() - self._read_at > _STALE_S:
            raise Refused(503, "auth_unavailable", "the keys of tokens cannot be read; try again", {"retry-after": "5"})
        if wanted is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(wanted)

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def _refresh(self) -> None:
        """Read the keys, once for all who wait, and not more often than every 10 s."""
        asked_at = self._clock()
        async with self._reading:
            if self._read_at >= asked_at or self._clock() - self._tried_at < _BETWEEN_FETCHES_S:
                return
            self._tried_at = self._clock()
            try:
                found = jwt.PyJWKSet.from_dict(await self._fetch())
            except (httpx.HTTPError, OSError, ValueError, jwt.PyJWTError) as exc:
                log.warning("auth.jwks_failed", extra={"error": type(exc).__name__})
                return
            self._keys = {key.key_id: key for key in found.keys if key.key_type == "RSA"}
            self._read_at = self._clock()

    async def _fetch(self) -> Any:
        parts = urlsplit(self._url)
        if parts.scheme == "file":
            text = await in_thread(Path(url2pathname(parts.path)).read_bytes)
        else:
            self._client = self._client or httpx.AsyncClient(timeout=_FETCH_S, follow_redirects=False)
            response = await self._client.get(self._url)
            text = response.raise_for_status().content
        if len(text) > _MAX_JWKS_BYTES:
            raise ValueError("too large")
        return orjson.loads(text)
