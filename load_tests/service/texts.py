"""What the users of the load test say: statements and questions, varied so that no cache answers all of them."""

from random import Random
from typing import Final

_PLACES: Final = ("Munich", "Graz", "Oslo", "Lisbon", "Kyoto", "Turin", "Ghent", "Leeds", "Porto", "Bergen")
_PEOPLE: Final = ("Lena", "Tom", "Eva", "Farid", "Noah", "Mia", "Jonas", "Ida", "Paul", "Zoe")
_THINGS: Final = ("bike", "camera", "guitar", "tent", "sofa", "laptop", "coat", "kettle", "piano", "drill")
_DOINGS: Final = ("repaired", "sold", "borrowed", "lost", "painted", "cleaned", "bought", "lent", "found", "wrapped")


def statement(random: Random) -> str:
    match random.randrange(4):
        case 0:
            return f"I went to {random.choice(_PLACES)} with {random.choice(_PEOPLE)} on day {random.randrange(1000)}."
        case 1:
            return f"I {random.choice(_DOINGS)} the {random.choice(_THINGS)} number {random.randrange(1000)} yesterday."
        case 2:
            return f"{random.choice(_PEOPLE)} keeps my {random.choice(_THINGS)} in {random.choice(_PLACES)}."
    return f"I like the {random.choice(_THINGS)} that {random.choice(_PEOPLE)} {random.choice(_DOINGS)}."


def question(random: Random) -> str:
    match random.randrange(3):
        case 0:
            return f"Who keeps my {random.choice(_THINGS)}?"
        case 1:
            return f"When did I go to {random.choice(_PLACES)} with {random.choice(_PEOPLE)}?"
    return f"What did {random.choice(_PEOPLE)} do with the {random.choice(_THINGS)}?"
