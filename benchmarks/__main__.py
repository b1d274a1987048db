"""`make bench`: measure, print, and write docs/benchmarks.md.

In: `--small` for the little one that CI runs, which only prints; `--parts day,peers` for some parts;
`--large N` and `--fresh` for those that are run on demand. Out: build/benchmarks/<part>.json and
docs/benchmarks.md, which holds the last figures of every part with their day, commit and machine. Nothing
here fails for being slow; it fails where results differ from a peer's or a run with nothing new publishes
something.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks.measured import Figures, described_machine
from benchmarks.page import SECTIONS, page, section
from benchmarks.parts import ON_DEMAND, PARTS, SMALL, large, measured
from warehouse.settings import REPOSITORY

KEPT = REPOSITORY / "build" / "benchmarks"
PAGE = REPOSITORY / "docs" / "benchmarks.md"


def stamp() -> str:
    """Day, commit, machine, and how busy it was with other work when the part began."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    return (
        f"{datetime.now(UTC):%Y-%m-%d} at {commit.stdout.strip()}, load average {os.getloadavg()[0]:.1f}"
        f" before it began: {described_machine()}."
    )


def kept_figures(folder: Path = KEPT) -> dict[str, Figures]:
    """The last figures of every part that was run."""
    return {
        name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        for name in SECTIONS
        if (folder / f"{name}.json").exists()
    }


def small() -> None:
    """Print the parts of the little one, and the ratio on a line of its own."""
    print(described_machine())
    for name, part in SMALL.items():
        figures = measured(part)
        print(f"\n{section(name, figures)}", flush=True)
        if name == "day":
            ratio = figures["world"]["cost_ratio"]
            print(f"CPU of one more session : a rebuild = 1 : {ratio:.1f}\n", flush=True)


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--large", type=int, default=0, help="symbols of the part that runs end to end")
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--parts", default="", help=f"some of {','.join(PARTS)}")
    given = parser.parse_args()
    if given.small:
        small()
        return 0
    on_demand = [name for name in ON_DEMAND if getattr(given, name)]
    usual = [name for name in PARTS if name not in ON_DEMAND or name in on_demand]
    for name in given.parts.split(",") if given.parts else usual:
        started = time.monotonic()
        part = partial(large, count=given.large) if name == "large" and given.large else PARTS[name]
        begun = stamp()
        figures = measured(part) | {"stamp": begun}
        KEPT.mkdir(parents=True, exist_ok=True)
        (KEPT / f"{name}.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
        PAGE.write_text(page(kept_figures()), encoding="utf-8")
        print(f"{section(name, figures)}\n({name}: {time.monotonic() - started:.0f} s)\n", flush=True)
    print(PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
