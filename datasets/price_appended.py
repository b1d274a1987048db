"""Symbols whose new bars go on as a market does, told for all symbols at once.

In: the new bars of grown files and the bars before them. Out: the symbols in whose bars
`transforms.lib.price_steps` and `transforms.lib.dividend_basis` certainly find nothing: no split event, no
dividend that the price would show, no bar on a level of its own, no step far beyond the symbol's usual moves.
The same mathematics as there, on a table with a column per symbol. A symbol that is not among them is judged
there, with all of its bars.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datasets.price_quality import PRICES, closes_in_range, contradictions, row_context
from transforms.lib.dividend_basis import VISIBLE_YIELD
from transforms.lib.price_steps import LONGEST_GAP, far_steps, islands, usual_moves

FloatArray = NDArray[np.float64]


def plain_symbols(rows: pd.DataFrame, accepted: frozenset[str]) -> set[str]:
    """The symbols in whose bars nothing is found, also where something had to be looked at.

    Args:
        rows: as for `calm_symbols`, with `_is_new` and what `datasets.price_quality` reads.
        accepted: symbols whose last bars do not wait for the next ones.
    """
    calm = calm_symbols(rows)
    others = rows[~rows["symbol"].isin(calm)]
    if others.empty:
        return calm
    held = others[~others["_is_new"]]
    context = row_context(others, others, held, accepted)
    found = context["_jumps_back"] | context["_waits"] | ~context["_close_is_in_range"]
    odd = set(others.loc[found | ~others["_is_nyse_session"], "symbol"]) | contradictions(others, held).keys()
    return calm | (set(others["symbol"]) - odd)


def calm_symbols(rows: pd.DataFrame) -> set[str]:
    """The symbols with nothing in their bars that has to be looked at.

    Args:
        rows: of every symbol the new bars and those before them, by symbol and ascending day, one per day,
            with `_is_nyse_session`.
    """
    usable = rows["_is_nyse_session"] & (rows["close"] > 0) & (rows["close"] < np.inf) & closes_in_range(rows)
    has_split = (rows["split"] > 0) & (rows["split"] != 1)
    odd = set(rows.loc[~usable | has_split, "symbol"])
    rows = rows[~rows["symbol"].isin(odd)]
    if rows.empty:
        return set()
    symbols = rows["symbol"].unique()
    from_end = rows.groupby("symbol", sort=False).cumcount(ascending=False).to_numpy()
    place = from_end.max() - from_end, pd.Index(symbols).get_indexer(rows["symbol"])
    bars = {name: _wide(rows[name], place) for name in (*PRICES, "dividend")}
    days = np.full(bars["close"].shape, np.datetime64("NaT"), dtype="datetime64[D]")
    days[place] = rows["session_date"].to_numpy().astype("datetime64[D]")
    close = bars["close"]
    with np.errstate(divide="ignore", invalid="ignore"):
        moves = np.diff(np.log(close), axis=0)
        paid = bars["dividend"][1:] / close[:-1]
    moves[np.diff(days, axis=0) > LONGEST_GAP] = 0.0
    returns = np.vstack([np.full(len(symbols), np.nan), moves])
    # The first bar of a symbol has no move; it counts as one of nothing.
    returns[np.isnan(returns) & ~np.isnan(close)] = 0.0
    usual = usual_moves(returns, ahead=True)
    prices = np.stack([bars[name] for name in PRICES], axis=-1)
    found = islands(prices, returns, usual) | far_steps(bars["open"], close, returns, usual)
    found[1:] |= paid > VISIBLE_YIELD
    return set(symbols[~found.any(axis=0)])


def _wide(values: pd.Series, place: tuple[NDArray[np.int64], NDArray[np.int64]]) -> FloatArray:
    """A row per bar counted from the last one, a column per symbol; NaN before a symbol's first bar."""
    table = np.full((int(place[0].max()) + 1, int(place[1].max()) + 1), np.nan)
    table[place] = values.to_numpy(dtype=np.float64)
    return table
