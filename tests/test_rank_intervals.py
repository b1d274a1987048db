"""Intervals of ranks: their coverage, and the correlation of the slopes they use against statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from transforms.lib.rank_intervals import DRAWS, rank_bounds, score_correlations
from transforms.lib.rolling_ols import Floats

WINDOW = 60


def _market(seed: int, entities: int, rows: int = 90) -> tuple[Floats, Floats]:
    """Returns that share a part beyond the factors, and the factors."""
    rng = np.random.default_rng(seed)
    factors = rng.normal(0, 1, (rows, 3))
    shared = rng.standard_t(4, (rows, 1))
    returns = factors @ rng.normal(0, 1, (3, entities)) + shared + rng.normal(0, 0.7, (rows, entities))
    return returns, factors


def _newey_west(response: Floats, factors: Floats) -> sm.regression.linear_model.RegressionResults:
    return sm.OLS(response, sm.add_constant(factors)).fit(cov_type="HAC", cov_kwds={"maxlags": 5})


def test_the_error_of_a_difference_is_that_of_the_regression_of_the_difference() -> None:
    returns, factors = _market(1, 6)
    for end in (WINDOW - 1, 71, 89):
        window = slice(end - WINDOW + 1, end + 1)
        fits = [_newey_west(returns[window, j], factors[window]) for j in range(6)]
        betas = np.array([[fit.params[1:] for fit in fits]])
        [correlation] = score_correlations(returns, factors, betas, np.array([end]), 1, WINDOW)
        np.testing.assert_allclose(np.diagonal(correlation), 1.0, rtol=1e-12)
        error = np.array([fit.bse[2] for fit in fits])
        for j in range(6):
            for k in range(j + 1, 6):
                apart = _newey_west(returns[window, j] - returns[window, k], factors[window])
                variance = error[j] ** 2 + error[k] ** 2 - 2 * correlation[j, k] * error[j] * error[k]
                assert variance == pytest.approx(apart.bse[2] ** 2, rel=1e-9)
    assert correlation[0, 1] > 0.3, "what the entities share is no part of the factors"


def test_a_window_does_not_depend_on_the_others_or_on_later_rows() -> None:
    returns, factors = _market(2, 5, 300)
    returns[100, 2] = np.nan
    ends = np.arange(WINDOW - 1, 300)
    betas = np.stack(
        [
            np.linalg.lstsq(
                sm.add_constant(factors[end - WINDOW + 1 : end + 1]),
                np.nan_to_num(returns[end - WINDOW + 1 : end + 1]),
                rcond=None,
            )[0][1:].T
            for end in ends
        ]
    )
    whole = score_correlations(returns, factors, betas, ends, 1, WINDOW)
    for place in (0, 7, 16, 100, 239):
        cut = ends[place] + 1
        alone = score_correlations(returns[:cut], factors[:cut], betas[[place]], ends[[place]], 1, WINDOW)
        np.testing.assert_array_equal(alone[0], whole[place])
    errors = np.abs(np.random.default_rng(3).normal(0.2, 0.02, betas.shape[:2]))
    low, high = rank_bounds(betas[:, :, 1], errors, whole)
    for place in (0, 7, 16, 100, 239):
        one = slice(place, place + 1)
        alone_low, alone_high = rank_bounds(betas[one, :, 1], errors[one], whole[one])
        assert (alone_low == low[one]).all() and (alone_high == high[one]).all()


@pytest.mark.parametrize("correlation", [0.0, 0.66])
@pytest.mark.parametrize("spacing", [0.0, 0.02, 2.0])
def test_the_interval_contains_the_true_rank_in_nine_of_ten_cases(spacing: float, correlation: float) -> None:
    """Slopes that are equal, nearly equal and far apart, 2,000 times; for the first, the middle and the last
    of twelve. Equal slopes share all ranks. Percentiles of redrawn ranks, which look like an interval as
    well, miss the first one's rank most of the time where slopes are close.
    """
    size, times = 12, 2000
    true = -spacing * np.arange(size)
    matrix = np.full((size, size), correlation)
    np.fill_diagonal(matrix, 1.0)
    values = true + np.random.default_rng(5).multivariate_normal(np.zeros(size), matrix, times)
    low, high = rank_bounds(values, np.ones((times, size)), np.broadcast_to(matrix, (times, size, size)))
    first = 1 + (true[np.newaxis] > true[:, np.newaxis]).sum(axis=1)
    last = size - (true[np.newaxis] < true[:, np.newaxis]).sum(axis=1)
    covered = ((low <= first) & (last <= high)).mean(axis=0)
    assert (covered[[0, size // 2, size - 1]] >= 0.90 - 2.6 * np.sqrt(0.09 / times) - 0.01).all()
    if spacing == 2.0:
        assert (high - low).mean() < 4, "and it is short where the slopes are far apart"
    if spacing == 0.02:
        redrawn = values[:300, np.newaxis] + np.random.default_rng(6).multivariate_normal(
            np.zeros(size), matrix, (300, 400)
        )
        rank = 1 + (redrawn > redrawn[:, :, :1]).sum(axis=2)  # of the first
        assert (np.quantile(rank, 0.05, axis=1) <= 1).mean() < 0.75


def test_the_critical_value_of_independent_equal_errors_is_that_of_the_textbook() -> None:
    """Two entities: one comparison, whose critical value is the normal quantile; a value beyond it is told
    apart, one short of it is not.
    """
    normal = stats.norm.ppf(0.95)
    for gap, apart in ((1.15, True), (0.85, False)):
        values = np.array([[gap * normal * np.sqrt(2), 0.0]])
        low, high = rank_bounds(values, np.ones((1, 2)), np.eye(2)[np.newaxis])
        assert low.tolist() == ([[1, 2]] if apart else [[1, 1]])
        assert high.tolist() == ([[1, 2]] if apart else [[2, 2]])
    assert DRAWS >= 1000


def test_one_entity_and_two_that_are_the_same() -> None:
    low, high = rank_bounds(np.array([[3.0]]), np.array([[1.0]]), np.ones((1, 1, 1)))
    assert (low.tolist(), high.tolist()) == ([[1]], [[1]])
    values = np.array([[3.0, 3.0, -40.0]])
    correlation = np.array([[[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]])
    low, high = rank_bounds(values, np.ones((1, 3)), correlation)
    assert (low.tolist(), high.tolist()) == ([[1, 1, 3]], [[2, 2, 3]])
