"""Portfolios formed on size in a simulated market, as the zip with one CSV that the publisher offers.

In: the simulated market and the day on which the file is served. Out: the bytes of the zip. From the first
whole month of the simulated indices on, small shares follow `^RUT` and large ones `^GSPC`, with a difference
of their own; before, since July 1926, both are drawn. A month is served from `PUBLISHED_AFTER` days after its
end on. The numbers are made up: nothing of the past can be learned from them.
"""

from __future__ import annotations

import io
import zipfile
from datetime import date

import numpy as np
import pandas as pd

from sources.simulated_market.arrays import Floats, Streams
from sources.simulated_market.market import SimulatedMarket

SEED = 19260731
PUBLISHED_AFTER = pd.Timedelta(days=36)
FIRST_MONTH, LAST_MONTH = pd.Period("1926-07", "M"), pd.Period("2099-12", "M")
SMALL_INDEX, LARGE_INDEX = "^RUT", "^GSPC"
INPUT = "Portfolios_Formed_on_ME"
HEADER = (
    ",<= 0,Lo 30,Med 40,Hi 30,Lo 20,Qnt 2,Qnt 3,Qnt 4,Hi 20,Lo 10,"
    "Dec 2,Dec 3,Dec 4,Dec 5,Dec 6,Dec 7,Dec 8,Dec 9,Hi 10"
)
# How large the shares of each portfolio are: 0 the smallest, 1 the largest; NaN: not used.
SIZES = np.array(
    [
        np.nan,
        0.1,
        0.55,
        0.98,
        0.06,
        0.3,
        0.5,
        0.7,
        0.99,
        0.0,
        0.15,
        0.25,
        0.35,
        0.45,
        0.55,
        0.65,
        0.75,
        0.88,
        1.0,
    ]
)
NOTES = """This file was made up: a simulated market in the layout of the publisher's file.  It contains
value- and equal-weighted returns for size portfolios.  Each record contains returns for:

Negative (not used)  30%  40%  30%     5 Quintiles    10 Deciles

Missing data are indicated by -99.99 or -999.
"""


def size_portfolios_zip(market: SimulatedMarket, item: str, end: date) -> bytes:
    """The zip as served on a day.

    Raises:
        KeyError: there is no such file.
    """
    if item != INPUT:
        raise KeyError(item)
    last = (pd.Timestamp(end) - PUBLISHED_AFTER).to_period("M")
    # The month of that day is not over unless the day is its last.
    if (pd.Timestamp(end) - PUBLISHED_AFTER).normalize() < last.end_time.normalize():
        last -= 1
    months = pd.period_range(FIRST_MONTH, last, freq="M")
    small, large = _small_and_large(market, months, end)
    value = _portfolios(small, large, "value")
    equal = _portfolios(small, large, "equal") + 0.12 * (1.0 - SIZES)
    names = [f"{month:%Y%m}" for month in months]
    years, yearly = _by_year(months, value)
    _, yearly_equal = _by_year(months, equal)
    firms = np.broadcast_to(np.round(200.0 + 900.0 * (1.0 - SIZES) ** 4), value.shape)
    mean_size = np.broadcast_to(np.round(20.0 * np.exp(7.0 * SIZES), 2), value.shape)
    parts = [
        NOTES,
        _block("  Value Weight Returns -- Monthly", names, value),
        _block("  Equal Weight Returns -- Monthly", names, equal),
        _block("  Value Weight Returns -- Annual from January to December", years, yearly),
        _block("  Equal Weight Returns -- Annual from January to December", years, yearly_equal),
        _block("  Number of Firms in Portfolios", names, firms),
        _block("  Average Firm Size", names, mean_size),
    ]
    text = "\n\n".join(parts) + "\n\nMade up; nobody's copyright\n"
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_STORED) as archive:
        # With a date of its own the same content would be other bytes each time.
        archive.writestr(zipfile.ZipInfo(f"{INPUT}.csv"), text.replace("\n", "\r\n"))
    return held.getvalue()


def _small_and_large(market: SimulatedMarket, months: pd.PeriodIndex, end: date) -> tuple[Floats, Floats]:
    """Monthly returns of the smallest and the largest shares in per cent."""
    # All months at once, so that those that are served do not hang on how many there are.
    count = (LAST_MONTH - FIRST_MONTH).n + 1
    draws = Streams(SEED).stream("small and large").standard_normal((4, count))[:, : len(months)]
    small, large = 0.9 + 5.0 * draws[0] + 4.0 * draws[1], 0.75 + 4.6 * draws[0]
    for place, symbol, own in ((small, SMALL_INDEX, 1.1 * draws[2]), (large, LARGE_INDEX, 0.6 * draws[3])):
        index = _monthly_returns(market, symbol, end).reindex(months).to_numpy()
        known = np.isfinite(index)
        # The indices are without dividends.
        place[known] = index[known] + 0.12 + own[known]
    return np.maximum(small, -60.0), np.maximum(large, -60.0)


def _monthly_returns(market: SimulatedMarket, symbol: str, end: date) -> pd.Series:
    """Price returns of an index by month in per cent; none where the market has no such index."""
    try:
        content = market.prices_csv(symbol, date(1926, 7, 1), end)
    except KeyError:
        return pd.Series(dtype="float64", index=pd.PeriodIndex([], freq="M"))
    rows = pd.read_csv(io.BytesIO(content), usecols=["date", "close"], parse_dates=["date"]).dropna()
    closes = rows.groupby(rows["date"].dt.to_period("M"))["close"].last()
    return 100.0 * (closes / closes.shift(1) - 1.0)


def _portfolios(small: Floats, large: Floats, purpose: str) -> Floats:
    """Months x portfolios: between the smallest and the largest by size, with noise of their own."""
    count = (LAST_MONTH - FIRST_MONTH).n + 1
    noise = Streams(SEED).stream(purpose).standard_normal((count, len(SIZES)))[: len(small)]
    returns = np.outer(small, 1.0 - SIZES) + np.outer(large, SIZES) + 0.4 * noise
    return np.round(returns, 2)


def _by_year(months: pd.PeriodIndex, returns: Floats) -> tuple[list[str], Floats]:
    """The whole calendar years, and the compounded returns of their months."""
    rounded = np.round(returns, 2)
    years = [year for year, count in months.year.value_counts().sort_index().items() if count == 12]
    rows = [100.0 * (np.prod(1.0 + rounded[months.year == year] / 100.0, axis=0) - 1.0) for year in years]
    return [f"  {year}" for year in years], np.array(rows).reshape(-1, len(SIZES))


def _block(title: str, names: list[str], values: Floats) -> str:
    """One block as text."""
    cells = np.where(np.isfinite(values), values, -99.99).tolist()
    line = "%s," + ",".join(["%8.2f"] * len(SIZES))
    return "\n".join([title, HEADER, *(line % (name, *row) for name, row in zip(names, cells, strict=True))])
