"""Dates and ranges are read from text relative to a reference; what is no date is left alone."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from context0.memory.rules.dates import EARLIEST, LATEST, MAX_DATES, find_dates, find_query_range, mentions_time

REFERENCE = datetime(2023, 5, 25, 13, 14, tzinfo=UTC)  # a Thursday
OPEN_LEFT, OPEN_RIGHT = "0001-01-01", "9999-12-31"

EXPLICIT: list[tuple[str, str, str]] = [
    ("we met on 2021-03-14 at noon", "2021-03-14", "2021-03-15"),
    ("log of 2021/03/14", "2021-03-14", "2021-03-15"),
    ("2021-03-14T08:30:00Z started", "2021-03-14", "2021-03-15"),
    ("the 2021-03 invoice", "2021-03-01", "2021-04-01"),
    ("signed 03/14/2021", "2021-03-14", "2021-03-15"),
    ("signed 14/03/2021", "2021-03-14", "2021-03-15"),
    ("signed 3/4/21", "2021-03-04", "2021-03-05"),
    ("am 14.3.2021 unterschrieben", "2021-03-14", "2021-03-15"),
    ("it was 7 May 2022", "2022-05-07", "2022-05-08"),
    ("it was the 7th of May 2022", "2022-05-07", "2022-05-08"),
    ("May 7th, 2022 was sunny", "2022-05-07", "2022-05-08"),
    ("May 7 2022", "2022-05-07", "2022-05-08"),
    ("on Sept. 5, 2022", "2022-09-05", "2022-09-06"),
    ("in May 2022", "2022-05-01", "2022-06-01"),
    ("May of 2022", "2022-05-01", "2022-06-01"),
    ("29 February 2020", "2020-02-29", "2020-03-01"),
    ("born in 1987", "1987-01-01", "1988-01-01"),
    ("during 2019", "2019-01-01", "2020-01-01"),
    ("the 1990s were in the 1990s", "1990-01-01", "2000-01-01"),
    ("back in the 80s", "1980-01-01", "1990-01-01"),
    ("summer 2022", "2022-06-01", "2022-09-01"),
    ("the fall of 2019", "2019-09-01", "2019-12-01"),
    ("winter 2022", "2022-12-01", "2023-03-01"),
    ("Christmas 2020", "2020-12-24", "2020-12-27"),
    ("early May 2022", "2022-05-01", "2022-05-11"),
    ("mid-June 2022", "2022-06-11", "2022-06-21"),
    ("late 2021", "2021-09-01", "2022-01-01"),
    ("the end of March 2022", "2022-03-21", "2022-04-01"),
    ("the first week of July 2022", "2022-07-01", "2022-07-08"),
    ("the last weekend of July 2022", "2022-07-30", "2022-08-01"),
    ("the second Friday of July 2022", "2022-07-08", "2022-07-09"),
    ("the first half of 2022", "2022-01-01", "2022-07-02"),
    ("the week before 9 June 2022", "2022-06-02", "2022-06-09"),
    ("the week of June 9, 2022", "2022-06-06", "2022-06-13"),
    ("the weekend before June 9, 2022", "2022-06-04", "2022-06-06"),
    ("the weekend after June 9, 2022", "2022-06-11", "2022-06-13"),
    ("the day after 31 December 2021", "2022-01-01", "2022-01-02"),
    ("the month before June 2022", "2022-05-01", "2022-06-01"),
    ("the Friday before 9 June 2022", "2022-06-03", "2022-06-04"),
    ("two days before 9 June 2022", "2022-06-07", "2022-06-08"),
    ("a week after 9 June 2022", "2022-06-16", "2022-06-17"),
    ("last weekend before April 10, 2022", "2022-04-02", "2022-04-04"),
    ("between March 2022 and May 2022", "2022-03-01", "2022-06-01"),
    ("between March and May 2022", "2022-03-01", "2022-06-01"),
    ("between November and February 2022", "2021-11-01", "2022-03-01"),
    ("from 2019 to 2021", "2019-01-01", "2022-01-01"),
    ("the 2019-2021 edition", "2019-01-01", "2022-01-01"),
    ("May 5-7, 2022", "2022-05-05", "2022-05-08"),
    ("5 to 7 May 2022", "2022-05-05", "2022-05-08"),
    ("May 30 to June 2, 2022", "2022-05-30", "2022-06-03"),
    ("since 2016", "2016-01-01", "2023-05-26"),
    ("before May 2022", OPEN_LEFT, "2022-05-01"),
    ("after May 2022", "2022-06-01", OPEN_RIGHT),
    ("by June 1, 2024", "2023-05-25", "2024-06-02"),
    ("am 7. Mai 2022", "2022-05-07", "2022-05-08"),
    ("le 7 mai 2022", "2022-05-07", "2022-05-08"),
    ("el 7 de mayo de 2022", "2022-05-07", "2022-05-08"),
]

RELATIVE: list[tuple[str, str, str]] = [
    ("I swam today", "2023-05-25", "2023-05-26"),
    ("I swam yesterday", "2023-05-24", "2023-05-25"),
    ("yesterday's soup", "2023-05-24", "2023-05-25"),
    ("I swim tomorrow morning", "2023-05-26", "2023-05-27"),
    ("dinner tonight", "2023-05-25", "2023-05-26"),
    ("this morning", "2023-05-25", "2023-05-26"),
    ("last night", "2023-05-24", "2023-05-25"),
    ("the day before yesterday", "2023-05-23", "2023-05-24"),
    ("the day after tomorrow", "2023-05-27", "2023-05-28"),
    ("this week", "2023-05-22", "2023-05-29"),
    ("last week", "2023-05-15", "2023-05-22"),
    ("last week's match", "2023-05-15", "2023-05-22"),
    ("next week", "2023-05-29", "2023-06-05"),
    ("the week before last", "2023-05-08", "2023-05-15"),
    ("the past week", "2023-05-18", "2023-05-26"),
    ("this weekend", "2023-05-27", "2023-05-29"),
    ("last weekend", "2023-05-20", "2023-05-22"),
    ("rain over the weekend", "2023-05-27", "2023-05-29"),
    ("we went hiking over the weekend", "2023-05-20", "2023-05-22"),
    ("this month", "2023-05-01", "2023-06-01"),
    ("last month", "2023-04-01", "2023-05-01"),
    ("next month", "2023-06-01", "2023-07-01"),
    ("this year", "2023-01-01", "2024-01-01"),
    ("last year", "2022-01-01", "2023-01-01"),
    ("last Friday", "2023-05-19", "2023-05-20"),
    ("last Thursday", "2023-05-18", "2023-05-19"),
    ("last Fri", "2023-05-19", "2023-05-20"),
    ("this Friday", "2023-05-26", "2023-05-27"),
    ("next Friday", "2023-05-26", "2023-05-27"),
    ("next Thursday", "2023-06-01", "2023-06-02"),
    ("this past Saturday", "2023-05-20", "2023-05-21"),
    ("I saw her on Tuesday", "2023-05-23", "2023-05-24"),
    ("I will see her on Tuesday", "2023-05-30", "2023-05-31"),
    ("Tuesday of last week", "2023-05-16", "2023-05-17"),
    ("last week on Tuesday", "2023-05-16", "2023-05-17"),
    ("3 days ago", "2023-05-22", "2023-05-23"),
    ("three days ago", "2023-05-22", "2023-05-23"),
    ("an hour ago", "2023-05-25", "2023-05-26"),
    ("30 hours ago", "2023-05-24", "2023-05-25"),
    ("a week ago", "2023-05-15", "2023-05-22"),
    ("two weeks ago", "2023-05-08", "2023-05-15"),
    ("two weekends ago", "2023-05-13", "2023-05-15"),
    ("a couple of months ago", "2023-03-01", "2023-04-01"),
    ("a few years back", "2018-01-01", "2022-01-01"),
    ("ten years ago", "2013-01-01", "2014-01-01"),
    ("two weeks from now", "2023-06-05", "2023-06-12"),
    ("the wedding is in ten days", "2023-06-04", "2023-06-05"),
    ("the last three months", "2023-02-25", "2023-05-26"),
    ("the next 2 weeks", "2023-05-26", "2023-06-09"),
    ("the other day", "2023-05-18", "2023-05-25"),
    ("last May", "2022-05-01", "2022-06-01"),
    ("last April", "2023-04-01", "2023-05-01"),
    ("next May", "2024-05-01", "2024-06-01"),
    ("this June", "2023-06-01", "2023-07-01"),
    ("last summer", "2022-06-01", "2022-09-01"),
    ("next summer", "2023-06-01", "2023-09-01"),
    ("this spring", "2023-03-01", "2023-06-01"),
    ("last winter", "2022-12-01", "2023-03-01"),
    ("last Christmas", "2022-12-24", "2022-12-27"),
    ("next Thanksgiving", "2023-11-23", "2023-11-24"),
    ("late last month", "2023-04-21", "2023-05-01"),
    ("the end of the year", "2023-09-01", "2024-01-01"),
    ("the weekend before last Friday", "2023-05-13", "2023-05-15"),
    ("from Monday to Wednesday", "2023-05-22", "2023-05-25"),
    ("since last week", "2023-05-15", "2023-05-26"),
    ("until next month", "2023-05-25", "2023-07-01"),
    ("it is due by Friday", "2023-05-25", "2023-05-27"),
    ("gestern war es kalt", "2023-05-24", "2023-05-25"),
    ("ayer fui al mar", "2023-05-24", "2023-05-25"),
    ("я был там вчера", "2023-05-24", "2023-05-25"),
]

YEARLESS: list[tuple[str, str, str]] = [
    ("on May 7", "2023-05-07", "2023-05-08"),
    ("on December 7 it snowed", "2022-12-07", "2022-12-08"),
    ("I will be there on December 7", "2023-12-07", "2023-12-08"),
    ("the wedding is June 15", "2023-06-15", "2023-06-16"),
    ("in May", "2023-05-01", "2023-06-01"),
    ("in march i fell", "2023-03-01", "2023-04-01"),
    ("I went there in October", "2022-10-01", "2022-11-01"),
    ("we will move in October", "2023-10-01", "2023-11-01"),
    ("September was rough", "2022-09-01", "2022-10-01"),
    ("early April", "2023-04-01", "2023-04-11"),
    ("Friday, June 2", "2023-06-02", "2023-06-03"),
    ("the 4th of July", "2023-07-04", "2023-07-05"),
    ("between 5 and 7 May", "2023-05-05", "2023-05-08"),
    ("on 29 February", "2020-02-29", "2020-03-01"),
    ("in the summer we swam", "2022-06-01", "2022-09-01"),
    ("on New Year's Eve", "2022-12-31", "2023-01-01"),
    ("after Christmas", "2022-12-27", OPEN_RIGHT),
    ("the Friday before Christmas", "2022-12-23", "2022-12-24"),
    ("the first weekend in June we danced", "2022-06-04", "2022-06-06"),
]

NO_DATE = [
    "I may go there",
    "May I ask something?",
    "this may be late",
    "all 7 may come",
    "may the force be with you",
    "April said hi and June laughed",
    "I met August and May at the party of April",
    "they march on and on",
    "the week before my birthday trip",
    "two days after my surgery",
    "between my birthday and the trip",
    "every Friday we swim",
    "Fridays are fun",
    "Black Friday sales",
    "I learned it in two weeks",
    "we stayed for three days",
    "version 3.11.7 of it",
    "call 555-1234",
    "it costs 2000 euros",
    "by 2000 people",
    "between 10 and 20 people",
    "30.5 degrees",
    "February 30",
    "2023-13-45",
    "99/99/2023",
    "the last time, the next one, this thing",
    "fall in love in spring colours",
    "the sun sat low",
    "a second of rest",
    "current_year is a name",
    "these days and nowadays",
    "",
    "   ",
]


def _days(start: str, end: str) -> tuple[datetime, datetime]:
    return datetime.fromisoformat(start).replace(tzinfo=UTC), datetime.fromisoformat(end).replace(tzinfo=UTC)


@pytest.mark.parametrize(("text", "start", "end"), EXPLICIT)
def test_a_date_with_its_year_is_explicit(text: str, start: str, end: str) -> None:
    found = find_dates(text, reference=REFERENCE)[-1]
    assert (found.start, found.end) == _days(start, end)
    assert (found.explicit, found.yearless) == (True, False)


@pytest.mark.parametrize(("text", "start", "end"), RELATIVE)
def test_a_relative_date_counts_from_the_reference(text: str, start: str, end: str) -> None:
    (found,) = find_dates(text, reference=REFERENCE)
    assert (found.start, found.end) == _days(start, end)
    assert (found.explicit, found.yearless) == (False, False)


@pytest.mark.parametrize(("text", "start", "end"), YEARLESS)
def test_a_date_without_a_year_gets_the_likeliest_and_says_so(text: str, start: str, end: str) -> None:
    (found,) = find_dates(text, reference=REFERENCE)
    assert (found.start, found.end) == _days(start, end)
    assert (found.explicit, found.yearless) == (False, True)


@pytest.mark.parametrize("text", NO_DATE)
def test_what_is_no_date_is_left_alone(text: str) -> None:
    assert find_dates(text, reference=REFERENCE) == ()


def test_several_dates_come_in_order_with_their_words() -> None:
    text = "We met on 7 May 2022, then last Friday, and again in June 2022."
    assert [found.text for found in find_dates(text, reference=REFERENCE)] == ["7 May 2022", "last Friday", "June 2022"]


def test_open_sides_are_the_ends_of_time() -> None:
    (before,) = find_dates("before 2020", reference=REFERENCE)
    (after,) = find_dates("after 2020", reference=REFERENCE)
    assert (before.start, after.end) == (EARLIEST, LATEST)


def test_days_are_those_of_the_reference_zone() -> None:
    tokyo = timezone(timedelta(hours=9))
    (found,) = find_dates("yesterday", reference=datetime(2023, 5, 25, 1, tzinfo=tokyo))
    assert found.start == datetime(2023, 5, 23, 15, tzinfo=UTC)
    assert found.start.tzinfo is UTC


def test_a_naive_reference_is_utc() -> None:
    naive = REFERENCE.replace(tzinfo=None)
    assert find_dates("yesterday", reference=naive) == find_dates("yesterday", reference=REFERENCE)


QUESTIONS: list[tuple[str, str, str]] = [
    ("What did we cook last May?", "2022-05-01", "2022-06-01"),
    ("What did she plant in June?", "2022-06-01", "2022-07-01"),
    ("Where is the party on June 15?", "2022-06-15", "2022-06-16"),
    ("Where will the party on June 15 be?", "2023-06-15", "2023-06-16"),
    ("Whom did he meet yesterday, or was it in 2019?", "2019-01-01", "2020-01-01"),
    ("What happened between March and May 2022?", "2022-03-01", "2022-06-01"),
    ("What did I buy the weekend before 9 June 2022?", "2022-06-04", "2022-06-06"),
    ("Who called on Friday?", "2023-05-19", "2023-05-20"),
    ("What changed since 2021?", "2021-01-01", "2023-05-26"),
    ("what did i say two weeks ago", "2023-05-08", "2023-05-15"),
]


@pytest.mark.parametrize(("question", "start", "end"), QUESTIONS)
def test_a_question_asks_about_a_range(question: str, start: str, end: str) -> None:
    found = find_query_range(question, reference=REFERENCE)
    assert found is not None
    assert (found.start, found.end) == _days(start, end)


@pytest.mark.parametrize(
    "question",
    [
        "When did we move?",
        "What did I pack the week before my birthday trip?",
        "May I see it?",
        "What does April like?",
        "",
    ],
)
def test_a_question_without_an_anchor_has_no_range(question: str) -> None:
    assert find_query_range(question, reference=REFERENCE) is None


TIMELY = [
    *(
        "see you at 5 pm",
        "at 17:30",
        "six o'clock",
        "every Friday",
        "we stayed for three weeks",
        "I have had it 10 years",
    ),
    *("long ago", "yesterday", "in May", "since 2016", "Mondays are hard", "over the weekend", "September"),
]
TIMELESS = [
    *(
        "I love swimming",
        "May I come?",
        "she may come",
        "April is my friend",
        "we have 3 dogs",
        "a long day",
        "room 1730",
    ),
    *("the second door", "", "hours of fun", "we march"),
]


@pytest.mark.parametrize("text", TIMELY)
def test_expressions_of_time_are_noticed(text: str) -> None:
    assert mentions_time(text)


@pytest.mark.parametrize("text", TIMELESS)
def test_other_texts_mention_no_time(text: str) -> None:
    assert not mentions_time(text)


WORDS = """
the a an in on at by since until before after between from to and of early late mid end beginning last this next past
week weekend month year day night couple few two 3 7 7th 30 31 2022 2023-02-30 90s ago back now May april Friday fri
summer Christmas New Year's Eve yesterday tomorrow , . - – other first second half 05/07/2023 février 29 February
"""
words = st.sampled_from(WORDS.split())
sentences = st.lists(words, max_size=14).map(" ".join)
references = st.datetimes(timezones=st.just(UTC) | st.just(timezone(timedelta(hours=-11))) | st.none())


@given(st.text(max_size=120) | sentences, references)
@example("the day before yesterday", datetime(1, 1, 1, tzinfo=UTC))
@example("next decade", datetime(9999, 12, 31, tzinfo=UTC))
@example("2023-05-07", datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))))
@example("on 29 February", datetime(1, 1, 1))  # noqa: DTZ001 - naive on purpose
def test_any_text_gives_ordered_utc_ranges_with_their_words(text: str, reference: datetime) -> None:
    found = find_dates(text, reference=reference)
    assert len(found) <= MAX_DATES
    place = 0
    for one in found:
        assert EARLIEST <= one.start < one.end <= LATEST
        assert one.start.tzinfo is UTC
        assert one.end.tzinfo is UTC
        place = text.index(one.text, place) + len(one.text)
    asked = find_query_range(text, reference=reference)
    assert asked is None or asked.start < asked.end


@given(sentences)
def test_a_text_with_a_date_mentions_time(text: str) -> None:
    assert mentions_time(text) or not find_dates(text, reference=REFERENCE)
