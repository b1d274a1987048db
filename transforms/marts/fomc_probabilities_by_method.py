"""Probabilities of the target range by day count: as the marts count now, and as CME published into 2024.

In: staging.fomc_moves, and staging.fomc_moves_2022 for the older count. Out: one row per day count,
settlement day, meeting and outcome; `as_published` marks the count that CME published by on that day.
Source of the formula: CME FedWatch methodology; see transforms/lib/fomc.py. Caveat: counting by the
effective day is right throughout; `cme_2022` serves to reproduce figures published then.
"""

from __future__ import annotations

import duckdb
import pandas as pd

from transforms.lib import fomc
from transforms.marts.fomc_probabilities import read_probabilities

COLUMNS = [
    "method_version",
    "as_of_date",
    "meeting_date",
    "target_lower_pct",
    "target_upper_pct",
    "prob",
    "moves",
    "as_published",
    "missing_contract",
]


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per day count, settlement day, meeting and outcome."""
    older = read_probabilities(con, "staging.fomc_moves_2022", fomc.METHOD_VERSION_2022)
    current = read_probabilities(con, "staging.fomc_moves", fomc.METHOD_VERSION)
    parts = [part for part in (older, current) if not part.empty]
    return pd.concat(parts, ignore_index=True)[COLUMNS] if parts else pd.DataFrame(columns=COLUMNS)
