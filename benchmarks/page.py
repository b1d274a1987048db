"""docs/benchmarks.md: every goal with what was measured and what it was measured beside.

In: the figures of benchmarks/parts.py, each with its day, commit and machine. Out: Markdown. A part that
was not run has a dash. The goals are those of the issue "One more session costs one session".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks import moved_day
from benchmarks.measured import Figures
from benchmarks.moved_day import moved, total
from benchmarks.parts import MANY_SESSIONS, MANY_SYMBOLS, RUNS, SESSIONS, SYMBOLS
from benchmarks.peers import betas, instruments

Kept = dict[str, Figures]
TITLE = """\
# Benchmarks

Written by `make bench`; do not edit. Times are CPU seconds (user and system, all threads) unless it says
wall. Every measurement is a process of its own, timed after its imports and after what numba compiles. The
worlds are made up: `tests/moving_world.py` brings every file a row a day, prices of the project's symbols
from the simulated market, of others at random; `benchmarks/peers/bars.py` has random bars.
"""


@dataclass(frozen=True)
class Goal:
    """A row of the table: what is measured, its limit, and how it is read from the parts.

    Attributes:
        read: gives what was measured, what it is beside, and whether the goal is met.
        parts: which it needs.
    """

    name: str
    limit: str
    parts: tuple[str, ...]
    read: Callable[[Kept], tuple[str, str, bool]]


def _day(kept: Kept) -> tuple[str, str, bool]:
    own, rebuilt = total(moved(kept["day"])), total(kept["day"]["rebuild"])
    return f"{own:.2f} s, 1/{rebuilt / own:.1f}", f"rebuild {rebuilt:.1f} s", own <= min(5, rebuilt / 15)


def _large(kept: Kept) -> tuple[str, str, bool]:
    own, rebuilt = total(moved(kept["large"])), total(kept["large"]["rebuild"])
    symbols = kept["large"]["world"]["symbols"]
    fewer = "" if symbols == MANY_SYMBOLS else f" with {symbols:,} symbols"
    return f"{own:.1f} s, 1/{rebuilt / own:.1f}{fewer}", f"rebuild {rebuilt:.0f} s", own <= rebuilt / 50


def _growth(kept: Kept) -> tuple[str, str, bool]:
    long, short = total(moved(kept["day"])), total(kept["growth"]["moved"])
    return f"{long / short:.2f} times", f"{long:.2f} s beside {short:.2f} s", long <= 1.3 * short


def _run(kept: Kept) -> tuple[str, str, bool]:
    found = kept["run"]["one more session"]
    return f"{found['wall_s']:.1f} s wall", f"{found['cpu_s']:.1f} s CPU", found["wall_s"] <= 20


def _fresh(kept: Kept) -> tuple[str, str, bool]:
    found = kept["fresh"]
    return f"{found['wall_s']:.0f} s wall", f"{found['cpu_s']:.0f} s CPU", found["wall_s"] <= 70


def _peers(size: str) -> Callable[[Kept], tuple[str, str, bool]]:
    def read(kept: Kept) -> tuple[str, str, bool]:
        found = kept["peers"][size]
        own, other = found[instruments.MODELS], found["with_polars"]
        ratio, memory = own["cpu_s"] / other["cpu_s"], own["memory_mb"] / 1024
        return (
            f"{ratio:.1f} times, {memory:.1f} GiB",
            f"{own['cpu_s']:.1f} s beside polars {other['cpu_s']:.1f} s",
            ratio <= 1.5 and memory <= 4,
        )

    return read


def _betas(kept: Kept) -> tuple[str, str, bool]:
    found = kept["betas"]
    return (
        f"{found['own']['cpu_s']:.1f} s",
        f"numba {found['numba']['cpu_s']:.0f} s, statsmodels {found['statsmodels']['cpu_s'] / 60:.0f} min",
        found["own"]["cpu_s"] <= 6,
    )


def _written(kept: Kept) -> tuple[str, str, bool]:
    found = moved(kept["day"])
    share = found["written_mb"] / found["generation_mb"]
    return (
        f"1/{1 / share:.0f}",
        f"{found['written_mb']:.0f} MB beside a generation of {found['generation_mb']:.0f} MB",
        share <= 0.1,
    )


def _nothing_new(kept: Kept) -> tuple[str, str, bool]:
    found = kept["run"]["nothing new"]
    return f"{found['wall_s']:.1f} s wall", f"{found['cpu_s']:.1f} s CPU", found["wall_s"] <= 8


MANY = f"{MANY_SYMBOLS:,} × {MANY_SESSIONS:,}"
GOALS = (
    Goal(
        f"one more session, every input one row longer, {SYMBOLS} symbols × {SESSIONS:,} sessions, load to"
        " publish",
        "≤ 1/15 of a rebuild, ≤ 5 s",
        ("day",),
        _day,
    ),
    Goal(f"the same at {MANY}", "≤ 1/50 of a rebuild", ("large",), _large),
    Goal("its growth with ten times the history", "≤ 1.3 times", ("day", "growth"), _growth),
    Goal("`make run`, warm, one more session", "≤ 20 s", ("run",), _run),
    Goal("fresh clone, `make run`, installation included", "≤ 70 s", ("fresh",), _fresh),
    Goal(
        f"rebuild of staging and `instrument_daily`, {SYMBOLS} × {SESSIONS:,}",
        "≤ 1.5 times polars, ≤ 4 GiB",
        ("peers",),
        _peers("small"),
    ),
    Goal(f"the same at {MANY}", "≤ 1.5 times polars, ≤ 4 GiB", ("peers",), _peers("large")),
    Goal("`bank_rate_betas`, all windows", "≤ 6 s", ("betas",), _betas),
    Goal(
        "written for one more session beside the copy of the database",
        "≤ 1/10 of a generation",
        ("day",),
        _written,
    ),
    Goal("a session again with nothing new, `make run`", "≤ 8 s, publishes nothing", ("run",), _nothing_new),
)


def page(kept: Kept) -> str:
    """The whole page."""
    parts = [TITLE, goals(kept), *(section(name, kept[name]) for name in SECTIONS if name in kept)]
    return "\n".join(parts)


def goals(kept: Kept) -> str:
    """The table of goals."""
    lines = ["| | goal | measured | beside | |", "| --- | --- | --- | --- | --- |"]
    for goal in GOALS:
        read, beside, outcome = "–", "–", "not measured"
        if all(part in kept for part in goal.parts):
            read, beside, met = goal.read(kept)
            outcome = "met" if met else "**missed**"
        lines.append(f"| {goal.name} | {goal.limit} | {read} | {beside} | {outcome} |")
    lines.append("")
    lines.append(
        "Ten years of sessions under a scheduler take hours and are measured apart: `make bench-backfill`."
    )
    return "\n".join([*lines, ""])


def section(name: str, figures: Figures) -> str:
    """A part with its stamp."""
    title, write = SECTIONS[name]
    stamp = figures.get("stamp")
    return "\n".join([f"## {title}", "", write(figures), *(["", f"Measured {stamp}"] if stamp else []), ""])


def write_peers(figures: Figures) -> str:
    """A table by size."""
    tables = [_peer_table(figures[size]) for size in ("small", "large") if size in figures]
    return "\n\n".join(
        [
            *tables,
            "From raw prices to `marts.instrument_daily`, read from a file and written to one. Every figure"
            f" of every row agrees with ours to {instruments.TOLERANCE:g} of the larger of it and 1, else"
            " `make bench` stops. The models do more: they take the latest version of each bar within the"
            " cut-off, look at every price for splits, jumps and dividends that contradict each other, count"
            " sessions where the peers count rows, and write the staging tables too. Left out by polars and"
            " plain SQL, which have no expression for it: `return_5d_last_exceeded_date`.",
        ]
    )


def _peer_table(found: Figures) -> str:
    lines = [
        f"{found['symbols']:,} symbols, {found['sessions']:,} sessions (medians of {found['runs']})",
        "",
        "| | CPU s | wall s | memory MB | largest difference |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, text in instruments.NAMES.items():
        one = found[name]
        gap = f"{one['largest']:.0e}" if "largest" in one else ""
        lines.append(
            f"| {text} | {one['cpu_s']:.2f} | {one['wall_s']:.2f} | {one['memory_mb']:,.0f} | {gap} |"
        )
    return "\n".join(lines)


def write_betas(figures: Figures) -> str:
    """One table."""
    lines = [
        f"{figures['symbols']} symbols, {figures['sessions']:,} observations each,"
        f" {figures['statsmodels']['windows']:,} windows.",
        "",
        "| | CPU s | wall s | memory MB | compared rows | largest relative difference |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, text in betas.NAMES.items():
        one = figures[name]
        compared = f"{one['rows']:,} | {one['largest']:.0e}" if "rows" in one else " | "
        lines.append(
            f"| {text} | {one['cpu_s']:,.1f} | {one['wall_s']:,.1f} | {one['memory_mb']:,.0f} | {compared} |"
        )
    lines += [
        "",
        f"Ours: the median of {figures['runs']}. statsmodels (one WLS with HAC errors per window) fits"
        f" {betas.PLAIN_WINDOWS} windows of each model and estimator; the times are scaled to all.",
    ]
    return "\n".join(lines)


def write_run(figures: Figures) -> str:
    """Both kinds of run."""
    lines = [f"Medians of {RUNS}.", "", "| | wall s | CPU s |", "| --- | ---: | ---: |"]
    lines += [
        f"| {name} | {one['wall_s']:.1f} | {one['cpu_s']:.1f} |"
        for name, one in figures.items()
        if name != "stamp"
    ]
    return "\n".join(lines)


def write_growth(figures: Figures) -> str:
    """The short history."""
    return (
        f"With {figures['sessions']} sessions one more session costs {total(figures['moved']):.2f} s, the"
        f" median of {RUNS}."
    )


def write_fresh(figures: Figures) -> str:
    """One run."""
    return f"`git clone` and `make run`: {figures['wall_s']:.0f} s of wall, {figures['cpu_s']:.0f} s of CPU."


def write_day(figures: Figures) -> str:
    """The comparison without its stamp."""
    return moved_day.table({name: one for name, one in figures.items() if name != "stamp"})


def write_large(figures: Figures) -> str:
    """The comparison, and what the limit is."""
    return (
        f"{write_day(figures)}\n\nDuckDB had {figures['world']['memory_limit']} (`ROTATION_MEMORY_LIMIT`);"
        " the memory above is that of the whole process, with what numpy and pandas hold. By the end of each"
        f" step of the first load it was {_memory(figures['first load'])} MB."
    )


def _memory(run: Figures) -> str:
    return ", ".join(f"{run[f'{name}_memory_mb']:,.0f}" for name in moved_day.STEPS)


SECTIONS: dict[str, tuple[str, Callable[[Figures], str]]] = {
    "day": ("One more session", write_day),
    "growth": ("The same with a tenth of the history", write_growth),
    "large": ("Many symbols, end to end", write_large),
    "run": ("`make run`, warm", write_run),
    "fresh": ("A fresh clone", write_fresh),
    "peers": ("Staging and `instrument_daily` beside other tools", write_peers),
    "betas": ("`bank_rate_betas` beside other tools", write_betas),
}
