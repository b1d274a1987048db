"""Rolling least squares with Newey–West standard errors, for all windows of many series at once.

In: a response (T,) and factors (T, p), finite, without gaps (the caller drops incomplete observations): the
rows of one entity after those of another, each in time order.
Out: per row the slopes, standard errors, t statistics and R² of the regression (with intercept) over the last
`window` rows of its entity that end on it; NaN where the window is too short or degenerate.

Source: Newey & West 1987, Bartlett kernel, no small-sample correction, as `statsmodels` OLS (or WLS, with
weights) `.fit(cov_type="HAC", cov_kwds={"maxlags": 5})` with its default `use_correction=False`.

A window's result depends on its own rows alone, whatever comes before or after and whatever else is asked
for, to the last bit: every step is element-wise over the windows or a sum in the fixed order of
transforms/lib/window_sums.py (no cumulative sums, no matrix library, no reductions whose order depends on
the array's shape). The Bartlett sum Σ_l (1 − |l|/(L+1)) Γ_l equals 1/(L+1) Σ_s h_s h_s' with h_s the sum of
the scores of L + 1 consecutive rows (zeros beyond both ends), so a variance is a sum of squares.

Method, two ways. By sums: a score is a quadratic form of the row, (Σ a_i q_i)(Σ b_j q_j) with q = (1, x, y)
and coefficients a, b that belong to the window; so h_s is linear in sums of products q_i q_j, which belong to
the rows, and Σ h_s² is a quadratic form of window sums of their products. Its cost hardly depends on the
window's length. It loses digits where terms cancel; each window's result is used only where bounds of that
loss are small (`SAFE_...`), which leaves ten digits or more. By rows, for all other windows, degenerate ones
included: moments about the window's own means, then residuals, row by row.

Caveat: lags count rows, so across a dropped observation two neighbours in the window are not neighbours in
time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transforms.lib.window_sums import WindowSums, largest_in_windows

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

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
# Limits beyond which a window is computed by rows. Variation about the mean as a share of the square sum; 1 −
# R² of a factor on those before it; 1 − R² of the regression; what rounding is multiplied with in a variance.
SAFE_VARIATION_SHARE = 1e-3
SAFE_PIVOT = 1e-3
SAFE_RESIDUAL_SHARE = 1e-3
SAFE_CANCELLATION = 1e5
# The bound of a single row's share is compared with a little less than the limit: it is rounded as well.
SAFE_SINGLE_ROW_SHARE = MAX_SINGLE_ROW_SHARE * (1 - 1e-9)
# Rows and windows worked on at a time: bounds the working memory and fits the caches.
BLOCK_ROWS = 16_384
BLOCK_WINDOWS = 2048
# Weight of the row at a position in the window, of all windows or by window.
RowWeight = Callable[[int], "Floats | float"]


@dataclass(frozen=True)
class RollingFit:
    """One entry per row of the input; NaN = no estimate; `observations` 0 = no full window ends here."""

    beta: Floats  # (T, p)
    std_error: Floats  # (T, p)
    t_stat: Floats  # (T, p)
    r_squared: Floats  # (T,)
    observations: Integers  # (T,)

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


@dataclass(frozen=True)
class Panel:
    """Rows of several entities, one entity after the other, and the rows whose windows are wanted."""

    response: Floats  # (T,)
    factors: Floats  # (T, p)
    begins: Integers  # the first row of each entity
    wanted: Booleans  # (T,)

    @classmethod
    def of_one(cls, response: Floats, factors: Floats) -> Panel:
        """One entity, every window."""
        return cls(
            response, factors, np.zeros(min(len(response), 1), dtype=np.int64), np.ones(len(response), bool)
        )

    def rows_so_far(self) -> Integers:
        """How many rows of its entity there are up to each row, that row included."""
        lengths = np.diff(np.append(self.begins, len(self.response)))
        return np.arange(1, len(self.response) + 1) - np.repeat(self.begins, lengths)


def fit_rolling(
    response: Floats,
    factors: Floats,
    window: int,
    half_life: float | None = None,
    min_observations: int | None = None,
    lags: int = NEWEY_WEST_LAGS,
) -> RollingFit:
    """As `fit_panel`, for every window of one entity."""
    return fit_panel(Panel.of_one(response, factors), window, half_life, min_observations, lags)


def fit_panel(
    panel: Panel,
    window: int,
    half_life: float | None = None,
    min_observations: int | None = None,
    lags: int = NEWEY_WEST_LAGS,
) -> RollingFit:
    """Fit `response = a + factors · b + e` over the window of `window` rows that ends on each wanted row.

    With `half_life` the fit is weighted least squares with the weights of `exponential_weights`, and the
    scores of the sandwich are weight · x · e, as in statsmodels' WLS. With `min_observations` below `window`
    the first windows of an entity are shorter: rows before it began have weight zero.
    """
    shortest = window if min_observations is None else min_observations
    _check(panel, window, shortest, lags)
    fit = RollingFit.empty(*panel.factors.shape)
    so_far = panel.rows_so_far()
    rows = np.flatnonzero(panel.wanted & (so_far >= shortest))
    fit.observations[rows] = np.minimum(so_far[rows], window)
    data, starts = _padded(panel, rows, window, window - shortest)
    if rows.size * window < data.shape[1]:  # a few windows of long series: each for itself
        data = _gathered(data, starts, window).swapaxes(1, 2).reshape(len(data), -1)
        starts = np.arange(rows.size) * window
    for part, stretch in _blocks(starts, window):
        inside = starts[part] - stretch.start
        beta, std_error, r_squared, safe = _fit_by_sums(data[:, stretch], inside, window, half_life, lags)
        _store(fit, rows[part][safe], (beta[:, safe], std_error[:, safe], r_squared[safe]))
        by_rows = np.flatnonzero(~safe) + part.start
        for first in range(0, by_rows.size, BLOCK_WINDOWS):
            few = by_rows[first : first + BLOCK_WINDOWS]
            windows = _gathered(data, starts[few], window)
            weights = None if half_life is None else exponential_weights(half_life, window)
            present = None if window == shortest else windows[0]
            _store(fit, rows[few], _fit_block(windows[1:], present, weights, lags))
    return fit


def windows_of(
    panel: Panel, rows: Integers, window: int, shortest: int
) -> Iterator[tuple[slice, Booleans, Floats, Floats]]:
    """Copies of the windows that end on `rows`, some at a time, for what is not a sum.

    Args:
        panel: The observations.
        rows: The windows' last rows, in order; each has `shortest` rows of its entity behind it or more.
        window: Rows of a window, the newest last; a shorter one begins with rows that are not present.
        shortest: Rows of the shortest window.

    Returns:
        Which of `rows` these are (C of them), whether a row is present (window, C), the response (window, C)
        and the factors (p, window, C), 0 on rows that are not.
    """
    data, starts = _padded(panel, rows, window, window - shortest)
    for first in range(0, rows.size, BLOCK_WINDOWS):
        few = slice(first, min(first + BLOCK_WINDOWS, rows.size))
        windows = _gathered(data, starts[few], window)
        yield few, windows[0] > 0.0, windows[1], windows[2:]


def fit_panel_without_largest(
    panel: Panel, target: int, dropped: int, window: int, lags: int = NEWEY_WEST_LAGS
) -> RollingFit:
    """As `fit_panel`, each window without the `dropped` rows on which the factor `target` is largest in size,
    of equal ones the oldest.

    The rows that are left count as neighbours, as in statsmodels on a frame without the others.
    """
    _check(panel, window, window - dropped, lags)
    fit = RollingFit.empty(*panel.factors.shape)
    rows = np.flatnonzero(panel.wanted & (panel.rows_so_far() >= window))
    fit.observations[rows] = window - dropped
    data = np.vstack([panel.response, panel.factors.T])
    size = np.abs(panel.factors[:, target])
    for first in range(0, rows.size, BLOCK_WINDOWS):
        few = rows[first : first + BLOCK_WINDOWS]
        places = few[:, np.newaxis] - np.arange(window - 1, -1, -1)
        left, number = size[places], np.arange(few.size)
        for _ in range(dropped):
            left[number, left.argmax(axis=1)] = -1.0
        places = places[left >= 0].reshape(few.size, window - dropped)
        _store(fit, few, _fit_block(np.ascontiguousarray(data[:, places.T]), None, None, lags))
    return fit


def _store(fit: RollingFit, rows: Integers, figures: tuple[Floats, Floats, Floats]) -> None:
    """Slopes, standard errors and R² of the windows that end on `rows`."""
    beta, std_error, r_squared = figures
    fit.beta[rows] = beta.T
    fit.std_error[rows] = std_error.T
    fit.t_stat[rows] = (beta / std_error).T
    fit.r_squared[rows] = r_squared


def _check(panel: Panel, window: int, shortest: int, lags: int) -> None:
    """Refuse what cannot be fitted."""
    rows, count = panel.factors.shape
    if panel.response.shape != (rows,):
        raise ValueError(
            f"response {panel.response.shape} and factors {panel.factors.shape} differ in length"
        )
    if not (np.isfinite(panel.response).all() and np.isfinite(panel.factors).all()):
        raise ValueError("rolling regression needs finite values: drop incomplete observations first")
    if not max(count + 1, lags) < shortest <= window:
        raise ValueError(f"{shortest} observations for {count} factors, {lags} lags and a window of {window}")


def _padded(panel: Panel, rows: Integers, window: int, padding: int) -> tuple[Floats, Integers]:
    """Presence, response and factors (p + 2, rows), each entity behind `padding` zeros; and where the windows
    that end on `rows` start.
    """
    lengths = np.diff(np.append(panel.begins, len(panel.response)))
    place = np.arange(len(panel.response)) + padding * (1 + np.repeat(np.arange(lengths.size), lengths))
    data = np.zeros((panel.factors.shape[1] + 2, len(panel.response) + padding * lengths.size))
    data[0, place] = 1.0
    data[1, place] = panel.response
    data[2:, place] = panel.factors.T
    return data, place[rows] - (window - 1)


def _blocks(starts: Integers, window: int) -> Iterator[tuple[slice, slice]]:
    """The windows in blocks, with the stretch of rows that each block needs."""
    first = 0
    while first < starts.size:
        last = int(np.searchsorted(starts, starts[first] + BLOCK_ROWS))
        yield slice(first, last), slice(int(starts[first]), int(starts[last - 1]) + window)
        first = last


def _gathered(data: Floats, starts: Integers, window: int) -> Floats:
    """Copies of the windows, row by row: (series, window, C)."""
    gathered: Floats = data[:, np.arange(window)[:, None] + starts]
    return gathered


def _fit_by_sums(
    data: Floats, starts: Integers, window: int, half_life: float | None, lags: int
) -> tuple[Floats, Floats, Floats, Booleans]:
    """Slopes (p, C), standard errors (p, C), R² (C,), and which windows are so well conditioned that these
    can be used (C,).

    `data` is (p + 2, rows): presence (1, or 0 on a row that a short window lacks), response, factors.
    """
    count = len(data) - 2
    total = WindowSums(starts, window, half_life)
    number, first = total(data[0]), np.stack([total(row) for row in data[1:]])
    # Nothing of an unsafe window is used: it may divide by zero or overflow on the way.
    with np.errstate(all="ignore"):
        mean = first / number
        raw = np.stack(
            [total(data[a + 1] * data[b + 1]) for a in range(count + 1) for b in range(a, count + 1)]
        )
        place = [(a, b) for a in range(count + 1) for b in range(a, count + 1)]
        moments = raw - np.stack([mean[a] * first[b] for a, b in place])
        diagonal = _row_starts(count + 1)
        square = moments[diagonal]
        safe: Booleans = (square > SAFE_VARIATION_SHARE * raw[diagonal]).all(axis=0)
        for a in range(1, count + 1):
            largest = largest_in_windows(np.abs(data[a + 1]), starts, window, half_life) + np.abs(mean[a])
            safe &= largest * largest <= SAFE_SINGLE_ROW_SHARE * square[a]
        inverse, pivots_safe = _invert_moments(moments, square, safe, SAFE_PIVOT)
        cross = moments[1 : count + 1]
        beta = np.zeros(cross.shape)
        for b in range(count):
            beta += inverse[:, b] * cross[b]
        explained = np.zeros(starts.size)
        for b in range(count):
            explained += beta[b] * cross[b]
        r_squared = explained / square[0]
        safe &= pivots_safe & (1.0 - r_squared > SAFE_RESIDUAL_SHARE)
        coefficients = _score_coefficients(mean, beta, inverse)
        variance, at_stake = _score_variance(data, coefficients, starts, window, half_life, lags)
        safe &= (at_stake <= SAFE_CANCELLATION * variance).all(axis=0)
        return beta, np.sqrt(variance / (lags + 1)), r_squared, safe


def _score_coefficients(mean: Floats, beta: Floats, inverse: Floats) -> Floats:
    """What each product q_i q_j counts for in a row's score, by slope: (products, p, C), in the order of
    `_score_products`.

    A score is (Σ inverse · (x − mean)) · (y − mean − Σ beta · (x − mean)).
    """
    count, size = beta.shape
    constant, influence = np.zeros((count, size)), np.zeros(size)
    for b in range(count):
        constant -= inverse[:, b] * mean[b + 1]
        influence += beta[b] * mean[b + 1]
    left = [constant, *(inverse[:, b] for b in range(count)), None]
    right = [influence - mean[0], *(-beta[b] for b in range(count)), np.ones(size)]
    coefficients = []
    for i, j in _score_products(count):
        value = left[i] * right[j]
        if i != j and left[j] is not None:
            value = value + left[j] * right[i]
        coefficients.append(value)
    return np.stack(coefficients)


def _score_products(count: int) -> list[tuple[int, int]]:
    """The pairs of q = (1, x, y) that a score is made of: every pair but y²."""
    return [(i, j) for i in range(count + 1) for j in range(i, count + 2)]


def _score_variance(
    data: Floats, coefficients: Floats, starts: Integers, window: int, half_life: float | None, lags: int
) -> tuple[Floats, Floats]:
    """Per slope the squares of the scores' sums over lags + 1 rows (p, C), and what they would be if nothing
    cancelled.
    """
    q = [data[0], *data[2:], data[1]]
    products = np.stack([q[i] * q[j] for i, j in _score_products(len(data) - 2)])
    step = 1.0 if half_life is None else 2.0 ** (-1.0 / half_life)
    # Sums over the last 1, 2, ... rows: they begin and end a window.
    variance = np.zeros(coefficients.shape[1:])
    recent = products
    for length in range(1, lags + 1):
        weight = step ** (window - length)
        for rows, scale in ((starts + (length - 1), weight), (starts + (window - 1), 1.0)):
            edge = np.zeros(variance.shape)
            for coefficient, values in zip(coefficients, recent, strict=True):
                edge += coefficient * values.take(rows)
            edge *= scale
            variance += edge * edge
        previous, recent = recent, products.copy()
        recent[:, 1:] += previous[:, :-1] * step
    inner = recent[:, lags:]
    total = WindowSums(starts, window - lags, None if half_life is None else half_life / 2.0)
    at_stake = np.zeros(variance.shape)
    for a, (own, values) in enumerate(zip(coefficients, inner, strict=True)):
        squares = total(values * values)
        variance += own * own * squares
        at_stake += np.abs(own) * np.sqrt(squares)
        others = np.zeros(variance.shape)
        for b in range(a + 1, len(inner)):
            others += coefficients[b] * total(values * inner[b])
        variance += 2.0 * own * others
    return variance, at_stake * at_stake


def _fit_block(
    windows: Floats, present: Floats | None, weights: Floats | None, lags: int
) -> tuple[Floats, Floats, Floats]:
    """Slopes (p, C), standard errors (p, C), R² (C,) of `windows` (response and factors, rows, C).

    `present` (rows, C) is 0 for the rows that a short window lacks.
    """
    series, _, size = windows.shape
    count = series - 1
    row_weight: RowWeight | None = None
    if present is not None or weights is not None:

        def row_weight(offset: int) -> Floats | float:
            weight = 1.0 if weights is None else float(weights[offset])
            return weight if present is None else weight * present[offset]

    mean, scale_weight = _means(windows, row_weight)
    moments, largest = _moments(windows, mean, row_weight)
    starts = _row_starts(series)
    square = np.stack([moments[starts[a]] for a in range(series)])
    # Square sum about zero = variation about the mean + weight · mean².
    varies = square > MIN_VARIATION_SHARE * (square + scale_weight * mean * mean)
    sound: Booleans = np.asarray(varies.all(axis=0))
    sound &= (largest <= MAX_SINGLE_ROW_SHARE * square[1:]).all(axis=0)

    inverse, pivots_sound = _invert_moments(moments, square, sound, MIN_PIVOT)
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
    series, window, size = windows.shape
    total = np.zeros((series, size))
    weight_sum: Floats | float = 0.0
    term = np.empty((series, size))
    for offset in range(window):
        if row_weight is None:
            total += windows[:, offset]
        else:
            weight = row_weight(offset)
            weight_sum = weight_sum + weight
            np.multiply(windows[:, offset], weight, out=term)
            total += term
    scale_weight = float(window) if row_weight is None else weight_sum
    return total / scale_weight, scale_weight


def _moments(windows: Floats, mean: Floats, row_weight: RowWeight | None) -> tuple[Floats, Floats]:
    """Pass 1: second moments about those means (upper triangle, row by row), and the largest square that a
    single row adds for each factor.
    """
    series, window, size = windows.shape
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
        values = windows[:, offset]
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
    moments: Floats, square: Floats, sound: Booleans, min_pivot: float
) -> tuple[Floats, Booleans]:
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
    inverse, pivots_sound = _invert_correlation(correlation, sound, min_pivot)
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
    series, window, size = windows.shape
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
            np.subtract(windows[:, offset], mean, out=centred)
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


def _invert_correlation(correlation: Floats, usable: Booleans, min_pivot: float) -> tuple[Floats, Booleans]:
    """Inverses of (p, p, C) correlation matrices, and which of them are conditioned well enough."""
    count, _, size = correlation.shape
    sound = usable.copy()
    lower = np.zeros((count, count, size))
    for a in range(count):
        pivot = correlation[a, a].copy()
        for k in range(a):
            pivot -= lower[a, k] * lower[a, k]
        sound &= pivot > min_pivot
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
