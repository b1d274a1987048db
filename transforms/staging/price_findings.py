"""What the served prices of a symbol contradict in themselves, and how they are used.

In: raw.equity_prices within the cut-off (symbol, session_date), ref.calendar, ref.instruments. Out: one row
per finding. staging.equity_prices applies them; raw keeps what was served. The mathematics is in
transforms/lib/price_steps.py and transforms/lib/dividend_basis.py; transforms/lib/price_screen.py says of all
symbols at once which of them have to be looked at.

A step that no market made waits at the end of a symbol's prices, as it does before load: where raw goes on
behind the session it was judged with bars that are later than the session, so it is left out here; where raw
ends there it was accepted, and is used with a warning.

Caveat: what a source corrects later is a new version in raw, and the finding is gone with the next build.
"""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import pandas as pd

from transforms.lib.dividend_basis import USES_ADJUSTED, disagreements
from transforms.lib.price_screen import Bars, symbols_to_look_at
from transforms.lib.price_steps import (
    NEVER_SPLIT,
    BoolArray,
    SplitVerdict,
    find_levels,
    judge_splits,
    on_one_basis,
    price_factors,
    small_split_steps,
)
from transforms.lib.session_grid import float_column

COLUMNS = [
    "symbol",
    "session_date",
    "finding",
    "treatment",
    "price_factor",
    "adj_close_factor",
    "explanation",
]
PRICES = ("open", "high", "low", "close", "adj_close", "previous_adj_close", "dividend", "split")
SERVED = """
    from pipeline.raw.equity_prices as prices
    inner join ref.calendar as calendar
        on prices.session_date = calendar.calendar_date and calendar.is_nyse_session
    inner join instruments on prices.symbol = instruments.symbol
    where prices.available_at_utc <= getvariable('cutoff_utc')
"""
INSTRUMENTS = """
    with instruments as (
        select symbol, price_basis, row_number() over (order by symbol) as code from ref.instruments
    )
"""
# Unsorted and with every version: most of it is in order already, which a sort of numbers is quick to see.
ALL_BARS = f"""
    {INSTRUMENTS}
    select
        instruments.code, date_diff('day', date '1970-01-01', prices.session_date) as day,
        prices.known_at_utc, prices.open, prices.high, prices.low, prices.close, prices.adj_close,
        prices.previous_adj_close, prices.dividend, prices.split, hash(prices.payload_sha256) as payload,
        instruments.price_basis = 'fully_adjusted' as fully_adjusted,
        prices.symbol = '{NEVER_SPLIT}' as never_split
    {SERVED}
"""
BARS = f"""
    {INSTRUMENTS}
    select
        prices.symbol, prices.session_date, prices.open, prices.high, prices.low, prices.close,
        prices.adj_close, prices.previous_adj_close, prices.dividend, prices.split, prices.payload_sha256,
        instruments.price_basis,
        prices.symbol in (
            select later.symbol
            from pipeline.raw.equity_prices as later
            where later.session_date > getvariable('session_date')
        ) as goes_on
    {SERVED} and list_contains(?::bigint[], instruments.code)
    qualify
        row_number() over (
            partition by prices.symbol, prices.session_date order by prices.known_at_utc desc
        ) = 1
    order by prices.symbol, prices.session_date
"""
DIVIDENDS = {
    "dividend_missing": "adj_close shows a dividend of {shown:.4g} on this day, the dividend column says 0",
    "dividend_differs": "adj_close shows a dividend of {shown:.4g} on this day, the dividend column says"
    " {paid:.4g}",
    "dividend_on_another_day": "adj_close shows the dividend on another day than the dividend column",
    "close_is_fully_adjusted": "adj_close does not move beyond close on the day of the dividend of"
    " {paid:.4g}, so close contains the dividends; list the symbol under fully_adjusted in the folder's"
    " manifest.yml, or leave adj_close blank if close is not adjusted for dividends",
    "adj_close_lacks_dividend": "adj_close carries earlier dividends and lacks the one of {paid:.4g}",
    "adj_close_is_wrong": "adj_close moves beyond close by {moved:+.4g} %, as no dividend would",
}
USED = {
    True: "the total return is the ratio of the adjusted closes",
    False: "the total return is computed from close and dividend",
}


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """The findings of every symbol."""
    symbols, market = symbols_to_look_at(load_bars(con))
    bars = con.execute(BARS, [symbols.tolist()]).df()
    days = pd.Series(market, dtype="float64")
    bars["market_move"] = bars["session_date"].map(days)
    found: list[dict[str, Any]] = []
    for symbol, part in bars.groupby("symbol", sort=True):
        found += [{"symbol": symbol, **row} for row in find(part.reset_index(drop=True))]
    frame = pd.DataFrame(found, columns=COLUMNS)
    return frame.astype({"price_factor": "float64", "adj_close_factor": "float64"})


