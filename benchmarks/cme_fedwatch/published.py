"""Compares our tables, those of cme-fedwatch and those of pyfedwatch with the ones that CME published.

python -m benchmarks.cme_fedwatch.published WAREHOUSE FEDWATCH FOLDER [PYFEDWATCH_FOLDER]

In: a publication's warehouse.duckdb; the folder of recorded exports (cme_tables.csv, and the settlements of
the days that the publication does not have); the folders in which the runners wrote theirs.csv. Out: cells of
CME's within 0.1 points, by meeting; ours also with the nine meetings alone that CME lists. Caveat: for days
of which only the later contracts are recorded, a table cannot begin with the next meeting. There each meeting
is compared alone: CME's own distribution after the meeting before it, moved on by the step of the other side.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from benchmarks import fedwatch_inputs as inputs
from benchmarks.cme_fedwatch.compare import TOLERANCE, read_strip
from transforms.lib import fomc
from transforms.staging import fomc_moves

RECORDED_LATER = pd.Timestamp("2026-01-01")


def read_published(fedwatch: Path, lower_pct: pd.Series) -> pd.DataFrame:
    """CME's tables as changes in bp from the range in force by day; where that is missing, from CME's lowest
    outcome.
    """
    table = pd.read_csv(fedwatch / "cme_tables.csv", parse_dates=inputs.KEY)
    lowest = table.groupby("as_of_date")["target_lower_pct"].transform("min")
    in_force = table["as_of_date"].map(lower_pct).fillna(lowest)
    change_bp = (100 * (table["target_lower_pct"] - in_force)).round()
    return table.assign(change_bp=change_bp)[[*inputs.CELL, "prob"]]


def replace_settlements(con: duckdb.DuckDBPyConnection, prices: pd.DataFrame) -> None:
    """Leave these settlements alone in the copied inputs."""
    code = prices["contract"].str[2].map(fomc.MONTH_CODES.index) + 1
    month = pd.to_datetime("20" + prices["contract"].str[3:5] + "-" + code.astype(str) + "-01")
    con.register("strip", prices.assign(delivery_month=month))
    con.execute("delete from staging.fed_funds_futures")
    con.execute(
        """insert into staging.fed_funds_futures by name
        select contract, delivery_month, "Date" as settlement_date, "Close" as settle from strip"""
    )


def move_on(published: pd.DataFrame, tool: pd.DataFrame) -> pd.DataFrame:
    """CME's distribution after the meeting before, moved on by the tool's step, for each meeting after the
    first.
    """
    steps = inputs.compute_steps(tool)
    pieces = [published.iloc[:0]]
    for day, table in published.groupby("as_of_date"):
        meetings = sorted(table["meeting_date"].unique())
        for before, meeting in itertools.pairwise(meetings):
            if (day, meeting) in steps.index:
                base = table[table["meeting_date"] == before].assign(meeting_date=meeting)
                pieces.append(add_step(base, float(steps[(day, meeting)])))
    return pd.concat(pieces, ignore_index=True)


def add_step(base: pd.DataFrame, step_moves: float) -> pd.DataFrame:
    """A distribution and the two outcomes of one more meeting."""
    floor = float(np.floor(step_moves))
    weight = step_moves - floor
    lower = base.assign(
        change_bp=base["change_bp"] + inputs.MOVE_BP * floor, prob=base["prob"] * (1 - weight)
    )
    upper = lower.assign(change_bp=lower["change_bp"] + inputs.MOVE_BP, prob=base["prob"] * weight)
    return pd.concat([lower, upper]).groupby(inputs.CELL, as_index=False)["prob"].sum()


def count_cells(published: pd.DataFrame, tool: pd.DataFrame) -> pd.Series:
    """By meeting: cells of CME's within the tolerance, others, and those of a meeting that the tool lacks."""
    shown = published.merge(tool[inputs.KEY].drop_duplicates(), on=inputs.KEY, how="left", indicator=True)
    cells = published.merge(tool[[*inputs.CELL, "prob"]], on=inputs.CELL, how="left", suffixes=("", "_tool"))
    near = (cells["prob"] - cells["prob_tool"].fillna(0.0)).abs() <= TOLERANCE
    state = np.where(near, "equal", "different")
    state = np.where(shown["_merge"] == "both", state, "not_shown")
    table = pd.crosstab(published["meeting_date"].to_numpy(), state)
    table = table.rename_axis("meeting").reindex(columns=["equal", "different", "not_shown"], fill_value=0)
    return table.astype(str).agg(" / ".join, axis=1)


def read_tool(folder: Path) -> pd.DataFrame:
    """A runner's tables; of cme-fedwatch those from the contracts listed that day."""
    theirs, _ = inputs.read_theirs(folder / "theirs.csv")
    if "expired" not in theirs.columns:
        return theirs.assign(skipped=0)
    return theirs[theirs["expired"] == 0]


def solve_ours(
    con: duckdb.DuckDBPyConnection, fedwatch: Path, *, listed_only: bool = False
) -> tuple[pd.DataFrame, pd.Series]:
    """Our tables for the days of the publication and for the later ones, and the range in force by day.

    Args:
        con: The copied inputs; their settlements are replaced.
        fedwatch: The folder with the settlements of the later days.
        listed_only: Know the nine meetings that CME lists, and no announced one behind them.
    """
    if listed_only:
        con.execute("update ref.fomc_meetings set known_from_date = listed_from where scheduled")
    moves = fomc_moves.build(con, fomc.METHOD_VERSION)
    lower_pct = moves.groupby(pd.to_datetime(moves["as_of_date"]))["target_lower_pct"].first()
    replace_settlements(con, read_strip(fedwatch))
    later = inputs.drop_unsolved_start(fomc_moves.build(con, fomc.METHOD_VERSION))
    tables = [inputs.ours(part, fomc.METHOD_VERSION) for part in (moves, later)]
    return pd.concat(tables).assign(skipped=0), lower_pct


def main(warehouse: str, fedwatch: Path, folder: Path, pyfedwatch_folder: Path | None = None) -> None:
    """Print whole tables, meetings alone, and the steps of those."""
    mine, lower_pct = solve_ours(inputs.copy_inputs(warehouse), fedwatch)
    listed, _ = solve_ours(inputs.copy_inputs(warehouse), fedwatch, listed_only=True)
    tools = {"ours": mine, "ours, nine meetings": listed, "cme-fedwatch": read_tool(folder)}
    if pyfedwatch_folder is not None:
        tools["pyfedwatch"] = read_tool(pyfedwatch_folder)
    published = read_published(fedwatch, lower_pct)
    later = published["as_of_date"] >= RECORDED_LATER
    whole, alone = published[~later], published[later]
    print("cells of CME's whole tables: equal / different / not shown")
    shown = {name: tool[tool["skipped"] == 0] for name, tool in tools.items()}
    print(pd.DataFrame({name: count_cells(whole, tool) for name, tool in shown.items()}).to_string())
    print("each meeting alone, from CME's own distribution after the meeting before")
    moved = {name: move_on(alone, tool) for name, tool in tools.items()}
    compared = alone[alone["meeting_date"] > alone["meeting_date"].min()]
    print(pd.DataFrame({name: count_cells(compared, tool) for name, tool in moved.items()}).to_string())
    steps = {name: inputs.compute_steps(tool) for name, tool in {"CME": alone, **tools}.items()}
    print(pd.DataFrame(steps).loc[steps["CME"].index].round(4).to_string())


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:]))
