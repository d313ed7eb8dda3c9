"""Who gets in: keys, tokens, nothing else. Forged, expired, foreign and misplaced credentials are refused. S13, D15."""

import base64
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import orjson
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from context0.api.auth import LocalDeveloper
from context0.api.caller import Caller
from context0.api.keys import KeyRing, digest, new_key
from context0.api.tokens import PublishedKeys, TokenRules, Tokens
from context0.errors import ConfigurationError, InvalidInput
from stores.errors import Unavailable
from stores.reference.keys import ReferenceKeys
from tests.contracts.builders import NOW
from tests.engine_bench import open_bench
from tests.service_bench import SECRET, ServiceBench, code_of, open_service

MUTATIONS = 2_000
ANNA = Caller(owner="anna")
Rsa = rsa.RSAPrivateKey


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[ServiceBench]:
    async with open_bench("reference", tmp_path) as bench, open_service(bench.engine()) as opened:
        yield opened


@pytest.fixture(scope="module")
def rsa_key() -> Rsa:
    return rsa.generate_private_key(65_537, 2_048)


def claims(**changed: Any) -> dict[str, Any]:
    told = {"sub": "anna", "aud": "context0", "exp": datetime.now(UTC) + timedelta(minutes=5), **changed}
    return {name: value for name, value in told.items() if value is not None}


def token(secret: Any = SECRET, algorithm: str = "HS256", headers: Any = None, **changed: Any) -> str:
    return jwt.encode(claims(**changed), secret, algorithm, headers)


async def asked(service: ServiceBench, headers: Any = None, path: str = "/v1/memories") -> httpx.Response:
    async with service.bare() as client:
        return await client.get(path, headers=headers)


async def test_a_key_opens_its_users_memory_in_both_headers(service: ServiceBench) -> None:
    key = await service.key("anna")
    for headers in ({"authorization": f"Bearer {key}"}, {"authorization": f"bearer  {key}"}, {"x-api-key": key}):
        assert (await asked(service, headers)).status_code == 200


async def test_nothing_is_served_without_a_credential(service: ServiceBench) -> None:
    refused = await asked(service)
    assert (refused.status_code, code_of(refused)) == (401, "unauthorized")
    assert refused.headers["www-authenticate"] == "Bearer"
    assert (await asked(service, path="/nowhere")).status_code == 401
    assert (await asked(service, path="/openapi.json")).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Basic YW5uYTphbm5h"},
        {"authorization": "Bearer c0_"},
        {"authorization": "Bearer c0__"},
        {"authorization": "Bearer c0_000000000000_x"},
        {"authorization": "Bearer " + "c0_" + "x" * 5_000},
        {"authorization": "Bearer " + "x" * 20_000},
        {"authorization": "Bearer a.b.c"},
        {"authorization": "Bearer ..."},
        {"authorization": b"Bearer \xff\xfe"},
        {"x-api-key": ""},
        {"x-api-key": b"c0_\xff_\xff"},
        [("x-api-key", "a"), ("x-api-key", "b")],
        [("authorization", "Bearer a"), ("x-api-key", "b")],
    ],
)
async def test_what_is_no_credential_is_refused(service: ServiceBench, headers: Any) -> None:
    refused = await asked(service, headers)
    assert (refused.status_code, code_of(refused)) == (401, "unauthorized")


async def test_every_change_of_a_key_or_a_token_is_refused(service: ServiceBench) -> None:
    source = random.Random(3)
    credentials = service.services.authenticator
    accepted = 0
    for genuine in (await service.key("anna"), token()):
        for _ in range(MUTATIONS):
            place = source.randrange(len(genuine))
            changed = genuine[:place] + source.choice("abcXYZ019-_.") + genuine[place + 1 :]
            if changed == genuine or _same_token(changed, genuine):
                continue
            try:
                await credentials.caller_of([(b"authorization", f"Bearer {changed}".encode())])
            except Exception as refused:  # noqa: BLE001 - counted
                assert getattr(refused, "status_code", None) == 401
            else:
                accepted += 1
    assert accepted == 0


def _same_token(changed: str, genuine: str) -> bool:
    """The last character of base64 has bits that mean nothing."""
    try:
        parts = [[base64.urlsafe_b64decode(part + "==") for part in text.split(".")] for text in (changed, genuine)]
    except ValueError:
        return False
    return "." in genuine and parts[0] == parts[1]


