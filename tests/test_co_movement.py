"""Fading volatility, beta, correlation and tracking error against pandas, arch, statsmodels and numpy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.lib.co_movement import (
    fading_deviation,
    rolling_beta,
    rolling_correlation,
    tracking_error,
)
from transforms.lib.history import FloatArray

NAN = np.nan


def _grid(seed: int, missing: float = 0.03) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(seed)
    one, other = rng.standard_t(4, (700, 3)), rng.standard_t(4, (700, 3))
    one[rng.random(one.shape) < missing] = NAN
    other[rng.random(other.shape) < missing] = NAN
    return one, other


@pytest.mark.parametrize("missing", [0.0, 0.05])
def test_fading_deviation_equals_pandas(missing: float) -> None:
    grid, _ = _grid(1, missing)
    squares = pd.DataFrame(grid**2)
    want = np.sqrt(squares.ewm(halflife=21, ignore_na=True, min_periods=21).mean().ffill())
    np.testing.assert_allclose(fading_deviation(grid), want, rtol=1e-12)


def test_fading_deviation_tends_to_that_of_arch() -> None:
    """Its recursion starts from another value, of which after 600 sessions nothing is left."""
    arch = pytest.importorskip("arch.univariate")
    grid, _ = _grid(2, 0.0)
    decay = 0.5 ** (1 / 21)
    model = arch.ZeroMean(100 * grid[:, 0], volatility=arch.EWMAVariance(decay))
    fixed = model.fix([])
    # the variance of a row in arch is that known at the row before
    np.testing.assert_allclose(
        fading_deviation(grid)[630:-1, 0], fixed.conditional_volatility[631:] / 100, rtol=1e-6
    )


def test_fading_deviation_by_hand() -> None:
    grid = np.zeros((43, 1))
    grid[0] = 3.0
    grid[21] = 3.0  # 21 rows later: the first has half the weight
    decay = 0.5 ** (1 / 21)
    weights = (1 - decay**22) / (1 - decay)
    assert fading_deviation(grid)[21, 0] == pytest.approx(np.sqrt(9 * 1.5 / weights))
    assert np.isnan(fading_deviation(grid)[:20]).all()
    assert fading_deviation(np.zeros((30, 1)))[-1, 0] == 0


def test_beta_equals_statsmodels() -> None:
    spread, market = _grid(3)
    got = rolling_beta(spread, market)
    assert np.isnan(got[:251]).all()
    for row in range(251, 700, 37):
        for column in range(3):
            y, x = spread[row - 251 : row + 1, column], market[row - 251 : row + 1, column]
            both = np.isfinite(x) & np.isfinite(y)
            slope = sm.OLS(y[both], sm.add_constant(x[both])).fit().params[1]
            assert got[row, column] == pytest.approx(slope, rel=1e-10)


def test_beta_needs_200_observations_and_a_market_that_moves() -> None:
    rng = np.random.default_rng(4)
    spread, market = rng.normal(size=(252, 4)), rng.normal(size=(252, 4))
    market[:52, 1] = NAN
    spread[:53, 2] = NAN
    market[:, 3] = 0.3
    assert np.isfinite(rolling_beta(spread, market)[-1]).tolist() == [True, True, False, False]


def test_correlation_and_tracking_error_equal_pandas() -> None:
    one, other = _grid(5)
    first, second = pd.DataFrame(one), pd.DataFrame(other)
    np.testing.assert_allclose(
        rolling_correlation(one, other, 63), first.rolling(63).corr(second), rtol=1e-9, atol=1e-11
    )
    want = (first - second).rolling(63).std() * np.sqrt(252)
    np.testing.assert_allclose(tracking_error(one - other, 63), want, rtol=1e-9)


def test_what_does_not_vary_has_no_correlation() -> None:
    flat = np.full((80, 1), 0.1)
    moving = np.random.default_rng(6).normal(size=(80, 1))
    assert np.isnan(rolling_correlation(flat, moving, 63)).all()
    assert rolling_correlation(moving, 2 * moving, 63)[-1, 0] == pytest.approx(1)
    assert tracking_error(flat, 63)[-1, 0] == pytest.approx(0, abs=1e-7)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(1, 699))
def test_later_rows_change_no_bit(seed: int, cut: int) -> None:
    one, other = _grid(seed)
    for whole, part in (
        (fading_deviation(one), fading_deviation(one[:cut])),
        (rolling_beta(one, other), rolling_beta(one[:cut], other[:cut])),
        (rolling_correlation(one, other, 63), rolling_correlation(one[:cut], other[:cut], 63)),
        (tracking_error(one, 63), tracking_error(one[:cut], 63)),
    ):
        np.testing.assert_array_equal(whole[:cut], part)
