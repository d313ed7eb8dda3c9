"""What a folder with an ONNX model says about itself: its files, its limits, its pooling, its fingerprint."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

from context0.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

Pooling: TypeAlias = Literal["mean", "cls", "max", "lasttoken"]

MODEL: Final = "model.onnx"
TOKENIZER: Final = "tokenizer.json"
LIMITS: Final = "sentence_bert_config.json"
POOLING: Final = "1_Pooling/config.json"
MAX_TOKENS: Final = 256

_TOKENIZER_LIMITS: Final = "tokenizer_config.json"
_ARCHITECTURE: Final = "config.json"
# Files over 2 GB, and some exporters always, keep the weights beside the graph.
_WEIGHTS: Final = ("model.onnx_data", "model.onnx.data")
# tokenizer_config.json says 1e30 for "no limit"; nothing that embeds sentences has a longer window than this.
_LONGEST_WINDOW: Final = 32_768
# How the older files name the modes; the root of the length in the last vanishes when the vector is normalised.
_FLAGS: Final = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_lasttoken": "lasttoken",
    "pooling_mode_mean_sqrt_len_tokens": "mean",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxFolder:
    """A model that can be loaded.

    max_tokens: special tokens included; what is longer is cut there.
    fingerprint: 8 hex digits of the SHA-256 of everything that its vectors depend on.
    """

    path: Path
    max_tokens: int
    pooling: Pooling
    fingerprint: str

    @property
    def model(self) -> Path:
        return self.path / MODEL

    @property
    def tokenizer(self) -> Path:
        return self.path / TOKENIZER


def read_folder(path: Path) -> OnnxFolder:
    """Read the small files and hash the large one: 15 to 60 ms for 23 MB, without a part of the model in memory.

    Raises ConfigurationError naming the file that is missing or cannot be understood.
    """
    for name in (MODEL, TOKENIZER):
        if not (path / name).is_file():
            is_source = (path / _ARCHITECTURE).is_file() and name == MODEL
            source, target = (path, f"{path}-int8") if is_source else ("SOURCE", path)
            raise ConfigurationError(
                f"the embedding model folder {path} has no {name}; correct embedding_model, or make such a folder from"
                f" one of sentence-transformers: `context0 models export {source} {target}`"
            )
    max_tokens, pooling = read_max_tokens(path), read_pooling(path)
    return OnnxFolder(
        path=path, max_tokens=max_tokens, pooling=pooling, fingerprint=_fingerprint(path, f"{max_tokens} {pooling}")
    )


def read_max_tokens(path: Path) -> int:
    """Return the window that sentence-transformers would give the model; 256 when no file knows it."""
    architecture = _json(path / _ARCHITECTURE).get("max_position_embeddings") or _LONGEST_WINDOW
    asked = _json(path / LIMITS).get("max_seq_length") or _json(path / _TOKENIZER_LIMITS).get("model_max_length")
    if not isinstance(asked, int) or not 1 <= asked <= _LONGEST_WINDOW:
        asked = MAX_TOKENS
    return min(asked, int(architecture))


def read_pooling(path: Path) -> Pooling:
    """Return how the vectors of tokens become one; the mean when no file says so. Raises ConfigurationError."""
    written = _json(path / POOLING)
    modes = {mode for flag, mode in _FLAGS.items() if written.get(flag)}
    named = written.get("pooling_mode", "+".join(sorted(modes)) or "mean")
    for known in get_args(Pooling):
        if named == known:
            return known  # type: ignore[no-any-return]
    raise ConfigurationError(
        f"{path / POOLING} asks for the pooling {named!r}, and only {', '.join(get_args(Pooling))} are known here;"
        ' use the provider "sentence-transformers" for this model'
    )


def _json(path: Path) -> dict[str, Any]:
    """Return what a small file holds, nothing if it is not there. Raises ConfigurationError."""
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as exc:
        raise ConfigurationError(f"{path} is not JSON: {exc}") from exc
    return value if isinstance(value, dict) else {}


def _fingerprint(path: Path, settings: str) -> str:
    digest = hashlib.sha256(settings.encode())
    for name in (MODEL, *_WEIGHTS, TOKENIZER):
        if (path / name).is_file():
            with (path / name).open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:8]
