"""Probabilities of the target range after each meeting, on each settlement day: what FedWatch shows as its
table.

In: staging.fomc_moves (one row per settlement day and meeting ahead). Out: one row per settlement day,
meeting and outcome. Every outcome of the convolution is kept, also those of probability 0 (an expected move
of exactly -1 has the outcomes -1 with 1 and 0 with 0). Source of the formula: CME FedWatch methodology; see
transforms/lib/fomc.py. Caveat: meetings are treated as independent and each has two outcomes only; far
meetings therefore look tighter than option prices say. A meeting after one that could not be solved has no
rows: marts.fomc_meetings_daily says why.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd

from transforms.lib import fomc, meeting_path

COLUMNS = [
    "as_of_date",
    "meeting_date",
    "target_lower_pct",
    "target_upper_pct",
    "prob",
    "moves",
    "method_version",
    "missing_contract",
]

# A meeting's distribution rests on the meetings before it: what one of them lacks, its table lacks.
MOVES = """
select
    as_of_date,
    meeting_date,
    meeting_number,
    target_lower_pct,
    target_upper_pct,
    decided_moves,
    moves_expected,
    as_published,
    last_value(missing_contract ignore nulls) over (
        partition by as_of_date order by meeting_number
        rows between unbounded preceding and current row
    ) as missing_contract
from {table}
order by as_of_date, meeting_number
"""


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per settlement day, meeting and outcome, in that order."""
    return read_probabilities(con, "staging.fomc_moves", fomc.METHOD_VERSION)[COLUMNS]


def read_probabilities(con: duckdb.DuckDBPyConnection, table: str, method_version: str) -> pd.DataFrame:
    """One row per outcome, of a table of moves that is built; with `as_published`."""
    return compute_probabilities(con.execute(MOVES.format(table=table)).df(), method_version)


def compute_probabilities(moves: pd.DataFrame, method_version: str) -> pd.DataFrame:
    """From expected moves (columns of MOVES, sorted) to one row per outcome, COLUMNS and `as_published`."""
    if moves.empty:
        return pd.DataFrame(columns=[*COLUMNS, "as_published"])
    as_of_date = moves["as_of_date"].to_numpy()
    day = np.cumsum(np.concatenate(([True], as_of_date[1:] != as_of_date[:-1]))) - 1
    place = moves["meeting_number"].to_numpy(dtype=np.int64) - 1
    shape = (int(day[-1]) + 1, int(place.max()) + 1)
    expected = np.full(shape, np.nan)
    expected[day, place] = moves["moves_expected"].to_numpy(dtype=np.float64, na_value=np.nan)
    decided = np.full(shape[0], np.nan)
    decided[day] = moves["decided_moves"].to_numpy(dtype=np.float64, na_value=np.nan)

    source_row: list[fomc.IntArray] = []
    outcome: list[fomc.FloatArray] = []
    prob: list[fomc.FloatArray] = []
    for number, (lowest, table) in enumerate(fomc.compute_distributions(expected, decided)):
        rows = np.flatnonzero(place == number)
        rows = rows[np.isfinite(table[day[rows], 0])]
        width = table.shape[1]
        source_row.append(np.repeat(rows, width))
        outcome.append((lowest[day[rows]][:, None] + np.arange(width)).ravel())
        prob.append(table[day[rows]].ravel())
    row = np.concatenate(source_row)
    total_moves = np.concatenate(outcome)
    order = np.lexsort((total_moves, row))
    row, total_moves = row[order], total_moves[order]
    picked = moves.iloc[row].reset_index(drop=True)
    return pd.DataFrame(
        {
            "as_of_date": picked["as_of_date"],
            "meeting_date": picked["meeting_date"],
            "target_lower_pct": picked["target_lower_pct"] + meeting_path.MOVE_PCT * total_moves,
            "target_upper_pct": picked["target_upper_pct"] + meeting_path.MOVE_PCT * total_moves,
            "prob": np.concatenate(prob)[order],
            "moves": total_moves.astype(np.int64),
            "method_version": method_version,
            "missing_contract": picked["missing_contract"],
            "as_published": picked["as_published"],
        }
    )
