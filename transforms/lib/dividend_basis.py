"""Whether close, adj_close and dividend of one symbol say the same, and what to use where they do not.

In: the bars of one symbol on one basis, sorted by day: close, adj_close, previous_adj_close (of the same
payload), dividend. Out: per row the kind of disagreement, or ''.

Where all three are right, adj_close grows beyond close on an ex-day by the dividend and on no other day:
`1 - (close / close before) / (adj_close / adj_close before) = dividend / close before`. On the recorded
market of 2000-2026 the two sides differ by 0.0003 percentage points at the most.

Caveat: adj_close is believed where it moves beyond close as a dividend would. A column that only repeats the
close looks like closes that are adjusted for dividends already; such a file leaves adj_close blank.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
TextArray = NDArray[np.object_]

# Kinds after which the ratio of adjusted closes is the total return; after the others it is the dividend.
USES_ADJUSTED = frozenset(
    {"dividend_missing", "dividend_differs", "dividend_on_another_day", "close_is_fully_adjusted"}
)
# A dividend is found on another day within so many rows.
DISPLACED_ROWS = 5
LARGEST_YIELD = 0.5
# A dividend of such a share of the price shows in the price.
VISIBLE_YIELD = 0.05


@dataclass(frozen=True)
class DividendColumns:
    """What is compared, row by row; NaN where a value is not known.

    Attributes:
        close_before: of the symbol's row before.
        adjusted_before: the adjusted close of the row before, of the same payload.
        close_rounding: half of the last decimal of the symbol's closes, by row or one for all.
        adjusted_rounding: likewise of the adjusted closes.
    """

    close: FloatArray
    close_before: FloatArray
    adjusted: FloatArray
    adjusted_before: FloatArray
    dividend: FloatArray
    close_rounding: FloatArray
    adjusted_rounding: FloatArray


def disagreements(bars: pd.DataFrame) -> TextArray:
    """The kind of disagreement of each row.

    Returns:
        '' where the three agree or one is not known, else
        `dividend_missing`: adj_close shows a dividend, the column says 0;
        `dividend_differs`: both show one, of different size;
        `dividend_on_another_day`: both show the same one on days near each other;
        `close_is_fully_adjusted`: adj_close never moves beyond close up to here, so close contains the
        dividends;
        `adj_close_lacks_dividend`: adj_close carried earlier dividends and lacks this one;
        `adj_close_is_wrong`: adj_close moves beyond close as no dividend would.
    """
    columns = _columns(bars)
    shown, paid, tolerance = _yields(columns)
    known = np.isfinite(shown) & np.isfinite(paid)
    kinds = np.full(len(bars), "", dtype=object)
    off = differing_rows(columns)
    if not off.any():
        return kinds
    wrong = off & ((shown < -tolerance) | (shown > LARGEST_YIELD))
    wrong |= off & _taken_back(shown, tolerance)
    has_paid, has_shown = paid > 0, shown > tolerance
    kinds[off & has_shown & ~has_paid] = "dividend_missing"
    kinds[off & has_shown & has_paid] = "dividend_differs"
    carried = np.concatenate([[False], np.logical_or.accumulate(known & has_shown & ~wrong)[:-1]])
    lacking = off & has_paid & ~has_shown
    kinds[lacking & ~carried] = "close_is_fully_adjusted"
    kinds[lacking & carried] = "adj_close_lacks_dividend"
    kinds[wrong] = "adj_close_is_wrong"
    _match_displaced(kinds, lacking & ~wrong, shown, paid, tolerance)
    return kinds


def oversized_dividends(bars: pd.DataFrame) -> list[int]:
    """Rows with a dividend that the price would have shown and did not, where no adj_close can correct it:
    dividends in cents, or on the count of shares before a split.
    """
    close, dividend = _column(bars, "close"), _column(bars, "dividend")
    before = np.concatenate([[np.nan], close[:-1]])
    with np.errstate(divide="ignore", invalid="ignore"):
        paid, total = dividend / before, (close + dividend) / before - 1
    unchecked = ~np.isfinite(_yields(_columns(bars))[0])
    return [int(row) for row in np.flatnonzero(unchecked & (paid > VISIBLE_YIELD) & (total > 0.75 * paid))]


def differing_rows(columns: DividendColumns) -> NDArray[np.bool_]:
    """Rows on which close, adj_close and dividend do not say the same."""
    shown, paid, tolerance = _yields(columns)
    known = np.isfinite(shown) & np.isfinite(paid)
    # Vendors divide either by 1 - yield or multiply by 1 + yield: the two differ where a dividend is large.
    apart = np.minimum(np.abs(shown - paid), np.abs(shown - paid / (1 + paid)))
    # Where adj_close repeats the close, as on the row before, rounding cannot hide the dividend.
    same = (columns.close == columns.adjusted) & (columns.close_before == columns.adjusted_before)
    off: NDArray[np.bool_] = known & ((apart > tolerance + 0.05 * paid) | ((paid > 0) & same))
    return off


def rounding_errors(values: FloatArray, starts: NDArray[np.int64]) -> FloatArray:
    """Half of the last decimal that the values of each part are written with; 0 unless it is the second to
    fourth.

    Args:
        values: NaN = no value.
        starts: the place of the first value of each part, rising from 0; no part is empty.
    """
    errors = np.zeros(len(starts))
    known = np.logical_or.reduceat(np.isfinite(values), starts)
    for decimals in (4, 3, 2):
        longer = np.abs(values - np.round(values, decimals)) >= 1e-9
        errors[known & ~np.logical_or.reduceat(longer, starts)] = 0.5 * 10**-decimals
    return errors


def _columns(bars: pd.DataFrame) -> DividendColumns:
    close, adjusted = _column(bars, "close"), _column(bars, "adj_close")
    start = np.zeros(min(len(bars), 1), dtype=np.int64)
    return DividendColumns(
        close=close,
        close_before=np.concatenate([[np.nan], close[:-1]])[: len(close)],
        adjusted=adjusted,
        adjusted_before=_column(bars, "previous_adj_close"),
        dividend=_column(bars, "dividend"),
        close_rounding=rounding_errors(close, start),
        adjusted_rounding=rounding_errors(adjusted, start),
    )


def _yields(columns: DividendColumns) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Per row: the dividend yield that adj_close shows, the one of the column, and by how much they may
    differ because of rounding.
    """
    close, before = columns.close, columns.close_before
    adjusted, adjusted_before = columns.adjusted, columns.adjusted_before
    with np.errstate(divide="ignore", invalid="ignore"):
        shown = 1 - (close / before) / (adjusted / adjusted_before)
        paid = columns.dividend / before
        tolerance = (
            1e-4
            + columns.adjusted_rounding * (1 / adjusted + 1 / adjusted_before)
            + columns.close_rounding * (1 / close + 1 / before)
            + 0.0006 / before
        )
    return shown, paid, tolerance


