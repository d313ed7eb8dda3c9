"""What importing context0 costs and does: a few light modules, no file but source, no socket."""

import json
import subprocess
import sys
from typing import Any, Final

from tests.architecture.source import ROOT

HEAVY: Final = ("openai", "pinecone", "numpy", "pymongo", "wordllama", "apsw", "usearch", "httpx", "typer", "rich")
MAX_NEW_MODULES: Final = 80
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