async def test_only_hashes_of_keys_are_kept() -> None:
    key, held = new_key("anna", name="laptop", now=NOW)
    assert key.startswith(f"c0_{held.id}_")
    assert len(base64.urlsafe_b64decode(key.split("_", 2)[2] + "=")) == 32
    assert held.digest == digest(key)
    assert key.split("_", 2)[2] not in repr(held)
    with pytest.raises(InvalidInput):
        new_key(" ", now=NOW)


async def test_a_revoked_key_opens_nothing_once_the_cache_has_passed() -> None:
    store, now = ReferenceKeys(), [0.0]
    key, held = new_key("anna", now=NOW)
    await store.put(held)
    ring = KeyRing(store, cache_s=5.0, clock=lambda: now[0])
    assert await ring.caller_of(key) == ANNA
    await store.revoke([held.id], now=NOW)
    now[0] = 4.9
    assert await ring.caller_of(key) == ANNA
    now[0] = 5.1
    assert await ring.caller_of(key) is None


async def test_a_store_that_is_away_is_no_refusal(service: ServiceBench) -> None:
    key = await service.key("anna")

    async def away(_: str) -> Any:
        raise Unavailable("away")

    service.keys.find = away  # type: ignore[method-assign]
    told = await asked(service, {"x-api-key": key})
    assert (told.status_code, code_of(told), told.headers["retry-after"]) == (503, "store_unavailable", "1")


@pytest.mark.parametrize(
    "query",
    ["api_key={}", "token={}", "access_token={}", "key={}", "limit={}", "Authorization=Bearer%20{}", "X-API-Key={}"],
)
async def test_a_key_in_the_address_is_refused_even_beside_a_right_one(service: ServiceBench, query: str) -> None:
    key = await service.key("anna")
    for headers in (None, {"x-api-key": key}):
        told = await asked(service, headers, f"/v1/memories?{query.format(key)}")
        assert (told.status_code, code_of(told)) == (400, "credential_in_url")
        assert key not in told.text


async def test_a_token_opens_its_subjects_memory(service: ServiceBench) -> None:
    anna = await service.client("anna")
    await anna.post("/v1/memories", json={"content": "hers"})
    told = await asked(service, {"authorization": f"Bearer {token()}"})
    assert [one["content"] for one in told.json()["items"]] == ["hers"]


@pytest.mark.parametrize(
    "forged",
    [
        lambda: token("another secret of more than thirty-two bytes"),
        lambda: token(exp=datetime.now(UTC) - timedelta(minutes=2)),
        lambda: token(exp=None),
        lambda: token(nbf=datetime.now(UTC) + timedelta(minutes=2)),
        lambda: token(aud="another"),
        lambda: token(aud=None),
        lambda: token(sub=None),
        lambda: token(sub=""),
        lambda: token(sub=" " * 3),
        lambda: token(sub="x" * 300),
        lambda: token(sub="a\0b"),
        lambda: token(exp="soon"),
        lambda: token(exp=float("inf")),
        lambda: token(SECRET * 2, algorithm="HS384"),
        lambda: token(SECRET * 2, algorithm="HS512"),
        lambda: unsigned("none"),
        lambda: unsigned("None"),
        lambda: unsigned("HS256"),
        lambda: unsigned("RS256"),
        lambda: unsigned(None),
        lambda: unsigned(["HS256"]),
    ],
)
async def test_a_token_that_is_off_is_refused(service: ServiceBench, forged: Any) -> None:
    told = await asked(service, {"authorization": f"Bearer {forged()}"})
    assert (told.status_code, code_of(told)) == (401, "unauthorized")


def unsigned(algorithm: Any) -> str:
    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(orjson.dumps(value)).rstrip(b"=").decode()

    body = {**claims(), "exp": 2_000_000_000}
    return f"{part({'alg': algorithm, 'typ': 'JWT'})}.{part(body)}."


async def test_clocks_may_differ_by_the_leeway_and_no_more() -> None:
    tokens = Tokens(TokenRules(secret=SECRET, audience="context0", leeway_s=30))
    now = datetime.now(UTC)
    assert await tokens.caller_of(token(exp=now - timedelta(seconds=20))) == ANNA
    assert await tokens.caller_of(token(exp=now - timedelta(seconds=40))) is None


@pytest.mark.parametrize(
    ("scope", "operator"),
    [
        ("operator", True),
        ("openid operator email", True),
        (None, False),
        ("", False),
        ("operators", False),
        ("Operator", False),
        ("my-operator", False),
        (["operator"], False),
        ({"operator": True}, False),
        (True, False),
    ],
)
async def test_an_operator_is_who_has_the_word_in_the_scope(scope: Any, operator: bool) -> None:
    tokens = Tokens(TokenRules(secret=SECRET, audience="context0"))
    assert await tokens.caller_of(token(scope=scope)) == Caller(owner="anna", operator=operator)


