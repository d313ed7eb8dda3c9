"""What a few messages are about: the names in them, and the words that are no grammar."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from context0.memory.rules.entities import extract_entities
from context0.memory.rules.language import detect_language
from context0.memory.rules.stop_words import STOP_WORDS
from context0.memory.rules.tags import extract_tags
from context0.memory.rules.word_set import word_set

MAX_TOPICS: Final = 6
_READ_CHARACTERS: Final = 4_000
_WORD: Final = re.compile(r"\b[^\W\d_]{4,30}\b")
_MASK: Final = re.compile(r"\[[^\]\s]{1,30}\]")
_EMPTY: Final = word_set("""
also been could does doing done even ever every feel find getting give goes going good great have hello help just keep
know last lets like little long look made make many maybe mean more much need never next nice okay only please really
right said same says should since some something soon still sure take talk tell than thank thanks that their them then
there these they thing things think this those time today tomorrow told took very want wants week well went were what
when where which will with work would year years yesterday your yours again always anything around because before being
best better both came come days didn don doesn down each else enough everything first from gave getting gets hasn here
isn wasn weren won remember called name lives live lived near makes happy moved mail took brought started stopped
""")


def topics_of(texts: Sequence[str]) -> tuple[str, ...]:
    """Return up to six topics of `texts`, in small letters: marked tags, names, then the words said most often.

    Masked placeholders, such as [email], are none. Deterministic: equal counts by first appearance.
    """
    found: dict[str, None] = {}
    counts: Counter[str] = Counter()
    for text in texts:
        head = _MASK.sub(" ", text[:_READ_CHARACTERS])
        found.update(dict.fromkeys(extract_tags(head)))
        found.update(dict.fromkeys(name.lower() for name in extract_entities(head)))
        stop_words = STOP_WORDS.get(detect_language(head), STOP_WORDS["en"])
        words = (word.lower() for word in _WORD.findall(head))
        counts.update(word for word in words if word not in stop_words and word not in _EMPTY)
    parts = {part for name in found for part in name.split()}
    found.update(dict.fromkeys(word for word, _ in counts.most_common() if word not in parts))
    return tuple(found)[:MAX_TOPICS]
