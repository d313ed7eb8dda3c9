"""S1, S2, B9: another user's conversations are not there, whichever method of the chat asks; the same as unknown ones.

The probes are checked against the service's public methods, so that a new method without one fails.
"""

import inspect
from typing import Any, Final

import pytest

from context0.chat.service import ChatService
from context0.errors import InvalidInput
from stores.errors import InvalidCursor, NotFound
from stores.records import Decision, DecisionId, Scope
from tests.chat_bench import Chat, ChatBench, said_in
from tests.contracts.introspection import probes_in

OF_NOBODY: Final = frozenset({"aclose"})
"""What concerns the service as a whole."""
UNKNOWN: Final = "0e9a6a9e-5f1f-4f0c-9ad2-3a3a4a2f8f10"
CANARY: Final = "canary4711"


async def hers(chat: Chat) -> str:
    """Let Anna talk, leave a decision that waits, and return her session."""
    await chat.say(f"My secret word is {CANARY} and I live in Munich", mode="normal")
    await chat.say("And I like bread")
    (first, *_) = await chat.remembered()
    decision = Decision(
        id=DecisionId("d1"), reason="contradicts", new_id=first.id, old_id=first.id, created_at=chat.engine.clock.now()
    )
    await (await chat.engine.chats()).put_decisions([decision], scope=Scope(owner="anna"))
    return str(chat.session_id)


async def everything_of_anna(chat: Chat, session: str) -> list[Any]:
    service = chat.service
    return [
        await service.sessions(user_id="anna"),
        await service.messages(session, user_id="anna"),
        await service.decisions(user_id="anna"),
        await chat.remembered(),
        await (await chat.engine.chats()).get_profile(Scope(owner="anna")),
    ]


async def probe_send(chat: Chat, session: str, stranger: str) -> None:
    """Session ids are an owner's own: under the same one a stranger has a talk of their own, or none."""
    with pytest.raises(NotFound):
        await chat.service.send("Where do I live?", user_id=stranger, session_id=session, mode="read_only")
    for mode in (None, "normal", "redact"):
        own = await chat.service.send("Where do I live?", user_id=stranger, session_id=session, mode=mode)
        assert (own.memories_used, "Munich" in said_in(chat.prompts[-1])) == ((), False)
    await chat.settled()
    messages = await chat.heard(user_id=stranger, session_id=session)
    assert [one.content for one in messages] == ["Where do I live?", "You said: Where do I live?"] * 3


async def probe_stream(chat: Chat, session: str, stranger: str) -> None:
    unread = await chat.events("Where do I live?", user_id=stranger, session_id=session, mode="read_only")
    assert [getattr(event, "code", event.type) for event in unread] == ["not_found"]
    for mode in ("off_record", "normal"):
        events = await chat.events("Where do I live?", user_id=stranger, session_id=session, mode=mode)
        assert "Munich" not in said_in(chat.prompts[-1]) + str(events)
        assert CANARY not in str(events), "not even its title"


async def probe_sessions(chat: Chat, session: str, stranger: str) -> None:
    assert (await chat.service.sessions(user_id=stranger)).items == ()
    chat.session_id = None
    await chat.say("Another talk")
    cursor = (await chat.service.sessions(user_id="anna", limit=1)).next_cursor
    with pytest.raises(InvalidCursor):
        await chat.service.sessions(user_id=stranger, cursor=cursor)
    await chat.service.delete_session(str(chat.session_id), user_id="anna")


async def probe_session(chat: Chat, session: str, stranger: str) -> None:
    await refused(lambda wanted: chat.service.session(wanted, user_id=stranger), session)


async def probe_messages(chat: Chat, session: str, stranger: str) -> None:
    await refused(lambda wanted: chat.service.messages(wanted, user_id=stranger), session)
    cursor = (await chat.service.messages(session, user_id="anna", limit=1)).next_cursor
    with pytest.raises((NotFound, InvalidCursor)):
        await chat.service.messages(session, user_id=stranger, cursor=cursor)


async def probe_rename(chat: Chat, session: str, stranger: str) -> None:
    await refused(lambda wanted: chat.service.rename(wanted, user_id=stranger, title="mine"), session)


async def probe_delete_session(chat: Chat, session: str, stranger: str) -> None:
    await refused(lambda wanted: chat.service.delete_session(wanted, user_id=stranger), session)


async def probe_set_mode(chat: Chat, session: str, stranger: str) -> None:
    await refused(lambda wanted: chat.service.set_mode("off_record", user_id=stranger, session_id=wanted), session)
    await chat.service.set_mode("off_record", user_id=stranger)
    assert (await chat.say("I like tea")).mode == "normal"
    (answer,) = [one for one in await chat.remembered() if one.content == "I like tea"]
    await chat.engine.delete(answer.id, user_id="anna")


async def probe_mode(chat: Chat, session: str, stranger: str) -> None:
    await chat.service.set_mode("redact", user_id="anna", session_id=session)
    await refused(lambda wanted: chat.service.mode(user_id=stranger, session_id=wanted), session)
    assert await chat.service.mode(user_id=stranger) == "normal"
    await chat.service.set_mode(None, user_id="anna", session_id=session)


