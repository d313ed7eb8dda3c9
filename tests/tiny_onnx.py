"""Model folders of a few hundred bytes: ONNX is protobuf, and four kinds of message are enough for a lookup table.

Written here so that tests need neither the package onnx (9 MB) nor a binary in the repository.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

WORDS: Final = ("[UNK]", "[PAD]", "one", "two", "three", "four")
TABLE: Final = np.array(
    [[1, 1, 1], [9, 9, 9], [1, 0, 0], [0, 2, 0], [0, 0, 3], [-4, 0.5, 0.03]],
    dtype=np.float32,
)
"""A row a word; the model's vectors of tokens."""
INPUTS: Final = ("input_ids", "attention_mask", "token_type_ids")
_INTEGERS: Final = {np.int32: 6, np.int64: 7}
_FLOAT: Final = 1


def write_folder(folder: Path, model: bytes | None = None, settings: Mapping[str, object] | None = None) -> Path:
    """Write a model (by default `lookup_model()`) and its tokenizer.  settings: JSON by file name."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(lookup_model() if model is None else model)
    tokenizer = Tokenizer(WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = WhitespaceSplit()  # type: ignore[assignment] # its stub forgot the setter
    tokenizer.enable_padding(length=12, pad_id=1)
    tokenizer.enable_truncation(2)
    tokenizer.save(str(folder / "tokenizer.json"))
    for name, value in (settings or {}).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(value))
    return folder


def lookup_model(
    *,
    inputs: Sequence[str] = INPUTS,
    integer: type[np.signedinteger] = np.int64,
    table: np.ndarray = TABLE,
    rounded: bool = False,
    finished: bool = False,
) -> bytes:
    """Return a model that answers with the table's row of each token.

    rounded: to 8 bits on a scale taken from all that is run together, as int8 models do with their activations.
    finished: a second output, sentence_embedding, is the smallest value of each column.
    """
    nodes = [_node("Gather", ["table", "input_ids"], ["rows" if rounded else "last_hidden_state"])]
    outputs = [_value("last_hidden_state", _FLOAT, 3)]
    if rounded:
        nodes.append(_node("DynamicQuantizeLinear", ["rows"], ["bytes", "scale", "zero"]))
        nodes.append(_node("DequantizeLinear", ["bytes", "scale", "zero"], ["last_hidden_state"]))
    if finished:
        axes = _message((1, b"axes"), (8, 1), (20, 7))
        nodes.append(_node("ReduceMin", ["last_hidden_state"], ["sentence_embedding"], axes, _integer("keepdims", 0)))
        outputs.append(_value("sentence_embedding", _FLOAT, 2))
    weights = _message(*((1, size) for size in table.shape), (2, _FLOAT), (8, b"table"), (9, table.tobytes()))
    graph = _message(
        *((1, node) for node in nodes),
        (2, b"lookup"),
        (5, weights),
        *((11, _value(name, _INTEGERS[integer], 2)) for name in inputs),
        *((12, output) for output in outputs),
    )
    return _message((1, 8), (7, graph), (8, _message((2, 13))))


def _node(kind: str, inputs: Sequence[str], outputs: Sequence[str], *attributes: bytes) -> bytes:
    return _message(
        *((1, name.encode()) for name in inputs),
        *((2, name.encode()) for name in outputs),
        (4, kind.encode()),
        *((5, attribute) for attribute in attributes),
    )


def _integer(name: str, value: int) -> bytes:
    return _message((1, name.encode()), (3, value), (20, 2))


def _value(name: str, kind: int, axes: int) -> bytes:
    shape = _message(*((1, _message((2, f"{name}{axis}".encode()))) for axis in range(axes)))
    return _message((1, name.encode()), (2, _message((1, _message((1, kind), (2, shape))))))


def _message(*fields: tuple[int, int | bytes]) -> bytes:
    """Return the protobuf encoding of numbered fields: integers as varints, the rest led by its length."""
    return b"".join(
        _varint(number << 3) + _varint(value)
        if isinstance(value, int)
        else _varint(number << 3 | 2) + _varint(len(value)) + value
        for number, value in fields
    )


def _varint(value: int) -> bytes:
    septets = [value >> shift & 127 for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes([*(septet | 128 for septet in septets[:-1]), septets[-1]])
