"""The provider for ONNX models, on models that look vectors up in a table of six words."""

import asyncio
import shutil
import sys
import threading

import numpy as np
import pytest

from context0.embeddings.onnx import OnnxEmbedder
from context0.embeddings.onnx_folder import read_max_tokens
from context0.embeddings.onnx_vectors import OnnxVectors
from context0.embeddings.options import EmbedderOptions
from context0.embeddings.registry import build_embedder
from context0.errors import ConfigurationError, EmbeddingInvalid, EmbeddingUnavailable
from tests.tiny_onnx import TABLE, WORDS, lookup_model, write_folder


def embedder_of(folder) -> OnnxEmbedder:
    return OnnxEmbedder(EmbedderOptions(model=str(folder)))


def rows_of(text: str) -> np.ndarray:
    return TABLE[[WORDS.index(word) for word in text.split()]]


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


async def test_a_text_is_the_mean_of_its_tokens_at_unit_length(tmp_path):
    embedder = embedder_of(write_folder(tmp_path))
    assert (embedder.dimension, embedder.local) == (None, True)
    vectors = await embedder.embed(["one two", "three"])
    assert vectors.dtype == np.float32
    assert vectors.flags.c_contiguous
    np.testing.assert_allclose(vectors, [unit(rows_of("one two").mean(axis=0)), [0, 0, 1]], atol=1e-6)
    assert embedder.dimension == 3


@pytest.mark.parametrize(
    ("config", "pool"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, lambda rows: rows[0]),
        ({"pooling_mode_max_tokens": True}, lambda rows: rows.max(axis=0)),
        ({"pooling_mode_lasttoken": True}, lambda rows: rows[-1]),
        ({"pooling_mode_mean_sqrt_len_tokens": True}, lambda rows: rows.mean(axis=0)),
        ({"pooling_mode": "cls"}, lambda rows: rows[0]),
        ({"pooling_mode": "mean", "include_prompt": True}, lambda rows: rows.mean(axis=0)),
        ({}, lambda rows: rows.mean(axis=0)),
    ],
)
async def test_the_folder_tells_the_pooling_in_the_old_and_in_the_new_manner(tmp_path, config, pool):
    embedder = embedder_of(write_folder(tmp_path, settings={"1_Pooling/config.json": config}))
    np.testing.assert_allclose(
        await embedder.embed(["two four three"]), [unit(pool(rows_of("two four three")))], atol=1e-6
    )


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"pooling_mode_weightedmean_tokens": True, "pooling_mode": "weightedmean"}, "'weightedmean'"),
        ({"pooling_mode_cls_token": True, "pooling_mode_max_tokens": True}, r"'cls\+max'"),
    ],
)
async def test_a_pooling_that_is_not_known_is_refused_by_name(tmp_path, config, named):
    folder = write_folder(tmp_path, settings={"1_Pooling/config.json": config})
    with pytest.raises(ConfigurationError, match=f"pooling {named}"):
        await embedder_of(folder).embed(["one"])


async def test_an_output_that_needs_no_pooling_is_taken_as_it_is(tmp_path):
    embedder = embedder_of(write_folder(tmp_path, lookup_model(finished=True)))
    np.testing.assert_allclose(
        await embedder.embed(["three two four"]), [unit(np.array([-4, 0, 0], dtype=np.float32))], atol=1e-6
    )


async def test_the_window_is_the_folder_s_and_not_the_one_that_the_tokenizer_was_saved_with(tmp_path):
    text = "one two two three three three"
    folder = write_folder(tmp_path, settings={"sentence_bert_config.json": {"max_seq_length": 4}})
    whole, cut, same = await embedder_of(folder).embed([text, " ".join(text.split()[:4]), text + " four" * 1000])
    np.testing.assert_array_equal(whole, cut)
    np.testing.assert_array_equal(whole, same)


