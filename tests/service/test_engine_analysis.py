"""A further analyser in the engine (EngineParts.analyser): asked for complex questions only, needed for none."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from context0.errors import Context0Error
from context0.memory.engine import MemoryEngine
from context0.memory.rules.query import QueryAnalysis, analyse_query
from tests.engine_bench import EngineBench, contents

COMPLEX = "What did we eat after the trip?"


class Rewriting:
    """Reads every question as one about bread."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault
        self.asked: list[str] = []

    async def analyse(self, question: str, *, reference: datetime, speakers: Sequence[str]) -> QueryAnalysis:
        self.asked.append(question)
        if self.fault is not None:
            raise self.fault
        read = analyse_query(question, reference=reference, speakers=speakers, known_entities=())
        return replace(read, content_text="bread")


async def engine_with(bench: EngineBench, analyser: Any) -> MemoryEngine:
    plain = bench.engine()
    bench.forget(plain)
    engine = MemoryEngine(parts=replace(plain._parts, analyser=analyser))
    bench._engines.append(engine)
    await engine.add("butter and bread", user_id="anna")
    await engine.add("the weather is lovely", user_id="anna")
    return engine


async def test_a_complex_question_is_searched_as_the_analyser_reads_it(bench: EngineBench) -> None:
    analyser = Rewriting()
    engine = await engine_with(bench, analyser)
    found = await engine.search(COMPLEX, user_id="anna", explain=True)
    assert contents(found)[0] == "butter and bread"
    rules: Any = found.explanation["rules"]
    assert rules["embedded_text"] == "bread"
    assert found.degraded == ()
    await engine.search("bread", user_id="anna")
    assert analyser.asked == [COMPLEX]


async def test_its_failure_is_named_and_the_rules_answer(bench: EngineBench) -> None:
    engine = await engine_with(bench, Rewriting(Context0Error("down")))
    found = await engine.search(COMPLEX, user_id="anna", explain=True)
    assert found.degraded == ("analysis",)
    assert found.explanation["failures"] == {"analysis": "context0_error"}
    plain = await bench.engine().search(COMPLEX, user_id="anna")
    assert contents(found) == contents(plain)
