"""Compares the project's probabilities with those of pyfedwatch, day by day; the rest is counted by cause.

python -m benchmarks.pyfedwatch.compare export WAREHOUSE FOLDER     (project's environment)
ENVIRONMENT/bin/python benchmarks/pyfedwatch/run_pyfedwatch.py FOLDER/prices.csv FOLDER/meetings.csv
FOLDER/theirs.csv
python -m benchmarks.pyfedwatch.compare compare WAREHOUSE FOLDER    (project's environment)

In: a publication's warehouse.duckdb. A day agrees when no outcome of the meetings that the package shows
differs by more than half a point. The package counts the announcement day under the new rate, so that it is
compared with `cme_2022`; the share for `cme_2023plus` is printed beside it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pandas as pd

from benchmarks import fedwatch_inputs as inputs
from benchmarks.fedwatch_rules import EARLY, REFUSED, Solver
from transforms.lib import fomc

TOLERANCE = 0.005
LAST_PRICE = "expired month: its last price there, its final average (DFF) here"


@dataclass(frozen=True)
class Days:
    """What the cause of a difference is read from, by settlement day."""

    failed: pd.Series  # the package's error
    gap: pd.Series
    gap_without: dict[str, pd.Series]  # with the package's rule in place of ours, by the name of the cause
    decision: pd.Series  # dates of the decisions that were held, in order
    priced: pd.Series  # delivery months with a price that day
    last_shown: pd.Series  # last meeting that the package shows


def find_cause(day: pd.Timestamp, days: Days) -> str:
    """The first cause that applies."""
    month, meetings = day.to_period("M"), days.decision.dt.to_period("M")
    shared = set(meetings[meetings.duplicated(keep=False)])
    if day in days.failed.index:
        return "the package raises: " + str(days.failed[day]).split(":")[0]
    if days.gap[day] <= TOLERANCE:
        return "agrees"
    if (days.decision == day).any():
        return "announcement day: the package has dropped the meeting already"
    for name, gap in days.gap_without.items():
        if gap[day] <= TOLERANCE:
            return name
    if month in shared or (month - 1) in shared:
        return "two decisions in one month: the package takes the first only"
    needed = pd.period_range(month, days.last_shown[day].to_period("M") + 1, freq="M")
    if not set(needed) <= days.priced[day]:
        return "a contract has no price that day: the package takes an older one"
    return "anything else"


def read_days(
    con: duckdb.DuckDBPyConnection,
    failed: pd.Series,
    theirs: pd.DataFrame,
    gap: pd.Series,
    gap_without: dict[str, pd.Series],
) -> Days:
    """Gather what the causes are read from."""
    decision = con.execute(
        "select decision_date from ref.fomc_meetings where not coalesce(cancelled, false) order by 1"
    ).df()["decision_date"]
    priced = con.execute(
        "select distinct settlement_date, delivery_month from staging.fed_funds_futures"
    ).df()
    month = pd.to_datetime(priced["delivery_month"]).dt.to_period("M")
    return Days(
        failed=failed,
        gap=gap,
        gap_without=gap_without,
        decision=pd.to_datetime(decision),
        priced=month.groupby(pd.to_datetime(priced["settlement_date"])).agg(set),
        last_shown=theirs.groupby("as_of_date")["meeting_date"].max(),
    )


def compare(warehouse: str, folder: Path) -> None:
    """Print the table of README.md and write the cause of each day to causes.csv."""
    theirs, failed = inputs.read_theirs(folder / "theirs.csv")
    theirs = theirs[inputs.in_periods(theirs["as_of_date"], (inputs.COMPLETE,))]
    failed = failed[inputs.in_periods(failed.index.to_series(), (inputs.COMPLETE,))]
    index = pd.DatetimeIndex(sorted({*theirs["as_of_date"], *failed.index}))

    def gap_to(mine: pd.DataFrame) -> pd.Series:
        return inputs.largest_gap(mine, theirs).reindex(index)

    con = inputs.copy_inputs(warehouse)
    solver = Solver(con, fomc.METHOD_VERSION_2022)
    without_rates = inputs.copy_inputs(warehouse, without="DFF")
    gap, gap_now = gap_to(solver.solve()), gap_to(inputs.solve(con, fomc.METHOD_VERSION))
    gap_without = {LAST_PRICE: gap_to(inputs.solve(without_rates, fomc.METHOD_VERSION_2022))}
    gap_without |= {name: gap_to(solver.solve(name)) for name in (REFUSED, EARLY)}
    days = read_days(con, failed, theirs, gap, gap_without)
    causes = pd.Series([find_cause(day, days) for day in index], index=index)
    print(f"{len(index)} days from {index[0].date()} to {index[-1].date()}")
    print("meetings shown by the package per day:")
    print(theirs.groupby("as_of_date")["meeting_date"].nunique().value_counts().sort_index().to_string())
    print(f"within half a point, cme_2022: {100 * (gap <= TOLERANCE).mean():.2f} % of all days")
    print(f"within half a point, cme_2023plus: {100 * (gap_now <= TOLERANCE).mean():.2f} % of all days")
    print(inputs.count_shares(causes).to_string())
    causes.to_frame("cause").assign(gap=gap).to_csv(folder / "causes.csv")


if __name__ == "__main__":
    {"export": inputs.export, "compare": compare}[sys.argv[1]](sys.argv[2], Path(sys.argv[3]))
