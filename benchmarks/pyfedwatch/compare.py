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
from transforms.lib import fomc
from transforms.staging import fomc_moves

TOLERANCE = 0.005


@dataclass(frozen=True)
class Days:
    """What the cause of a difference is read from, by settlement day."""

    failed: pd.Series  # the package's error
    gap: pd.Series
    gap_last_price: pd.Series  # with the last price of expired months here too
    decision: pd.Series  # dates of the decisions that were held, in order
    refused: set[pd.Timestamp]
    unsolved: set[pd.Timestamp]
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
    if days.gap_last_price[day] <= TOLERANCE:
        return "expired month: its last price there, its final average (DFF) here"
    if month in shared or (month - 1) in shared:
        return "two decisions in one month: the package takes the first only"
    needed = pd.period_range(month, days.last_shown[day].to_period("M") + 1, freq="M")
    if not set(needed) <= days.priced[day]:
        return "a contract has no price that day: the package takes an older one"
    if day in days.refused:
        return "price refused here"
    if meetings[days.decision < day].iloc[-1] == month:
        return "a meeting earlier in the month"
    if day in days.unsolved:
        return "a meeting that is not solved here (D/N above 10, or another price refused)"
    return "other"


def read_days(
    con: duckdb.DuckDBPyConnection, failed: pd.Series, theirs: pd.DataFrame, gaps: list[pd.Series]
) -> Days:
    """Gather what the causes are read from; `gaps`: as it is, and with the last price of expired months."""
    decision = con.execute(
        "select decision_date from ref.fomc_meetings where not coalesce(cancelled, false) order by 1"
    ).df()["decision_date"]
    moves = fomc_moves.build(con, fomc.METHOD_VERSION)
    as_of_date = pd.to_datetime(moves["as_of_date"])
    priced = con.execute(
        "select distinct settlement_date, delivery_month from staging.fed_funds_futures"
    ).df()
    month = pd.to_datetime(priced["delivery_month"]).dt.to_period("M")
    return Days(
        failed=failed,
        gap=gaps[0],
        gap_last_price=gaps[1],
        decision=pd.to_datetime(decision),
        refused=set(as_of_date[moves["reason"] == "price_refused"]),
        unsolved=set(as_of_date[moves["solved"].isna()]),
        priced=month.groupby(pd.to_datetime(priced["settlement_date"])).agg(set),
        last_shown=theirs.groupby("as_of_date")["meeting_date"].max(),
    )


def compare(warehouse: str, folder: Path) -> None:
    """Print the table of README.md and write the cause of each day to causes.csv."""
    theirs, failed = inputs.read_theirs(folder / "theirs.csv")
    theirs = theirs[inputs.in_periods(theirs["as_of_date"], (inputs.COMPLETE,))]
    failed = failed[inputs.in_periods(failed.index.to_series(), (inputs.COMPLETE,))]
    index = pd.DatetimeIndex(sorted({*theirs["as_of_date"], *failed.index}))
    con = inputs.copy_inputs(warehouse)
    without_rates = inputs.copy_inputs(warehouse, without="DFF")
    gap_2022, gap_last_price, gap_now = (
        inputs.largest_gap(inputs.solve(source, version), theirs).reindex(index)
        for source, version in (
            (con, fomc.METHOD_VERSION_2022),
            (without_rates, fomc.METHOD_VERSION_2022),
            (con, fomc.METHOD_VERSION),
        )
    )
    days = read_days(con, failed, theirs, [gap_2022, gap_last_price])
    causes = pd.Series([find_cause(day, days) for day in index], index=index)
    print(f"{len(index)} days from {index[0].date()} to {index[-1].date()}")
    print("meetings shown by the package per day:")
    print(theirs.groupby("as_of_date")["meeting_date"].nunique().value_counts().sort_index().to_string())
    print(f"within half a point, cme_2022: {100 * (gap_2022 <= TOLERANCE).mean():.2f} % of all days")
    print(f"within half a point, cme_2023plus: {100 * (gap_now <= TOLERANCE).mean():.2f} % of all days")
    print(inputs.count_shares(causes).to_string())
    causes.to_frame("cause").assign(gap=gap_2022).to_csv(folder / "causes.csv")


if __name__ == "__main__":
    {"export": inputs.export, "compare": compare}[sys.argv[1]](sys.argv[2], Path(sys.argv[3]))
