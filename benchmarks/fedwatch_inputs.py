"""What the comparisons with other packages of FedWatch's method share: inputs, our own figures, differences.

In: a publication's warehouse.duckdb with recorded settlements. Out: CSVs for the other package's runner, and
probabilities by settlement day, meeting and change in bp from the range in force, the form in which every
runner writes them to theirs.csv. Caveat: of the recorded settlements only two periods are complete enough.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from transforms.lib import policy_inputs
from transforms.lib.meeting_path import MOVE_PCT
from transforms.marts.fomc_probabilities import compute_probabilities
from transforms.runner import build_model
from transforms.staging import fomc_moves, implied_averages
from warehouse.catalog import load_catalog

# Complete strips, and from 2024-04-30 the contracts of July 2024 to January 2025 (several are missing).
COMPLETE = ("2000-01-03", "2023-09-15")
PERIODS = (COMPLETE, ("2024-04-30", "2024-09-09"))
INPUTS = (
    "ref.calendar",
    "ref.fomc_meetings",
    "staging.fed_funds_futures",
    "staging.fomc_decisions",
    "staging.fred_observations",
    "staging.implied_averages",
)
MOVE_BP = 100 * MOVE_PCT
CELL = ["as_of_date", "meeting_date", "change_bp"]
KEY = CELL[:2]


def in_periods(days: pd.Series, periods: tuple[tuple[str, str], ...] = PERIODS) -> pd.Series:
    """Which days lie in one of the periods, both ends included."""
    inside = pd.Series(False, index=days.index)
    for first, last in periods:
        inside |= days.between(pd.Timestamp(first), pd.Timestamp(last))
    return inside


def export(warehouse: str, folder: Path, more_prices: pd.DataFrame | None = None) -> None:
    """Write prices.csv, meetings.csv and final_averages.csv for a runner.

    Args:
        warehouse: A publication's warehouse.duckdb.
        folder: Where the files go.
        more_prices: Rows with contract, Date, Close of days that the publication does not have.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(warehouse, read_only=True) as con:
        settlements = con.execute(implied_averages.SETTLEMENTS).df()
        prices = con.execute(
            """select contract, settlement_date as "Date", settle as "Close", delivery_month
            from staging.fed_funds_futures"""
        ).df()
        prices = prices.merge(
            settlements[["settlement_date", "delivery_month"]],
            left_on=["Date", "delivery_month"],
            right_on=["settlement_date", "delivery_month"],
        )
        prices = prices[in_periods(prices["Date"])][["contract", "Date", "Close"]]
        prices = pd.concat([prices, more_prices]).sort_values(["contract", "Date"])
        prices.to_csv(folder / "prices.csv", index=False)
        con.execute(
            f"""copy (select decision_date, known_from_date,
            case when cancelled then cancelled_on end as cancelled_on
            from ref.fomc_meetings order by 1) to '{folder}/meetings.csv' (header)"""
        )
        averages = policy_inputs.load_averages(con)
    if averages is None:
        raise SystemExit(f"{warehouse} has no settlements of fed funds futures")
    month = averages.first_month + np.arange(averages.final_averages_pct.size)
    finals = pd.DataFrame(
        {"delivery_month": month.astype("datetime64[M]"), "average_pct": averages.final_averages_pct}
    )
    finals.dropna().to_csv(folder / "final_averages.csv", index=False)


def copy_inputs(warehouse: str, *, without: str = "") -> duckdb.DuckDBPyConnection:
    """A copy in memory of what the path is solved from.

    Args:
        warehouse: A publication's warehouse.duckdb.
        without: A FRED series to leave out. Without DFF, expired months count with their last price.
    """
    con = duckdb.connect()
    con.execute(f"attach '{warehouse}' as publication (read_only)")
    for table in INPUTS:
        con.execute(f"create schema if not exists {table.split('.')[0]}")
        con.execute(f"create table {table} as from publication.{table}")
    con.execute("delete from staging.fred_observations where series_id = ?", [without])
    return con


def drop_unsolved_start(moves: pd.DataFrame) -> pd.DataFrame:
    """Count from the first meeting that is solved, with nothing decided before it, where nearer ones lack
    their contracts.
    """
    solved = moves["moves_expected"].notna().groupby(moves["as_of_date"]).cummax()
    kept = moves[solved].copy()
    kept["meeting_number"] = kept.groupby("as_of_date").cumcount() + 1
    kept["decided_moves"] = 0.0
    return kept.reset_index(drop=True)


def ours(moves: pd.DataFrame, method_version: str) -> pd.DataFrame:
    """Our probabilities in the form of theirs.csv, from the rows of staging.fomc_moves."""
    ordered = moves.sort_values(["as_of_date", "meeting_number"], ignore_index=True)
    table = compute_probabilities(ordered, method_version)
    return pd.DataFrame(
        {
            "as_of_date": pd.to_datetime(table["as_of_date"]),
            "meeting_date": pd.to_datetime(table["meeting_date"]),
            "change_bp": MOVE_BP * table["moves"].astype(float),
            "prob": table["prob"].astype(float),
        }
    )


def solve(con: duckdb.DuckDBPyConnection, method_version: str) -> pd.DataFrame:
    """Our probabilities from the inputs that a connection holds, prices judged by the rules of now."""
    con.execute("drop table if exists staging.implied_averages")
    build_model(con, load_catalog()["staging.implied_averages"])
    return ours(fomc_moves.build(con, method_version), method_version)


def read_theirs(path: Path) -> tuple[pd.DataFrame, pd.Series]:
    """The other package's probabilities, and by day why it gave none."""
    raw = pd.read_csv(path, parse_dates=KEY)
    failed = raw[raw["error"].notna()].set_index("as_of_date")["error"]
    given = raw[raw["error"].isna()].drop(columns="error")
    return given.astype({"change_bp": float, "prob": float}), failed


def only_meetings_of(table: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """The cells of those days and meetings that the other table has too."""
    return table.merge(other[KEY].drop_duplicates(), on=KEY)


def compute_cell_gaps(mine: pd.DataFrame, theirs: pd.DataFrame) -> pd.DataFrame:
    """Absolute difference by day, meeting and outcome; an outcome that one side lacks has probability 0."""
    both = mine[[*CELL, "prob"]].merge(
        theirs[[*CELL, "prob"]], on=CELL, how="outer", suffixes=("_ours", "_theirs")
    )
    both = both.fillna({"prob_ours": 0.0, "prob_theirs": 0.0}).sort_values(CELL, ignore_index=True)
    return both.assign(gap=(both["prob_ours"] - both["prob_theirs"]).abs())


def largest_gap(mine: pd.DataFrame, theirs: pd.DataFrame) -> pd.Series:
    """Largest absolute difference by day over the meetings that they show; a meeting that only they have
    counts with its whole probability.
    """
    gaps = compute_cell_gaps(only_meetings_of(mine[mine["prob"] > 0], theirs), theirs)
    return gaps.groupby("as_of_date")["gap"].max()


def compute_steps(table: pd.DataFrame) -> pd.Series:
    """Expected moves of each meeting alone, by day and meeting: mean after it minus mean before it."""
    mean = (table["change_bp"] / MOVE_BP * table["prob"]).groupby([table[name] for name in KEY]).sum()
    before = mean.groupby(level="as_of_date").shift(1, fill_value=0.0)
    return (mean - before).rename("step_moves")


def count_shares(causes: pd.Series) -> pd.DataFrame:
    """Days and their share by cause, the most frequent first."""
    table = causes.value_counts().rename("days").to_frame()
    table["share_pct"] = (100 * table["days"] / len(causes)).round(2)
    return table
