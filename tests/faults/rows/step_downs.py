"""D10: MongoDB's primary steps down, hangs up or confirms nothing, before and after it has done one command of a call.

On a replica set a call is repeated once, unseen, and has one effect; a write that is not confirmed (64), or that no
driver repeats, is a typed error, and the same call again settles it. Others go on beside it, through the election.
"""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from random import Random
from typing import Final

from stores.errors import Conflict, NotFound, StoreError, Unavailable
from stores.mongo.client import MongoDatabase, MongoOptions
from stores.records import Scope
from tests.contracts.builders import NOW, build_document
from tests.contracts.chat_bench import build_session
from tests.faults.rows.deeds import DEEDS, Deed, Stores
from tests.faults.rows.outcome import Outcome, RowOptions, quantile
from tests.mongo_primary import UNCONFIRMED, Primary, Strike, Struck, primary
from tests.mongo_scripted import STEP_DOWN
from tests.mongo_server import database_url, fresh_name

_SHARE_ALONE: Final = 3
_STRIKES: Final = (
    *(Strike(code=code, applied=applied) for code in (*STEP_DOWN, None) for applied in (False, True)),
    Strike(code=UNCONFIRMED, applied=True),
)
_LONGEST_ELECTION_S: Final = 0.3
_MOST_COMMANDS: Final = 3
_QUANTILES: Final = {"p50": 0.5, "p99": 0.99, "longest": 1.0}
_OTHERS: Final = Scope(owner="bystander")
_ZERO: Final = (
    *("lost", "effects twice", "wrong answers", "errors that need not be", "acknowledged unconfirmed"),
    "untyped errors",
)


def run(options: RowOptions) -> Outcome:
    """count: calls that are struck, a third of them on a server alone, the others on a replica set."""
    return asyncio.run(_run(options))


async def _run(options: RowOptions) -> Outcome:
    alone = options.count // _SHARE_ALONE
    trial = _Trial(Random(options.seed))
    await trial.strikes(options.count - alone, replica_set=True)
    await trial.strikes(alone, replica_set=False)
    stalls = {f"struck calls {name}, s": round(quantile(trial.times_s, at), 2) for name, at in _QUANTILES.items()}
    return Outcome.of({**dict.fromkeys(_ZERO, 0), **trial.counts, **stalls}, *_ZERO, broken=tuple(trial.broken))


