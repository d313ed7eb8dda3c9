"""D12: one Idempotency-Key, sent 50 times at once, again, with another body, by another user, and after a kill -9."""

import asyncio
import signal
import tempfile
from collections import Counter
from pathlib import Path
from typing import Final

import httpx

from tests.faults.rows.outcome import Outcome, RowOptions
from tests.faults.rows.service import client_of
from tests.service_process import key_for, serving

CALLERS: Final = 50
_PATIENCE_S: Final = 60.0
_DONE: Final = 200
_WAITED: Final = 409
_OTHER_BODY: Final = 422
_PAIR: Final = 2


def run(options: RowOptions) -> Outcome:
    """count: keys, each of a turn of a chat."""
    counts: Counter[str] = Counter({"effects too many": 0, "other replies": 0, "other statuses": 0})
    with tempfile.TemporaryDirectory() as place:
        folder, first = Path(place), dict[str, str]()
        anna, ben = key_for("anna", folder), key_for("ben", folder)
        with serving(folder=folder) as service:
            asyncio.run(_send(service.url, anna, ben, options.count, first, counts))
            service.signal(signal.SIGKILL)
            service.ended()
        with serving(folder=folder) as service:
            asyncio.run(_send_again(service.url, anna, ben, first, counts))
    return Outcome.of({"keys": options.count, **counts}, "effects too many", "other replies", "other statuses")


async def _send(url: str, anna: str, ben: str, count: int, first: dict[str, str], counts: Counter[str]) -> None:
    async with client_of(url, anna, _PATIENCE_S) as hers, client_of(url, ben, _PATIENCE_S) as his:
        for number in range(count):
            key, told = f"key-{number}", f"I have {number} celli"
            answers = await asyncio.gather(*(_say(hers, key, told) for _ in range(CALLERS)))
            counts["requests at once"] += len(answers)
            counts["in flight"] += sum(answer.status_code == _WAITED for answer in answers)
            counts["other statuses"] += sum(answer.status_code not in (_DONE, _WAITED) for answer in answers)
            replies = {answer.json()["turn_id"] for answer in answers if answer.status_code == _DONE}
            counts["effects too many"] += len(replies) - 1
            first[key] = replies.pop()
            counts["other replies"] += (await _say(hers, key, told)).json().get("turn_id") != first[key]
            counts["other statuses"] += (await _say(hers, key, "I have none")).status_code != _OTHER_BODY
            theirs = await _say(his, key, told)
            counts["other statuses"] += theirs.status_code != _DONE
            counts["other replies"] += theirs.json().get("turn_id") == first[key]


async def _send_again(url: str, anna: str, ben: str, first: dict[str, str], counts: Counter[str]) -> None:
    """Send all once more to the next process, and count what there is."""
    async with client_of(url, anna, _PATIENCE_S) as hers, client_of(url, ben, _PATIENCE_S) as his:
        for number, (key, turn_id) in enumerate(first.items()):
            again = await _say(hers, key, f"I have {number} celli")
            counts["replayed after a kill"] += again.status_code == _DONE
            counts["other replies"] += again.json().get("turn_id") != turn_id
            for client in (hers, his):
                kept = (await client.get(f"/v1/sessions/{key}/messages")).json()["items"]
                counts["messages"] += len(kept)
                counts["effects too many"] += len(kept) - _PAIR


async def _say(client: httpx.AsyncClient, key: str, told: str) -> httpx.Response:
    """Take a turn of a session of the key's name; a turn that is taken twice leaves two more messages."""
    body = {"message": told, "session_id": key}
    return await client.post("/v1/chat", json=body, headers={"idempotency-key": key})