def load_bars(con: duckdb.DuckDBPyConnection) -> Bars:
    """The latest version of every bar, sorted by symbol and day."""
    rows = con.execute(ALL_BARS).fetchnumpy()
    day, known_at = np.asarray(rows["day"]), np.asarray(rows["known_at_utc"]).astype(np.int64)
    code = np.asarray(rows["code"])
    order = np.lexsort((known_at, day, code))
    code, day = code[order], day[order]
    latest = np.ones(len(order), dtype=bool)
    latest[:-1] = (code[1:] != code[:-1]) | (day[1:] != day[:-1])
    order = order[latest]
    prices = {name: float_column(rows[name])[order] for name in PRICES}
    return Bars(
        symbol=code[latest],
        day=day[latest].astype("datetime64[D]"),
        payload=np.asarray(rows["payload"])[order],
        fully_adjusted=np.asarray(rows["fully_adjusted"])[order],
        never_split=np.asarray(rows["never_split"])[order],
        **prices,
    )


def find(bars: pd.DataFrame) -> list[dict[str, Any]]:
    """The findings of one symbol, whose bars are sorted by day."""
    verdicts = judge_splits(bars)
    scaled = on_one_basis(bars, price_factors(len(bars), verdicts))
    levels = find_levels(scaled)
    splits = [_split(scaled, entry) for entry in verdicts if entry.verdict != "restated"]
    small = set(small_split_steps(scaled, bars["market_move"].to_numpy(dtype=np.float64)))
    left = np.flatnonzero(levels.left_out | levels.waiting)
    small -= {*levels.split_like, *left, *(left + 1), *(entry.row for entry in verdicts)}
    steps = [_split_like(scaled, row) for row in [*levels.split_like, *sorted(small)]]
    left_out = [
        {
            "session_date": bar.session_date,
            "finding": "bar_jumps_back",
            "treatment": "left_out",
            "explanation": f"close jumps to {bar.close:g} and the bars after it jump back",
        }
        for bar in bars[levels.left_out].itertuples()
    ]
    waits = levels.waiting & bars["goes_on"].to_numpy(dtype=bool)
    steps += _waiting(scaled, levels.waiting, waits)
    factors = pd.Series(
        {row["session_date"]: row.get("adj_close_factor", 1.0) for row in splits}, dtype="float64"
    )
    kept = scaled[~(levels.left_out | waits)].reset_index(drop=True)
    before = _previous_adj_close(kept) * kept["session_date"].map(factors).fillna(1.0)
    return [*splits, *steps, *left_out, *_dividends(kept.assign(previous_adj_close=before))]