class _Trial:
    """Calls that are struck, each kind of call by each kind of strike."""

    def __init__(self, random: Random) -> None:
        self.counts: Counter[str] = Counter()
        self.broken: list[str] = []
        self.times_s: list[float] = []
        self._random = random

    async def strikes(self, count: int, *, replica_set: bool) -> None:
        kinds = list(itertools.product(DEEDS.items(), _STRIKES))
        self._random.shuffle(kinds)
        struck, where = 0, "a replica set" if replica_set else "a server alone"
        async with _served(replica_set=replica_set) as (server, stores):
            bystander = _Bystander(stores)
            for number, ((name, make), strike) in enumerate(itertools.cycle(kinds)):
                if struck == count:
                    break
                await server.elected()
                deed = await make(stores, f"user {number}")
                server.strike(self._at_random(strike, elects=replica_set))
                is_struck, _ = await asyncio.gather(self._do(name, deed, server, strike), bystander.go_on())
                struck += is_struck
            self.counts[f"struck on {where}"] += struck
            self.counts[f"bystanders' calls on {where}"] += bystander.calls
            self.counts[f"bystanders' typed errors on {where}"] += len(bystander.errors)
            for error in bystander.errors:
                if not isinstance(error, Unavailable):
                    self._note("untyped errors", f"bystander: {error!r}")
            self.counts["lost"] += await bystander.lost()

    def _at_random(self, strike: Strike, *, elects: bool) -> Strike:
        election_s = self._random.uniform(0.0, _LONGEST_ELECTION_S) if elects and strike.code in STEP_DOWN else 0.0
        return replace(strike, election_s=election_s, skip=self._random.randrange(_MOST_COMMANDS))

    async def _do(self, name: str, deed: Deed, server: Primary, strike: Strike) -> bool:
        """Make the call; where it fails make it again, as its caller would. False if it was over before the strike."""
        answer, error, began = None, None, time.monotonic()
        try:
            answer = await deed.act()
        except StoreError as caught:
            error = caught
        except Exception as caught:  # noqa: BLE001 - what is looked for
            self._note("untyped errors", f"{name}: {caught!r}")
            return True
        struck = server.take_back()
        told = f"{name}, {struck}, {strike}"
        if struck is not None:
            self.times_s.append(time.monotonic() - began)
        if error is not None:
            self._judge_error(told, error, struck, strike)
            await self._again(told, deed)
        elif struck is not None and strike.code == UNCONFIRMED:
            self._note("acknowledged unconfirmed", told)
        elif not deed.is_right(answer):
            self._note("wrong answers", f"{told}: {answer}")
        if deed.effects is not None:
            self._look(told, await deed.effects())
        return struck is not None

    def _judge_error(self, told: str, error: StoreError, struck: Struck | None, strike: Strike) -> None:
        if struck is not None and strike.code == UNCONFIRMED:
            self.counts["typed errors: not confirmed"] += 1
        elif struck is not None and not struck.is_repeatable:
            self.counts["typed errors: no driver repeats it"] += 1
        else:
            self._note("errors that need not be", f"{told}: {error}")

    async def _again(self, told: str, deed: Deed) -> None:
        try:
            await deed.act()
        except (Conflict, NotFound):
            self.counts["settled: it was done"] += 1
        except StoreError as error:
            self._note("errors that need not be", f"{told}, again: {error}")
        else:
            self.counts["settled: done again"] += 1

    def _look(self, told: str, effects: int) -> None:
        self.counts["one effect"] += effects == 1
        if effects != 1:
            self._note("effects twice" if effects else "lost", f"{told}: {effects} effects")

    def _note(self, what: str, told: str) -> None:
        self.counts[what] += 1
        self.broken.append(f"{what}: {told}")


class _Bystander:
    """Reads, adds and takes numbers while others are struck. calls: how many there were."""

    def __init__(self, stores: Stores) -> None:
        self.calls = 0
        self.errors: list[BaseException] = []
        self._stores = stores
        self._added: set[str] = set()
        self._numbers: list[int] = []

    async def go_on(self) -> None:
        outcomes = await asyncio.gather(self._add(), self._read(), self._count(), return_exceptions=True)
        self.calls += len(outcomes)
        self.errors += [outcome for outcome in outcomes if outcome is not None]

    async def lost(self) -> int:
        """Return how many were acknowledged and are not there, and how many numbers were given twice."""
        stored = await self._stores.documents.list_page(scope=_OTHERS, limit=100_000, now=NOW)
        return len(self._added - {memory.id for memory in stored}) + len(self._numbers) - len(set(self._numbers))

    async def _add(self) -> None:
        [added] = await self._stores.documents.put_many([build_document(scope=_OTHERS)], scope=_OTHERS, now=NOW)
        self._added.add(added.id)

    async def _read(self) -> None:
        found = await self._stores.documents.list_page(scope=_OTHERS, limit=1, now=NOW)
        if self._added and not found:
            raise AssertionError("nothing was found")

    async def _count(self) -> None:
        session = await self._stores.chats.reserve(build_session(), scope=_OTHERS, count=1, now=NOW)
        self._numbers.append(session.next_seq)


@asynccontextmanager
async def _served(*, replica_set: bool) -> AsyncIterator[tuple[Primary, Stores]]:
    """Yield the server and the stores on it. No allowance for retries: here every call needs one."""
    host = database_url(fresh_name()).rpartition("/")[0]
    spared = _OTHERS.owner.encode()
    async with primary(int(host.rpartition(":")[2]), replica_set=replica_set, spared=spared) as server:
        options = MongoOptions(late_s=0.05)
        async with AsyncExitStack() as stack:
            database = MongoDatabase(server.url(fresh_name()), options=options)
            yield server, await Stores(database).opened(stack)
