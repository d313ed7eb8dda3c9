"""What the run stands on: the machine line, package versions, the environment of the processes, resident memory."""

import ctypes
import gc
import os
import platform
import resource
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

LOAD_TESTS = Path(__file__).resolve().parent.parent
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "BLIS_NUM_THREADS")
QUIET_AND_OFFLINE = {
    "ANONYMIZED_TELEMETRY": "False",
    "HF_HUB_OFFLINE": "1",
    "LANCEDB_LOG": "error",
    "LANGCHAIN_TRACING_V2": "false",
    "LANGSMITH_TRACING": "false",
    "MEM0_TELEMETRY": "False",
}


def pin_blas() -> None:
    """Keep numpy on one thread in this process; before numpy is imported."""
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))


def worker_environment(scratch: Path) -> dict[str, str]:
    """Return the environment of the measuring processes: one BLAS thread, no telemetry, no settings of the user's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CONTEXT0_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)  # installed packages are compiled, as the peers' are
    paths = [str(LOAD_TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **kept,
        **dict.fromkeys(ONE_THREAD, "1"),
        **QUIET_AND_OFFLINE,
        "MEM0_DIR": str(scratch / "mem0"),
        "PYTHONPATH": os.pathsep.join(paths),
    }


def forbid_network() -> None:
    """Make this process refuse every connection that is not local."""

    def refuse(event: str, arguments: tuple[object, ...]) -> None:
        if event == "socket.connect":
            address = arguments[1]
            host = address[0] if isinstance(address, tuple) else "local"
            if host not in {"local", "127.0.0.1", "::1"}:
                message = f"a peer tried to connect to {address}; the benchmark runs offline"
                raise ConnectionRefusedError(message)

    sys.addaudithook(refuse)


def machine_line() -> str:
    """Return one line: processor, cores, system, Python, date."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    when = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    return f"{model}, {cores} cores, {platform.system()}, Python {platform.python_version()}, {when}"


def versions(packages: Iterable[str]) -> str:
    """Return "name version" of the installed ones of `packages`, comma-separated."""
    found = []
    for package in packages:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            in_the_tree = find_spec(package.replace("-", "_")) is not None
            found.append(f"{package} ({'not installed, but importable' if in_the_tree else 'missing'})")
    return ", ".join(found)


def resident_bytes() -> int:
    """Return the resident memory of this process, after handing freed memory back where that is possible."""
    gc.collect()
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    return int(statm.read_text().split()[1]) * resource.getpagesize()
