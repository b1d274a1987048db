"""Compares the project's probabilities with those of cme-fedwatch, day by day.

python -m benchmarks.cme_fedwatch.compare export WAREHOUSE FOLDER [FEDWATCH]     (project's environment)
ENVIRONMENT/bin/python benchmarks/cme_fedwatch/run_cme_fedwatch.py FOLDER
python -m benchmarks.cme_fedwatch.compare compare WAREHOUSE FOLDER               (project's environment)

In: a publication's warehouse.duckdb; FEDWATCH is the folder with the recorded settlements of days that the
publication does not have (for benchmarks/cme_fedwatch/published.py). A day agrees when no outcome of a
meeting that both show differs by more than 0.1 points. Each cause of a difference is proved: our calculation
is done again with that rule of the package in place of our own, and the day then agrees.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import fedwatch_inputs as inputs
from benchmarks.fedwatch_rules import EXPIRED, LAST_OF_MONTH, Solver

EQUAL = 1e-9
TOLERANCE = 0.001
WIDE_TOLERANCE = 0.005
VARIANTS = {
    0: "contracts listed that day",
    1: "the same, and the final average of the month that has just expired",
}
TWICE = "two decisions of one month both ahead: the step of the last counts twice there"
OTHER = "anything else"


def export(warehouse: str, folder: Path, fedwatch: Path | None = None) -> None:
    """Write what the runner reads."""
    inputs.export(warehouse, folder, None if fedwatch is None else read_strip(fedwatch))


def read_strip(fedwatch: Path) -> pd.DataFrame:
    """Recorded settlements of days that the publication does not have."""
    rows = pd.read_csv(fedwatch / "zq_settlements_2026-06.csv", parse_dates=["date"])
    return rows.rename(columns={"date": "Date", "settle": "Close"})[["contract", "Date", "Close"]]


def read_tables(folder: Path, variant: int) -> pd.DataFrame:
    """The package's tables of the two periods that begin with the next meeting, as it would show them."""
    theirs, _ = inputs.read_theirs(folder / "theirs.csv")
    shown = (theirs["expired"] == variant) & (theirs["skipped"] == 0)
    return theirs[shown & inputs.in_periods(theirs["as_of_date"])]


def step_gap_by_day(mine: pd.DataFrame, theirs: pd.DataFrame) -> pd.Series:
    """Largest difference by day between the expected moves of single meetings that both show."""
    steps = inputs.compute_steps(mine).to_frame("ours").join(inputs.compute_steps(theirs), how="inner")
    return (steps["ours"] - steps["step_moves"]).abs().groupby("as_of_date").max()


def find_causes(solver: Solver, theirs: pd.DataFrame, *, without: str = "") -> pd.DataFrame:
    """Gap and cause of each day; the first set of rules counts that makes the day agree.

    The meetings compared are those that both show by our own rules. One that disappears under another rule
    counts with its whole probability, so that no day agrees because it shows less.

    Args:
        solver: Our calculation.
        theirs: The package's tables.
        without: A rule that cannot be the cause.
    """
    shared = inputs.only_meetings_of(theirs, solver.solve())
    gap = inputs.largest_gap(solver.solve(), shared)
    cause = pd.Series(np.where(gap <= TOLERANCE, "agrees", OTHER), index=gap.index)
    for names in solver.explanations(without=without):
        if not (cause == OTHER).any():
            break
        agrees = inputs.largest_gap(solver.solve(*names), shared) <= TOLERANCE
        cause[(cause == OTHER) & agrees] = " + ".join(names)
    for names in solver.explanations(without=without):
        if LAST_OF_MONTH in names and (cause == OTHER).any():
            agrees = step_gap_by_day(solver.solve(*names), theirs).reindex(gap.index) <= TOLERANCE
            cause[(cause == OTHER) & agrees] = TWICE
    return pd.DataFrame({"gap": gap, "cause": cause})


def count_meetings(solver: Solver, theirs: pd.DataFrame) -> pd.Series:
    """Meetings by day that both show, that only we show, and that only they show by our reason for not."""
    moves = solver.moves()
    unsolved = moves[moves["moves_expected"].isna()].groupby("as_of_date")["reason"].first()
    mine = solver.solve()[inputs.KEY].drop_duplicates()
    both = theirs[inputs.KEY].drop_duplicates().merge(mine, on=inputs.KEY, how="outer", indicator="side")
    both = both[inputs.in_periods(both["as_of_date"])]
    reason = "only the package: " + both["as_of_date"].map(unsolved).fillna("").astype(str)
    named = both["side"].map({"both": "both", "right_only": "only here"}).astype(object)
    return named.where(named.notna(), reason).value_counts()


def compare(warehouse: str, folder: Path) -> None:
    """Print the tables of README.md and write the cause of each day to causes_<variant>.csv."""
    solver = Solver(inputs.copy_inputs(warehouse))
    days = solver.moves()["as_of_date"].drop_duplicates()
    total = int(inputs.in_periods(days).sum())
    solved_days = solver.solve()["as_of_date"].drop_duplicates()
    solved = set(solved_days[inputs.in_periods(solved_days)])
    for variant, title in VARIANTS.items():
        theirs = read_tables(folder, variant)
        causes = find_causes(solver, theirs, without=EXPIRED if variant else "")
        alone = len(solved - set(theirs["as_of_date"]))
        print(f"\n{title}: {total} days, {len(causes)} with both tables, {alone} with ours alone")
        for name, limit in (("equal to 1e-9", EQUAL), ("0.1", TOLERANCE), ("0.5 points", WIDE_TOLERANCE)):
            within = int((causes["gap"] <= limit).sum())
            print(f"within {name}: {within} days, {100 * within / len(causes):.2f} %")
        print(inputs.count_shares(causes["cause"]).to_string())
        print(count_meetings(solver, theirs).to_string())
        causes.to_csv(folder / f"causes_{variant}.csv")


if __name__ == "__main__":
    command = {"export": export, "compare": compare}[sys.argv[1]]
    command(sys.argv[2], *map(Path, sys.argv[3:]))
