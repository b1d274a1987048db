"""Rolling least squares with Newey–West standard errors, for all windows of a series at once.

In: a response (T,) and factors (T, p) in time order, finite, without gaps (the caller drops incomplete
observations).
Out: per row the slopes, standard errors, t statistics and R² of the regression (with intercept) over the last
`window` rows that end on it; NaN where the window is too short or degenerate.

Source: Newey & West 1987, Bartlett kernel, no small-sample correction, as `statsmodels` OLS (or WLS, with
weights) `.fit(cov_type="HAC", cov_kwds={"maxlags": 5})` with its default `use_correction=False`.

Method. The loop runs over the position inside the window; each step is element-wise over all windows. So a
window's result depends on its own rows alone, whatever comes before or after, to the last bit (no cumulative
sums, no matrix library, no reductions whose order depends on the array's shape). Two passes: moments about
the window's own means, then residuals. The Bartlett sum Σ_l (1 − |l|/(L+1)) Γ_l equals 1/(L+1) Σ_s h_s h_s'
with h_s the sum of the scores of L + 1 consecutive rows (zeros beyond both ends), so a variance is a sum of
squares and cannot turn negative.

Caveat: lags count rows, so across a dropped observation two neighbours in the window are not neighbours in
time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

NEWEY_WEST_LAGS = 5
# A factor that is (nearly) constant: its variation about its mean is this share of its square sum, or less.
MIN_VARIATION_SHARE = 1e-12
# Collinear factors: 1 − R² of a factor on those before it. At 1e-6 the slopes still carry ten digits.
MIN_PIVOT = 1e-6
# A factor that moved in one row of n (share 1 − 1/n of its variation, 0.983 at n = 60) is fitted exactly
# there, and its t statistic would be meaningless. The largest share in any window of 60 since 2000 is 0.68.
MAX_SINGLE_ROW_SHARE = 0.95
# An exact fit (or a constant response) leaves residuals that are rounding noise.
MIN_RESIDUAL_SHARE = 1e-12
# Windows worked on at a time: bounds the working memory; fewer cost more calls than better caching saves.
BLOCK_WINDOWS = 8192
# Weight of the row at a position in the window, of all windows or by window.
RowWeight = Callable[[int], "Floats | float"]


@dataclass(frozen=True)
class RollingFit:
    """One entry per row of the input; NaN = no estimate; `observations` 0 = no full window ends here."""

    beta: Floats  # (T, p)
    std_error: Floats  # (T, p)
    t_stat: Floats  # (T, p)
    r_squared: Floats  # (T,)
    observations: npt.NDArray[np.int64]  # (T,)

    @classmethod
    def empty(cls, rows: int, count: int) -> RollingFit:
        """No estimates yet, for `count` factors."""
        beta, std_error, t_stat = (np.full((rows, count), np.nan) for _ in range(3))
        return cls(beta, std_error, t_stat, np.full(rows, np.nan), np.zeros(rows, dtype=np.int64))


def exponential_weights(half_life: float, window: int) -> Floats:
    """Weights of a window's rows, oldest first; the newest is 1 and each `half_life` rows halve it."""
    ages = np.arange(window - 1, -1, -1, dtype=np.float64)
    weights: Floats = np.exp2(-ages / half_life)
    return weights


def fit_rolling(
    response: Floats,
    factors: Floats,
    window: int,
    weights: Floats | None = None,
    min_observations: int | None = None,
    lags: int = NEWEY_WEST_LAGS,
) -> RollingFit:
    """Fit `response = a + factors · b + e` over every window of `window` rows.

    With `weights` (one per row of the window, oldest first) the fit is weighted least squares and the scores
    of the sandwich are weight · x · e, as in statsmodels' WLS. With `min_observations` below `window` the
    first windows are shorter: rows before the series began have weight zero.
    """
    response = np.ascontiguousarray(response, dtype=np.float64)
    factors = np.asarray(factors, dtype=np.float64)
    rows, count = factors.shape
    shortest = window if min_observations is None else min_observations
    _check(response, factors, window, weights, shortest)
    fit = RollingFit.empty(rows, count)
    if rows < shortest:
        return fit

    padding = window - shortest
    data, held = _padded(response, factors, padding)
    present = held if padding else None
    first_row = shortest - 1  # the first row on which a window ends
    fit.observations[first_row:] = np.minimum(np.arange(shortest, rows + 1), window)

    windows = rows - first_row
    for start in range(0, windows, BLOCK_WINDOWS):
        size = min(BLOCK_WINDOWS, windows - start)
        stop = start + size + window - 1
        beta, std_error, r_squared = _fit_block(
            _sliding(np.ascontiguousarray(data[:, start:stop]), window),
            None if present is None or start >= padding else _sliding(present[start:stop], window),
            weights,
            lags,
        )
        into = slice(first_row + start, first_row + start + size)
        fit.beta[into] = beta.T
        fit.std_error[into] = std_error.T
        fit.r_squared[into] = r_squared
        fit.t_stat[into] = (beta / std_error).T
    return fit