def _split(bars: pd.DataFrame, entry: SplitVerdict) -> dict[str, Any]:
    """A split that the prices before do not carry, or of which nobody can tell."""
    day = bars["session_date"].iloc[entry.row]
    name = f"split of {entry.ratio:g} for 1"
    if entry.verdict != "not_restated":
        return _as_served(
            day,
            "split_unclear",
            f"the {name} and the step of close by the factor {entry.step:.4g} do not tell whether the prices"
            " before are restated for it; they are used as served",
        )
    return {
        "session_date": day,
        "finding": "split_not_restated",
        "treatment": "restated",
        "price_factor": 1 / entry.ratio,
        "adj_close_factor": 1 / entry.ratio if _adj_close_follows(bars, entry) else 1.0,
        "explanation": f"close steps by the factor {entry.step:.4g} at the {name}, so the prices before are"
        f" not restated for it; here they are divided by {entry.ratio:g}",
    }


def _split_like(bars: pd.DataFrame, row: int) -> dict[str, Any]:
    step = bars["close"].iloc[row] / bars["close"].iloc[row - 1]
    return _as_served(
        bars["session_date"].iloc[row],
        "split_event_missing",
        f"close steps by the factor {step:.4g} overnight, as at a split, and the source has no split on this"
        " day; if there was one, the returns over it are wrong: write it into the column split",
    )


def _waiting(bars: pd.DataFrame, waiting: BoolArray, left_out: BoolArray) -> list[dict[str, Any]]:
    """The last bars, behind a step that no market made; those that were accepted are named once."""
    rows = [int(row) for row in np.flatnonzero(waiting)]
    if not rows:
        return []
    if not left_out.any():
        return [_split_like(bars, rows[0])]
    step = bars["close"].iloc[rows[0]] / bars["close"].iloc[rows[0] - 1]
    return [
        {
            "session_date": bars["session_date"].iloc[row],
            "finding": "bar_waits",
            "treatment": "left_out",
            "explanation": f"close steps by the factor {step:.4g} on"
            f" {bars['session_date'].iloc[rows[0]].date()}, for which the source has no split; the bar"
            " waits for the next sessions to show whether one comes or the prices jump back",
        }
        for row in rows
    ]


def _dividends(bars: pd.DataFrame) -> list[dict[str, Any]]:
    if (bars["price_basis"] == "fully_adjusted").all():
        # Its total return is the ratio of the adjusted closes whatever the dividend column says.
        bars = bars.assign(dividend=np.nan)
    kinds = disagreements(bars)
    found = []
    for row in np.flatnonzero(kinds != ""):
        bar = bars.iloc[row]
        before = bars["close"].iloc[row - 1]
        moved = bar["adj_close"] / bar["previous_adj_close"] / (bar["close"] / before)
        text = DIVIDENDS[kinds[row]].format(
            shown=before * (1 - 1 / moved), paid=bar["dividend"], moved=100 * (moved - 1)
        )
        uses_adjusted = kinds[row] in USES_ADJUSTED
        found.append(
            {
                "session_date": bar["session_date"],
                "finding": kinds[row],
                "treatment": "adjusted_close" if uses_adjusted else "dividends",
                "explanation": f"{text}; {USED[uses_adjusted]}",
            }
        )
    return found


def _as_served(day: pd.Timestamp, finding: str, text: str) -> dict[str, Any]:
    return {"session_date": day, "finding": finding, "treatment": "as_served", "explanation": text}


def _previous_adj_close(bars: pd.DataFrame) -> pd.Series:
    """The adjusted close of the row before, of the same payload: a row between the two may be left out."""
    same = bars["payload_sha256"] == bars["payload_sha256"].shift(1)
    return bars["adj_close"].shift(1).where(same, bars["previous_adj_close"])


def _adj_close_follows(bars: pd.DataFrame, entry: SplitVerdict) -> bool:
    """Whether adj_close steps at the split as the served close does, so that it has to be restated too."""
    moved = bars["adj_close"].iloc[entry.row] / _previous_adj_close(bars).iloc[entry.row]
    close = bars["close"].iloc[entry.row] / bars["close"].iloc[entry.row - 1]
    return bool(abs(np.log(moved * entry.ratio / close)) < abs(np.log(moved / close)))
