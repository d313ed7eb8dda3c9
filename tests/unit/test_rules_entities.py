"""Names are found by their capitals, their quotation marks or because the owner has them."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from context0.memory.rules.entities import MAX_ENTITIES, extract_entities
from context0.memory.rules.names import NameTable, entity_key

LABELLED: list[tuple[str, tuple[str, ...]]] = [
    # plain names
    ("I had lunch with Priya at the harbour.", ("Priya",)),
    ("My sister Ingrid moved to Oslo with Lars.", ("Ingrid", "Oslo", "Lars")),
    ("We flew to New York and then to San Francisco.", ("New York", "San Francisco")),
    ("New York is louder than I thought.", ("New York",)),
    ("Jürgen Müller runs the bakery in São Paulo.", ("Jürgen Müller", "São Paulo")),
    ("Łukasz and Élodie met in Zürich.", ("Łukasz", "Élodie", "Zürich")),
    ("I met O'Brien and McDonald at the pub.", ("O'Brien", "McDonald")),
    ("Jean-Luc studies with Mary-Kate.", ("Jean-Luc", "Mary-Kate")),
    ("The letter came from Vincent van Gogh to Theo.", ("Vincent van Gogh", "Theo")),
    ("She sang at the University of Cape Town.", ("University of Cape Town",)),
    ("We walked from Rio de Janeiro to the beach.", ("Rio de Janeiro",)),
    ("Dr. Okafor and Mrs. Lindqvist agreed.", ("Dr. Okafor", "Mrs. Lindqvist")),
    ("J.R.R. Tolkien wrote it long before George R. R. Martin.", ("J.R.R. Tolkien", "George R. R. Martin")),
    ("Анна встретила Дмитрий Иванов", ("Анна", "Дмитрий Иванов")),
    ("I gave it to my neighbour Nguyễn Thị Minh.", ("Nguyễn Thị Minh",)),
    # possessives
    ("Priya's brother fixed Tomasz’s bike.", ("Priya", "Tomasz")),
    ("I borrowed Ingrid's Toyota again.", ("Ingrid", "Toyota")),
    # sentence heads
    ("Painting helps me relax.", ()),
    ("Great idea, thanks a lot!", ()),
    ("Pottery is my favourite hobby. Gardening too.", ()),
    ("Yesterday was wonderful. Today is not.", ()),
    ("Wow! Amazing news. Congrats!", ()),
    ("Hopefully the weather stays nice.", ()),
    ("Kids love it. Books do not.", ()),
    ("Worked late again. Cooking dinner now.", ()),
    ("Tomasz called. He was late.", ("Tomasz",)),
    ("Priya loves it.", ("Priya",)),
    ("It rained. Ingrid stayed at home.", ("Ingrid",)),
    ("Tell Priya that I am sorry.", ("Priya",)),
    ("Tell Priya Raman that I am sorry.", ("Priya Raman",)),
    ("Visited Lisbon with the kids.", ("Lisbon",)),
    ("Thanks Tomasz, you rock!", ("Tomasz",)),
    ("Hey Priya! How are you?", ("Priya",)),
    ("Good morning Ingrid", ("Ingrid",)),
    ("- Milk\n- Bread\n- Butter", ()),
    # never names
    ("I'm sure that I'll see what I've got.", ()),
    ("Let's go! Don't wait. It's late.", ()),
    ("On Monday and in October I swim.", ()),
    ("See you Friday, OK? LOL", ()),
    ("OMG that was fun, BTW thanks", ()),
    ("Y'all come back. Ma'am, please.", ()),
    ("Hahaha yes! Yay! Hmm, no.", ()),
    # acronyms and shouting
    ("NASA hired her for the ISS.", ("NASA", "ISS")),
    ("The LGBTQ centre opened.", ("LGBTQ",)),
    ("She moved to the US and works in IT.", ("US", "IT")),
    ("I LOVE it SO MUCH", ()),
    ("THIS IS THE BEST DAY OF MY LIFE", ()),
    ("That is SOOO good", ()),
    ("The U.S. Army base closed.", ("U.S. Army",)),
    # capitals inside words
    ("My new iPhone runs macOS apps from YouTube.", ("iPhone", "macOS", "YouTube")),
    ("We play on a PS5 and use GPT-4.", ("PS5", "GPT-4")),
    ("call getElementById and MY_API_KEY here", ()),
    # titles in quotation marks
    ('We watched "The Third Man" again.', ("The Third Man",)),
    ('I just finished "Persuasion", so good.', ("Persuasion",)),
    ("She is reading “Wide Sargasso Sea” now.", ("Wide Sargasso Sea",)),
    ("Elle lit «Le petit prince» ce soir.", ("Le petit prince",)),
    ("Er las „Die unendliche Geschichte“ gestern.", ("Die unendliche Geschichte",)),
    ("我在看《红楼梦》", ("红楼梦",)),
    ('He said, "Come over here now"', ()),
    ('My "system" is chaos.', ()),
    ('"Are you sure?" she asked.', ()),
    ('The film "To Kill a Mockingbird" made Priya cry.', ("To Kill a Mockingbird", "Priya")),
    # markdown and code
    ("## Shopping Plan\nAsk Tomasz first.", ("Tomasz",)),
    ("**Budget**: talk to Priya.", ("Priya",)),
    ("Use this:\n```python\nfrom Flask import Thing\n```\nIngrid wrote it.", ("Ingrid",)),
    # German: nouns have capitals too
    ("Gestern war ich mit Anna im Garten und habe die Zeitung gelesen.", ("Anna",)),
    ("Wir haben in Berlin eine Wohnung und den Hund.", ("Berlin",)),
    # order, repeats, nothing
    ("Tomasz met Priya. Priya laughed. Tomasz too.", ("Tomasz", "Priya")),
    ("PRIYA and Priya and Priya's", ("PRIYA",)),
    ("", ()),
    ("12345 !!! ???", ()),
    ("no capitals anywhere here", ()),
    # a month that is a name needs the owner's knowledge
    ("I saw June at the market.", ()),
    ("We had cake with Malcolm X posters around.", ("Malcolm X",)),
    ("We never shop on Black Friday.", ("Black Friday",)),
    ("Black Friday was crowded.", ()),
]


@pytest.mark.parametrize(("text", "names"), LABELLED)
def test_the_names_of_a_sentence_are_found_in_order(text: str, names: tuple[str, ...]) -> None:
    assert extract_entities(text) == names


KNOWN: list[tuple[str, set[str], tuple[str, ...]]] = [
    ("i went to munich with anna", {"Munich", "Anna"}, ("Munich", "Anna")),
    ("the old town of new york", {"New York", "York"}, ("New York",)),
    ("annabel is not her", {"Anna"}, ()),
    ("June came too", {"June"}, ("June",)),
    ("ANNA'S bike", {"Anna"}, ("Anna",)),
    ("my project aurora is late", {"Project Aurora"}, ("Project Aurora",)),
    ("we saw o'brien", {"O'Brien"}, ("O'Brien",)),
    ("ich fahre nach münchen", {"München"}, ("München",)),
    ("Sa\u0303o Paulo in decomposed letters", {"São Paulo"}, ("São Paulo",)),
    ("Munich Airport was full", {"Munich"}, ("Munich Airport", "Munich")),
    ("nothing here", {"", "!!!", "a b c d e f g h i j"}, ()),
]


@pytest.mark.parametrize(("text", "known", "names"), KNOWN)
def test_names_of_the_owner_are_found_in_any_case(text: str, known: set[str], names: tuple[str, ...]) -> None:
    assert extract_entities(text, known=frozenset(known)) == names
    assert extract_entities(text, known=NameTable.of(known)) == names


def test_no_more_names_than_the_limit() -> None:
    text = " and ".join(f"we met Xel{letter}{other}" for letter in "abcdefgh" for other in "abcdefgh")
    assert len(extract_entities(text)) == MAX_ENTITIES


KEYS = [
    ("Anna", "anna"),
    ("Anna's", "anna"),
    ("ANNA’S", "anna"),
    ("James'", "james"),
    ("  New \t York ", "new york"),
    ("Straße", "strasse"),
    ("ＡＮＮＡ", "anna"),
    ("O’Brien", "o'brien"),
    ("O'Brien", "o'brien"),
    ("“Dune.”", "dune"),
    ("U.S.", "u.s"),
    ("!!!", ""),
    ("", ""),
]


@pytest.mark.parametrize(("name", "key"), KEYS)
def test_spellings_of_one_name_have_one_key(name: str, key: str) -> None:
    assert entity_key(name) == key


@given(st.text(max_size=60))
@example("ͅ")
@example("ﬃ's")
@example("a's's '")
def test_the_key_of_a_key_is_itself(name: str) -> None:
    key = entity_key(name)
    assert entity_key(key) == key
    assert entity_key(f"  {name}\n") == key


pieces = st.sampled_from(
    [
        "Anna",
        " ",
        "'s ",
        "New York",
        '"',
        "“",
        "”",
        "«",
        "»",
        ".",
        "!",
        "\n",
        "I'm",
        "the",
        "of",
        "Dr.",
        "J.",
        "ÉLAN",
        "#",
        "**",
        "```",
    ]
)


@given(
    st.text(max_size=200) | st.lists(pieces, max_size=40).map("".join), st.frozensets(st.text(max_size=8), max_size=4)
)
def test_any_text_gives_distinct_names_within_the_limit(text: str, known: frozenset[str]) -> None:
    names = extract_entities(text, known=known)
    keys = [entity_key(name) for name in names]
    assert len(names) <= MAX_ENTITIES
    assert all(keys)
    assert len(set(keys)) == len(keys)


@given(st.text(max_size=200), st.frozensets(st.text(max_size=8), max_size=4))
def test_known_names_are_met_at_places_that_hold_them(text: str, known: frozenset[str]) -> None:
    last = 0
    for span in NameTable.of(known).find(text):
        assert last <= span.start < span.end <= len(text)
        assert span.name in known
        last = span.end
