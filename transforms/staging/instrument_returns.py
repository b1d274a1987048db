"""Price returns of every instrument over fixed numbers of NYSE sessions and over calendar periods.

In: staging.equity_prices (symbol, session_date), ref.calendar (one row per day). Out: one row per price row.
k sessions back is the session numbered k lower, never the k-th row back: where the symbol has no row on that
session, the return is NULL. The same holds for the closes that the calendar returns start from.

Caveat: a return reaches back a year and the days to a session, so 400 days of prices answer for a day.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd

from transforms.increment import first_day
from transforms.lib.history import FloatArray, IntArray, change_pct, lagged
from transforms.lib.price_rows import PriceRows, load_price_rows

WINDOWS_SESSIONS = (1, 5, 6, 21, 63, 126, 252)
PERIODS = ("wtd", "mtd", "1m", "qtd", "ytd")

# Sessions are numbered without gaps, so the last session of the period before is the period's first number
# less one. A month back from the 31st is the last day of a shorter month.
PERIOD_STARTS = """
    with last_sessions as (
        select
            calendar_date, session_number,
            max(session_number) over (order by calendar_date rows unbounded preceding) as last_session_number
        from ref.calendar
    )
    select
        min(days.session_number) over (partition by date_trunc('week', days.calendar_date)) - 1 as wtd,
        min(days.session_number) over (partition by date_trunc('month', days.calendar_date)) - 1 as mtd,
        coalesce(month_ago.last_session_number, 0) as "1m",
        min(days.session_number) over (partition by date_trunc('quarter', days.calendar_date)) - 1 as qtd,
        min(days.session_number) over (partition by date_trunc('year', days.calendar_date)) - 1 as ytd
    from last_sessions as days
    left join last_sessions as month_ago
        on month_ago.calendar_date = cast(days.calendar_date - interval 1 month as date)
    where days.session_number is not null
    qualify days.session_number between ? and ?
    order by days.session_number
"""


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per symbol and session with a price, in that order."""
    prices = load_price_rows(con, ["close"])
    starts = _period_starts(con, prices)
    since = first_day(con)
    first = 0 if since is None else int(np.searchsorted(prices.dates, np.datetime64(since, "s")))
    asked = np.flatnonzero(prices.session >= first)
    names = [f"return_{window}d_pct" for window in WINDOWS_SESSIONS]
    names += [*(f"return_{period}_pct" for period in PERIODS), "momentum_12_1_pct"]
    answers = {name: np.empty(len(asked)) for name in names}
    for block in prices.blocks():
        place = slice(*np.searchsorted(asked, [block.rows.start, block.rows.stop]))
        within = asked[place] - block.rows.start
        session, column = block.session[within], block.column[within]
        for name, grid in _returns(block.grid(prices.columns["close"]), starts).items():
            answers[name][place] = grid[session, column]
    number = (prices.first_number + prices.session[asked]).astype(np.int32)
    return pd.DataFrame({**prices.keys(asked), "session_number": number, **answers})


def _returns(closes: FloatArray, starts: dict[str, IntArray]) -> dict[str, FloatArray]:
    """Every return on a grid of sessions x symbols, by column."""
    with np.errstate(divide="ignore", invalid="ignore"):
        to_date = {
            f"return_{period}_pct": 100.0 * (closes / _at(closes, rows) - 1.0)
            for period, rows in starts.items()
        }
        momentum = 100.0 * (lagged(closes, 21) / lagged(closes, 252) - 1.0)
    return {
        **{f"return_{window}d_pct": change_pct(closes, window) for window in WINDOWS_SESSIONS},
        **to_date,
        "momentum_12_1_pct": momentum,
    }


def _at(closes: FloatArray, rows: IntArray) -> FloatArray:
    """The closes of other sessions; NaN where a row is before the first one."""
    return np.where((rows >= 0)[:, np.newaxis], closes[np.maximum(rows, 0)], np.nan)


def _period_starts(con: duckdb.DuckDBPyConnection, prices: PriceRows) -> dict[str, IntArray]:
    """By period the row of the session that each session's return starts from; negative before the first."""
    last_number = prices.first_number + len(prices.dates) - 1
    rows = con.execute(PERIOD_STARTS, [prices.first_number, last_number]).fetchnumpy()
    return {period: np.asarray(rows[period], dtype=np.int64) - prices.first_number for period in PERIODS}
