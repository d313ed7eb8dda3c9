"""Carries out one evaluation as a command: files in, tables and JSON out, an exit code back."""

import asyncio
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from rich.console import Console

from context0.errors import ConfigurationError, Context0Error, InvalidInput
from context0.evaluation.datasets import read_conversations
from context0.evaluation.render import progress_bar, show
from context0.evaluation.report import EvaluationReport
from context0.evaluation.runner import evaluate
from context0.evaluation.storing import Dataset, Progress, RunOptions
from stores.errors import StoreError

if TYPE_CHECKING:
    from context0.memory.parts import EngineParts

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_BAD_INPUT: Final = 2
PIPED_WIDTH: Final = 110

PartsForUrl: TypeAlias = Callable[[str], "EngineParts"]
"""Returns the parts of an engine, not yet opened, over the store of a URL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRequest:
    """store_url: None means a file of its own that is removed afterwards.  json_path: None means no JSON, `-` stdout.

    limit_conversations: of each file, from its start.
    """

    data_paths: tuple[Path, ...]
    store_url: str | None = None
    limit_conversations: int | None = None
    options: RunOptions = field(default_factory=RunOptions)
    json_path: Path | None = None


def run_evaluation(request: EvaluationRequest, parts_for_url: PartsForUrl) -> int:
    """Evaluate every file, print, write the JSON. Returns 0, 1 when engine or store failed, 2 for bad input."""
    errors = Console(stderr=True)
    try:
        datasets = [_load(path, request.limit_conversations) for path in request.data_paths]
        with progress_bar(errors) as progress:
            reports = asyncio.run(_evaluate_all(request, datasets, parts_for_url, progress))
        _publish(reports, request.json_path)
    except (InvalidInput, ConfigurationError) as exc:
        errors.print(f"bad input: {exc}", markup=False, soft_wrap=True)
        return EXIT_BAD_INPUT
    except (Context0Error, StoreError, OSError) as exc:
        errors.print(f"evaluation failed: {exc}", markup=False, soft_wrap=True)
        return EXIT_FAILED
    return EXIT_OK


async def _evaluate_all(
    request: EvaluationRequest, datasets: list[Dataset], parts_for_url: PartsForUrl, progress: Progress
) -> list[EvaluationReport]:
    from context0.memory.engine import MemoryEngine

    with tempfile.TemporaryDirectory(prefix="context0-evaluation-") as folder:
        url = request.store_url or f"sqlite:///{Path(folder) / 'evaluation.db'}"
        parts = _parts(parts_for_url, url)
        async with MemoryEngine(parts=parts) as engine:
            return [await evaluate(engine, dataset, request.options, progress, parts) for dataset in datasets]


def _parts(parts_for_url: PartsForUrl, url: str) -> "EngineParts":
    try:
        return parts_for_url(url)
    except ValueError as exc:  # settings are validated where they are made
        raise InvalidInput("store", f"no engine for {url!r} ({exc})") from exc


def _load(path: Path, limit: int | None) -> Dataset:
    if limit is not None and limit < 1:
        raise InvalidInput("limit-conversations", f"must be 1 or more, not {limit}")
    name = path.name.removesuffix(".gz").removesuffix(".jsonl")
    return Dataset(name=name, conversations=tuple(islice(read_conversations(path), limit)))


def _publish(reports: list[EvaluationReport], json_path: Path | None) -> None:
    text = json.dumps({"datasets": [report.as_dict() for report in reports]}, indent=2, ensure_ascii=False) + "\n"
    if json_path == Path("-"):
        sys.stdout.write(text)
        return
    console = Console()
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    for report in reports:
        show(report, console)
    if json_path is not None:
        json_path.write_text(text, encoding="utf-8")
