"""The spread of a pair split into what the weights of its sectors explain and the rest, by window.

In: what `transforms.lib.pair_attribution` reads. Out: one row per pair, window and session from the first
session for which both funds have a report. A window of one session is Brinson and Fachler's split, longer
ones are linked after Cariño (`transforms.lib.sector_attribution`).

Why totals and sectors are two marts: a total has windows, dates, coverage and a reason, of which a sector has
none, and a chart of a pair wants one row per session. Caveat: sector ETFs hold large companies, so
within_sector_pp contains the effect of size; it says nothing of anybody's choice of shares.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd

from transforms.lib.pair_attribution import PairSectors, pair_sectors
from transforms.lib.sector_attribution import linked

WINDOWS_SESSIONS = (1, 5, 21, 63)
COLUMNS = (
    "pair_id",
    "window_sessions",
    "session_date",
    "base_total_return_pct",
    "quote_total_return_pct",
    "total_return_spread_pp",
    "allocation_pp",
    "within_sector_pp",
    "base_report_date",
    "quote_report_date",
    "base_report_age_days",
    "quote_report_age_days",
    "base_coverage_pct",
    "quote_coverage_pct",
    "attribution_unknown_reason",
)


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per pair_id, window_sessions and session_date, in that order."""
    frames = [_window(pair, window) for pair in pair_sectors(con) for window in WINDOWS_SESSIONS]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(COLUMNS))


def _window(pair: PairSectors, window: int) -> pd.DataFrame:
    base, quote, effects = pair.base, pair.quote, pair.effects
    base_return, quote_return, allocation = linked(base.returns, quote.returns, effects.allocation, window)
    _, _, within = linked(base.returns, quote.returns, effects.within, window)
    reason = pair.reason
    if window == 1:
        # As they are: the factors of one day cancel only up to rounding.
        base_return, quote_return = base.returns, quote.returns
        allocation, within = effects.allocation, effects.within
    else:
        priced = np.isfinite(base_return) & np.isfinite(quote_return)
        reason = np.where(np.isfinite(allocation), "", np.where(priced, "sessions_missing", "price_missing"))
    first = window == 1
    return pd.DataFrame(
        {
            "pair_id": pair.pair_id,
            "window_sessions": np.int32(window),
            "session_date": pair.sessions,
            "base_total_return_pct": 100.0 * base_return,
            "quote_total_return_pct": 100.0 * quote_return,
            "total_return_spread_pp": 100.0 * (base_return - quote_return),
            "allocation_pp": 100.0 * allocation,
            "within_sector_pp": 100.0 * within,
            "base_report_date": base.report_date,
            "quote_report_date": quote.report_date,
            "base_report_age_days": base.age_days.astype(np.int32),
            "quote_report_age_days": quote.age_days.astype(np.int32),
            "base_coverage_pct": 100.0 * base.coverage if first else np.nan,
            "quote_coverage_pct": 100.0 * quote.coverage if first else np.nan,
            "attribution_unknown_reason": [str(text) if text else None for text in reason],
        }
    )[list(COLUMNS)].iloc[pair.first :]
