"""Expected rates and moves of each decision ahead with the day count that CME used into 2024.

In and out: as transforms/staging/fomc_moves.py, with the announcement day under the new rate (`cme_2022`).
Source: CME FedWatch tables quoted by the press of those years (docs/metrics-fed.md). Caveat: the rows end
with 2024. Nothing was published that way later, and a second copy of every later day would only invite
mixing the two.
"""

from __future__ import annotations

from typing import Final

import duckdb
import pandas as pd

from transforms.increment import first_day
from transforms.lib import fomc
from transforms.staging import fomc_moves

LAST_DAY: Final = pd.Timestamp("2024-12-31")


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per (as_of_date, meeting_date), in that order."""
    since = first_day(con)
    if since is not None and pd.Timestamp(since) > LAST_DAY:
        return pd.DataFrame(columns=fomc_moves.COLUMNS)
    moves = fomc_moves.build(con, fomc.METHOD_VERSION_2022)
    return moves[pd.to_datetime(moves["as_of_date"]) <= LAST_DAY]
