"""Asks an engine all questions of a dataset one after the other, times each search, and makes the report."""

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from context0.evaluation import report
from context0.evaluation.ablation import ablation
from context0.evaluation.folds import cross_validated
from context0.evaluation.recording import Case, Variant, ranking, record
from context0.evaluation.storing import Dataset, Progress, RunOptions, Stored, key_of, owner_of, store

if TYPE_CHECKING:
    from context0 import MemoryEngine
    from context0.memory.parts import EngineParts

SEARCH_LIMIT: Final = 20


async def evaluate(
    engine: "MemoryEngine",
    dataset: Dataset,
    options: RunOptions,
    progress: Progress,
    parts: "EngineParts | None" = None,
) -> report.EvaluationReport:
    """Store a dataset, ask all of its questions with concurrency 1 and return the figures.

    parts: of the engine, needed for an ablation, a cross-validation or another fusion. The memories stay in the store.
    Raises InvalidInput when an owner of the dataset has memories already.
    """
    stored, ingested = await store(engine, dataset, options, progress)
    asked = await _ask_all(engine, dataset, options, stored, progress)
    cases: list[Case] = []
    if options.replays:
        if parts is None:
            raise ValueError("an ablation, a cross-validation or another fusion needs the parts of the engine")
        cases = await record(parts, dataset, stored, options, progress)
    if options.fusion != "score":
        variant = Variant(fusion=options.fusion)
        asked = [
            replace(one, ranked=ranking(case, variant, SEARCH_LIMIT)) for one, case in zip(asked, cases, strict=True)
        ]
    keys = [key_of(conversation, turn) for conversation, question in dataset.questions for turn in question.evidence]
    return report.EvaluationReport(
        dataset=dataset.name,
        merged=options.merge,
        strategies=options.strategies,
        fusion=options.fusion,
        ingested=ingested,
        rows=report.table(asked),
        recall_at_10_interval=report.recall_interval(asked),
        abstention=report.abstention(asked),
        degraded_searches=sum(bool(one.degraded) for one in asked),
        unknown_evidence=sum(key not in stored.standing_for for key in keys),
        ablation=ablation(cases, options.fusion) if options.ablation else (),
        cross_validation=cross_validated(cases, options.folds) if options.folds else None,
    )


async def _ask_all(
    engine: "MemoryEngine", dataset: Dataset, options: RunOptions, stored: Stored, progress: Progress
) -> list[report.Asked]:
    asked = []
    for done, (conversation, question) in enumerate(dataset.questions, start=1):
        owner = owner_of(dataset, conversation, options)
        started = time.perf_counter()
        result = await engine.search(question.text, user_id=owner, limit=SEARCH_LIMIT, strategies=options.strategies)
        elapsed_ms = 1_000 * (time.perf_counter() - started)
        asked.append(
            report.Asked(
                conversation=conversation.id,
                category=question.category,
                relevant=stored.relevant([key_of(conversation, turn) for turn in question.evidence]),
                ranked=stored.ranked([i for item in result.items for i in (item.memory.id, *item.same)]),
                relevance=0.0 if result.relevance is None else result.relevance,
                elapsed_ms=elapsed_ms,
                degraded=tuple(result.degraded),
            )
        )
        progress("ask", done, len(dataset.questions))
    return asked
