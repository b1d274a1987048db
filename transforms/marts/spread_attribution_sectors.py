"""The sectors behind the split of a pair's spread, for single sessions.

In: what `transforms.lib.pair_attribution` reads. Out: one row per pair, session and sector ETF, and one for
the rest (cash, derivatives, sectors without an ETF or without a return), where the session has a split in
marts.spread_attribution_daily. The parts add up to allocation_pp there.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd

from transforms.lib.pair_attribution import PairSectors, pair_sectors

COLUMNS = (
    "pair_id",
    "session_date",
    "sector_fund",
    "base_sector_weight_pct",
    "quote_sector_weight_pct",
    "sector_return_pct",
    "sector_allocation_pp",
)


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per pair_id, session_date and sector_fund, in that order."""
    frames = [_sectors(pair) for pair in pair_sectors(con)]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(COLUMNS))


def _sectors(pair: PairSectors) -> pd.DataFrame:
    days = pair.first + np.flatnonzero(pair.reason[pair.first :] == "")
    width = len(pair.sectors)

    def cells(values: np.ndarray) -> np.ndarray:
        chosen: np.ndarray = 100.0 * values[days].reshape(-1)
        return chosen

    return pd.DataFrame(
        {
            "pair_id": pair.pair_id,
            "session_date": np.repeat(pair.sessions[days], width),
            "sector_fund": np.tile(np.array(pair.sectors, dtype=object), len(days)),
            "base_sector_weight_pct": cells(pair.base.weights),
            "quote_sector_weight_pct": cells(pair.quote.weights),
            "sector_return_pct": cells(pair.sector_returns),
            "sector_allocation_pp": cells(pair.effects.by_sector),
        }
    )[list(COLUMNS)]
