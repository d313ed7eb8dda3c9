"""Too much of the same from one program: what counts, for how long, and for whom. S10."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from context0.trust.floods import FloodGuard
from stores.records import Memory, MemoryId

NOW = datetime(2026, 5, 4, tzinfo=UTC)


class Seconds:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def memory(content: str = "the parcel is at the door", *, owner: str = "anna", agent: str | None = "shop") -> Memory:
    return Memory(
        id=MemoryId("x"), user_id=owner, content=content, agent_id=agent, created_at=NOW, updated_at=NOW, speaker=agent
    )


def test_beyond_the_quota_a_program_repeats_itself_too_often_and_a_person_never_does() -> None:
    guard = FloodGuard(timer=Seconds(), quota=3)
    assert [guard.is_flood(memory()) for _ in range(5)] == [False, False, False, True, True]
    assert not any(guard.is_flood(memory(agent=None)) for _ in range(5))
    assert not guard.is_flood(memory("something else was said about the garden"))
    assert not guard.is_flood(memory(owner="ben")), "owners are counted apart"


def test_the_window_ends_after_an_hour() -> None:
    timer = Seconds()
    guard = FloodGuard(timer=timer, quota=1)
    assert [guard.is_flood(memory()) for _ in range(2)] == [False, True]
    timer.now += 3_601
    assert not guard.is_flood(memory())


def test_who_is_erased_is_forgotten_and_nobody_else() -> None:
    guard = FloodGuard(timer=Seconds(), quota=1)
    for owner in ("anna", "ben"):
        guard.is_flood(memory(owner=owner))
    guard.forget("anna")
    assert [guard.is_flood(memory(owner=owner)) for owner in ("anna", "ben")] == [False, True]


def test_several_threads_count_each_memory_once() -> None:
    guard = FloodGuard(timer=Seconds(), quota=2_000)
    with ThreadPoolExecutor(8) as threads:
        told = list(threads.map(lambda n: guard.is_flood(memory(owner=f"user {n % 4}")), range(8_400)))
    assert sum(told) == 4 * 100
