"""The mood of a message, by a short list of words: enough to tell a good day from a bad one, no more."""

import re
from typing import Final, Literal

from context0.memory.rules.word_set import word_set

Sentiment = Literal["positive", "negative", "mixed", "neutral"]

_WORD: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_READ_CHARACTERS: Final = 4_000
_REACH: Final = 3
"""So many words behind a negation are turned round."""
_POSITIVE: Final = word_set("""
good great awesome amazing wonderful fantastic excellent perfect lovely nice happy glad excited proud grateful thankful
thanks thank love loved loving enjoy enjoyed enjoying fun beautiful delicious relaxed relieved delighted pleased best
better win won success successful brilliant cool helpful promoted recovered celebrate celebrated hurray yay congrats
glücklich froh toll super schön wunderbar danke freue gut heureux heureuse content contente super génial merci feliz
contento contenta genial gracias bueno felice bello grazie bravo
""")
_NEGATIVE: Final = word_set("""
bad terrible awful horrible sad angry upset worried anxious afraid scared depressed lonely tired exhausted stressed
stressful frustrated frustrating annoyed annoying disappointed disappointing hate hated hurt hurts pain painful sick ill
lost broke broken fail failed failing worse worst problem problems sorry cry crying cried died death fired divorce
argument fight fought fear grief miserable hopeless overwhelmed traurig schlecht müde krank wütend angst schlimm leider
enttäuscht triste fatigué fatiguée malade peur colère cansado cansada enfermo enferma miedo malo stanco stanca paura
""")
_NEGATIONS: Final = word_set(
    "not no never nothing don't doesn't didn't isn't wasn't aren't can't cannot won't wouldn't couldn't hardly without "
    "nicht kein keine nie pas jamais nunca non mai"
)


def sentiment_of(text: str) -> Sentiment:
    """Return the mood of the first 4,000 characters; neutral where no word tells."""
    good = bad = 0
    turned = 0
    for word in _WORD.findall(text[:_READ_CHARACTERS].lower().replace("’", "'")):
        if word in _NEGATIONS:
            turned = _REACH + 1
        elif word in _POSITIVE or word in _NEGATIVE:
            is_good = (word in _POSITIVE) != (turned > 0)
            good += is_good
            bad += not is_good
        turned = max(0, turned - 1)
    if good and bad:
        return "mixed"
    return "positive" if good else "negative" if bad else "neutral"
