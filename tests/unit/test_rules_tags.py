"""Tags are what the writer marked as such, nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from context0.memory.rules.tags import MAX_TAGS, extract_tags

LABELLED: list[tuple[str, tuple[str, ...]]] = [
    ("planted beans #Garden", ("garden",)),
    ("#garden and #garden and #été2023", ("garden", "été2023")),
    ("issue #12 is closed", ()),
    ("the colour #ff8800 or #0a0", ()),
    ("#fab is a tag", ("fab",)),
    ("https://example.org/page#part and a#b", ()),
    ("&#39; and ##heading", ()),
    ("# A heading", ()),
    ("Tags: garden, Summer House; #fun\nmore text", ("fun", "garden", "summer house")),
    ("tag: recipes", ("recipes",)),
    ("no tags: none here in the middle of a line", ()),
    ("nothing at all", ()),
    ("", ()),
]


@pytest.mark.parametrize(("text", "tags"), LABELLED)
def test_marked_tags_are_found(text: str, tags: tuple[str, ...]) -> None:
    assert extract_tags(text) == tags


@given(st.text(max_size=200) | st.lists(st.sampled_from(["#", "a", "Tags: ", ",", "\n", "é", " "])).map("".join))
def test_any_text_gives_distinct_folded_tags(text: str) -> None:
    tags = extract_tags(text)
    assert len(set(tags)) == len(tags) <= MAX_TAGS
    assert all(tag == " ".join(tag.split()) for tag in tags)
