"""Compares the project's probabilities with those of pyfedwatch, day by day; the rest is counted by cause.

python -m benchmarks.pyfedwatch.compare export WAREHOUSE FOLDER     (project's environment)
ENVIRONMENT/bin/python benchmarks/pyfedwatch/run_pyfedwatch.py FOLDER/prices.csv FOLDER/meetings.csv
FOLDER/theirs.csv python -m benchmarks.pyfedwatch.compare compare WAREHOUSE FOLDER    (project's
environment)

In: a publication's warehouse.duckdb. A day agrees when no outcome of the meetings that the package shows
differs by more than half a point. The package counts the announcement day under the new rate, so that it is
compared with `cme_2022`; the share for `cme_2023plus` is printed beside it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
import pandas as pd

from transforms.lib import fomc
from transforms.marts.fomc_probabilities import compute_probabilities
from transforms.staging import fomc_moves

LAST_DAY = "2023-09-15"  # the recorded contracts are complete to here, as is the package's own sample
TOLERANCE = 0.005


def export(warehouse: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(warehouse, read_only=True) as con:
        con.execute(
            f"""copy (select contract, settlement_date as "Date", settle as "Close"
            from staging.fed_funds_futures
            where settlement_date <= date '{LAST_DAY}' order by 1, 2) to '{folder}/prices.csv' (header)"""
        )
        con.execute(
            f"""copy (select decision_date, known_from_date,
            case when cancelled then cancelled_on end as cancelled_on
            from ref.fomc_meetings order by 1) to '{folder}/meetings.csv' (header)"""
        )


def ours(con: duckdb.DuckDBPyConnection, method_version: str) -> pd.DataFrame:
    """Probabilities by day, meeting and change in bp from the range in force."""
    moves = fomc_moves.build(con, method_version).sort_values(
        ["as_of_date", "meeting_number"], ignore_index=True
    )
    table = compute_probabilities(moves, method_version)
    return pd.DataFrame(
        {
            "as_of_date": pd.to_datetime(table["as_of_date"]),
            "meeting_date": pd.to_datetime(table["meeting_date"]),
            "change_bp": 25 * table["moves"].astype(int),
            "prob": table["prob"],
        }
    )


def without_rates(warehouse: str) -> duckdb.DuckDBPyConnection:
    """The same inputs without DFF: expired months then count with their last price, as in the package."""
    con = duckdb.connect()
    con.execute(f"attach '{warehouse}' as publication (read_only)")
    for schema in ("staging", "ref"):
        con.execute(f"create schema {schema}")
    con.execute("create table staging.fed_funds_futures as from publication.staging.fed_funds_futures")
    con.execute(
        "create table staging.fred_observations as from publication.staging.fred_observations where series_id"
        " <> 'DFF'"
    )
    for name in ("calendar", "fomc_meetings"):
        con.execute(f"create table ref.{name} as from publication.ref.{name}")
    return con


def largest_gap(mine: pd.DataFrame, theirs: pd.DataFrame) -> pd.Series:
    """Largest absolute difference by day; a meeting that only the package has counts with its whole
    probability.
    """
    shown = theirs[["as_of_date", "meeting_date"]].drop_duplicates()
    mine = mine[mine["prob"] > 0].merge(shown, on=["as_of_date", "meeting_date"])
    both = mine.merge(
        theirs, on=["as_of_date", "meeting_date", "change_bp"], how="outer", suffixes=("_ours", "_theirs")
    )
    both = both.sort_values(["as_of_date", "meeting_date", "change_bp"])
    gap = (both["prob_ours"].fillna(0.0) - both["prob_theirs"].fillna(0.0)).abs()
    return gap.groupby(both["as_of_date"]).max()


def compare(warehouse: str, folder: Path) -> None:
    raw = pd.read_csv(folder / "theirs.csv", parse_dates=["as_of_date", "meeting_date"])
    failed = raw[raw["error"].notna()].set_index("as_of_date")["error"]
    theirs = raw[raw["error"].isna()].drop(columns="error").astype({"change_bp": float})
    days = pd.DatetimeIndex(sorted(raw["as_of_date"].unique()))
    con = duckdb.connect(warehouse, read_only=True)
    gap_2022 = largest_gap(ours(con, fomc.METHOD_VERSION_2022), theirs).reindex(days)
    gap_now = largest_gap(ours(con, fomc.METHOD_VERSION), theirs).reindex(days)
    gap_last_price = largest_gap(ours(without_rates(warehouse), fomc.METHOD_VERSION_2022), theirs).reindex(
        days
    )

    meetings = con.execute(
        """select decision_date, scheduled, known_from_date, effective_date from ref.fomc_meetings
        where not coalesce(cancelled, false) order by 1"""
    ).df()
    decision = pd.to_datetime(meetings["decision_date"])
    month = decision.dt.to_period("M")
    doubled = set(month[month.duplicated(keep=False)])
    reasons = con.execute(
        """select as_of_date, bool_or(reason = 'price_refused') as refused,
            bool_or(solved = 'forward') as forward,
            bool_or(solved is null) as unsolved
        from marts.fomc_meetings_daily group by all order by 1"""
    ).df()
    reasons["as_of_date"] = pd.to_datetime(reasons["as_of_date"])
    reasons = reasons.set_index("as_of_date").reindex(days).fillna(False)
    priced = con.execute(
        "select distinct settlement_date, delivery_month from staging.fed_funds_futures"
    ).df()
    by_day = priced.groupby(pd.to_datetime(priced["settlement_date"]))["delivery_month"].apply(
        lambda column: set(pd.to_datetime(column).dt.to_period("M"))
    )
    last_shown = theirs.groupby("as_of_date")["meeting_date"].max()

    def cause(day: pd.Timestamp) -> str:
        if day in failed.index:
            return "the package raises: " + str(failed[day]).split(":")[0]
        if gap_2022[day] <= TOLERANCE:
            return "agrees"
        if (decision == day).any():
            return "announcement day: the package has dropped the meeting already"
        this_month = day.to_period("M")
        if gap_last_price[day] <= TOLERANCE:
            return "expired month: its last price there, its final average (DFF) here"
        if this_month in doubled or (this_month - 1) in doubled:
            return "two decisions in one month: the package takes the first only"
        needed = pd.period_range(this_month, last_shown[day].to_period("M") + 1, freq="M")
        if not set(needed) <= by_day[day]:
            return "a contract has no price that day: the package takes an older one"
        if bool(reasons.loc[day, "refused"]):
            return "price refused here"
        before = decision[(decision < day)].iloc[-1].to_period("M")
        if before == this_month:
            return "a meeting earlier in the month"
        if bool(reasons.loc[day, "unsolved"]):
            return "a meeting that is not solved here (D/N above 10, or another price refused)"
        return "other"

    causes = pd.Series([cause(day) for day in days], index=days)
    print(
        f"{len(days)} days from {days[0].date()} to {days[-1].date()}, meetings shown by the package per day:"
    )
    print(theirs.groupby("as_of_date")["meeting_date"].nunique().value_counts().sort_index().to_string())
    print(f"within half a point, cme_2022: {100 * (gap_2022 <= TOLERANCE).mean():.2f} % of all days")
    print(f"within half a point, cme_2023plus: {100 * (gap_now <= TOLERANCE).mean():.2f} % of all days")
    table = causes.value_counts().rename("days").to_frame()
    table["share_pct"] = (100 * table["days"] / len(days)).round(2)
    print(table.to_string())
    causes.to_frame("cause").assign(gap=gap_2022).to_csv(folder / "causes.csv")


if __name__ == "__main__":
    {"export": export, "compare": compare}[sys.argv[1]](sys.argv[2], Path(sys.argv[3]))
