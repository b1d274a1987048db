"""Which served prices of a symbol cannot be what they say, judged beside the prices held before them.

In: served rows of `raw.equity_prices` and the held ones around them. Out: per row what the rules of
`expectations/raw/equity_prices.yml` compare with, and the symbols that are refused whole. The mathematics is
in `transforms/lib/price_steps.py` and `transforms/lib/dividend_basis.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import numpy as np
import pandas as pd

from transforms.lib.dividend_basis import oversized_dividends
from transforms.lib.price_steps import find_levels, judge_splits, on_one_basis, price_factors

PRICES = ["open", "high", "low", "close"]
BARS = [*PRICES, "adj_close", "previous_adj_close", "dividend", "split"]
# Rows of one day are one bar served twice when these agree.
TWIN_COLUMNS = [*PRICES, "dividend", "split"]
# A close may lie so far beyond high or low: vendors round, and add late trades to the close alone.
BEYOND_RANGE = 0.005
# A high of more than so many times open and close, or a low of less than such a part of both, was never
# traded. At the most it was 2.1 times and a 2.5th in 2000-2026 (KEY 2009-04-09; the funds of 2010-05-06).
HIGHEST_HIGH, LOWEST_LOW = 3.0, 1 / 9
# Held bars before the first changed one that are judged with it.
CONTEXT_BARS = 150


def held_bars(connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame) -> pd.DataFrame:
    """The latest versions that are held of the served symbols, from half a year before the first served
    day.
    """
    connection.register("served_rows", rows[["symbol", "session_date"]])
    try:
        return connection.execute(
            f"""
            with served as (
                select symbol::varchar as symbol, min(session_date)::date - 250 as first_date
                from served_rows
                group by all
            )

            select prices.symbol, prices.session_date, {", ".join(f"prices.{name}" for name in BARS)}
            from raw.equity_prices as prices
            inner join served
                on prices.symbol = served.symbol and prices.session_date >= served.first_date
            qualify
                row_number() over (
                    partition by prices.symbol, prices.session_date order by prices.known_at_utc desc
                ) = 1
            order by prices.symbol, prices.session_date
            """
        ).df()
    finally:
        connection.unregister("served_rows")


def without_unknown_prices(rows: pd.DataFrame) -> pd.DataFrame:
    """Open, high and low of 0 mean not known: some vendors write 0 where they have only the close."""
    return rows.assign(**{name: rows[name].where(rows[name] != 0) for name in ("open", "high", "low")})


def row_context(
    rows: pd.DataFrame, changed: pd.DataFrame, held: pd.DataFrame, accepted: frozenset[str]
) -> pd.DataFrame:
    """Per served row what the rules compare with.

    Args:
        rows: served rows with `_is_nyse_session`.
        changed: those of them that are judged beside their neighbours.
        held: from `held_bars`.
        accepted: symbols whose last bars do not wait for the next ones.

    Returns:
        The rows with `_close_is_in_range`, `_range_is_possible`, `_served_again`, `_served_differently`,
        `_jumps_back` and `_waits`.
    """
    in_range = closes_in_range(rows)
    again, differently = _twins(rows)
    jumps_back = pd.Series(False, index=rows.index)
    waits = pd.Series(False, index=rows.index)
    usable = (in_range & ~differently & ~again)[changed.index]
    for symbol, bars in _changed_bars(changed.assign(_usable=usable), held):
        levels = find_levels(on_one_basis(bars, price_factors(len(bars), judge_splits(bars))))
        served = bars["_row"].notna().to_numpy()
        jumps_back.loc[pd.Index(bars.loc[levels.left_out & served, "_row"].astype("int64"))] = True
        if symbol not in accepted:
            waiting = levels.waiting & served & ~_is_held(bars)
            waits.loc[pd.Index(bars.loc[waiting, "_row"].astype("int64"))] = True
    return rows.assign(
        _close_is_in_range=in_range,
        _range_is_possible=_possible_ranges(rows),
        _served_again=again,
        _served_differently=differently,
        _jumps_back=jumps_back,
        _waits=waits,
    )


def closes_in_range(rows: pd.DataFrame) -> pd.Series:
    """Whether the close lies between high and low, but for what vendors round; what is not known is not
    judged.
    """
    close = rows["close"]
    return ~((close > rows["high"] * (1 + BEYOND_RANGE)) | (close < rows["low"] * (1 - BEYOND_RANGE)))


def _possible_ranges(rows: pd.DataFrame) -> pd.Series:
    """Whether high and low are of the same order as open and close; what is not known is not judged."""
    traded = rows[["open", "close"]]
    return ~(
        (rows["high"] > HIGHEST_HIGH * traded.max(axis=1)) | (rows["low"] < LOWEST_LOW * traded.min(axis=1))
    )


def contradictions(rows: pd.DataFrame, held: pd.DataFrame) -> dict[str, str]:
    """Symbols that cannot be used as a whole, with the sentence; what is held already is not judged again.

    Args:
        rows: served rows with `_is_nyse_session`.
        held: from `held_bars`.
    """
    found: dict[str, str] = {}
    for symbol, bars in _changed_bars(rows.assign(_usable=True), held):
        known = _is_held(bars)
        known = known & np.concatenate([[True], known[:-1]])
        days = bars["session_date"].dt.date
        verdicts = judge_splits(bars)
        for entry in verdicts:
            if entry.verdict == "contradicted" and not known[entry.row]:
                found[symbol] = _split_sentence(symbol, days.iloc[entry.row], entry.ratio, entry.step)
        scaled = on_one_basis(bars, price_factors(len(bars), verdicts))
        events = {entry.row for entry in verdicts}
        for row in find_levels(scaled).jumps:
            if not known[row] and row not in events:
                step = scaled["close"].iloc[row] / scaled["close"].iloc[row - 1]
                found.setdefault(
                    symbol,
                    f"prices/{symbol}: close steps by the factor {step:.4g} on {days.iloc[row]} and stays"
                    " there, which no split in the source explains. The prices before and after are not on"
                    " one basis; nothing of the symbol is loaded. If it was a split, write it into the column"
                    " split of that day.",
                )
        large = [row for row in oversized_dividends(bars) if not known[row]]
        if large:
            row = large[-1]
            found.setdefault(
                symbol,
                f"prices/{symbol}: the dividend of {bars['dividend'].iloc[row]:g} on {days.iloc[row]} is"
                f" {100 * bars['dividend'].iloc[row] / bars['close'].iloc[row - 1]:.0f} % of the close"
                " before, which did not fall by it; dividends may be in cents or of before a split, and there"
                " is no adj_close to tell. Nothing of the symbol is loaded.",
            )
    return found


def good_rows(rows: pd.DataFrame, broken: pd.Series) -> pd.DataFrame:
    """The rows that broke no rule; where the row before one of them is broken, `previous_adj_close` is the
    adjusted close of the last good row of the payload.
    """
    ordered = rows.sort_values("session_date", kind="stable")
    bad = broken.reindex(ordered.index).astype(bool)
    keys = [ordered["symbol"], ordered["payload_sha256"]]
    behind_broken = bad.groupby(keys).shift(1, fill_value=False).reindex(rows.index)
    good = ordered[~bad]
    before = good.groupby(["symbol", "payload_sha256"])["adj_close"].shift(1).reindex(rows.index)
    return rows.assign(previous_adj_close=rows["previous_adj_close"].where(~behind_broken, before))[~broken]


def _twins(rows: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Rows of a day that is served twice: those to leave out where the prices agree (the largest volume is
    kept, the others may be of an unfinished day), and all of them where they do not.
    """
    again, differently = (pd.Series(False, index=rows.index) for _ in range(2))
    double = rows[rows.duplicated(["symbol", "session_date"], keep=False)]
    for _, twins in double.groupby(["symbol", "session_date"]):
        if len(twins.drop_duplicates(TWIN_COLUMNS)) > 1:
            differently[twins.index] = True
        else:
            largest = twins["volume"].fillna(-1).argmax()
            again[np.delete(twins.index.to_numpy(), largest)] = True
    return again, differently


