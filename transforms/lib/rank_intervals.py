"""How sure the rank of a regression slope is, when many slopes of one window are ranked.

In: the slopes of several entities on one factor, their Newey-West standard errors, and the returns and
factors they come from. Out: for each entity the smallest and the largest rank that its slope can have.

Method: Mogstad, Romano, Shaikh & Wilhelm 2024 (Review of Economic Studies 91, Inference for ranks), marginal
confidence set. Entity j is compared with each other entity by the t statistic of the difference of the two
slopes. The critical value c_j is the 90 % quantile of the largest |t| of these comparisons when all slopes
are equal, from `DRAWS` draws of normal errors with the errors' own covariance, so all comparisons of one
entity hold together in 90 % of cases. rank_low = 1 + the entities that are larger by more than c_j,
rank_high = the number ranked less those that are smaller by more than c_j. Why not the percentiles of ranks
of redrawn slopes: the redrawn slopes are spread wider than the true ones, so such an interval misses the true
rank far too often where slopes are close to one another (their section on the bootstrap; the test measures
it).

The errors are not taken as independent: banks move together beyond market and yields, at 0.66 on average on
2024-07-15, and the difference of two slopes is surer than independence would say. The correlation of two
slopes is that of their scores (influence · residual), summed over lags + 1 rows as in transforms.lib.
rolling_ols, over the window's sessions. A row that an entity lacks counts as 0 there.

Caveat: the interval says nothing about the choice of the window, and is as good as the normal approximation
of the t statistics. The draws are seeded by the number of entities alone, so a day's interval depends on that
day's window alone.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from transforms.lib.rolling_ols import NEWEY_WEST_LAGS, Floats, Integers

LEVEL = 0.90
DRAWS = 1000
SEED = 20240715
# Windows worked on at a time, so that what a step touches stays in the caches.
BLOCK_WINDOWS = 16
# Draws multiplied at a time: so few that the matrix library does it in one thread. Small products that wait
# for a second one take ten times as long on a machine that is at work.
BLOCK_DRAWS = 250
# Two slopes whose difference has (almost) no variance come from the same returns.
MIN_VARIANCE_SHARE = 1e-9


def score_correlations(
    returns: Floats,
    factors: Floats,
    betas: Floats,
    ends: Integers,
    target: int,
    window: int,
    lags: int = NEWEY_WEST_LAGS,
) -> Floats:
    """Correlation of the errors of the slopes on factor `target`: (C, n, n), NaN for an entity without rows.

    Args:
        returns: (T, n), NaN on a row that an entity lacks.
        factors: (T, p), the same for all entities.
        betas: (C, n, p), the slopes of each window.
        ends: (C,), the row on which each window ends, at least window − 1.
        target: position of the factor.
        window: rows of a window.
        lags: Newey-West lags.
    """
    entities = returns.shape[1]
    correlations = np.empty((ends.size, entities, entities))
    for first in range(0, ends.size, BLOCK_WINDOWS):
        block = slice(first, first + BLOCK_WINDOWS)
        rows = ends[block, np.newaxis] - np.arange(window - 1, -1, -1)
        response, regressors = returns[rows], factors[rows]  # (B, window, n), (B, window, p)
        centred = regressors - regressors.mean(axis=1, keepdims=True)
        moments = np.matmul(centred.swapaxes(1, 2), centred)
        unit = np.zeros((*moments.shape[:1], moments.shape[1], 1))
        unit[:, target] = 1.0
        influence = np.matmul(centred, np.linalg.solve(moments, unit))  # (B, window, 1)
        residual = response - np.matmul(regressors, betas[block].swapaxes(1, 2))
        present = np.isfinite(residual)
        residual = np.where(present, residual, 0.0)
        residual -= residual.sum(axis=1, keepdims=True) / np.maximum(present.sum(axis=1, keepdims=True), 1)
        scores = np.where(present, influence * residual, 0.0)
        sums = np.zeros((scores.shape[0], window + lags, entities))
        for lag in range(lags + 1):
            sums[:, lag : lag + window] += scores
        products = np.matmul(sums.swapaxes(1, 2), sums)
        size = np.sqrt(np.diagonal(products, axis1=1, axis2=2))
        size = np.where(size > 0, size, np.nan)
        correlations[block] = products / (size[:, :, np.newaxis] * size[:, np.newaxis, :])
    return correlations


def rank_bounds(
    values: Floats, std_errors: Floats, correlations: Floats
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Smallest and largest rank of each value (1 = largest), both (C, n).

    Args:
        values: (C, n), finite.
        std_errors: (C, n), above 0.
        correlations: (C, n, n) of the values' errors.
    """
    windows, entities = values.shape
    low = np.ones((windows, entities), dtype=np.int32)
    high = np.full((windows, entities), entities, dtype=np.int32)
    if entities == 1:
        return low, high
    draws = np.random.default_rng([SEED, entities]).standard_normal((entities, DRAWS)).astype(np.float32)
    own = np.arange(entities)
    for first in range(0, windows, BLOCK_WINDOWS):
        block = slice(first, first + BLOCK_WINDOWS)
        error = std_errors[block]
        covariance = correlations[block] * (error[:, :, np.newaxis] * error[:, np.newaxis, :])
        squares = error * error
        total = squares[:, :, np.newaxis] + squares[:, np.newaxis, :]
        variance = np.maximum(total - 2.0 * covariance, MIN_VARIANCE_SHARE * total)
        precision = 1.0 / np.sqrt(variance)
        distance = values[block, np.newaxis, :] - values[block, :, np.newaxis]
        t_stat = distance * precision  # [., j, k]: how much larger k is than j
        t_stat[:, own, own] = 0.0
        # Correlations are singular where two entities are one.
        covariance[:, own, own] = squares * (1.0 + MIN_VARIANCE_SHARE)
        critical = _critical_values(covariance, precision, draws)[:, :, np.newaxis]
        low[block] = 1 + (t_stat > critical).sum(axis=2)
        high[block] = entities - (t_stat < -critical).sum(axis=2)
    return low, high


def _critical_values(covariance: Floats, precision: Floats, draws: npt.NDArray[np.float32]) -> Floats:
    """The quantile of each entity's largest |t| when all values are equal: (B, n)."""
    entities, number = draws.shape
    lower = np.linalg.cholesky(covariance).astype(np.float32)
    errors = np.empty((len(lower), entities, number), dtype=np.float32)
    for first in range(0, number, BLOCK_DRAWS):
        part = slice(first, first + BLOCK_DRAWS)
        np.matmul(lower, draws[:, part], out=errors[:, :, part])
    scale = precision.astype(np.float32)
    largest = np.zeros_like(errors)
    apart = np.empty((entities, number), dtype=np.float32)
    best = np.empty(number, dtype=np.float32)
    for error, of_window, most in zip(errors, scale, largest, strict=True):  # one at a time fits the caches
        for j in range(entities - 1):
            others = slice(j + 1, entities)
            np.subtract(error[others], error[j], out=apart[others])
            apart[others] *= of_window[j, others, np.newaxis]
            np.abs(apart[others], out=apart[others])
            np.maximum(most[others], apart[others], out=most[others])
            np.maximum.reduce(apart[others], axis=0, out=best)
            np.maximum(most[j], best, out=most[j])
    place = int(np.ceil(LEVEL * (number + 1))) - 1
    critical: Floats = np.partition(largest, place, axis=2)[:, :, place].astype(np.float64)
    return critical
