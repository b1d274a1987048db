"""Brinson–Fachler attribution of the spread of two funds to sectors, and Cariño's linking over several days.

In: weights by sector at the open (rows are days, columns sectors, fractions of one; what is in no sector is
the last column, with a return of zero), returns of the sectors and of the two funds. Out: by day the part of
each sector, their sum and the rest. Sources: Brinson and Fachler (1985), "Measuring non-US equity portfolio
performance"; Cariño (1999), "Combining attribution effects over time".

With r_f = sum of w_s r_s + e_f for both funds: allocation_s = (w_base,s - w_quote,s) (r_s - r), where r is
the sum of w_quote,s r_s, and within = e_base - e_quote. As the weights of each fund add up to one, the sum
over s plus within is r_base - r_quote. Over several days effects do not add up to the spread of compounded
returns; each day's are weighted by k_t / k, k_t = (ln(1 + b) - ln(1 + q)) / (b - q), with the limit 1 / (1 +
b). Caveat: days and sectors are added one after another, so that no bit of a result depends on how many there
are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transforms.lib.history import FloatArray
from transforms.lib.window_sums import rolling_sums

# Below that difference of two returns the quotient is taken at its limit: it loses its digits.
SAME_RETURN = 1e-9


@dataclass(frozen=True)
class Effects:
    """Effects by day; `by_sector` has a column per sector."""

    by_sector: FloatArray
    allocation: FloatArray
    within: FloatArray


def daily_effects(
    base_weights: FloatArray,
    quote_weights: FloatArray,
    sectors: FloatArray,
    base: FloatArray,
    quote: FloatArray,
) -> Effects:
    """The effects of each day; NaN where a number is missing.

    Args:
        base_weights, quote_weights: by day and sector, each row adds up to one.
        sectors: returns by day and sector.
        base, quote: returns of the funds by day.
    """
    base_sectors = row_sums(base_weights * sectors)
    quote_sectors = row_sums(quote_weights * sectors)
    by_sector = (base_weights - quote_weights) * (sectors - quote_sectors[:, np.newaxis])
    within = (base - base_sectors) - (quote - quote_sectors)
    return Effects(by_sector, row_sums(by_sector), within)


def drifted(weights: FloatArray, growth: FloatArray) -> FloatArray:
    """Weights after growth by sector, adding up to one again.

    Args:
        weights: at the start; one row, or one per day.
        growth: by day and sector, the end's value of one invested at the start.
    """
    values = weights * growth
    shares: FloatArray = values / row_sums(values)[:, np.newaxis]
    return shares


def linked(
    base: FloatArray, quote: FloatArray, effect: FloatArray, window: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Compounded returns of both funds and the linked effect over the window that ends on each day; NaN where
    a day of it is missing.

    Args:
        base, quote, effect: by day.
        window: in days.
    """
    compounded_base, compounded_quote = _compounded(base, window), _compounded(quote, window)
    by_day = _factor(base, quote)
    over_all = _factor(compounded_base, compounded_quote)
    return compounded_base, compounded_quote, _sums(effect * by_day, window) / over_all


def _factor(base: FloatArray, quote: FloatArray) -> FloatArray:
    """(ln(1 + b) - ln(1 + q)) / (b - q), at equal returns its limit."""
    apart = base - quote
    same = np.abs(apart) < SAME_RETURN
    with np.errstate(divide="ignore", invalid="ignore"):
        quotient = (np.log1p(base) - np.log1p(quote)) / apart
        limit = 1.0 / (1.0 + 0.5 * (base + quote))
    factor: FloatArray = np.where(same, limit, quotient)
    return factor


def _compounded(returns: FloatArray, window: int) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        growth: FloatArray = np.expm1(_sums(np.log1p(returns), window))
    return growth


def _sums(values: FloatArray, window: int) -> FloatArray:
    return rolling_sums(values[:, np.newaxis], window)[:, 0]


def row_sums(values: FloatArray) -> FloatArray:
    """The sum of each row, column after column."""
    total: FloatArray = np.zeros(len(values))
    for column in range(values.shape[1]):
        total = total + values[:, column]
    return total