def fit_rolling_orthogonalised(
    response: Floats,
    factors: Floats,
    target: int,
    on: int,
    window: int,
    min_observations: int,
    lags: int = NEWEY_WEST_LAGS,
) -> RollingFit:
    """As `fit_rolling`, with the factor `target` replaced by what the factor `on` leaves of it, window by
    window.

    The residual is that of a regression with intercept over the same window, so a later row changes no
    earlier result. The replacement moves the part of `target` that goes along with `on` into the slope of
    `on`; the slopes of `target` and of the others stay as they are. The step counts as known in the
    standard errors.
    """
    fit = fit_rolling(response, factors, window, min_observations=min_observations, lags=lags)
    first_row = min_observations - 1
    rows = len(response)
    if rows < min_observations:
        return fit
    padding = window - min_observations
    data, present = _padded(response, factors, padding)
    held = np.ascontiguousarray(_sliding(present, window).T)  # (window, C): one row per position
    windows = np.ascontiguousarray(np.moveaxis(_sliding(data, window), 2, 1))  # (series, window, C)
    x, y = windows[on + 1], windows[target + 1]
    windows[target + 1] = _residual_on(x, y, held)
    beta, std_error, _ = _fit_block(np.moveaxis(windows, 1, 2), held.T, None, lags)
    # Whether a window is sound was judged on the factors as they came: what is left of a collinear one
    # is noise.
    sound = np.isfinite(fit.beta[first_row:, on])
    fit.beta[first_row:, on] = np.where(sound, beta[on], np.nan)
    fit.std_error[first_row:, on] = np.where(sound, std_error[on], np.nan)
    fit.t_stat[first_row:, on] = np.where(sound, beta[on] / std_error[on], np.nan)
    return fit


def _check(response: Floats, factors: Floats, window: int, weights: Floats | None, shortest: int) -> None:
    """Refuse what cannot be fitted."""
    rows, count = factors.shape
    if response.shape != (rows,):
        raise ValueError(f"response {response.shape} and factors {factors.shape} differ in length")
    if not (np.isfinite(response).all() and np.isfinite(factors).all()):
        raise ValueError("rolling regression needs finite values: drop incomplete observations first")
    if not count + 1 < shortest <= window:
        raise ValueError(f"{shortest} observations for {count} factors and a window of {window}")
    if weights is not None and weights.shape != (window,):
        raise ValueError(f"{weights.shape} weights for a window of {window}")


def _padded(response: Floats, factors: Floats, padding: int) -> tuple[Floats, Floats]:
    """Response and factors as rows behind `padding` zeros, and 1 where there is an observation."""
    rows, count = factors.shape
    data = np.zeros((count + 1, padding + rows))
    data[0, padding:] = response
    data[1:, padding:] = factors.T
    present = np.zeros(padding + rows)
    present[padding:] = 1.0
    return data, present


def _residual_on(x: Floats, y: Floats, held: Floats) -> Floats:
    """What a regression of y on x with intercept leaves of y, window by window (rows, C)."""
    total_x, total_y, number = np.zeros(x.shape[1]), np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for offset in range(len(x)):
        total_x += x[offset]
        total_y += y[offset]
        number += held[offset]
    x_centred, y_centred = (x - total_x / number) * held, (y - total_y / number) * held
    square, cross = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for offset in range(len(x)):
        square += x_centred[offset] * x_centred[offset]
        cross += x_centred[offset] * y_centred[offset]
    slope = cross / np.where(square > 0, square, 1.0)
    residual: Floats = y_centred - slope * x_centred
    return residual