@pytest.mark.parametrize(
    ("settings", "tokens"),
    [
        ({}, 256),
        ({"sentence_bert_config.json": {"max_seq_length": 128}}, 128),
        ({"sentence_bert_config.json": {"max_seq_length": None}}, 256),
        ({"sentence_bert_config.json": {}, "tokenizer_config.json": {"model_max_length": 384}}, 384),
        ({"tokenizer_config.json": {"model_max_length": 1000000000000000019884624838656}}, 256),
        ({"tokenizer_config.json": {"model_max_length": 512}, "config.json": {"max_position_embeddings": 130}}, 130),
    ],
)
def test_the_window_is_found_where_sentence_transformers_would_find_it(tmp_path, settings, tokens):
    assert read_max_tokens(write_folder(tmp_path, settings=settings)) == tokens


async def test_a_text_has_the_same_vector_in_any_company(tmp_path):
    embedder = embedder_of(write_folder(tmp_path, lookup_model(rounded=True)))
    texts = ["two", "four four one", "one", "", "three two one " * 20, "one two", "three", "two one", "one", "four"]
    together = await embedder.embed(texts)
    for text, vector in zip(texts, together, strict=True):
        np.testing.assert_array_equal(await embedder.embed([text]), [vector])


async def test_any_text_has_a_vector(tmp_path):
    embedder = embedder_of(write_folder(tmp_path))
    texts = ["", "   ", "\ud800", "one \udfff", "会議 😀", "\x00", "one" * 100_000]
    vectors = await embedder.embed(texts)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(vectors[3], (await embedder.embed(["one \ufffd"]))[0])


@pytest.mark.parametrize(
    ("value", "fault"), [(0, "is zero"), (np.nan, "contains NaN"), (np.inf, "contains an infinity"), (1e30, None)]
)
async def test_a_vector_that_is_none_is_left_for_the_check_behind_it(tmp_path, value, fault):
    table = TABLE.copy()
    table[WORDS.index("four")] = value
    folder = write_folder(tmp_path, lookup_model(table=table))
    embedder = build_embedder("onnx", EmbedderOptions(model=str(folder)))
    if fault is None:
        np.testing.assert_allclose(await embedder.embed(["four"]), np.full((1, 3), 3**-0.5), atol=1e-6)
        return
    with pytest.raises(EmbeddingInvalid, match=f"vector 1 of 2 {fault}"):
        await embedder.embed(["one", "four"])


@pytest.mark.parametrize("integer", [np.int32, np.int64])
@pytest.mark.parametrize("inputs", [["input_ids"], ["attention_mask", "input_ids"]])
async def test_the_model_is_fed_what_it_asks_for(tmp_path, inputs, integer):
    embedder = embedder_of(write_folder(tmp_path, lookup_model(inputs=inputs, integer=integer)))
    np.testing.assert_allclose(await embedder.embed(["two"]), [[0, 1, 0]], atol=1e-6)


async def test_no_texts_load_the_model(tmp_path):
    embedder = embedder_of(write_folder(tmp_path))
    assert (await embedder.embed([])).shape == (0, 3)
    shutil.rmtree(tmp_path)
    assert (await embedder.embed(["one"])).shape == (1, 3)


async def test_many_callers_load_one_model_and_leave_the_event_loop_alone(tmp_path, monkeypatch):
    threads, load, embed = [], OnnxVectors.__init__, OnnxVectors.embed

    def watched(method):
        def run(*arguments):
            threads.append((method.__name__, threading.current_thread()))
            return method(*arguments)

        return run

    monkeypatch.setattr(OnnxVectors, "__init__", watched(load))
    monkeypatch.setattr(OnnxVectors, "embed", watched(embed))
    embedder = embedder_of(write_folder(tmp_path))
    await asyncio.gather(*(embedder.embed(["one"] * 9) for _ in range(4)))
    assert [name for name, _ in threads].count("__init__") == 1
    assert threading.main_thread() not in {thread for _, thread in threads}


