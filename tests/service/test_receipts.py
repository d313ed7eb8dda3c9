"""S17: the receipt of an erasure is signed, counted again after a minute, and kept without the name."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from context0.agents.permit import Erased as TurnErased
from context0.cli import main
from context0.errors import InvalidInput
from context0.memory.receipts import receipt_fields, receipt_of
from context0.wire.memories import ReceiptRecord
from stores.errors import Erased, NotFound
from stores.records import Scope, SessionId
from stores.reference.cache import ReferenceCache
from stores.reference.vectors import ReferenceVectors
from tests.chat_bench import ChatBench
from tests.contracts.builders import NOW
from tests.engine_bench import EngineBench, Faulty, count_of, many, open_bench
from tests.unit.test_cache_shared import armed

ANNA = Scope(owner="anna")


@pytest.fixture
async def file_bench(tmp_path: Path) -> AsyncIterator[EngineBench]:
    async with open_bench("sqlite", tmp_path) as opened:
        yield opened


async def test_a_receipt_tells_every_store_and_is_signed(file_bench: EngineBench) -> None:
    engine = file_bench.engine(shared=armed(ReferenceCache()), search_cache_bytes=1 << 20)
    await engine.add_many(many(3), user_id="anna")
    await engine.search("note", user_id="anna")
    receipt = await engine.delete_all(user_id="anna")
    named = ["sqlite", "local", "memory", "reference", "sqlite-chats", "sqlite-replies"]
    assert [store.store for store in receipt.stores] == named
    assert (receipt.ok, receipt.stores[0].removed["memories"], receipt.stores[3].removed) == (True, 3, {"words": 1})
    assert await engine.verify_receipt(receipt)
    for changed in (
        replace(receipt, user_id="ben"),
        replace(receipt, stores=receipt.stores[1:]),
        replace(receipt, signature="é"),
        replace(receipt, checked_at=NOW),
    ):
        assert not await engine.verify_receipt(changed)
    again = receipt_of(ReceiptRecord.model_validate_json(orjson.dumps(receipt_fields(receipt))))
    assert await engine.verify_receipt(again), "as it came over HTTP"
    assert await file_bench.engine().verify_receipt(receipt), "by another process of the store"


async def test_a_minute_later_everything_is_counted_again_and_what_is_new_is_left(file_bench: EngineBench) -> None:
    vectors = ReferenceVectors()
    engine = file_bench.engine(vectors=vectors)
    await engine.add_many(many(3), user_id="anna", wait=True)
    receipt = await engine.delete_all(user_id="anna")
    assert receipt.recheck_after is not None
    await engine.flush()
    assert b'"checked_at":null' in (await engine.erasure(receipt.id) or b"")
    file_bench.clock.advance(seconds=61)
    await engine.add("anew", user_id="anna", wait=True)
    await engine.flush()
    kept = json.loads(await engine.erasure(receipt.id) or b"")
    assert (kept["ok"], kept["checked_at"] is not None) == (True, True)
    assert "anna" not in str(kept)
    assert await count_of(engine) == 1


async def test_vectors_that_came_late_are_found_and_removed_by_the_second_count(file_bench: EngineBench) -> None:
    """D13: of another process, which was killed before it could take them back."""
    vectors = ReferenceVectors()
    engine = file_bench.engine(vectors=vectors)
    await engine.add("note", user_id="anna", wait=True)
    points = dict(vectors._points[ANNA.owner])
    receipt = await engine.delete_all(user_id="anna")
    vectors._points[ANNA.owner] = points
    checked = await engine.recheck(receipt)
    assert (checked.ok, checked.stores[1].removed) == (True, {"vectors": 1})
    assert await vectors.count(ANNA) == 0


async def test_what_is_left_of_before_is_told(file_bench: EngineBench) -> None:
    engine = file_bench.engine()
    (old,) = await engine.add_many(many(1), user_id="anna")
    file_bench.clock.advance(seconds=1)
    receipt = await engine.delete_all(user_id="anna")
    await engine._parts.documents.put_many(
        [await document_of(engine, old)], scope=ANNA, now=file_bench.clock.now()
    )  # as a store would that has forgotten what it erased
    checked = await engine.recheck(receipt)
    assert [(one.store, one.remaining) for one in checked.stores] == [("sqlite", 1), ("sqlite-chats", 0)]
    assert not checked.ok
    with pytest.raises(InvalidInput, match="signature"):
        await engine.recheck(replace(receipt, user_id="ben"))


async def document_of(engine: Any, memory: Any) -> Any:
    from context0.memory.writing import to_document

    return to_document(memory, "key", None, None)


async def test_what_could_not_be_erased_keeps_the_keys_for_the_next_call(file_bench: EngineBench) -> None:
    vectors = Faulty(ReferenceVectors())
    engine = file_bench.engine(vectors=vectors)
    keys = Keys()
    vectors.down("erase")
    receipt = await engine.delete_all(user_id="anna", beside=[keys])
    assert (receipt.ok, receipt.stores[-1].store, keys.left) == (False, "keys", 2)
    vectors.repair()
    receipt = await engine.delete_all(user_id="anna", beside=[keys])
    assert (receipt.ok, receipt.stores[-1].removed, keys.left) == (True, {"keys": 2}, 0)


class Keys:
    name = "keys"
    left = 2

    async def erase(self, scope: Scope) -> dict[str, int]:
        removed, self.left = self.left, 0
        return {"keys": removed}

    async def count(self, scope: Scope, *, before: Any = None) -> int:
        return self.left


async def test_a_write_of_another_process_that_was_begun_before_is_refused(backend: str, tmp_path: Path) -> None:
    """D13: an add that waits for its vector, an import under way, a turn that ends late."""
    async with open_bench(backend, tmp_path) as bench:
        late, other = bench.engine(documents=Faulty), bench.engine()
        await other.add("hers", user_id="anna")
        documents: Any = late._parts.documents

        async def erase() -> None:
            documents.before.clear()
            assert (await other.delete_all(user_id="anna")).ok

        documents.before["put_many"] = erase
        with pytest.raises(Erased):
            await late.add("too late", user_id="anna")
        assert await count_of(other) == 0
        began = time.time()
        await other.delete_all(user_id="anna")
        with pytest.raises(Erased):
            await late.add_many([{"content": "of a turn"}], user_id="anna", begun_s=began)
        await late.add("anew", user_id="anna")
        assert await count_of(other) == 1


@pytest.mark.parametrize("looked_before", [True, False])
async def test_another_process_forgets_what_it_holds_in_memory(tmp_path: Path, *, looked_before: bool) -> None:
    """Within `index_interval_s`: also what was said in a chat, which its contexts hold for five minutes."""
    async with open_bench("sqlite", tmp_path) as engines:
        chats = ChatBench(engines, tmp_path)
        here, elsewhere = chats.chat(), engines.engine()
        await here.say("I live in Munich near the canary4711")
        await here.engine.search("where?", user_id="anna")
        if looked_before:
            await here.engine._look_after()
        assert (await elsewhere.delete_all(user_id="anna")).ok
        assert here.service._contexts.owners()
        await here.engine._look_after()
        assert (here.service._contexts.owners(), here.engine._indexes.owners()) == (set(), [])
        await here.service.aclose()


async def test_the_summary_that_was_made_of_a_deleted_memory_is_dropped(tmp_path: Path) -> None:
    async with open_bench("sqlite", tmp_path) as engines:
        chat = ChatBench(engines, tmp_path).chat()
        await chat.say("I live in Munich near the canary4711")
        (memory,) = await chat.remembered()
        store, session = await chat.engine.chats(), SessionId(str(chat.session_id))
        await store.update_session(session, scope=ANNA, summary=("Stated:\n- lives near the canary4711", 2))
        await chat.engine.delete(memory.id, user_id="anna")
        told = await store.get_session(session, scope=ANNA)
        assert (told.summary, told.summary_seq) == ("", 2)
        with pytest.raises(NotFound):
            await chat.engine.delete(memory.id, user_id="anna")
        await chat.service.aclose()


async def test_a_file_that_is_being_read_is_told_and_not_called_erased(file_bench: EngineBench) -> None:
    """Finding 10: what a reader holds in the log stays there until it has ended."""
    import apsw

    engine = file_bench.engine()
    await engine.add("note", user_id="anna")
    database: Any = engine._parts.documents._database  # type: ignore[attr-defined]
    reader = apsw.Connection(str(database.path))
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM memories").fetchall()
    await database._writer.async_run(lambda connection: connection.set_busy_timeout(50), database._writer)
    with pytest.raises(Exception, match="still stands in its log"):
        await engine.delete_all(user_id="anna")
    reader.execute("COMMIT")
    assert (await engine.delete_all(user_id="anna")).ok
    reader.close()


def test_a_receipt_is_checked_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = f"sqlite:///{tmp_path}/x.db"

    async def erased() -> bytes:
        from context0.memory.engine import MemoryEngine
        from context0.settings import Settings

        async with MemoryEngine(Settings(data_dir=tmp_path, store_url=store)) as engine:
            await engine.add("note", user_id="anna")
            return orjson.dumps(receipt_fields(await engine.delete_all(user_id="anna")))

    file = tmp_path / "receipt.json"
    file.write_bytes(asyncio.run(erased()))
    assert main(["receipts", "verify", str(file), "--store", store]) == 0
    assert "stands as it was made" in capsys.readouterr().out
    assert main(["receipts", "recheck", str(file), "--store", store, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True
    file.write_bytes(file.read_bytes().replace(b'"memories":1', b'"memories":2'))
    assert main(["receipts", "verify", str(file), "--store", store]) == 1
    file.write_bytes(b"{}")
    assert main(["receipts", "verify", str(file), "--store", store]) == 2


def test_both_kinds_of_lateness_have_one_code() -> None:
    assert Erased.code == TurnErased.code == "erased"
