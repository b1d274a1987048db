"""Probabilities of the target range by day count: as the marts count now, and as CME published into 2023.

In: marts.fomc_probabilities; the inputs of staging.fomc_moves for the older count. Out: one row per day
count, settlement day, meeting and outcome. `cme_2022` ends with 2023: CME left it at some time between
April and December 2023 (the day is not known), nothing was published that way later, and a second copy of
every later day would only invite mixing the two. Source of the formula: CME FedWatch methodology; see
transforms/lib/fomc.py. Caveat: counting by the effective day is right throughout; `cme_2022` serves to
reproduce figures published then.
"""

from __future__ import annotations

from typing import Final

import duckdb
import pandas as pd

from transforms.lib import fomc
from transforms.marts.fomc_probabilities import compute_probabilities
from transforms.staging import fomc_moves

COLUMNS = ["method_version", "as_of_date", "meeting_date", "target_lower_pct", "prob"]
LAST_DAY_2022: Final = pd.Timestamp("2023-12-31")

CURRENT = """
select
    method_version,
    as_of_date,
    meeting_date,
    target_lower_pct,
    prob
from marts.fomc_probabilities
order by as_of_date, meeting_date, target_lower_pct
"""


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per day count, settlement day, meeting and outcome."""
    moves = fomc_moves.build(con, fomc.METHOD_VERSION_2022)
    moves = moves[pd.to_datetime(moves["as_of_date"]) <= LAST_DAY_2022]
    moves = moves.sort_values(["as_of_date", "meeting_number"], ignore_index=True)
    older = compute_probabilities(moves, fomc.METHOD_VERSION_2022)[COLUMNS]
    current = con.execute(CURRENT).df()[COLUMNS]
    parts = [part for part in (older, current) if not part.empty]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)