def _changed_bars(rows: pd.DataFrame, held: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Per symbol with a bar that is not held as served: its bars by day, served before held, from some bars
    before the first changed one. `_row` is the index of the served row, `_held_close` what is held of it.
    """
    usable = rows[rows["_usable"] & rows["_is_nyse_session"] & (rows["close"] > 0) & (rows["close"] < np.inf)]
    usable = usable.drop_duplicates(["symbol", "session_date"])
    held_by_symbol = dict(iter(held.groupby("symbol")))
    for symbol, served in usable.groupby("symbol"):
        before = held_by_symbol.get(symbol, held.head(0))
        served = served.assign(
            _row=served.index,
            _held_close=served["session_date"].map(before.set_index("session_date")["close"]),
        )
        unserved = before[~before["session_date"].isin(served["session_date"])]
        bars = pd.concat(
            [served, unserved.assign(_held_close=unserved["close"])] if len(unserved) else [served]
        )
        bars = bars.sort_values("session_date").reset_index(drop=True)
        changed = np.flatnonzero(~_is_held(bars))
        if len(changed):
            yield str(symbol), bars.iloc[max(changed[0] - CONTEXT_BARS, 0) :].reset_index(drop=True)


def _is_held(bars: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.asarray((bars["close"] == bars["_held_close"]).to_numpy())


def _split_sentence(symbol: str, day: object, ratio: float, step: float) -> str:
    turned = abs(np.log(step / ratio)) < 0.15
    hint = f" It may be written the wrong way round: {1 / ratio:g} instead of {ratio:g}." if turned else ""
    return (
        f"prices/{symbol}: the split of {ratio:g} for 1 on {day} does not agree with close, which steps by"
        f" the factor {step:.4g}; it should step by {1 / ratio:.4g}, or not at all where the prices"
        f" before are restated.{hint} Nothing of the symbol is loaded."
    )
