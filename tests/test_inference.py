"""Our few lines of inference beside the packages that have the same, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from arch.bootstrap import StationaryBootstrap
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from transforms.lib.inference import (
    stationary_counts,
    students_t_quantile,
    wilson_limits,
    yekutieli_q,
)


def test_quantiles_of_students_t() -> None:
    freedom = np.arange(1, 7_000)
    assert np.array_equal(students_t_quantile(0.95, freedom), stats.t.ppf(0.95, freedom))


def test_wilson_limits() -> None:
    random = np.random.default_rng(1)
    trials = random.integers(1, 300, 5_000)
    share = np.where(random.random(5_000) < 0.1, 0.0, random.random(5_000))
    share[:50] = 1.0
    low, high = wilson_limits(share * trials, trials, 0.9)
    expected_low, expected_high = proportion_confint(share * trials, trials, alpha=1 - 0.9, method="wilson")
    assert np.array_equal(low, expected_low) and np.array_equal(high, expected_high)


@pytest.mark.parametrize("tests", [1, 2, 3_690])
def test_q_of_benjamini_and_yekutieli(tests: int) -> None:
    p_values = np.random.default_rng(tests).random(tests) ** 3
    p_values[::7] = p_values[0]  # equal ones
    assert np.array_equal(yekutieli_q(p_values), multipletests(p_values, method="fdr_by")[1])


@pytest.mark.parametrize(("size", "block"), [(6_174, 21), (6_174, 63), (50, 63), (7, 1), (1, 5)])
def test_draws_of_the_stationary_bootstrap(size: int, block: int) -> None:
    bootstrap = StationaryBootstrap(block, np.arange(size), seed=np.random.default_rng([5, block]))
    expected = [np.bincount(drawn[0], minlength=size) for drawn, _ in bootstrap.bootstrap(20)]
    drawn = stationary_counts(np.random.default_rng([5, block]), size, block, 20, 5)
    assert np.array_equal(np.concatenate(list(drawn), axis=1), np.transpose(expected))
