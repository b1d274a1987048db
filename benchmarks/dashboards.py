"""How long the dashboards take: start, loading each of the four, sixteen readers at once, and the memory.

In: a home with a publication (`--home`), Superset's environment, a browser; `--loads` per dashboard. Out: a
table on standard output, in Markdown: median and 95th percentile. A load is from the address to the last
chart drawn, in headless Chromium at desk width with the whole page in view and Superset's own files cached.
Run it as `PYTHONPATH=. .venv/bin/python -m benchmarks.dashboards --home data/simulated`.
Caveat: the browser runs on the same processors as the server; another machine's screen is quicker.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

from tests.dashboards.in_browser import chromium, visit
from tests.dashboards.looked_at import SLUGS
from tests.dashboards.served import Served, interpreter, make_ready, served

READERS, QUESTIONS = 16, 20


def percentile_95(seconds: Sequence[float]) -> float:
    """The value that 95 % do not exceed; of twenty, the largest but one."""
    ordered = sorted(seconds)
    return ordered[max(0, -(-len(ordered) * 95 // 100) - 1)]


def row(name: str, seconds: Sequence[float]) -> str:
    """A line of the table."""
    return f"| {name} | {len(seconds)} | {median(seconds):.2f} | {percentile_95(seconds):.2f} |"


def loads(browser: Any, server: Served, slug: str, times: int) -> list[float]:
    """Seconds of each load after a first one."""
    seconds = []
    with visit(browser, server, slug) as looked:
        for _ in range(times):
            started = time.perf_counter()
            looked.load()
            # Quiet is waited for; that is no part of the load.
            seconds.append(time.perf_counter() - started - looked.waited_for_quiet)
    return seconds


def answers(server: Served, questions: list[dict[str, Any]]) -> list[float]:
    """Seconds of each of many readers' questions, the charts of all dashboards in turn."""
    client = server.signed_in("analyst")

    def read(reader: int) -> list[float]:
        seconds = []
        for number in range(QUESTIONS):
            started = time.perf_counter()
            answer = client.post(
                "/api/v1/chart/data", json=questions[(reader + number * READERS) % len(questions)]
            )
            answer.raise_for_status()
            seconds.append(time.perf_counter() - started)
        return seconds

    with ThreadPoolExecutor(READERS) as pool:
        return [second for one in pool.map(read, range(READERS)) for second in one]


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--loads", type=int, default=20)
    asked = parser.parse_args()
    published, python = asked.home.resolve() / "published", interpreter()
    with tempfile.TemporaryDirectory() as folder:
        ready, state = Path(folder) / "ready", Path(folder) / "state"
        started = time.perf_counter()
        make_ready(python, ready, published)
        first = time.perf_counter() - started
        started = time.perf_counter()
        with served(python, ready, state, published) as server, chromium() as browser:
            print(f"Metadata and bundle: {first:.0f} s. Server: {time.perf_counter() - started:.0f} s.")
            print(f"Memory after the start: {server.memory_mb():.0f} MB.\n")
            print("| dashboard | loads | median s | 95 % s |\n| --- | ---: | ---: | ---: |")
            questions = []
            for slug in SLUGS:
                print(row(slug, loads(browser, server, slug, asked.loads)), flush=True)
                with visit(browser, server, slug) as looked:
                    questions += looked.questions()
            print(row(f"{READERS} readers, a chart each", answers(server, questions)))
            print(f"\nMemory at the end: {server.memory_mb():.0f} MB.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