def _taken_back(shown: FloatArray, tolerance: FloatArray) -> NDArray[np.bool_]:
    """Rows of one wrong adj_close: it moves away from close and back on the next row."""
    away = np.zeros(len(shown), dtype=bool)
    if len(shown) > 1:
        moves = -np.log1p(-np.clip(shown, -1e6, 1 - 1e-9))
        left = np.abs(moves[:-1] + moves[1:])
        pair = (
            (np.abs(shown[:-1]) > tolerance[:-1])
            & (np.abs(shown[1:]) > tolerance[1:])
            & (left < 0.1 * np.abs(moves[:-1]) + tolerance[1:])
        )
        away[:-1] |= pair
        away[1:] |= pair
    return away


def _match_displaced(
    kinds: TextArray,
    lacking: NDArray[np.bool_],
    shown: FloatArray,
    paid: FloatArray,
    tolerance: FloatArray,
) -> None:
    """Mark the dividends that adj_close shows some rows before or after the day of the column."""
    for row in map(int, np.flatnonzero(lacking)):
        low, high = max(row - DISPLACED_ROWS, 0), min(row + DISPLACED_ROWS + 1, len(kinds))
        fitting = [
            other
            for other in range(low, high)
            if kinds[other] == "dividend_missing"
            and abs(shown[other] - paid[row]) < tolerance[row] + tolerance[other] + 0.1 * paid[row]
        ]
        if fitting:
            nearest = min(fitting, key=lambda other: abs(other - row))
            kinds[row] = kinds[nearest] = "dividend_on_another_day"


def _column(bars: pd.DataFrame, name: str) -> FloatArray:
    return bars[name].to_numpy(dtype=np.float64)
