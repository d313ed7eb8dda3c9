"""Exporting a model: what can be refused without torch, and, where torch is installed, a model of two small layers."""

import sys
from dataclasses import asdict

import numpy as np
import pytest

from context0.embeddings.onnx import OnnxEmbedder
from context0.embeddings.onnx_export import ExportReport, export
from context0.embeddings.options import EmbedderOptions
from context0.errors import ConfigurationError
from tests.command_line import CommandLine

LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *(f"##{letter}" for letter in LETTERS)]
# Of torch and its friends about themselves: none of our business.
quiet = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("name", ["torch", "onnx", "onnxscript", "onnxruntime", "sentence_transformers"])
def test_without_the_extra_the_error_names_what_is_missing_and_the_extra(tmp_path, monkeypatch, name):
    for package in ("torch", "onnx", "onnxscript", "onnxruntime", "sentence_transformers"):
        monkeypatch.setitem(sys.modules, package, sys)  # stands for one that is installed
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigurationError, match=rf'needs {name}; run `pip install "context0\[torch\]"`'):
        export(tmp_path, tmp_path / "made")


@pytest.mark.parametrize("kept", ["folder/file", "file"])
def test_what_is_in_the_target_already_stays_as_it_is(tmp_path, kept):
    (tmp_path / kept).parent.mkdir(exist_ok=True)
    (tmp_path / kept).write_text("kept")
    with pytest.raises(ConfigurationError, match="in use already"):
        export(tmp_path / "source", tmp_path / kept.split("/")[0])
    assert (tmp_path / kept).read_text() == "kept"


def test_a_source_that_is_no_model_is_refused_before_anything_is_loaded(tmp_path, monkeypatch):
    for package in ("torch", "onnx", "onnxscript", "onnxruntime", "sentence_transformers"):
        monkeypatch.setitem(sys.modules, package, sys)
    with pytest.raises(ConfigurationError, match=r"no config\.json"):
        export(tmp_path / "nowhere", tmp_path / "made")
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_what_was_made_and_how_to_use_it(tmp_path, monkeypatch, capsys):
    report = ExportReport(
        target=tmp_path / "my model",
        dimension=384,
        max_tokens=256,
        pooling="mean",
        model_bytes=22_834_862,
        sentences=12,
        mean_cosine=0.9888,
        lowest_cosine=0.9721,
    )
    monkeypatch.setattr("context0.embeddings.onnx_export.export", lambda source, target: report)
    line = CommandLine(tmp_path, monkeypatch, capsys)
    told = line("models", "export", "source", "target")
    assert told.code == 0
    assert "my model: 23 MB, 384 dimensions, up to 256 tokens, mean pooling" in told.out
    assert "12 sentences: 0.989 on average, 0.972 at least" in told.out
    assert f"CONTEXT0_EMBEDDING_MODEL='{tmp_path}/my model'" in told.out
    assert line("models", "export", "source", "target", "--json").json == {
        **asdict(report),
        "target": str(report.target),
    }


def test_the_command_fails_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)
    told = CommandLine(tmp_path, monkeypatch, capsys)("models", "export", "source", str(tmp_path / "target"))
    assert (told.code, told.out) == (2, "")
    assert told.err.startswith("error: exporting a model needs torch; run")


def small_model(folder, *more, **pooling):
    """Save a random BERT of two layers as sentence-transformers does."""
    torch = pytest.importorskip("torch", reason="the extra `torch` (200 MB) is not installed")
    for name in ("onnx", "onnxscript", "sentence_transformers"):
        pytest.importorskip(name)
    from sentence_transformers import SentenceTransformer, models
    from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
    from tokenizers.models import WordPiece
    from transformers import BertConfig, BertModel, BertTokenizerFast

    torch.manual_seed(7)
    inner = folder.with_name("inner")
    BertModel(
        BertConfig(
            vocab_size=len(WORDS),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=64,
            max_position_embeddings=64,
        )
    ).save_pretrained(inner)
    tokenizer = Tokenizer(WordPiece({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    BertTokenizerFast(tokenizer_object=tokenizer).save_pretrained(inner)
    transformer = models.Transformer(str(inner), max_seq_length=48)
    parts = [transformer, models.Pooling(32, **pooling), *(part(models) for part in more)]
    SentenceTransformer(modules=parts, device="cpu").save(str(folder))
    return folder


@quiet
@pytest.mark.parametrize("mode", ["mean", "cls"])
async def test_an_exported_model_gives_the_vectors_of_its_source(tmp_path, mode):
    source = small_model(tmp_path / "source", pooling_mode=mode)
    report = export(source, tmp_path / "deep" / "made")
    assert (report.dimension, report.max_tokens, report.pooling) == (32, 48, mode)
    assert 0.97 < report.lowest_cosine <= report.mean_cosine <= 1.0001
    from sentence_transformers import SentenceTransformer

    texts = ["the cat sat", "on a mat", "Was It A Bat?", "x" * 90, "a b c " * 40]
    expected = SentenceTransformer(str(source), device="cpu").encode(texts, normalize_embeddings=True)
    found = await OnnxEmbedder(EmbedderOptions(model=str(report.target))).embed(texts)
    assert np.vecdot(found, expected).min() > 0.97
    assert sorted(path.name for path in report.target.parent.iterdir()) == ["made"]


@quiet
def test_a_model_with_parts_that_are_not_run_is_refused(tmp_path):
    source = small_model(tmp_path / "source", lambda models: models.Dense(32, 16))
    with pytest.raises(ConfigurationError, match="Transformer, Pooling, Dense"):
        export(source, tmp_path / "made")


@quiet
def test_nothing_is_left_of_a_model_whose_vectors_are_others(tmp_path, monkeypatch):
    source = small_model(tmp_path / "source")
    monkeypatch.setattr("context0.embeddings.onnx_export._LEAST_COSINE", 1.1)
    with pytest.raises(ConfigurationError, match="does not give the vectors of its source"):
        export(source, tmp_path / "made")
    assert not (tmp_path / "made").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inner", "source"]
