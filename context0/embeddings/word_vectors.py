"""A table of word vectors averaged into text vectors: wordllama's weights, read and applied directly.

Importing wordllama itself costs 300 more modules, 29 MB and 0.2 s, and configures the process's root logger; its
wheel is needed only for two files. The vectors are the same (a test compares them with wordllama's own).
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from context0.embeddings.texts import valid_unicode
from context0.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tokenizers import Encoding, Tokenizer

    from context0.embeddings.protocol import FloatMatrix, FloatVector

_WEIGHTS: Final = "weights/l2_supercat_256.safetensors"
_TOKENIZER: Final = "tokenizers/l2_supercat_tokenizer_config.json"
_TENSOR: Final = "embedding.weight"
_UNKNOWN_TOKEN: Final = 0

# What one tokenizer call may hold: an encoding weighs about 150 bytes a token, a token is about 3 characters.
_CHUNK_ITEMS: Final = 1024
_CHUNK_CHARACTERS: Final = 1 << 20
# Rows gathered at once (4 MB): a text of a mebibyte would otherwise gather 350 MB.
_GATHER_TOKENS: Final = 4096


class WordVectors:
    """Token vectors and their tokenizer; pure, synchronous, safe to use from several threads."""

    def __init__(self, table: FloatMatrix, tokenizer: Tokenizer) -> None:
        """table: float32, shape (tokens, dimension), no zero row."""
        self._table = table
        self._tokenizer = tokenizer
        self._without_tokens = _normalised(table[_UNKNOWN_TOKEN][np.newaxis].copy())[0]

    def embed(self, texts: Sequence[str]) -> FloatMatrix:
        """Return unit vectors, shape (len(texts), dimension): the mean of all tokens of a text, however long.

        A text without any token gets the vector of the unknown token.
        Cost: about 20 us a text, 0.3 us per character of it.
        """
        sums = np.empty((len(texts), self._table.shape[1]), dtype=np.float32)
        row = 0
        for chunk in _chunks(texts):
            for encoding in self._tokenize(chunk):
                self._sum(encoding.ids, sums[row])
                row += 1
        return _normalised(sums)

    def _tokenize(self, texts: list[str]) -> list[Encoding]:
        # Always the batch call: it releases the GIL and skips offsets (10 us a query where encode costs 12).
        try:
            return self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        except TypeError:  # the tokenizer takes valid UTF-8 only
            return self._tokenizer.encode_batch_fast([valid_unicode(text) for text in texts], add_special_tokens=False)

    def _sum(self, tokens: list[int], out: FloatVector) -> None:
        if not tokens:
            out[:] = self._without_tokens
            return
        np.add.reduce(self._table.take(tokens[:_GATHER_TOKENS], axis=0), axis=0, out=out)
        for start in range(_GATHER_TOKENS, len(tokens), _GATHER_TOKENS):
            out += np.add.reduce(self._table.take(tokens[start : start + _GATHER_TOKENS], axis=0), axis=0)


def load_word_vectors() -> WordVectors:
    """Read wordllama's 256-d vectors out of its installed wheel; about 80 ms, 33 MB, no network.

    Raises ConfigurationError when the wheel or one of its two files is missing.
    """
    from tokenizers import Tokenizer

    spec = find_spec("wordllama")  # finds the folder without importing the package
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError("the package wordllama is not installed; run `pip install wordllama`")
    folder = Path(spec.submodule_search_locations[0])
    for part in (_WEIGHTS, _TOKENIZER):
        if not (folder / part).is_file():
            raise ConfigurationError(f"the installed wordllama lacks {part}; run `pip install -U 'wordllama>=0.4.0'`")
    with ThreadPoolExecutor(1) as beside:  # 57 ms instead of 75 after the import: reading the weights releases the GIL
        table = beside.submit(_read_table, folder / _WEIGHTS)
        tokenizer = Tokenizer.from_file(str(folder / _TOKENIZER))
        return WordVectors(table.result(), _bare(tokenizer))


def _bare(tokenizer: Tokenizer) -> Tokenizer:
    """Return `tokenizer` without padding, truncation and memory of texts.

    Its cache would keep the first 10,000 texts in memory, erased ones too, and costs more than it saves (4 us a text).
    """
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.model._resize_cache(0)  # noqa: SLF001 - there is no public way
    return tokenizer


def _read_table(path: Path) -> FloatMatrix:
    """Read one float16 tensor of a safetensors file (8 bytes of header length, JSON header, raw rows) as float32."""
    with path.open("rb") as file:
        header_bytes = int.from_bytes(file.read(8), "little")
        tensor = json.loads(file.read(header_bytes))[_TENSOR]
    if tensor["dtype"] != "F16":
        raise ConfigurationError(f"{path} holds {tensor['dtype']} where F16 is expected; reinstall wordllama")
    start = 8 + header_bytes + tensor["data_offsets"][0]
    stored = np.memmap(path, dtype="<f2", mode="r", offset=start, shape=tuple(tensor["shape"]))
    return np.asarray(stored, np.float32)  # a plain array: rows of a memmap take half as long again


def _normalised(rows: FloatMatrix) -> FloatMatrix:
    rows /= np.sqrt(np.vecdot(rows, rows))[:, np.newaxis]
    return rows


def _chunks(texts: Sequence[str]) -> Iterator[list[str]]:
    """Split `texts`, in order, into lists of bounded items and characters; a longer text is a list of its own."""
    chunk: list[str] = []
    characters = 0
    for text in texts:
        if chunk and (len(chunk) == _CHUNK_ITEMS or characters + len(text) > _CHUNK_CHARACTERS):
            yield chunk
            chunk, characters = [], 0
        chunk.append(text)
        characters += len(text)
    if chunk:
        yield chunk
