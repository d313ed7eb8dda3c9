"""The engine learns from feedback when it is told to, per user, durably, and forgets it on erasure (E6)."""

from pathlib import Path

import pytest

from context0 import MemoryEngine, Settings
from context0.errors import ConfigurationError
from context0.memory.feedback import UnknownSearch
from stores.errors import NotFound

TOPICS = ("garden", "piano", "bread", "bicycle", "harbour", "telescope")


def engine_at(folder: Path, *, learn: bool = True) -> MemoryEngine:
    return MemoryEngine(Settings(store_url=f"sqlite:///{folder / 'memories.db'}", learn_from_feedback=learn))


async def filled(engine: MemoryEngine, user_id: str) -> None:
    await engine.add_many(
        [
            {"content": f"The {topic} needs attention number {n}", "speaker": "Ada"}
            for topic in TOPICS
            for n in range(5)
        ],
        user_id=user_id,
    )


async def test_a_search_is_judged_by_its_id_also_after_a_restart(tmp_path: Path) -> None:
    async with engine_at(tmp_path) as engine:
        await filled(engine, "ada")
        found = await engine.search("what about the piano?", user_id="ada")
        assert found.search_id is not None
        await engine.feedback(found.search_id, found.items[0].memory.id, user_id="ada", useful=True)
        search_id = found.search_id
    async with engine_at(tmp_path) as engine:
        await engine.feedback(search_id, found.items[1].memory.id, user_id="ada", useful=False)
        outcome = await engine.tune(user_id="ada")
        assert not outcome.kept  # one search proves nothing


async def test_another_user_cannot_judge_a_search_and_unknown_things_are_told(tmp_path: Path) -> None:
    async with engine_at(tmp_path) as engine:
        await filled(engine, "ada")
        await filled(engine, "eve")
        found = await engine.search("what about the piano?", user_id="ada")
        theirs = await engine.search("what about the piano?", user_id="eve")
        assert found.search_id is not None
        with pytest.raises(UnknownSearch):
            await engine.feedback(found.search_id, theirs.items[0].memory.id, user_id="eve", useful=True)
        with pytest.raises(NotFound):
            await engine.feedback(found.search_id, theirs.items[0].memory.id, user_id="ada", useful=True)


async def test_erasure_forgets_what_was_learned(tmp_path: Path) -> None:
    async with engine_at(tmp_path) as engine:
        await filled(engine, "ada")
        found = await engine.search("what about the piano?", user_id="ada")
        assert found.search_id is not None
        await engine.feedback(found.search_id, found.items[0].memory.id, user_id="ada", useful=True)
        receipt = await engine.delete_all(user_id="ada")
        assert receipt.ok
        assert receipt.stores[0].removed["experience"] == 1


async def test_learning_is_off_unless_it_is_asked_for(tmp_path: Path) -> None:
    async with engine_at(tmp_path, learn=False) as engine:
        await filled(engine, "ada")
        found = await engine.search("what about the piano?", user_id="ada")
        assert found.search_id is None
        with pytest.raises(ConfigurationError, match="CONTEXT0_LEARN_FROM_FEEDBACK"):
            await engine.feedback("any", found.items[0].memory.id, user_id="ada", useful=True)
