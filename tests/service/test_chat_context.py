"""C2, C3, D4: what the next prompt holds of what changed a moment before, and what a follow-up refers to."""

from typing import TYPE_CHECKING, Any

import pytest

from context0.errors import LLMUnavailable
from tests.chat_bench import Chat, ChatBench, said_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from context0.llm.scripted import Answer

ALL = "Summarise everything that I have told you about food"


async def shown(chat: Chat, text: str = ALL, **options: Any) -> str:
    await chat.say(text, **options)
    return said_in(chat.prompts[-1])


async def test_a_full_turn_is_shown_preferences_and_facts_of_its_project(chats: ChatBench) -> None:
    chat = chats.chat()
    await chat.engine.add("I hate coriander", user_id="anna", memory_type="preference")
    await chat.engine.add("The kitchen gets a blue door", user_id="anna", metadata={"project": "house"})
    await chat.engine.add("The shed gets a red door", user_id="anna", metadata={"project": "garden"})
    told = await shown(chat, "Compare the plans for all doors and walls, and say which is better", project="house")
    assert "I hate coriander" in told
    assert "The kitchen gets a blue door" in told
    assert "About the project:" in told or "red door" in told


@pytest.mark.parametrize("is_warm", [False, True])
async def test_a_preference_is_out_of_the_next_prompt_when_it_is_deleted(chats: ChatBench, is_warm: bool) -> None:
    chat = chats.chat()
    memory = await chat.engine.add("I hate coriander", user_id="anna", memory_type="preference")
    if is_warm:
        assert "I hate coriander" in await shown(chat)
    await chat.engine.delete(memory.id, user_id="anna")
    assert "coriander" not in await shown(chat, session_id=None)


async def test_a_preference_is_shown_as_it_is_after_an_update(chat: Chat) -> None:
    memory = await chat.engine.add("I hate coriander", user_id="anna", memory_type="preference")
    assert "I hate coriander" in await shown(chat)
    await chat.engine.update(memory.id, user_id="anna", content="I adore coriander")
    told = await shown(chat)
    assert ("I adore coriander" in told, "I hate coriander" in told) == (True, False)


async def test_a_preference_that_was_superseded_is_no_longer_one(chat: Chat) -> None:
    await chat.engine.add("My favourite colour is green", user_id="anna", memory_type="preference")
    assert "My favourite colour is green" in await shown(chat, "Summarise all that you know of my kitchen plans")
    chat.session_id = None
    await chat.engine.add("My favourite colour is red", user_id="anna", memory_type="preference")
    told = await shown(chat, "Summarise all that you know of my kitchen plans")
    section = told.partition("Preferences of the user:")[2]
    assert "My favourite colour is green" not in section
    assert "My favourite colour is red" in told


async def test_a_preference_that_is_told_in_a_turn_is_in_the_next_prompt(chat: Chat) -> None:
    await chat.say("Summarise everything that I have told you")
    await chat.say("I like olives")
    chat.session_id = None
    assert "I like olives" in await shown(chat)


async def test_a_preference_that_expires_is_gone(chats: ChatBench) -> None:
    chat = chats.chat()
    later = chats.clock.now().replace(year=chats.clock.now().year + 1)
    await chat.engine.add("I hate coriander", user_id="anna", memory_type="preference", expires_at=later)
    assert "I hate coriander" in await shown(chat)
    chats.clock.advance(days=400)
    assert "I hate coriander" not in await shown(chat)


async def test_a_turn_that_asks_again_uses_the_memories_of_the_answer_before_without_a_search(chats: ChatBench) -> None:
    chat = chats.chat()
    await chat.say("I live in Munich near the river")
    first = await chat.say("Where do I live near the river?")
    embedded = len(chats.engines.embedder.calls)
    again = await chat.say("try again")
    assert (again.memories_used, again.tier, again.operation) == (first.memories_used, "light", "moderate")
    assert len(chats.engines.embedder.calls) == embedded, "nothing was searched for"
    assert "[1]" in said_in(chat.prompts[-1])


async def test_a_memory_that_was_deleted_is_not_recalled_again(chat: Chat) -> None:
    (memory_id,) = (await chat.say("I live in Munich near the river")).memories_written
    await chat.say("Where do I live near the river?")
    await chat.engine.delete(memory_id, user_id="anna")
    again = await chat.say("try again")
    assert again.memories_used == ()
    assert chat.prompts[-1].sources == ()


# --- what a message refers to


async def test_a_bare_yes_is_searched_for_with_the_question_that_it_answers(chats: ChatBench) -> None:
    answers = iter(["Shall I tell you about your bread oven?", "It is red."])
    chat = chats.chat(lambda _: next(answers))
    await chat.engine.add("My bread oven is red", user_id="anna")
    await chat.say("Hello!")
    reply = await chat.say("Yes please")
    assert (reply.operation, reply.tier) == ("moderate", "standard")
    assert chats.engines.embedder.calls[-1] == ["Shall I tell you about your bread oven?\nYes please"]
    assert len(reply.memories_used) == 1


async def test_a_yes_to_nothing_stays_small_talk(chats: ChatBench) -> None:
    chat = chats.chat(lambda _: "Good.")
    await chat.say("Hello!")
    assert ((await chat.say("yes")).operation, chats.engines.embedder.calls) == ("trivial", [])


@pytest.mark.parametrize("text", ["What is it for?", "And who built it?", "why?", "What about that one?"])
async def test_a_follow_up_is_searched_for_with_what_was_asked_before(chats: ChatBench, text: str) -> None:
    chat = chats.chat()
    await chat.say("Where is the bread oven?")
    await chat.say(text)
    assert chats.engines.embedder.calls[-1] == [f"Where is the bread oven?\n{text}"]


@pytest.mark.parametrize("text", ["Where does Clara live?", "Tell me about the harbour", "When does the market open?"])
async def test_a_message_that_names_what_it_is_about_is_searched_for_alone(chats: ChatBench, text: str) -> None:
    chat = chats.chat()
    await chat.say("Where is the bread oven?")
    await chat.say(text)
    assert chats.engines.embedder.calls[-1] == [text]


async def test_after_a_failure_and_now_asks_again(chats: ChatBench) -> None:
    answers: Iterator[Answer] = iter(["Nice.", LLMUnavailable("down"), "In Munich.", "In Munich."])

    chat = chats.chat(lambda _: next(answers))
    await chat.say("I live in Munich near the river")
    session = chat.session_id
    events = await chat.events("Where do I live near the river?")
    assert events[-1].type == "error"
    await chat.settled()
    reply = await chat.say("and now?", session_id=session)
    assert (reply.tier, reply.text) == ("light", "In Munich.")
    assert (await chat.say("and now?", session_id=session)).tier != "light", "it has its answer"


async def test_it_does_not_wait_for_a_history_that_is_not_at_hand(chats: ChatBench) -> None:
    """In another process the first message is judged by itself, and the next one by what was said."""
    teller = chats.chat(lambda _: "Shall I tell you about your bread oven?")
    await teller.say("Hello!")
    chat = chats.chat(lambda _: "Shall I tell you about your bread oven?")
    replies = [await chat.say("yes", session_id=teller.session_id) for _ in range(2)]
    assert [reply.operation for reply in replies] == ["trivial", "moderate"]
