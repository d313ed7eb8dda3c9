"""What importing context0 gives, costs and does: its public names, a few light modules, no file, no socket."""

import json
import subprocess
import sys
from typing import Any, Final

import pytest

import context0
from tests.architecture.source import ROOT

PUBLIC_NAMES: Final = {
    *("MemoryEngine", "ChatService", "Settings", "Context0Client", "AsyncContext0Client"),
    *("ChatReply", "ErasureReceipt", "FoundMemory", "HistoryEntry", "Memory", "Page", "SearchResult"),
}
HEAVY: Final = ("openai", "pinecone", "numpy", "pymongo", "wordllama", "apsw", "httpx", "typer", "rich")
MAX_NEW_MODULES: Final = 40
_PROBE: Final = """
import sys, json
opened = []
def watch(event, arguments):
    if event == "open" and not str(arguments[0]).endswith((".py", ".pyc", ".so")):
        opened.append(str(arguments[0]))
    elif event.startswith(("socket.", "sqlite3.", "subprocess.", "os.mkdir", "os.remove", "os.rename")):
        opened.append(event)
before = set(sys.modules)
sys.addaudithook(watch)
import context0
events = list(opened)
print(json.dumps({"modules": sorted(set(sys.modules) - before), "events": events}))
"""


def imported() -> Any:
    """Return the modules that `import context0` loads in a fresh interpreter, and what it does beside."""
    probe = [sys.executable, "-B", "-c", _PROBE]
    told = subprocess.run(probe, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    return json.loads(told)


def test_importing_context0_loads_nothing_heavy_and_opens_nothing() -> None:
    found = imported()
    assert [name for name in HEAVY if name in found["modules"]] == []
    assert found["events"] == []
    assert len(found["modules"]) <= MAX_NEW_MODULES


def test_the_public_names_are_these() -> None:
    assert set(context0.__all__) == PUBLIC_NAMES
    assert len(context0.__all__) == len(PUBLIC_NAMES)
    assert set(dir(context0)) >= PUBLIC_NAMES
    with pytest.raises(AttributeError, match="nothing_of_ours"):
        _ = context0.nothing_of_ours


@pytest.mark.parametrize("name", sorted(PUBLIC_NAMES))
def test_a_public_name_leads_to_what_it_names(name: str) -> None:
    assert getattr(context0, name).__name__ == name