def _sliding(values: Floats, window: int) -> Floats:
    """Every window of the last axis, as a view: (..., C, window)."""
    return np.lib.stride_tricks.sliding_window_view(values, window, axis=-1)


def _fit_block(
    windows: Floats, present: Floats | None, weights: Floats | None, lags: int
) -> tuple[Floats, Floats, Floats]:
    """Slopes (p, C), standard errors (p, C), R² (C,) of `windows` (response and factors, C, rows).

    `present` (C, rows) is 0 for the rows that a short window lacks.
    """
    series, size, _ = windows.shape
    count = series - 1
    row_weight: RowWeight | None = None
    if present is not None or weights is not None:

        def row_weight(offset: int) -> Floats | float:
            weight = 1.0 if weights is None else float(weights[offset])
            return weight if present is None else weight * present[:, offset]

    mean, scale_weight = _means(windows, row_weight)
    moments, largest = _moments(windows, mean, row_weight)
    starts = _row_starts(series)
    square = np.stack([moments[starts[a]] for a in range(series)])
    # Square sum about zero = variation about the mean + weight · mean².
    varies = square > MIN_VARIATION_SHARE * (square + scale_weight * mean * mean)
    sound: npt.NDArray[np.bool_] = np.asarray(varies.all(axis=0))
    sound &= (largest <= MAX_SINGLE_ROW_SHARE * square[1:]).all(axis=0)

    inverse, pivots_sound = _invert_moments(moments, square, sound)
    sound &= pivots_sound
    cross = moments[starts[0] + 1 : starts[0] + series]
    beta = np.zeros((count, size))
    for b in range(count):
        beta += inverse[:, b] * cross[b]

    residual_squares, variance = _residual_sums(windows, mean, beta, inverse, row_weight, lags)
    std_error = np.sqrt(variance / (lags + 1))
    sound &= residual_squares > MIN_RESIDUAL_SHARE * square[0]
    sound &= (std_error > 0.0).all(axis=0)
    r_squared = 1.0 - residual_squares / np.where(sound, square[0], 1.0)
    return (
        np.where(sound, beta, np.nan),
        np.where(sound, std_error, np.nan),
        np.where(sound, r_squared, np.nan),
    )


