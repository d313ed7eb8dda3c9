"""B5: tokens are estimated without a tokenizer, rather too many than too few; texts are cut to a number of them."""

from pathlib import Path
from typing import Final

import pytest
import wordllama
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from context0.context.tokens import CUT_MARK, count_tokens, cut_end, cut_middle, fits
from tests.operations_report import read_rows

ENGLISH: Final = (
    "I moved to Munich in May because the new job at the hospital started on the first of June, and I like it so far.",
    "Could you compare the two apartments that we looked at last week, and tell me which one is closer to the school?",
    "On 3 May 2024 at 7:40 the flight LH1234 leaves for Lisbon; the ticket was 249.90 euros, paid by card.",
    "My sister's name is Katarina, she lives in Graz with her husband Ben and their dogs Biscuit and Nutmeg.",
    "def apply(built, delta):\n    match delta:\n        case MessageAdded(message=one):\n            return built\n",
    "# Plan\n\n- buy milk, eggs and flour\n- call the dentist\n- write the report for Thursday's meeting\n",
)
ELSEWHERE: Final = (
    "أين أعيش وما اسم كلبي؟",
    "Где я живу и как зовут мою собаку?",
    "Ich wohne seit März in München und arbeite als Krankenschwester.",
    "Où habite ma sœur et quel âge a-t-elle ?",
    "मैं कहाँ रहता हूँ",
    "👍👍🙏🏽",
    "我住在慕尼黑，我的狗叫饼干，请记住这一点。下周我要去柏林看望我的姐姐。",
    "私の犬の名前はビスケットです。明日は雨が降りますか。来週、姉に会いに行きます。",
    "나는 뮌헨에 살고 있고 내 개 이름은 비스킷이다. 다음 주에 누나를 만나러 간다.",
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    path = Path(wordllama.__file__).parent / "tokenizers" / "l2_supercat_tokenizer_config.json"
    loaded = Tokenizer.from_file(str(path))
    loaded.no_truncation()
    loaded.no_padding()
    return loaded


def exact(tokenizer: Tokenizer, text: str) -> int:
    return len(tokenizer.encode(text, add_special_tokens=False).ids)


@pytest.mark.parametrize("text", ENGLISH)
def test_english_is_never_undercounted_by_more_than_a_tenth(tokenizer: Tokenizer, text: str) -> None:
    assert 0.9 <= count_tokens(text) / exact(tokenizer, text) <= 1.6


@pytest.mark.parametrize("text", ELSEWHERE)
def test_other_scripts_are_not_undercounted(tokenizer: Tokenizer, text: str) -> None:
    assert count_tokens(text) >= exact(tokenizer, text)


def test_over_many_messages_together_the_estimate_is_up_to_a_third_too_high(tokenizer: Tokenizer) -> None:
    texts = [row.text for row in read_rows() if row.text.isascii()]
    ratio = sum(map(count_tokens, texts)) / sum(exact(tokenizer, text) for text in texts)
    assert 1.0 <= ratio <= 1.34


def test_a_link_with_a_token_in_it_is_undercounted_by_no_more_than_a_tenth(tokenizer: Tokenizer) -> None:
    text = "https://example.com/a/b?x=1&y=2 eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
    assert count_tokens(text) >= 0.9 * exact(tokenizer, text)


def test_no_text_costs_nothing() -> None:
    assert count_tokens("") == 0


@given(st.lists(st.text(max_size=60), max_size=6))
def test_lines_together_cost_no_more_than_one_by_one(lines: list[str]) -> None:
    assert count_tokens("\n".join(lines)) <= sum(count_tokens(line) + 1 for line in lines)


@given(st.text(max_size=400), st.integers(min_value=0, max_value=60))
def test_what_is_cut_costs_what_it_may(text: str, tokens: int) -> None:
    for cut in (cut_middle, cut_end):
        assert count_tokens(cut(text, tokens)) <= tokens


@given(st.text(max_size=400))
def test_what_fits_is_left_as_it_is(text: str) -> None:
    assert cut_middle(text, count_tokens(text)) == text
    assert cut_end(text, count_tokens(text)) == text


def test_the_middle_goes_and_a_mark_stands_in_its_place() -> None:
    text = "first words, " + "very long " * 200 + "and the last words"
    cut = cut_middle(text, 40)
    assert cut.startswith("first words,")
    assert cut.endswith("the last words")
    assert CUT_MARK.strip() in cut


@given(text=st.text(st.sampled_from("aB3 ,\n\tä日😀\u200b"), max_size=60), tokens=st.integers(0, 80))
def test_a_text_fits_where_it_costs_no_more(text: str, tokens: int) -> None:
    assert fits(text, tokens) == (count_tokens(text) <= tokens)


@given(lines=st.lists(st.text(st.sampled_from("aB3 ,\tä日😀\u200b"), min_size=1, max_size=20), min_size=1, max_size=6))
def test_lines_cost_together_what_each_costs(lines: list[str]) -> None:
    assert count_tokens("\n".join(lines)) == sum(map(count_tokens, lines))
