"""Expected rates and moves of each decision ahead, on each settlement day.

In: implied averages by month and day, DFF and the target range from FRED, the decisions, the calendar. Out:
one row per settlement day with any captured contract and decision known and still ahead on that day.
Formulas: transforms/lib/fomc.py (CME FedWatch methodology). Caveat: an expired month counts with its final
settlement, rebuilt from DFF. The price captured on the last trading day is used only where DFF is
incomplete: it is the market's last guess, up to 0.3 bp off in 2021-2024 and more before 2009.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd

from transforms.increment import first_day
from transforms.lib import fomc, policy_inputs
from transforms.lib.policy_inputs import to_dates, to_floats

COLUMNS = [
    "as_of_date",
    "meeting_date",
    "meeting_number",
    "target_lower_pct",
    "target_upper_pct",
    "decided_moves",
    "start_rate_pct",
    "end_rate_pct",
    "moves_expected",
    "solved",
    "amplification",
    "residual_bp",
    "reason",
    "missing_contract",
    "as_published",
]


def build(con: duckdb.DuckDBPyConnection, method_version: str = fomc.METHOD_VERSION) -> pd.DataFrame:
    """One row per (as_of_date, meeting_date), in that order.

    Args:
        con: the publication, with the inputs built.
        method_version: the day count, see `fomc.compute_decision_months`.
    """
    averages = policy_inputs.load_averages(con, first_day(con))
    meetings = con.execute(policy_inputs.MEETINGS).df()
    if averages is None or meetings.empty:
        return pd.DataFrame(columns=COLUMNS)
    as_of_date = averages.as_of_date
    decision_date = to_dates(meetings["decision_date"])
    effective_date = to_dates(meetings["effective_date"])
    known = fomc.compute_known(
        as_of_date, to_dates(meetings["known_from_date"]), to_dates(meetings["cancelled_on"])
    )
    moves = fomc.compute_moves(
        as_of_date,
        averages.averages_pct,
        averages.final_averages_pct,
        averages.first_month,
        decision_date,
        effective_date,
        known,
        method_version,
        averages.refused,
    )
    held = ~meetings["cancelled"].to_numpy(dtype=bool)
    lower, upper, pending = fomc.compute_range_in_force(
        as_of_date,
        decision_date[held],
        effective_date[held],
        to_floats(meetings["lower_before"])[held],
        to_floats(meetings["upper_before"])[held],
        to_floats(meetings["lower_after"])[held],
        to_floats(meetings["upper_after"])[held],
    )
    early = as_of_date <= np.datetime64(fomc.LAST_DAY_PUBLISHED_2022, "D")
    by_day = {
        "target_lower_pct": lower,
        "target_upper_pct": upper,
        "decided_moves": pending,
        "as_published": early == (method_version == fomc.METHOD_VERSION_2022),
    }
    return _frame(moves, as_of_date, decision_date, by_day)


def _frame(
    moves: fomc.Moves,
    as_of_date: fomc.DateArray,
    decision_date: fomc.DateArray,
    by_day: dict[str, fomc.FloatArray | fomc.BoolArray],
) -> pd.DataFrame:
    """The moves as rows; `by_day` has columns by settlement day."""
    path = moves.path
    return pd.DataFrame(
        {
            "as_of_date": as_of_date[moves.day],
            "meeting_date": decision_date[moves.meeting],
            "meeting_number": moves.meeting_number,
            **{name: values[moves.day] for name, values in by_day.items()},
            "start_rate_pct": path.start_rate_pct,
            "end_rate_pct": path.end_rate_pct,
            "moves_expected": path.moves_expected,
            "solved": path.solved,
            "amplification": path.amplification,
            "residual_bp": path.residual_bp,
            "reason": path.reason,
            "missing_contract": fomc.compute_contracts(path.missing_month),
        },
        columns=COLUMNS,
    )