def _row_starts(series: int) -> list[int]:
    """Where each row of the upper triangle of the moments begins."""
    return [a * series - a * (a - 1) // 2 for a in range(series)]


def _means(windows: Floats, row_weight: RowWeight | None) -> tuple[Floats, Floats | float]:
    """Pass 0: the window's own (weighted) means, and the sum of its weights."""
    series, size, window = windows.shape
    total = np.zeros((series, size))
    weight_sum: Floats | float = 0.0
    term = np.empty((series, size))
    for offset in range(window):
        if row_weight is None:
            total += windows[:, :, offset]
        else:
            weight = row_weight(offset)
            weight_sum = weight_sum + weight
            np.multiply(windows[:, :, offset], weight, out=term)
            total += term
    scale_weight = float(window) if row_weight is None else weight_sum
    return total / scale_weight, scale_weight


def _moments(windows: Floats, mean: Floats, row_weight: RowWeight | None) -> tuple[Floats, Floats]:
    """Pass 1: second moments about those means (upper triangle, row by row), and the largest square that a
    single row adds for each factor.
    """
    series, size, window = windows.shape
    count = series - 1
    pairs = series * (series + 1) // 2
    starts = _row_starts(series)
    moments = np.zeros((pairs, size))
    products = np.empty((pairs, size))
    largest = np.zeros((count, size))
    centred = np.empty((series, size))
    weighted = centred
    if row_weight is not None:
        weighted = np.empty((series, size))
    for offset in range(window):
        values = windows[:, :, offset]
        np.subtract(values, mean, out=centred)
        if row_weight is not None:
            np.multiply(centred, row_weight(offset), out=weighted)
        for a in range(series):
            np.multiply(weighted[a], centred[a:], out=products[starts[a] : starts[a] + series - a])
        moments += products
        for a in range(count):
            np.maximum(largest[a], products[starts[a + 1]], out=largest[a])
    return moments, largest


def _invert_moments(
    moments: Floats, square: Floats, sound: npt.NDArray[np.bool_]
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Inverses (p, p, C) of the factors' moments, and which of them are conditioned well enough.

    The factors' correlation matrix is inverted by its Cholesky factor, element-wise over the windows.
    """
    series, size = square.shape
    count = series - 1
    starts = _row_starts(series)
    scale = np.sqrt(np.where(sound, square[1:], 1.0))
    correlation = np.empty((count, count, size))
    for a in range(count):
        correlation[a, a] = 1.0
        for b in range(a + 1, count):
            correlation[a, b] = moments[starts[a + 1] + b - a] / (scale[a] * scale[b])
            correlation[b, a] = correlation[a, b]
    inverse, pivots_sound = _invert_correlation(correlation, sound)
    for a in range(count):
        for b in range(count):
            inverse[a, b] /= scale[a] * scale[b]
    return inverse, pivots_sound


def _residual_sums(
    windows: Floats, mean: Floats, beta: Floats, inverse: Floats, row_weight: RowWeight | None, lags: int
) -> tuple[Floats, Floats]:
    """Pass 2: (weighted) squares of the residuals (C,), and per slope the squares of the scores' sums over
    lags + 1 rows (p, C); the newest `lags` sums run past the end.
    """
    series, size, window = windows.shape
    count = series - 1
    residual_squares = np.zeros(size)
    variance = np.zeros((count, size))
    centred = np.empty((series, size))
    fitted = np.empty((count, size))
    residual = np.empty(size)
    weighted_residual = np.empty(size)
    rotated = np.empty((count, count, size))
    influence = np.empty((count, size))
    scores = np.zeros((lags + 1, count, size))  # a ring: the scores of the last lags + 1 rows
    box = np.empty((count, size))
    for offset in range(window + lags):
        slot = scores[offset % (lags + 1)]
        if offset < window:
            np.subtract(windows[:, :, offset], mean, out=centred)
            np.multiply(beta, centred[1:], out=fitted)
            np.subtract(centred[0], fitted[0], out=residual)
            for a in range(1, count):
                residual -= fitted[a]
            np.multiply(inverse, centred[1:], out=rotated)
            np.copyto(influence, rotated[:, 0])
            for b in range(1, count):
                influence += rotated[:, b]
            if row_weight is None:
                residual_squares += residual * residual
            else:
                np.multiply(residual, row_weight(offset), out=weighted_residual)
                residual_squares += weighted_residual * residual
                residual, weighted_residual = weighted_residual, residual
            np.multiply(influence, residual, out=slot)
        else:
            slot.fill(0.0)
        # Summed oldest first, so that the order does not depend on the ring's position.
        np.copyto(box, scores[(offset + 1) % (lags + 1)])
        for back in range(lags - 1, -1, -1):
            box += scores[(offset - back) % (lags + 1)]
        variance += box * box
    return residual_squares, variance


def _invert_correlation(
    correlation: Floats, usable: npt.NDArray[np.bool_]
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Inverses of (p, p, C) correlation matrices, and which of them are conditioned well enough."""
    count, _, size = correlation.shape
    sound = usable.copy()
    lower = np.zeros((count, count, size))
    for a in range(count):
        pivot = correlation[a, a].copy()
        for k in range(a):
            pivot -= lower[a, k] * lower[a, k]
        sound &= pivot > MIN_PIVOT
        lower[a, a] = np.sqrt(np.where(sound, pivot, 1.0))
        for b in range(a + 1, count):
            entry = correlation[b, a].copy()
            for k in range(a):
                entry -= lower[b, k] * lower[a, k]
            lower[b, a] = np.where(sound, entry / lower[a, a], 0.0)
    # Inverse of the triangle by forward substitution, then inverse = L⁻ᵀ L⁻¹.
    triangle = np.zeros((count, count, size))
    for column in range(count):
        triangle[column, column] = 1.0 / lower[column, column]
        for a in range(column + 1, count):
            entry = np.zeros(size)
            for k in range(column, a):
                entry -= lower[a, k] * triangle[k, column]
            triangle[a, column] = entry / lower[a, a]
    inverse = np.zeros((count, count, size))
    for a in range(count):
        for b in range(count):
            for k in range(max(a, b), count):
                inverse[a, b] += triangle[k, a] * triangle[k, b]
    return inverse, sound
