"""The client of the service for programs without an event loop. See `Context0Client`."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self, Unpack

import httpx

from context0.sdk import owner_calls
from context0.sdk.courier import Courier
from context0.sdk.mem0 import Mem0Verbs
from context0.sdk.mem0_filters import meant_by
from context0.sdk.mem0_shapes import (
    AddOptions,
    Mem0Additions,
    Mem0Memory,
    Mem0Message,
    Mem0Results,
    Mem0Version,
    Messages,
    SearchMore,
    changes_of,
    common_to,
)
from context0.sdk.resources import Chat, Decisions, Me, Memories, PrivacyMode, Sessions, Tasks
from context0.sdk.retrying import RetryRule
from context0.sdk.wiring import LOCAL, set_up
from context0.wire.service import Health


class Context0Client:
    """Talks to a Context0 service. `AsyncContext0Client` has the same methods, to be awaited.

    By subject: `memories`, `chat`, `sessions`, `decisions`, `mode`, `tasks`, `me`; beside them Mem0's verbs, for
    programs that move over. Whose memory it is, the key says: a `user_id` is only compared with that. Use it in `with`,
    or close it. Safe for several threads. Errors are `context0.sdk.errors.ClientError`.
    """

    def __init__(
        self,
        base_url: str | Sequence[str] = LOCAL,
        api_key: str | None = None,
        *,
        timeout_s: float = 60.0,
        retries: int | RetryRule = 2,
        sticky: bool = True,
        http_client: httpx.Client | None = None,
    ) -> None:
        """Connect to nothing yet. Raises InvalidInput.

        base_url: one address, or those of all the service's processes; one that is down is passed over.
        sticky: requests go to one of them, which the key chooses; False: they go round.
        api_key: from `context0 keys create`, or a JWT; None for a service in `--dev`. timeout_s: for a call with all
        its attempts; one that answers drop by drop may take twice as long. retries: attempts after the first, of what
        may be repeated, or a whole RetryRule. http_client: one of yours, which stays open when this is closed.
        """
        self._courier = Courier(set_up(base_url, api_key, timeout_s, retries, sticky=sticky), http_client)
        self._mem0 = Mem0Verbs(self._courier.setup.pace)
        self.memories = Memories(self._courier)
        self.chat = Chat(self._courier)
        self.sessions = Sessions(self._courier)
        self.decisions = Decisions(self._courier)
        self.mode = PrivacyMode(self._courier)
        self.tasks = Tasks(self._courier)
        self.me = Me(self._courier)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self._courier.setup.addresses.urls))})"

    def close(self) -> None:
        """Close the connections, unless they are of an `http_client` of yours. Twice is harmless."""
        self._courier.close()

    def health(self) -> Health:
        """Say that the service lives, and its version. No store is asked, and no key is needed."""
        return self._courier.call(owner_calls.health())

    def ready(self) -> Health:
        """Say whether the service can serve now; a status other than "ok" says why not. No key is needed."""
        return self._courier.call(owner_calls.ready())

    def performance(self) -> Mapping[str, object]:
        """Return what the service measures of itself: times by endpoint, agent, arm and store command, and alerts."""
        return self._courier.call(owner_calls.performance())

    def add(
        self,
        messages: Messages,
        user_id: str | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        metadata: Mapping[str, object] | None = None,
        *,
        infer: bool = True,  # noqa: ARG002 - Mem0's name
        **options: Unpack[AddOptions],
    ) -> Mem0Additions:
        """Mem0's verb: keep what was said, one memory a message, word for word; run_id is the session.

        infer: changes nothing. Facts are read by rules, beside the words. Raises WrongOwner, InvalidInput.
        """
        common = common_to(agent_id, run_id, metadata, options)
        return self._courier.run(self._mem0.add(messages, user_id, common))

    def search(
        self,
        query: str,
        user_id: str | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        limit: int | None = None,
        filters: Mapping[str, object] | None = None,
        **more: Unpack[SearchMore],
    ) -> Mem0Results:
        """Mem0's verb: find what answers `query`, best first, 20 at most unless `limit` or `top_k` says otherwise.

        filters: Mem0's, with AND, OR, NOT and operators; a plain name is a key of the metadata.
        """
        meant = meant_by(filters, user_id, agent_id, run_id)
        return self._courier.run(self._mem0.search(query, meant, limit, more))

    def get(self, memory_id: str) -> Mem0Memory:
        """Mem0's verb: return one memory. Raises NotFound."""
        return self._courier.run(self._mem0.get(memory_id))

    def get_all(
        self,
        user_id: str | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        limit: int | None = None,
        filters: Mapping[str, object] | None = None,
        top_k: int | None = None,
    ) -> Mem0Results:
        """Mem0's verb: return memories, newest first, 20 unless `limit` or `top_k` says otherwise."""
        meant = meant_by(filters, user_id, agent_id, run_id)
        return self._courier.run(self._mem0.get_all(meant, limit, top_k))

    def update(
        self,
        memory_id: str,
        text: str | None = None,
        metadata: Mapping[str, object] | None = None,
        *,
        data: str | None = None,
    ) -> Mem0Message:
        """Mem0's verb: change a memory's text (`data` is its older name) or metadata. Raises NotFound, Conflict."""
        return self._courier.run(self._mem0.update(memory_id, changes_of(text, data, metadata)))

    def delete(self, memory_id: str) -> Mem0Message:
        """Mem0's verb: forget a memory with its history. Raises NotFound."""
        return self._courier.run(self._mem0.delete(memory_id))

    def delete_all(
        self, user_id: str | None = None, agent_id: str | None = None, run_id: str | None = None
    ) -> Mem0Message:
        """Mem0's verb: erase all that is kept of the user; with an agent or a run, delete its memories one by one.

        Raises InvalidInput when nobody is named, WrongOwner, and ServerFailed for an erasure that is not complete.
        """
        return self._courier.run(self._mem0.delete_all(meant_by(None, user_id, agent_id, run_id)))

    def history(self, memory_id: str) -> list[Mem0Version]:
        """Mem0's verb: return each change of a memory, oldest first. Raises NotFound."""
        return self._courier.run(self._mem0.history(memory_id))
