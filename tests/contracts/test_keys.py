"""What every store of API keys does. S13."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from stores.errors import Conflict
from stores.key_protocol import ApiKey, KeyStore
from tests.contracts.builders import NOW, PAST
from tests.contracts.key_bench import KEY_BACKENDS

FIRST = ApiKey(id="aaa", owner="anna", digest=bytes(range(32)), created_at=PAST, name="laptop")
SECOND = replace(FIRST, id="bbb", digest=b"\xff" * 32, name="")
BENS = replace(FIRST, id="abc", owner="ben", operator=True)


@pytest.fixture(params=KEY_BACKENDS.values(), ids=KEY_BACKENDS.keys())
async def keys(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[KeyStore]:
    async with request.param.open(tmp_path) as opened:
        for key in (FIRST, SECOND, BENS):
            await opened.put(key)
        yield opened


async def test_a_key_is_found_as_it_was_put(keys: KeyStore) -> None:
    assert [await keys.find(key.id) for key in (FIRST, SECOND, BENS)] == [FIRST, SECOND, BENS]
    assert await keys.find("unknown") is None


async def test_an_id_is_given_once(keys: KeyStore) -> None:
    with pytest.raises(Conflict, match="another one"):
        await keys.put(replace(BENS, id="aaa"))
    assert await keys.find("aaa") == FIRST


async def test_keys_are_listed_by_id_and_by_owner_page_by_page(keys: KeyStore) -> None:
    assert await keys.list_page(owner=None, limit=10) == [FIRST, BENS, SECOND]
    assert await keys.list_page(owner="anna", limit=1) == [FIRST]
    assert await keys.list_page(owner="anna", limit=10, after="aaa") == [SECOND]
    assert await keys.list_page(owner="nobody", limit=10) == []


async def test_a_key_is_revoked_once_and_for_good(keys: KeyStore) -> None:
    assert await keys.revoke(["aaa", "aaa", "unknown"], now=NOW) == 1
    assert await keys.find("aaa") == replace(FIRST, revoked_at=NOW)
    assert await keys.revoke(["aaa", "bbb"], now=PAST) == 1
    assert [key.revoked_at for key in await keys.list_page(owner="anna", limit=10)] == [NOW, PAST]
    assert await keys.revoke([], now=NOW) == 0
    assert (await keys.find("abc")) == BENS


async def test_the_keys_of_one_who_is_erased_are_gone_and_open_nothing(keys: KeyStore) -> None:
    """S17"""
    await keys.revoke(["aaa"], now=NOW)
    assert await keys.erase("anna") == 2
    assert [await keys.find(key.id) for key in (FIRST, SECOND, BENS)] == [None, None, BENS]
    assert await keys.erase("anna") == 0
