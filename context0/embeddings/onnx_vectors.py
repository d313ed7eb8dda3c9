"""A transformer on onnxruntime: texts to tokens, to vectors of tokens, to one vector each."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from context0.embeddings.texts import valid_unicode
from context0.errors import ConfigurationError, EmbeddingInvalid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tokenizers import Encoding, Tokenizer

    from context0.embeddings.onnx_folder import OnnxFolder, Pooling
    from context0.embeddings.protocol import FloatMatrix, FloatVector

_FINISHED: Final = "sentence_embedding"  # the output that needs no pooling, where an exporter made one
_ERRORS_ONLY: Final = 3
_POOL: Final[Mapping[Pooling, Callable[[FloatMatrix], FloatVector]]] = {
    "mean": lambda tokens: tokens.mean(axis=0),
    "cls": lambda tokens: tokens[0],
    "max": lambda tokens: tokens.max(axis=0),
    "lasttoken": lambda tokens: tokens[-1],
}


class OnnxVectors:
    """A model and its tokenizer; pure, synchronous, safe to use from several threads.

    Every text is a run of its own. A model in int8 scales its activations by the largest of the whole batch, so that a
    text would get another vector in other company: in batches of 16 the cosine between the two fell to 0.96, for a
    fifth more texts a second.
    """

    def __init__(self, folder: OnnxFolder) -> None:
        """Load the model (0.15 s for 23 MB) and run it once. Raises ConfigurationError."""
        self._pool = _POOL[folder.pooling]
        self._tokenizer = _tokenizer(folder)
        self._session, self._errors = _session(folder)
        self._inputs = _inputs(self._session)
        outputs = [output.name for output in self._session.get_outputs()]
        self._output = _FINISHED if _FINISHED in outputs else outputs[0]
        try:
            self.dimension = self._vector(self._encodings([""])[0]).size
        except EmbeddingInvalid as exc:
            raise ConfigurationError(f"{folder.model}: {exc}") from exc

    def embed(self, texts: Sequence[str]) -> FloatMatrix:
        """Return unit vectors, shape (len(texts), dimension). A question takes 1.5 to 3 ms, 256 tokens 40.

        A text without any token counts as the token 0. Raises EmbeddingInvalid when the model refuses the tokens.
        """
        rows = np.empty((len(texts), self.dimension), dtype=np.float32)
        for row, encoding in zip(rows, self._encodings(texts), strict=True):
            row[:] = self._vector(encoding)
        with np.errstate(over="ignore", invalid="ignore"):
            norms = np.sqrt(np.vecdot(rows, rows))[:, np.newaxis]
            # What cannot be divided is left as it is: `Validated` says what is wrong with it.
            np.divide(rows, norms, out=rows, where=(norms > 0) & (norms < np.inf))
        return rows

    def _encodings(self, texts: Sequence[str]) -> list[Encoding]:
        # Always the batch call: it releases the GIL and skips offsets.
        try:
            return self._tokenizer.encode_batch_fast(list(texts))
        except TypeError:  # the tokenizer takes valid UTF-8 only
            return self._tokenizer.encode_batch_fast([valid_unicode(text) for text in texts])

    def _vector(self, encoding: Encoding) -> FloatVector:
        tokens = {
            "input_ids": encoding.ids or [0],
            "attention_mask": encoding.attention_mask or [1],
            "token_type_ids": encoding.type_ids or [0],
        }
        feed = {name: np.array([tokens[name]], dtype=integer) for name, integer in self._inputs}
        try:
            (answer,) = self._session.run([self._output], feed)
        except self._errors as exc:
            raise EmbeddingInvalid(
                "the model refuses what its tokenizer.json made of a text; see that both are of the same model"
            ) from exc
        vectors: FloatMatrix = answer[0]
        return self._pool(vectors) if vectors.ndim == 2 else vectors


def _tokenizer(folder: OnnxFolder) -> Tokenizer:
    """Return the folder's tokenizer with the folder's window, no padding, and no memory of texts, erased ones too."""
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(folder.tokenizer))
    except Exception as exc:  # the package raises nothing narrower
        raise ConfigurationError(f"{folder.tokenizer} is not a tokenizer: {exc}") from exc
    tokenizer.no_padding()
    tokenizer.enable_truncation(folder.max_tokens)
    forget = getattr(tokenizer.model, "_resize_cache", None)  # there is no public way; WordPiece remembers nothing
    if forget is not None:
        forget(0)
    return tokenizer


def _session(folder: OnnxFolder) -> tuple[Any, tuple[type[Exception], ...]]:
    """Return the loaded model and what its runs may raise. Raises ConfigurationError."""
    try:
        package = import_module("onnxruntime")
        raised = import_module("onnxruntime.capi.onnxruntime_pybind11_state")
    except ModuleNotFoundError as exc:
        raise ConfigurationError(
            'the embedding provider "onnx" needs an extra; run `pip install "context0[semantic]"`'
        ) from exc
    errors = tuple(kind for kind in vars(raised).values() if isinstance(kind, type) and issubclass(kind, Exception))
    options = package.SessionOptions()
    # A text is too little work to share: a second thread saves 0.2 ms of 1.5 and takes a core from everything else.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    try:
        session = package.InferenceSession(str(folder.model), options, providers=["CPUExecutionProvider"])
    except errors as exc:
        raise ConfigurationError(f"onnxruntime cannot load {folder.model}: {exc}") from exc
    return session, errors


def _inputs(session: Any) -> list[tuple[str, type[np.signedinteger[Any]]]]:
    """Return the names and types of the model's inputs. Raises ConfigurationError for one that is none of BERT's."""
    inputs = session.get_inputs()
    unknown = [given.name for given in inputs if given.name not in ("input_ids", "attention_mask", "token_type_ids")]
    if unknown:
        raise ConfigurationError(
            f"the ONNX model wants the inputs {', '.join(unknown)}; only models for text with input_ids,"
            " attention_mask and token_type_ids can be used"
        )
    return [(given.name, np.int32 if given.type == "tensor(int32)" else np.int64) for given in inputs]
