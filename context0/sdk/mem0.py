"""Mem0's verbs with their names and meanings, as requests of this service. No I/O.

What differs is told in README, "Moving over from Mem0".
"""

from collections.abc import Mapping
from typing import Final

from context0.sdk import memory_calls, owner_calls
from context0.sdk.errors import ClientError, Conflict, InvalidInput, NotFound, ServerFailed, WrongOwner
from context0.sdk.mem0_filters import Narrowed
from context0.sdk.mem0_shapes import (
    Mem0Additions,
    Mem0Memory,
    Mem0Message,
    Mem0Results,
    Mem0Version,
    Messages,
    SearchMore,
    inputs_of,
    limit_of,
    shown,
    versions_of,
)
from context0.sdk.options import ListOptions, MemoryChanges, MemoryInput, SearchOptions
from context0.sdk.retrying import Pace, Steps, carried_out

_MOST_IN_A_PAGE: Final = 1_000
_DOES_NOT_TELL: Final = frozenset({404, 405})


class KnownOwner:
    """Whose memory the key opens, asked once: so that a `user_id` that is somebody else is noticed, never obeyed."""

    def __init__(self) -> None:
        self._told: str | None = None
        self._asked = False

    def checked(self, user_id: str | None, pace: Pace) -> Steps[None]:
        """Raises WrongOwner when `user_id` is not the owner. Nothing is checked where none is given."""
        if user_id is None:
            return
        if not self._asked:
            try:
                self._told = (yield from carried_out(owner_calls.owner(), pace)).user_id
            except ClientError as untold:
                if untold.status not in _DOES_NOT_TELL:
                    raise
            self._asked = True
        if self._told is not None and self._told != user_id:
            raise WrongOwner("user_id is not the user whose key this is; use the key of that user")


class Mem0Verbs:
    """The steps of each verb."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._owner = KnownOwner()

    def add(self, messages: Messages, user_id: str | None, common: MemoryInput) -> Steps[Mem0Additions]:
        """common: what all of the messages share."""
        inputs = inputs_of(messages, common)
        yield from self._owner.checked(user_id, self._pace)
        stored = yield from carried_out(memory_calls.add_many(inputs), self._pace)
        return {"results": [{"id": one.id, "memory": one.content, "event": "ADD"} for one in stored.items]}

    def search(self, query: str, meant: Narrowed, limit: int | None, more: SearchMore) -> Steps[Mem0Results]:
        options: SearchOptions = {} if meant.where is None else {"filters": meant.where}
        if more.get("threshold") is not None:
            options["min_relevance"] = more["threshold"]
        wanted = limit_of(limit, more.get("top_k"))
        yield from self._owner.checked(meant.user_id, self._pace)
        found = yield from carried_out(memory_calls.search(query, wanted, None, options), self._pace)
        results = [shown(one.memory, score=one.score) for one in found.items]
        return {"results": results, "degraded": list(found.degraded)}

    def get(self, memory_id: str) -> Steps[Mem0Memory]:
        return shown((yield from carried_out(memory_calls.get(memory_id), self._pace)))

    def get_all(self, meant: Narrowed, limit: int | None, top_k: int | None) -> Steps[Mem0Results]:
        """Page after page until there are enough."""
        options: ListOptions = {} if meant.where is None else {"filters": meant.where}
        missing = limit_of(limit, top_k)
        yield from self._owner.checked(meant.user_id, self._pace)
        results: list[Mem0Memory] = []
        cursor: str | None = None
        while missing:
            page_size = min(missing, _MOST_IN_A_PAGE)
            page = yield from carried_out(memory_calls.page(page_size, cursor, options), self._pace)
            results += [shown(one) for one in page.items]
            missing -= min(missing, len(page.items))
            cursor = page.next_cursor
            if cursor is None:
                break
        return {"results": results}

    def update(self, memory_id: str, changes: MemoryChanges) -> Steps[Mem0Message]:
        yield from carried_out(memory_calls.change(memory_id, changes), self._pace)
        return {"message": "Memory updated successfully!"}

    def delete(self, memory_id: str) -> Steps[Mem0Message]:
        yield from carried_out(memory_calls.delete(memory_id), self._pace)
        return {"message": "Memory deleted successfully!"}

    def delete_all(self, meant: Narrowed) -> Steps[Mem0Message]:
        """Erase the user; or, where an agent or a run is named, delete what is of it one by one.

        Raises InvalidInput where nobody is named, as Mem0 does; ServerFailed for an erasure that is not complete.
        """
        if meant.user_id is None and meant.where is None:
            raise InvalidInput(
                "name a user_id, an agent_id or a run_id; without one nothing is deleted", field="user_id"
            )
        yield from self._owner.checked(meant.user_id, self._pace)
        if meant.where is None:
            receipt = yield from carried_out(owner_calls.erase(keep_keys=True), self._pace)
            if not receipt.ok:
                failed = ", ".join(one.store for one in receipt.stores if one.error or one.remaining)
                raise ServerFailed(f"not everything could be erased ({failed}); call again", code="erasure_incomplete")
        else:
            yield from self._delete_where(meant.where)
        return {"message": "Memories deleted successfully!"}

    def history(self, memory_id: str) -> Steps[list[Mem0Version]]:
        told = yield from carried_out(memory_calls.history(memory_id), self._pace)
        return versions_of(told.items)

    def _delete_where(self, where: Mapping[str, object]) -> Steps[None]:
        """Always the first page, since each that is deleted makes room; one that is gone meanwhile is gone."""
        is_more = True
        while is_more:
            page = yield from carried_out(memory_calls.page(_MOST_IN_A_PAGE, None, {"filters": where}), self._pace)
            deleted = 0
            for memory in page.items:
                try:
                    yield from carried_out(memory_calls.delete(memory.id), self._pace)
                    deleted += 1
                except NotFound:
                    continue
            is_more = page.next_cursor is not None
            if is_more and not deleted:
                raise Conflict("somebody else deletes the same memories; call again")
