"""What the Python of the parts shares: the machine, versions, processor time and spread. Standard library only."""

import json
import os
import platform
import re
import statistics
import subprocess
from pathlib import Path

BENCH = Path(__file__).resolve().parent


def machine() -> dict[str, object]:
    """The machine, as bench/README.md describes it."""
    with open("/proc/cpuinfo", encoding="utf-8") as cpuinfo:
        model = re.search(r"model name\s*:\s*(.+)", cpuinfo.read())
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": model.group(1) if model else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory_bytes / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
    }


def version(*command: str) -> str:
    """The first line that a program prints about itself."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[0]


def rust_version() -> str:
    """The compiler's version, without its name."""
    return version("rustc", "--version").split()[1]


def python_version(*packages: str) -> dict[str, str]:
    """The versions of the peers' Python and of packages installed for it."""
    ask = f"import platform, importlib.metadata as m; print(platform.python_version(), *map(m.version, {packages!r}))"
    found = version(str(BENCH / "peers/.venv/bin/python"), "-c", ask).split()
    return dict(zip(("Python", *packages), found, strict=True))


def node_version(*packages: str) -> dict[str, str]:
    """The versions of Node and of packages installed for the peers."""
    installed = BENCH / "peers/node_modules"
    manifests = {name: json.loads((installed / name / "package.json").read_text(encoding="utf-8")) for name in packages}
    return {"Node": version("node", "--version").lstrip("v")} | {name: m["version"] for name, m in manifests.items()}


class CpuClock:
    """The time that a process's main thread has spent on a processor, which does not grow while others have it.

    Helper threads, such as those of a garbage collector, are not counted.
    """

    def __init__(self, pid: int) -> None:
        self._path = Path(f"/proc/{pid}/schedstat")

    def seconds(self) -> float:
        """The time so far."""
        return int(self._path.read_text(encoding="ascii").split()[0]) / 1e9


def spread(values: list[float]) -> dict[str, float]:
    """The median of a contender's rounds, and how far they lie apart."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}
