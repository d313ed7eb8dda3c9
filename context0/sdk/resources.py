"""What a client offers, by subject: each method names a request of the core and has it carried out."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Unpack

from context0.sdk import chat_calls, memory_calls, owner_calls, task_calls
from context0.sdk.courier import ChatStream, Courier
from context0.sdk.errors import InvalidInput
from context0.sdk.exporting import MEMORIES_ONLY, Exported, exported
from context0.sdk.importing import Importables, ImportParts
from context0.sdk.options import ListOptions, MemoryChanges, MemoryFields, MemoryInput, SearchOptions, TurnOptions
from context0.sdk.streaming import StreamedTurn
from context0.wire.audit import AuditList
from context0.wire.chat import ChatDecision, ChatReply, Mode, Ruling
from context0.wire.memories import (
    HistoryRecord,
    MemoryList,
    MemoryRecord,
    ReceiptRecord,
    SearchReply,
    SourceReceiptRecord,
)
from context0.wire.service import ImportRecord
from context0.wire.sessions import DecisionList, MessageList, MessageRecord, ModeRecord, SessionList, SessionRecord
from context0.wire.tasks import TaskList, TaskRecord


class _Resource:
    def __init__(self, courier: Courier) -> None:
        self._courier = courier


class Memories(_Resource):
    """Memories of the user whose key it is. Each method raises ClientError."""

    def add(self, content: str, **fields: Unpack[MemoryFields]) -> MemoryRecord:
        """Remember a text, durably. Exactly the same again, or the same idempotency_key, is the same memory."""
        return self._courier.call(memory_calls.add(content, fields))

    def add_many(self, memories: Sequence[MemoryInput]) -> tuple[MemoryRecord, ...]:
        """Remember up to 10,000 memories in one write, in order; all are checked before any is written."""
        return self._courier.call(memory_calls.add_many(memories)).items

    def get(self, memory_id: str) -> MemoryRecord:
        """Return one memory. Raises NotFound."""
        return self._courier.call(memory_calls.get(memory_id))

    def list(self, *, limit: int = 20, cursor: str | None = None, **options: Unpack[ListOptions]) -> MemoryList:
        """Return a page of up to 1,000 memories, newest first, and the cursor of the next."""
        return self._courier.call(memory_calls.page(limit, cursor, options))

    def iterate(self, **options: Unpack[ListOptions]) -> Iterator[MemoryRecord]:
        """Yield all memories, newest first; a page of 100 is asked for when it is needed."""
        return self._courier.walk(memory_calls.pages(options))

    def search(
        self, query: str, *, limit: int = 10, cursor: str | None = None, **options: Unpack[SearchOptions]
    ) -> SearchReply:
        """Return what answers `query`, best first; arms that could not answer are named in `degraded`."""
        return self._courier.call(memory_calls.search(query, limit, cursor, options))

    def update(self, memory_id: str, **changes: Unpack[MemoryChanges]) -> MemoryRecord:
        """Change what is named; what was said before stays in the history. Raises NotFound, Conflict."""
        return self._courier.call(memory_calls.change(memory_id, changes))

    def delete(self, memory_id: str) -> None:
        """Forget a memory with its history. Raises NotFound."""
        self._courier.call(memory_calls.delete(memory_id))

    def history(self, memory_id: str) -> tuple[HistoryRecord, ...]:
        """Return every version of a memory's content, oldest first. Raises NotFound."""
        return self._courier.call(memory_calls.history(memory_id)).items

    def quarantined(self, *, limit: int = 20, cursor: str | None = None) -> MemoryList:
        """Return a page of the memories that are kept back, newest first: in no search; `quarantine` says why."""
        return self._courier.call(memory_calls.quarantined(limit, cursor))

    def release(self, memory_id: str) -> MemoryRecord:
        """Let a memory out of quarantine: it is found from now on. Raises NotFound, Conflict."""
        return self._courier.call(memory_calls.release(memory_id))

    def delete_source(self, *, agent_id: str | None = None, session_id: str | None = None) -> SourceReceiptRecord:
        """Delete all that an agent wrote, or that came in one session; both: what the agent wrote in it."""
        return self._courier.call(memory_calls.delete_source(agent_id, session_id))

    def export(self) -> Generator[Exported, None, None]:
        """Yield every memory as it is stored. Raises StreamCut at its end if it was not all of them."""
        steps = exported(owner_calls.export(), self._courier.setup.pace, kinds=MEMORIES_ONLY)
        return self._courier.follow(steps)


class Chat(_Resource):
    """Turns of a conversation that remembers."""

    def send(self, message: str, **options: Unpack[TurnOptions]) -> ChatReply:
        """Answer a message, and return the whole reply. Sent again only if it never left."""
        return self._courier.call(chat_calls.send(message, options))

    def stream(self, message: str, *, resumable: bool = False, **options: Unpack[TurnOptions]) -> ChatStream:
        """Answer a message as events: session, privacy, memories, token…, done, memory_written.

        resumable: the turn goes on when the connection breaks, and is taken up again behind the last event; it then
        goes on as well when the stream is closed early. Without it, a cut ends the turn and raises StreamCut.
        """
        opening = chat_calls.stream(message, options, resumable=resumable)
        resuming = chat_calls.follow if resumable else None
        return ChatStream(self._courier, StreamedTurn(opening, self._courier.setup.pace, resuming=resuming))

    def resume(self, turn_id: str, last_event_id: str | None = None) -> ChatStream:
        """Follow a turn that runs, or ended a short while ago, behind an event; None is from its first.

        Raises NotFound for a turn that the service does not have any more.
        """
        turn = StreamedTurn(
            chat_calls.follow(turn_id, last_event_id),
            self._courier.setup.pace,
            resuming=chat_calls.follow,
            turn_id=turn_id,
            last_event_id=last_event_id,
        )
        return ChatStream(self._courier, turn)