async def probe_decisions(chat: Chat, session: str, stranger: str) -> None:
    for pending in (True, False):
        assert (await chat.service.decisions(user_id=stranger, pending=pending)).items == ()


async def probe_decide(chat: Chat, session: str, stranger: str) -> None:
    for ruling in ("keep_new", "keep_both", "undo"):
        await refused(lambda wanted: chat.service.decide(wanted, ruling, user_id=stranger), "d1")  # noqa: B023 - awaited here


async def refused(call: Any, wanted: str) -> None:
    """Assert that it is refused as an unknown one is."""
    told = []
    for name in (wanted, UNKNOWN):
        with pytest.raises(NotFound) as caught:
            await call(name)
        told.append((caught.value.code, str(caught.value).replace(name, "<id>")))
    assert told[0] == told[1]


PROBES: Final = probes_in(globals())
_CHANGES: Final = frozenset({"sessions", "set_mode", "mode"})
"""Probes in which Anna does something herself."""


def methods() -> dict[str, inspect.Signature]:
    found = inspect.getmembers(ChatService, inspect.isroutine)
    return {name: inspect.signature(function) for name, function in found if not name.startswith("_")}


def test_every_public_method_has_a_probe_and_takes_its_user_by_name() -> None:
    assert set(PROBES) == set(methods()) - OF_NOBODY
    for name in PROBES:
        user = methods()[name].parameters["user_id"]
        assert (user.kind, user.default) == (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.empty), name


@pytest.mark.parametrize("method", PROBES)
async def test_another_user_sees_and_changes_nothing(chats: ChatBench, method: str) -> None:
    chat = chats.chat()
    session = await hers(chat)
    before = await everything_of_anna(chat, session)
    await PROBES[method](chat, session, "ben")
    chat.session_id = session
    after = await everything_of_anna(chat, session)
    if method in _CHANGES:
        before, after = before[2:], after[2:]
    assert after == before


async def test_two_users_talk_in_a_session_of_the_same_name_and_see_their_own(chats: ChatBench) -> None:
    """Also a process that has nothing of either in its caches; what one deletes stays with the other."""
    first = chats.chat()
    users = {"anna": "I live in Munich", "ben": "I live in Oslo"}
    for user, text in users.items():
        await first.say(text, user_id=user, session_id="s1")
        await first.service.set_mode("redact" if user == "ben" else None, user_id=user, session_id="s1")
    await first.service.rename("s1", user_id="ben", title="Ben's")
    for chat in (first, chats.chat()):
        for user, other in (("anna", "Oslo"), ("ben", "Munich")):
            await chat.say("Where do I live?", user_id=user, session_id="s1")
            assert other not in said_in(chat.prompts[-1])
            assert users[user] in said_in(chat.prompts[-1])
            assert other not in str(await chat.service.messages("s1", user_id=user))
            (listed,) = (await chat.service.sessions(user_id=user)).items
            assert (listed.id, listed.title) == ("s1", "Ben's" if user == "ben" else users["anna"])
            mode = await chat.service.mode(user_id=user, session_id="s1")
            assert mode == ("redact" if user == "ben" else "normal")
    await first.service.delete_session("s1", user_id="ben")
    assert users["anna"] in str(await first.service.messages("s1", user_id="anna"))
    with pytest.raises(NotFound):
        await first.service.messages("s1", user_id="ben")
    with pytest.raises(NotFound):
        await first.service.send("And now?", user_id="ben", session_id="s1")
    reply = await first.service.send("And now?", user_id="anna", session_id="s1")
    assert users["anna"] in said_in(first.prompts[-1])
    assert reply.session_id == "s1"


async def test_a_chat_of_another_user_finds_nothing_of_the_first_one_in_any_cache(chats: ChatBench) -> None:
    """S2: no canary in a prompt, a reply, or an event of anybody else."""
    chat = chats.chat()
    session = await hers(chat)
    for stranger in ("ben", "ann", "anna ", "Anna", "annа", "anna%", "*"):
        for text in ("What is the secret word?", "Summarise everything that I have told you", "try again", "yes"):
            assert CANARY not in str(await chat.events(text, user_id=stranger, session_id=None))
            assert CANARY not in said_in(chat.prompts[-1])
    assert CANARY in str(await chat.service.messages(session, user_id="anna"))


@pytest.mark.parametrize("user", ["", " ", None, 5, b"anna", ["anna"], {"$ne": None}, "a\0b", "\ud800", "x" * 257])
async def test_a_user_is_named_by_a_short_text(chat: Chat, user: Any) -> None:
    arguments: dict[str, tuple[str, ...]] = {"sessions": (), "decisions": (), "mode": (), "decide": ("d1", "undo")}
    options = {"rename": {"title": "x"}}
    for method in PROBES:
        call = getattr(chat.service, method)(*arguments.get(method, ("x",)), user_id=user, **options.get(method, {}))
        with pytest.raises(InvalidInput) as caught:
            await (anext(call) if method == "stream" else call)
        assert caught.value.field == "user_id"