async def test_the_issuer_is_checked_where_one_is_set() -> None:
    tokens = Tokens(TokenRules(secret=SECRET, audience="context0", issuer="us"))
    assert await tokens.caller_of(token(iss="us")) == ANNA
    for issuer in (None, "them"):
        assert await tokens.caller_of(token(iss=issuer)) is None


@pytest.mark.parametrize(
    "rules",
    [
        {"secret": "short"},
        {"secret": "x" * 31},
        {"secret": "changeme" * 4},
        {"secret": "x" * 64},
        {"jwks_url": "http://example.com/keys.json", "audience": "a"},
        {"jwks_url": "ftp://example.com/keys.json", "audience": "a"},
        {"jwks_url": "https://example.com/keys.json"},
    ],
)
def test_rules_that_would_take_too_much_are_refused_at_the_start(rules: Any) -> None:
    with pytest.raises(ConfigurationError, match="CONTEXT0_JWT"):
        Tokens(TokenRules(**rules))


def published(key: Rsa, kid: str = "k1") -> bytes:
    told = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return orjson.dumps({"keys": [{**told, "kid": kid, "use": "sig", "alg": "RS256"}]})


async def test_published_keys_open_and_confuse_nobody(tmp_path: Path, rsa_key: Rsa) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(published(rsa_key))
    rules = TokenRules(secret=SECRET, jwks_url=path.as_uri(), audience="context0")
    tokens = Tokens(rules)
    signed = token(rsa_key, "RS256", {"kid": "k1"})
    assert await tokens.caller_of(signed) == ANNA
    assert await tokens.caller_of(token(rsa_key, "RS256")) == ANNA
    assert await tokens.caller_of(token(rsa_key, "RS256", {"kid": "k2"})) is None
    assert await tokens.caller_of(token(rsa_key, "RS512", {"kid": "k1"})) is None
    stranger = rsa.generate_private_key(65_537, 2_048)
    assert await tokens.caller_of(token(stranger, "RS256", {"kid": "k1"})) is None
    public = rsa_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert await tokens.caller_of(_signed_with(public)) is None
    only_published = Tokens(TokenRules(jwks_url=path.as_uri(), audience="context0"))
    assert await only_published.caller_of(token()) is None
    assert await only_published.caller_of(_signed_with(public)) is None


def _signed_with(public: bytes) -> str:
    """HS256 with the public key as its secret: what PyJWT itself refuses to make."""
    import hashlib
    import hmac

    head, body, _ = token().split(".")
    mac = hmac.digest(public, f"{head}.{body}".encode(), hashlib.sha256)
    return f"{head}.{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


async def test_published_keys_are_read_again_when_they_change_and_held_when_they_cannot(rsa_key: Rsa) -> None:
    now, served, calls = [1_000.0], {"body": published(rsa_key), "status": 200}, []

    def handle(request: httpx.Request) -> httpx.Response:
        calls.append(request.url.path)
        return httpx.Response(served["status"], content=served["body"])

    client = httpx.AsyncClient(transport=httpx.MockTransport(handle))
    keys = PublishedKeys("https://example.com/keys.json", client=client, clock=lambda: now[0])
    assert await keys.get("k1") is not None
    assert await keys.get("k2") is None
    assert len(calls) == 1  # an unknown id asks again, but not more often than every 10 s
    now[0] += 11
    served["body"] = published(rsa_key, "k2")
    assert await keys.get("k2") is not None
    served["status"] = 500
    now[0] += 400
    assert await keys.get("k2") is not None
    now[0] += 3_600
    with pytest.raises(Exception, match="cannot be read"):
        await keys.get("k2")
    await keys.aclose()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([(b"host", b"127.0.0.1:8000")], 200),
        ([(b"host", b"localhost")], 200),
        ([(b"host", b"[::1]:8000"), (b"origin", b"http://localhost:3000")], 200),
        ([(b"host", b"evil.example")], 403),
        ([(b"host", b"localhost.evil.example")], 403),
        ([], 403),
        ([(b"host", b"localhost"), (b"origin", b"https://evil.example")], 403),
        ([(b"host", b"localhost"), (b"origin", b"null")], 403),
    ],
)
async def test_dev_serves_this_machine_only(headers: Any, status: int) -> None:
    developer = LocalDeveloper()
    if status == 200:
        assert await developer.caller_of(headers) == Caller(owner="dev", operator=True)
        return
    with pytest.raises(Exception, match="--dev") as refused:
        await developer.caller_of(headers)
    assert getattr(refused.value, "status_code", None) == status
