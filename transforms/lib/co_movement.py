"""How two series move together and how much a spread moves: volatility that fades, beta, correlation.

In: grids sessions x series (oldest first) of one-session returns or spreads in % or pp, NaN = no value. Out:
grids of the same shape, NaN where there is no answer. Nothing looks ahead, and the answers up to row t are
the same bits whether or not later rows are appended: the recursion runs forward, and every window is summed
from its own rows in one fixed order (transforms/lib/window_sums.py).

Sources: J.P. Morgan/Reuters, RiskMetrics Technical Document (1996), for the average with fading weights and a
mean of zero; beta is the slope of least squares with an intercept.
"""

from __future__ import annotations

import numpy as np

from transforms.lib.history import FloatArray
from transforms.lib.window_sums import rolling_sums

HALF_LIFE_SESSIONS = 21
# An average of fewer sessions than its half-life is that of a few days: its inverse makes records of nothing.
LEAST_SESSIONS = 21
BETA_SESSIONS = 252
LEAST_BETA_OBSERVATIONS = 200
YEAR_SESSIONS = 252
# What is left of a variance that is zero, as a share of the mean square.
NEGLIGIBLE = 1e-12


def fading_deviation(grid: FloatArray, half_life: int = HALF_LIFE_SESSIONS) -> FloatArray:
    """Standard deviation about zero with weights that halve every `half_life` observations, to each row.

    √(Σ w x² / Σ w), w = 2^(−age / half_life), over all values so far. A row without a value keeps what was
    known before it. NaN before the 21st value.
    """
    known = np.isfinite(grid)
    fade = np.where(known, 0.5 ** (1.0 / half_life), 1.0)
    new = np.stack([np.where(known, grid * grid, 0.0), known.astype(np.float64)], axis=1)
    sums = np.empty_like(new)
    state = np.zeros(new.shape[1:])
    for row in range(len(grid)):  # a recursion in time: vectorised across the series
        state = sums[row] = state * fade[row] + new[row]
    with np.errstate(divide="ignore", invalid="ignore"):
        deviation: FloatArray = np.sqrt(sums[:, 0] / sums[:, 1])
    return np.where(np.cumsum(known, axis=0) >= LEAST_SESSIONS, deviation, np.nan)


def rolling_beta(responses: FloatArray, market: FloatArray, window: int = BETA_SESSIONS) -> FloatArray:
    """Slope of each response on its market over the last `window` rows, the row included (least squares).

    NaN with fewer than 200 rows on which both are known, before row `window`, and for a market that did not
    move. A shorter history than the window has no answer.
    """
    both = np.isfinite(responses) & np.isfinite(market)
    x, y = np.where(both, market, 0.0), np.where(both, responses, 0.0)
    n, sum_x, sum_y, sum_xx, sum_xy = (
        rolling_sums(values, window) for values in (both.astype(np.float64), x, y, x * x, x * y)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = sum_xx - sum_x * sum_x / n
        beta = (sum_xy - sum_x * sum_y / n) / variance
    return np.where((n >= LEAST_BETA_OBSERVATIONS) & (variance > NEGLIGIBLE * sum_xx), beta, np.nan)


def rolling_correlation(one: FloatArray, other: FloatArray, window: int) -> FloatArray:
    """Pearson's correlation over the last `window` rows, −1..1; NaN unless all are there and both vary."""
    sum_x, sum_y, sum_xx, sum_yy, sum_xy = (
        rolling_sums(values, window) for values in (one, other, one * one, other * other, one * other)
    )
    x_squares, y_squares = sum_xx - sum_x * sum_x / window, sum_yy - sum_y * sum_y / window
    vary = (x_squares > NEGLIGIBLE * sum_xx) & (y_squares > NEGLIGIBLE * sum_yy)
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = (sum_xy - sum_x * sum_y / window) / np.sqrt(x_squares * y_squares)
    return np.where(vary, np.clip(correlation, -1.0, 1.0), np.nan)


def tracking_error(spreads: FloatArray, window: int) -> FloatArray:
    """Sample standard deviation of the last `window` one-session spreads, times √252; NaN unless all are
    there.
    """
    total, squares = rolling_sums(spreads, window), rolling_sums(spreads * spreads, window)
    variance = np.maximum(squares - total * total / window, 0.0) / (window - 1)
    deviation: FloatArray = np.sqrt(variance * YEAR_SESSIONS)
    return deviation
