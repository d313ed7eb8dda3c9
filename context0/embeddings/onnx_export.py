"""Makes an int8 ONNX model from a sentence-transformers folder; needs the extra `torch`, which only this does."""

from __future__ import annotations

import json
import shutil
import warnings
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from context0.embeddings.onnx_folder import LIMITS, MODEL, POOLING, TOKENIZER, read_folder
from context0.embeddings.onnx_vectors import OnnxVectors
from context0.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from context0.embeddings.onnx_folder import Pooling

_COPIED: Final = ("config.json", "README.md", "LICENSE")  # the card and the licence go with the weights
_KNOWN_PARTS: Final = (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])
_INPUTS: Final = ("input_ids", "attention_mask", "token_type_ids")
_OUTPUT: Final = "last_hidden_state"
# int8 costs MiniLM a cosine of 0.01 on average and 0.03 at worst; a graph that went wrong is near 0.
_LEAST_COSINE: Final = 0.9
_SENTENCES: Final = (
    "When did Anna move to Berlin?",
    "My favourite colour is teal, and my sister's is orange.",
    "The train left at 07:45 on 3 March 2024; we missed it by two minutes.",
    "ok",
    "",
    "HELLO!!! :-) 😀",
    "Ich habe gestern mit Jürgen über die Miete gesprochen.",
    "J'ai oublié d'acheter du café à la boulangerie.",
    "会議は来週の月曜日に延期されました。",
    "She has been allergic to peanuts since childhood, so please never bring any to the office kitchen.",
    "def area(radius): return 3.14159 * radius ** 2",
    "Afterwards we walked along the river and talked about the old house, the garden and the dogs. " * 30,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What was made, and how near its vectors are to torch's on a few built-in sentences (cosine, 1 is equal)."""

    target: Path
    dimension: int
    max_tokens: int
    pooling: Pooling
    model_bytes: int
    sentences: int
    mean_cosine: float
    lowest_cosine: float


def export(source_folder: Path, target_folder: Path) -> ExportReport:
    """Write `model.onnx`, `tokenizer.json` and the small files beside them; 15 s for a model of 90 MB.

    source_folder: as sentence-transformers saves it.  target_folder: appears complete and checked, or not at all.
    Raises ConfigurationError: an extra is missing, the source is no such model or one with parts that the provider
    does not run (such as Dense), the target is in use, or the int8 model does not give the vectors of its source.
    """
    target = target_folder.expanduser().absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigurationError(f"{target} is in use already; name a folder that is new or empty")
    encoder = _load(source_folder.expanduser())
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as beside:
        made = Path(beside) / "made"
        made.mkdir()
        _write_small_files(encoder, source_folder.expanduser(), made)
        _write_float(encoder, Path(beside) / "float.onnx")
        _quantise(Path(beside) / "float.onnx", made / MODEL)
        report = _compared(encoder, made, target)
        if target.exists():
            target.rmdir()
        made.rename(target)
    return report


def _load(source: Path) -> Any:
    """Return the SentenceTransformer in `source`. Raises ConfigurationError."""
    for name in ("torch", "onnx", "onnxscript", "onnxruntime"):
        _package(name)
    package = _package("sentence_transformers")
    if not (source / "config.json").is_file():
        raise ConfigurationError(f"{source} is not the folder of a sentence-transformers model: it has no config.json")
    try:
        encoder = package.SentenceTransformer(str(source), local_files_only=True, device="cpu")
    except (OSError, ValueError) as exc:
        raise ConfigurationError(f"sentence-transformers cannot load {source}: {exc}") from exc
    parts = [type(part).__name__ for part in encoder]
    if parts not in _KNOWN_PARTS:
        raise ConfigurationError(
            f"the model in {source} is made of {', '.join(parts)}, and only a Transformer with a Pooling can be"
            ' exported; use it through the provider "sentence-transformers"'
        )
    return encoder


def _package(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError as exc:
        raise ConfigurationError(f'exporting a model needs {name}; run `pip install "context0[torch]"`') from exc


def _write_small_files(encoder: Any, source: Path, made: Path) -> None:
    """Write the tokenizer, window and pooling that torch works with, in whichever file the source may have them."""
    for name in _COPIED:
        if (source / name).is_file():
            shutil.copyfile(source / name, made / name)
    backend = getattr(encoder.tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ConfigurationError(f"the model in {source} has no tokenizer that can be saved as {TOKENIZER}")
    backend.save(str(made / TOKENIZER))
    (made / LIMITS).write_text(json.dumps({"max_seq_length": encoder.max_seq_length}) + "\n", encoding="utf-8")
    (made / POOLING).parent.mkdir()
    (made / POOLING).write_text(json.dumps(encoder[1].get_config_dict(), indent=2) + "\n", encoding="utf-8")


def _write_float(encoder: Any, path: Path) -> None:
    """Export the transformer without its pooling, for batches and texts of any length."""
    torch = _package("torch")
    names = [name for name in _INPUTS if name in encoder.tokenizer.model_input_names]
    model = encoder[0].auto_model.eval()

    class TokenVectors(torch.nn.Module):  # type: ignore[misc, name-defined] # torch may be absent
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *tokens: Any) -> Any:
            return self.model(**dict(zip(names, tokens, strict=True))).last_hidden_state

    # One tensor each: handed in twice, the exporter takes two inputs for one, and the model ignores the second.
    examples = tuple(torch.ones((2, 8), dtype=torch.int64) for _ in names)
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("tokens")}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of torch, about torch
        torch.onnx.export(
            TokenVectors().eval(),
            examples,
            str(path),
            input_names=names,
            output_names=[_OUTPUT],
            dynamic_shapes=(tuple(axes for _ in names),),
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def _quantise(source: Path, target: Path) -> None:
    """Write `source` with weights in int8, a scale for every channel: one for a whole tensor costs a cosine of 0.05.

    The weights get 7 of the 8 bits: processors without VNNI add two products in 16 bits, which overflow otherwise,
    so that two machines would not give the same vectors. It costs a cosine of 0.001.
    """
    quantization = _package("onnxruntime.quantization")
    prepared = source.with_name("prepared.onnx")
    _package("onnxruntime.quantization.shape_inference").quant_pre_process(source, prepared, skip_symbolic_shape=True)
    quantization.quantize_dynamic(prepared, target, per_channel=True, reduce_range=True)


def _compared(encoder: Any, made: Path, target: Path) -> ExportReport:
    """Embed the built-in sentences with both models. Raises ConfigurationError when they do not agree."""
    folder = read_folder(made)
    vectors = OnnxVectors(folder)
    cosines = np.vecdot(vectors.embed(_SENTENCES), _embedded(encoder, _SENTENCES))
    lowest = float(cosines.min())
    if not lowest >= _LEAST_COSINE:
        raise ConfigurationError(
            f"the int8 model does not give the vectors of its source (cosine {lowest:.3f}, at least {_LEAST_COSINE} is"
            ' expected), so nothing was written; use the source through the provider "sentence-transformers"'
        )
    return ExportReport(
        target=target,
        dimension=vectors.dimension,
        max_tokens=folder.max_tokens,
        pooling=folder.pooling,
        model_bytes=folder.model.stat().st_size,
        sentences=len(_SENTENCES),
        mean_cosine=float(cosines.mean()),
        lowest_cosine=lowest,
    )


def _embedded(encoder: Any, sentences: Sequence[str]) -> Any:
    return encoder.encode(list(sentences), normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True)
