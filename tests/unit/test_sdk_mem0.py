"""Mem0's verbs: their names and meanings, and what has no counterpart is refused rather than ignored."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from context0.sdk import mem0_filters
from context0.sdk.errors import InvalidInput, NotFound, ServerFailed, Unauthorized, WrongOwner
from context0.sdk.mem0 import Mem0Verbs
from context0.sdk.mem0_filters import Narrowed, meant_by
from context0.sdk.mem0_shapes import changes_of, common_to, inputs_of, limit_of, versions_of
from context0.wire.memories import HistoryRecord
from tests.sdk_driver import Driven, answer, failure, lost, pace

OWNER = answer(200, {"user_id": "anna"})
NOBODY = Narrowed(user_id=None, where=None)
ANNA = Narrowed(user_id="anna", where=None)
EMPTY = answer(200, {"items": [], "next_cursor": None})


def record(memory_id: str, **fields: object) -> dict[str, object]:
    times = dict.fromkeys(("created_at", "updated_at"), "2026-05-01T00:00:00Z")
    return {"id": memory_id, "user_id": "anna", "content": f"text of {memory_id}", **times, **fields}


def page(*ids: str, more: str | None = None) -> Any:
    return answer(200, {"items": [record(one) for one in ids], "next_cursor": more})


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ("I like tea", [{"content": "I like tea"}]),
        ({"role": "user", "content": "I like tea"}, [{"content": "I like tea", "speaker": "user"}]),
        (
            [
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": "hi", "name": "Anna"},
                {"role": "assistant", "content": [{"type": "text", "text": "hello"}, {"type": "image"}]},
            ],
            [{"content": "hi", "speaker": "Anna"}, {"content": "hello", "speaker": "assistant"}],
        ),
    ],
)
def test_a_text_a_message_or_a_list_becomes_a_memory_for_each(messages: Any, expected: Any) -> None:
    common = common_to("bot", "run-1", {"mood": "good"}, {})
    shared = {"agent_id": "bot", "session_id": "run-1", "metadata": {"mood": "good"}}
    assert inputs_of(messages, common) == [{**shared, **one} for one in expected]


@pytest.mark.parametrize(
    "messages",
    [None, 7, [], [7], {"role": "user"}, {"role": "user", "content": None}, [{"role": "system", "content": "x"}]],
)
def test_messages_without_anything_said_are_refused(messages: Any) -> None:
    with pytest.raises(InvalidInput, match="messages"):
        inputs_of(messages, {"content": ""})


def test_times_are_taken_as_mem0_takes_them() -> None:
    common = common_to(None, None, None, {"timestamp": 1_777_900_000, "expiration_date": "2026-12-31"})
    assert common["occurred_at"] == datetime.fromtimestamp(1_777_900_000, UTC)
    assert common["expires_at"] == datetime(2027, 1, 1, tzinfo=UTC)
    again = common_to(None, None, None, {"timestamp": "2026-05-01T10:00:00", "expiration_date": date(2026, 12, 31)})
    assert again["occurred_at"] == datetime(2026, 5, 1, 10, tzinfo=UTC)
    for wrong in ({"timestamp": True}, {"timestamp": "soon"}, {"timestamp": 1e30}, {"expiration_date": "9999-12-31"}):
        with pytest.raises(InvalidInput, match=next(iter(wrong))):
            common_to(None, None, None, wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="custom_categories"):
        common_to(None, None, None, {"custom_categories": []})  # type: ignore[typeddict-unknown-key]


@pytest.mark.parametrize(
    ("filters", "user", "where"),
    [
        (None, None, None),
        ({"user_id": "anna"}, "anna", None),
        ({"AND": [{"user_id": "anna"}, {"run_id": "r"}]}, "anna", {"session_id": "r"}),
        (
            {"user_id": "anna", "agent_id": "bot", "city": "Graz"},
            "anna",
            {"AND": [{"agent_id": "bot"}, {"metadata.city": "Graz"}]},
        ),
        (
            {"OR": [{"city": "Graz"}, {"stars": {"gte": 3}, "role": "user"}]},
            None,
            {"OR": [{"metadata.city": "Graz"}, {"AND": [{"metadata.stars": {"gte": 3}}, {"speaker": "user"}]}]},
        ),
        (
            {"NOT": [{"city": "Graz"}, {"city": "Linz"}]},
            None,
            {"NOT": {"OR": [{"metadata.city": "Graz"}] * 0 + [{"metadata.city": "Graz"}, {"metadata.city": "Linz"}]}},
        ),
        ({"$not": {"categories": {"contains": "food"}}}, None, {"NOT": {"tags": {"contains": "food"}}}),
        ({"city": ["Graz", "Linz"]}, None, {"metadata.city": {"in": ["Graz", "Linz"]}}),
        ({"created_at": {"gte": "2026-05-01T00:00:00Z"}}, None, {"created_at": {"gte": "2026-05-01T00:00:00Z"}}),
    ],
)
def test_filters_are_told_in_the_services_words(filters: Any, user: str | None, where: Any) -> None:
    assert meant_by(filters, None, None, None) == Narrowed(user_id=user, where=where)


@pytest.mark.parametrize(
    "filters",
    [
        {"OR": [{"user_id": "anna"}, {"user_id": "ben"}]},
        {"NOT": {"user_id": "anna"}},
        {"user_id": "*"},
        {"user_id": {"in": ["anna", "ben"]}},
        {"AND": [{"user_id": "anna"}, {"user_id": "ben"}]},
        {"city": "*"},
        {"city": {"icontains": "gr"}},
        {"AND": "city"},
        {"OR": []},
        {"OR": [{}]},
        "city",
    ],
)
def test_filters_without_a_counterpart_are_refused(filters: Any) -> None:
    with pytest.raises(InvalidInput, match="filters"):
        meant_by(filters, None, None, None)


def test_names_beside_the_filters_count_as_well() -> None:
    assert meant_by({"city": "Graz"}, "anna", "bot", "r").where == {
        "AND": [{"agent_id": "bot"}, {"session_id": "r"}, {"metadata.city": "Graz"}]
    }
    with pytest.raises(InvalidInput, match="two users"):
        meant_by({"user_id": "ben"}, "anna", None, None)
    assert mem0_filters.meant_by({"user_id": "anna"}, "anna", None, None) == ANNA


def test_a_user_id_that_is_not_the_keys_owner_is_noticed_before_anything_is_sent() -> None:
    verbs, driven = Mem0Verbs(pace()), Driven()
    with pytest.raises(WrongOwner):
        driven.run(verbs.add("tea", "ben", {"content": ""}), [OWNER])
    with pytest.raises(WrongOwner):
        driven.run(verbs.search("tea", Narrowed(user_id="ben", where=None), None, {}), [])
    with pytest.raises(WrongOwner):
        driven.run(verbs.delete_all(Narrowed(user_id="ben", where=None)), [])
    assert [step.request.method for step in driven.sent] == ["GET"]


def test_a_user_id_is_never_sent() -> None:
    verbs, driven = Mem0Verbs(pace()), Driven()
    driven.run(verbs.add("tea", "anna", {"content": ""}), [OWNER, page("m1")])
    driven.run(verbs.get_all(meant_by({"user_id": "anna"}, "anna", None, None), None, None), [EMPTY])
    for step in driven.sent:
        assert b"anna" not in (step.request.body or b"")
        assert "anna" not in f"{step.request.path}{step.request.query}"


def test_a_service_that_does_not_tell_whose_key_it_is_is_asked_once() -> None:
    verbs = Mem0Verbs(pace())
    for outcomes in ([failure(405, "method_not_allowed"), EMPTY], [EMPTY]):
        assert Driven().run(verbs.get_all(ANNA, None, None), outcomes) == {"results": []}
    with pytest.raises(Unauthorized):
        Driven().run(Mem0Verbs(pace()).get_all(ANNA, None, None), [failure(401, "unauthorized")])


def test_get_all_reads_on_until_there_are_enough() -> None:
    driven = Driven()
    pages = [page(*(f"a{i}" for i in range(1_000)), more="c1"), page("b1", "b2", more="c2")]
    found = driven.run(Mem0Verbs(pace()).get_all(NOBODY, 1_002, None), pages)
    assert len(found["results"]) == 1_002
    assert [step.request.query for step in driven.sent] == [{"limit": "1000"}, {"limit": "2", "cursor": "c1"}]


def test_a_search_tells_its_scores_and_what_could_not_answer() -> None:
    reply = {"items": [{"memory": record("m1", agent_id="bot", speaker="user"), "score": 2.5, "arms": {}}]}
    driven = Driven()
    steps = Mem0Verbs(pace()).search("tea", NOBODY, None, {"top_k": 3, "threshold": 0.2})
    found = driven.run(steps, [answer(200, {**reply, "degraded": ["semantic"]})])
    assert found["degraded"] == ["semantic"]
    (only,) = found["results"]
    assert (only["memory"], only["score"], only["agent_id"], only["role"]) == ("text of m1", 2.5, "bot", "user")
    assert driven.sent[0].request.body == b'{"query":"tea","limit":3,"min_relevance":0.2}'


def test_delete_all_wants_somebody_to_be_named() -> None:
    with pytest.raises(InvalidInput, match="user_id"):
        Driven().run(Mem0Verbs(pace()).delete_all(NOBODY), [])


def test_delete_all_of_a_user_is_an_erasure_and_an_incomplete_one_is_a_failure() -> None:
    stores = [{"store": "vectors", "removed": {}, "remaining": 3, "error": None}]
    receipt = {"ok": True, "user_id": "anna", "erased_at": "2026-05-01T00:00:00Z", "stores": stores}
    told = Driven().run(Mem0Verbs(pace()).delete_all(ANNA), [OWNER, answer(200, receipt)])
    assert told == {"message": "Memories deleted successfully!"}
    with pytest.raises(ServerFailed, match="vectors") as raised:
        Driven().run(Mem0Verbs(pace()).delete_all(ANNA), [OWNER, answer(200, {**receipt, "ok": False})])
    assert raised.value.code == "erasure_incomplete"


def test_delete_all_of_a_run_deletes_its_memories_and_no_others() -> None:
    driven, gone, done = Driven(), failure(404, "not_found"), answer(204)
    outcomes = [page("m1", "m2", more="c"), done, gone, page("m3"), lost(), gone]
    driven.run(Mem0Verbs(pace()).delete_all(Narrowed(user_id=None, where={"session_id": "r"})), outcomes)
    assert [step.request.path.rpartition("/")[2] for step in driven.sent if step.request.method == "DELETE"] == [
        *("m1", "m2", "m3", "m3")
    ]


def test_an_update_takes_text_or_its_older_name() -> None:
    assert changes_of("new", None, None) == changes_of(None, "new", None) == {"content": "new"}
    assert changes_of(None, None, {"a": 1}) == {"metadata": {"a": 1}}
    for wrong in (("a", "b", None), (None, None, None)):
        with pytest.raises(InvalidInput, match="text"):
            changes_of(*wrong)


def test_a_history_is_told_as_changes() -> None:
    times = (datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 5, 2, tzinfo=UTC))
    told = versions_of(
        [
            HistoryRecord(memory_id="m1", version=1, event="added", content="tea", changed_at=times[0]),
            HistoryRecord(memory_id="m1", version=2, event="updated", content="coffee", changed_at=times[1]),
        ]
    )
    assert [(one["event"], one["old_memory"], one["new_memory"]) for one in told] == [
        ("ADD", None, "tea"),
        ("UPDATE", "tea", "coffee"),
    ]
    assert {one["created_at"] for one in told} == {times[0].isoformat()}


@pytest.mark.parametrize(("limit", "top_k", "wanted"), [(None, None, 20), (5, None, 5), (None, 7, 7), (3, 3, 3)])
def test_limit_and_top_k_are_the_same(limit: int | None, top_k: int | None, wanted: int) -> None:
    assert limit_of(limit, top_k) == wanted


@pytest.mark.parametrize(("limit", "top_k"), [(1, 2), (0, None), (True, None), (None, "3")])
def test_a_limit_that_is_none_is_refused(limit: Any, top_k: Any) -> None:
    with pytest.raises(InvalidInput, match="limit"):
        limit_of(limit, top_k)


def test_a_memory_that_is_not_there_is_not_found() -> None:
    with pytest.raises(NotFound):
        Driven().run(Mem0Verbs(pace()).get("m1"), [failure(404, "not_found")])
