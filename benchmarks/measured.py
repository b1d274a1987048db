"""What every benchmark shares: a piece of work in a process of its own, medians, the machine.

In: the name of a module whose `main` prints one line of JSON. Out: its figures. A measured process calls
`Meter` after its imports, so that they (and what numba compiles) are apart. Caveat: Linux, because the
peak memory is read from /proc: that of getrusage begins with the parent's.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

Figures = dict[str, Any]
PACKAGES = ("duckdb", "numpy", "pandas", "polars", "numba", "statsmodels")


class Meter:
    """CPU seconds (user and system, all threads) and wall seconds since it was made or last read."""

    def __init__(self) -> None:
        self.cpu, self.wall = time.process_time(), time.perf_counter()

    def read(self) -> Figures:
        """Both, and begin again."""
        before = self.cpu, self.wall
        self.cpu, self.wall = time.process_time(), time.perf_counter()
        return {"cpu_s": self.cpu - before[0], "wall_s": self.wall - before[1]}


def peak_memory_mb() -> float:
    """The highest resident memory of this process so far, imports included."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    [peak] = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(peak) / 1024


def in_own_process(
    module: str, arguments: Sequence[str], environment: Mapping[str, str] = {}, folder: Path | None = None
) -> Figures:
    """Run `python -m module arguments` and return what its last line says.

    Args:
        module: to run.
        arguments: of it.
        environment: beside this process's own.
        folder: where the packages are, by default this repository.

    Raises:
        SystemExit: it failed.
    """
    here = folder or Path(__file__).parents[1]
    answer = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env={**os.environ, "PYTHONPATH": str(here), **environment},
        cwd=here,
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        raise SystemExit(f"{module} {' '.join(arguments)} failed:\n{answer.stderr[-2000:]}")
    figures: Figures = json.loads(answer.stdout.splitlines()[-1])
    return figures


def medians(runs: Sequence[Figures]) -> Figures:
    """The median of each figure that is a number in all runs."""
    names = [name for name in runs[0] if all(isinstance(run.get(name), float) for run in runs)]
    return {name: statistics.median(run[name] for run in runs) for name in names}


def described_machine() -> str:
    """Processor, cores, memory and the versions that matter."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{cpu}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.release()},"
        f" Python {platform.python_version()}, {versions}"
    )
