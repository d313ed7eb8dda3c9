"""One long conversation: what a turn costs at its beginning and at its end."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from typing import Final

import apsw

from chat.times import Took
from chat.users import SAID, Talk, Users, progress, settings, turn
from context0 import ChatService, MemoryEngine
from context0.context.assemble import prompt_tokens
from context0.llm.scripted import ScriptedLLM

MARKS: Final = (10, 100, 1_000)
AROUND: Final = 30
"""A mark stands for so many turns, itself the last of them: ten of each kind of message. The first has nine."""
_SMALL_TALK: Final = ("Thanks, that helps.", "Ok, great.", "Good to know, thank you!")


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnCost:
    """took: with a model that answers at once. statements, rows: of SQLite, from the message to the last event.

    cpu_ms: of the process, with the work after the answer. tokens: of the prompt, as we count them.
    """

    took: Took
    cpu_ms: float
    tokens: int
    statements: int
    rows: int


class SqlCounter:
    """Counts what every connection that is opened while it is in place does: statements, and rows that come back."""

    def __init__(self) -> None:
        self.statements = self.rows = 0

    @contextmanager
    def in_place(self) -> Iterator[None]:
        apsw.connection_hooks.append(self._watch)
        try:
            yield
        finally:
            apsw.connection_hooks.remove(self._watch)

    def _watch(self, connection: apsw.Connection) -> None:
        connection.trace_v2(apsw.SQLITE_TRACE_STMT | apsw.SQLITE_TRACE_ROW, self._seen, id=self)

    def _seen(self, event: dict[str, object]) -> None:
        if event["code"] == apsw.SQLITE_TRACE_ROW:
            self.rows += 1
        elif not event["trigger"]:
            self.statements += 1


async def long_conversation(some: Users, turns: int) -> list[TurnCost]:
    """Take so many turns in one session: a question, a statement that is remembered, small talk, and so on."""
    counter, llm = SqlCounter(), ScriptedLLM(lambda _: SAID)
    (owner,) = some.names[:1]
    kinds = cycle([some.questions[owner], some.told, cycle(_SMALL_TALK)])
    costs = []
    with counter.in_place():
        async with MemoryEngine(settings(some.store)) as engine, ChatService(engine, llm=llm) as chat:
            begun = await chat.send("Hello!", user_id=owner)
            talk = Talk(user=owner, session_id=str(begun.session_id), say=lambda: next(next(kinds)))
            for number in range(turns):
                if number % 50 == 0:
                    progress(f"a long conversation: turn {number} of {turns}")
                llm.prompts.clear()
                statements, rows, cpu = counter.statements, counter.rows, time.process_time()
                took = await turn(chat, talk)
                costs.append(
                    TurnCost(
                        took=took,
                        cpu_ms=1_000 * (time.process_time() - cpu),
                        tokens=prompt_tokens(llm.prompts[0]),
                        statements=counter.statements - statements,
                        rows=counter.rows - rows,
                    )
                )
    progress("")
    return costs


def around(costs: Sequence[TurnCost], mark: int) -> Sequence[TurnCost]:
    """Return the turns that stand for a mark, without the first, which reads the index; none in a shorter talk."""
    return costs[max(1, mark - AROUND) : mark] if mark <= len(costs) else ()