class Sessions(_Resource):
    """Conversations and their messages."""

    def list(self, *, limit: int = 20, cursor: str | None = None) -> SessionList:
        """Return a page of conversations, the latest first, and the cursor of the next."""
        return self._courier.call(chat_calls.sessions(limit, cursor))

    def iterate(self) -> Iterator[SessionRecord]:
        """Yield all conversations, the latest first."""
        return self._courier.walk(chat_calls.all_sessions)

    def get(self, session_id: str) -> SessionRecord:
        """Return one conversation, with its summary. Raises NotFound."""
        return self._courier.call(chat_calls.session(session_id))

    def rename(self, session_id: str, title: str) -> SessionRecord:
        """Give a conversation another title. Raises NotFound."""
        return self._courier.call(chat_calls.rename(session_id, title))

    def delete(self, session_id: str) -> None:
        """Erase a conversation with its messages; memories stay. Raises NotFound."""
        self._courier.call(chat_calls.delete_session(session_id))

    def messages(self, session_id: str, *, limit: int = 50, cursor: str | None = None) -> MessageList:
        """Return a page of messages, ascending, the newest page first; the cursor leads to older ones."""
        return self._courier.call(chat_calls.messages(session_id, limit, cursor))

    def iterate_messages(self, session_id: str) -> Iterator[MessageRecord]:
        """Yield all messages of a conversation, the newest first."""
        return self._courier.walk(chat_calls.all_messages(session_id))


class Decisions(_Resource):
    """Contradictions between memories that only the user can settle."""

    def list(self, *, limit: int = 20, cursor: str | None = None, pending: bool = True) -> DecisionList:
        """Return a page of those that wait, or of all, newest first, and the cursor of the next."""
        return self._courier.call(chat_calls.decisions(limit, cursor, pending=pending))

    def iterate(self, *, pending: bool = True) -> Iterator[ChatDecision]:
        """Yield those that wait, or all, newest first."""
        return self._courier.walk(chat_calls.all_decisions(pending=pending))

    def decide(self, decision_id: str, ruling: Ruling) -> ChatDecision:
        """Settle one: keep_new, keep_both or undo. Raises NotFound, and Conflict for one that was settled before."""
        return self._courier.call(chat_calls.decide(decision_id, ruling))


class PrivacyMode(_Resource):
    """What turns may read and keep: normal, read_only, off_record or redact."""

    def get(self, session_id: str | None = None) -> ModeRecord:
        """Return the mode that holds for the next turn. Raises NotFound for an unknown session."""
        return self._courier.call(chat_calls.get_mode(session_id))

    def set(self, mode: Mode | None, session_id: str | None = None) -> ModeRecord:
        """Set the mode of a session, or of all that the user says; None takes it back. Returns what holds now."""
        return self._courier.call(chat_calls.set_mode(mode, session_id))


class Tasks(_Resource):
    """Index work that was given up: such memories are found by word, person and date, but not by meaning."""

    def list(self, *, limit: int = 100, cursor: str | None = None) -> TaskList:
        """Return a page of what was given up, with the reasons; how many memories still wait; and the next cursor."""
        return self._courier.call(task_calls.page(limit, cursor))

    def iterate(self) -> Iterator[TaskRecord]:
        """Yield all that was given up, in order of ids."""
        return self._courier.walk(task_calls.pages)

    def retry(self, memory_id: str) -> None:
        """Try one memory's work again, as if for the first time. Raises NotFound."""
        self._courier.call(task_calls.retry(memory_id))

    def retry_all(self) -> int:
        """Try everything again that was given up; return how much it was."""
        return (self._courier.call(task_calls.retry_all())).count

    def drop(self, memory_id: str) -> None:
        """Leave one memory's work undone, and list it no more; the memory stays. Raises NotFound."""
        self._courier.call(task_calls.drop(memory_id))

    def drop_all(self) -> int:
        """Leave everything undone that was given up; return how much it was. No memory is removed."""
        return (self._courier.call(task_calls.drop_all())).count


class Me(_Resource):
    """Everything that is kept of the user whose key it is."""

    def audit(self, *, limit: int = 100, cursor: str | None = None) -> AuditList:
        """Return a page of what was done with the user's memory, newest first. Raises NotFound where it is off."""
        return self._courier.call(owner_calls.audit(limit, cursor))

    def erase(self, *, keep_keys: bool = False) -> ReceiptRecord:
        """Erase everything in every store, and return the signed receipt; one that is not `ok` means: call again.

        The user's API keys end with it, unless `keep_keys`, or where something else could not be erased.
        """
        return self._courier.call(owner_calls.erase(keep_keys=keep_keys))

    def import_records(self, records: Importables) -> ImportRecord:
        """Take in the records of an export, or memories as fields, or lines of a file: by requests of a megabyte.

        What is there already is known by the id that it had: after a failure, do it again. Lines that cannot be taken
        are told, and the others are taken. `whole` is None for records without the last line of an export.
        """
        if not isinstance(records, Iterable):
            raise InvalidInput("is an asynchronous iterator; use AsyncContext0Client", field="records")
        parts = ImportParts()
        for record in records:
            if (call := parts.put(record)) is not None:
                parts.take(self._courier.call(call))
        if (call := parts.rest()) is not None:
            parts.take(self._courier.call(call))
        return parts.summed()

    def export(self) -> Generator[Exported, None, None]:
        """Yield every record that is kept. Raises StreamCut at its end if it was not all of them."""
        return self._courier.follow(exported(owner_calls.export(), self._courier.setup.pace))