async def test_a_closed_embedder_says_so_also_to_the_call_that_is_under_way(tmp_path):
    embedder = embedder_of(write_folder(tmp_path))
    await embedder.embed([])
    under_way = asyncio.create_task(embedder.embed(["one"] * 10_000))
    await asyncio.sleep(0)
    await embedder.aclose()
    await embedder.aclose()
    for call in (under_way, embedder.embed(["one"])):
        with pytest.raises(EmbeddingUnavailable, match="closed"):
            await call


# --- the name under which vectors are stored


def test_the_same_model_has_the_same_name_everywhere(tmp_path):
    first, second = (embedder_of(write_folder(tmp_path / place / "mine")).model for place in ("a", "b"))
    assert first == second
    assert first.startswith("onnx/mine-")


def test_whatever_changes_a_vector_changes_the_name(tmp_path):
    other = TABLE.copy()
    other[0, 0] += 1
    changed = [
        write_folder(tmp_path / "0" / "mine"),
        write_folder(tmp_path / "1" / "mine", lookup_model(table=other)),
        write_folder(tmp_path / "2" / "mine", settings={"sentence_bert_config.json": {"max_seq_length": 64}}),
        write_folder(tmp_path / "3" / "mine", settings={"1_Pooling/config.json": {"pooling_mode": "cls"}}),
        write_folder(tmp_path / "4" / "mine", settings={"model.onnx_data": "weights beside the graph"}),
    ]
    (write_folder(tmp_path / "5" / "mine") / "tokenizer.json").write_text("{}")
    changed.append(tmp_path / "5" / "mine")
    assert len({embedder_of(folder).model for folder in changed}) == len(changed)


def test_building_touches_no_file_and_the_name_says_what_is_missing(tmp_path):
    embedder = build_embedder("onnx", EmbedderOptions(model=str(tmp_path / "later")))
    with pytest.raises(ConfigurationError, match=r"later has no model\.onnx"):
        _ = embedder.model
    write_folder(tmp_path / "later")
    assert embedder.model.startswith("onnx/later-")


# --- what is wrong with a folder is said


def test_without_a_folder_the_error_says_how_to_make_one():
    with pytest.raises(ConfigurationError, match=r"embedding_model .* `context0 models export SOURCE TARGET`"):
        OnnxEmbedder()


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
async def test_a_missing_file_is_named_with_the_command_that_makes_it(tmp_path, name):
    (write_folder(tmp_path) / name).unlink()
    with pytest.raises(ConfigurationError, match=f"no {name}; .*`context0 models export SOURCE {tmp_path}`"):
        await embedder_of(tmp_path).embed(["one"])


async def test_for_the_folder_of_a_sentence_transformers_model_the_command_is_complete(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigurationError, match=f"`context0 models export {tmp_path} {tmp_path}-int8`"):
        await embedder_of(tmp_path).embed(["one"])


async def test_without_the_extra_the_error_names_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigurationError, match=r'pip install "context0\[semantic\]"'):
        await embedder_of(write_folder(tmp_path)).embed(["one"])


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "sentence_bert_config.json"])
async def test_a_damaged_file_is_named(tmp_path, name):
    (write_folder(tmp_path) / name).write_text("damaged")
    with pytest.raises(ConfigurationError, match=name):
        await embedder_of(tmp_path).embed(["one"])


async def test_a_model_that_is_not_for_text_is_refused(tmp_path):
    folder = write_folder(tmp_path, lookup_model(inputs=["input_ids", "pixel_values"]))
    with pytest.raises(ConfigurationError, match="pixel_values"):
        await embedder_of(folder).embed(["one"])


async def test_a_tokenizer_of_another_model_shows_when_it_is_used(tmp_path):
    embedder = embedder_of(write_folder(tmp_path, lookup_model(table=TABLE[:3])))
    await embedder.embed(["one"])
    with pytest.raises(EmbeddingInvalid, match=r"tokenizer\.json"):
        await embedder.embed(["one", "four"])


async def test_a_model_that_refuses_everything_is_found_when_it_is_loaded(tmp_path):
    folder = write_folder(tmp_path, lookup_model(table=TABLE[:0]))
    with pytest.raises(ConfigurationError, match=r"model\.onnx"):
        await embedder_of(folder).embed([])
