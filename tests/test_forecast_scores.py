"""Intervals, quantiles and the partition of the Brier score against loops, numpy, and the package arch."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from arch.bootstrap import CircularBlockBootstrap
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.lib import forecast_scores
from transforms.lib.fomc import FloatArray
from transforms.lib.forecast_scores import BIN_EDGES, BLOCK_MEETINGS, DRAWS, SEED

ASKED = slice(40, None)


def autocorrelated(meetings: int, seed: int) -> FloatArray:
    """Errors that resemble their neighbours, as those of overlapping horizons do."""
    noise = np.random.default_rng(seed).normal(5, 20, meetings)
    for place in range(1, meetings):
        noise[place] += 0.7 * noise[place - 1]
    return np.round(noise, 6)


def intervals(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    there = np.isfinite(values)
    asked = np.zeros((values.size, 1), dtype=bool)
    asked[ASKED] = True
    low, high = forecast_scores.compute_mean_intervals(
        np.where(there, values, 0.0)[:, None], there.astype(float)[:, None], asked
    )
    return low[:, 0], high[:, 0]


@pytest.mark.parametrize("meetings", [8, 9, 15, 16, 41, 190])
def test_draws_are_blocks_in_a_circle(meetings: int) -> None:
    """The same starts, one block after the other."""
    drawn = forecast_scores.compute_draws(meetings)
    blocks = math.ceil(meetings / BLOCK_MEETINGS)
    starts = np.random.default_rng([SEED, meetings]).integers(0, meetings, size=(DRAWS, blocks))
    for draw in range(0, DRAWS, 97):
        chosen = [(start + step) % meetings for start in starts[draw] for step in range(BLOCK_MEETINGS)]
        assert drawn[draw].tolist() == np.bincount(chosen[:meetings], minlength=meetings).tolist()
    assert (drawn.sum(axis=1) == meetings).all()


@pytest.mark.parametrize(("meetings", "seed"), [(60, 1), (120, 2), (190, 3)])
def test_interval_of_a_mean_is_that_of_arch(meetings: int, seed: int) -> None:
    values = autocorrelated(meetings, seed)
    low, high = intervals(values)
    peer = CircularBlockBootstrap(BLOCK_MEETINGS, values, seed=7)
    expected = peer.conf_int(np.mean, reps=20_000, method="percentile", size=0.90).ravel()
    width = expected[1] - expected[0]
    # 1,000 draws leave an error of some 3 % of the width at each end
    assert low[-1] == pytest.approx(expected[0], abs=0.08 * width)
    assert high[-1] == pytest.approx(expected[1], abs=0.08 * width)


def test_an_interval_does_not_change_with_later_meetings_nor_with_what_is_asked_for() -> None:
    values = autocorrelated(100, 4)
    values[[3, 50, 51]] = np.nan
    low, high = intervals(values)
    early_low, early_high = intervals(values[:70])
    assert np.array_equal(low[:70], early_low, equal_nan=True)
    assert np.array_equal(high[:70], early_high, equal_nan=True)
    there = np.isfinite(values)
    others = np.random.default_rng(5).normal(size=(100, 3))
    totals = np.column_stack([others, np.where(there, values, 0.0)])
    counts = np.column_stack([np.ones((100, 3)), there.astype(float)])
    asked = np.zeros((100, 4), dtype=bool)
    asked[70:] = True
    beside = forecast_scores.compute_mean_intervals(totals, counts, asked)
    assert np.array_equal(beside[0][70:, 3], low[70:]) and np.array_equal(beside[1][70:, 3], high[70:])
    assert np.isnan(beside[0][:70]).all()


def test_interval_of_a_share_weighs_by_what_a_meeting_counts() -> None:
    """Draw by draw: decided ranges over ranges; a draw without any is left out."""
    rng = np.random.default_rng(6)
    size = rng.integers(0, 3, 50).astype(float)
    came = np.minimum(size, rng.integers(0, 2, 50)).astype(float)
    asked = np.zeros((50, 1), dtype=bool)
    asked[-1] = True
    low, high = forecast_scores.compute_mean_intervals(came[:, None], size[:, None], asked)
    shares = [
        (draw * came).sum() / (draw * size).sum()
        for draw in forecast_scores.compute_draws(50)
        if (draw * size).sum() > 0
    ]
    assert (low[-1, 0], high[-1, 0]) == pytest.approx(tuple(np.quantile(shares, [0.05, 0.95])), abs=1e-12)


@settings(deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.floats(-300, 300)), min_size=1, max_size=40),
    st.sampled_from([0.05, 0.5, 0.9, 0.95]),
)
def test_expanding_quantiles_and_means_are_numpys(values: list[float | None], share: float) -> None:
    given_values = np.array([np.nan if value is None else value for value in values])
    quantiles = forecast_scores.compute_quantiles(given_values, share)
    means = forecast_scores.compute_running_mean(given_values)
    for place in range(given_values.size):
        known = given_values[: place + 1][np.isfinite(given_values[: place + 1])]
        if known.size:
            assert quantiles[place] == pytest.approx(float(np.quantile(known, share)), abs=1e-9)
            assert means[place] == pytest.approx(float(known.mean()), abs=1e-9)
        else:
            assert np.isnan(quantiles[place]) and np.isnan(means[place])


def test_an_edge_belongs_to_the_bin_above_it() -> None:
    probs = np.array([0.0, 0.049, 0.05, 0.25 - 1e-12, 0.25, 0.5, 0.7499, 0.75, 0.95, 1.0])
    assert forecast_scores.compute_bins(probs).tolist() == [0, 0, 1, 2, 2, 3, 3, 4, 5, 5]


def test_partition_is_that_of_a_loop_and_adds_up_to_the_score() -> None:
    rng = np.random.default_rng(8)
    prob = rng.dirichlet([0.4, 0.8, 0.4], size=60)
    happened = np.eye(3)[[rng.choice(3, p=row) for row in prob]]
    prob[[0, 17]] = np.nan
    reliability, resolution, uncertainty, within = forecast_scores.compute_partition(prob, happened)
    assert np.isnan([reliability[0], resolution[0], uncertainty[0], within[0]]).all()
    for place in (1, 16, 17, 40, 59):
        known = [row for row in range(place + 1) if np.isfinite(prob[row]).all()]
        expected = np.zeros(3)
        for event in range(3):
            base = np.mean([happened[row, event] for row in known])
            expected[2] += base * (1 - base)
            for low, high in itertools.pairwise(BIN_EDGES):
                inside = [row for row in known if low <= prob[row, event] < high + (high == 1.0)]
                if inside:
                    forecast = np.mean([prob[row, event] for row in inside])
                    observed = np.mean([happened[row, event] for row in inside])
                    expected[0] += len(inside) / len(known) * (forecast - observed) ** 2
                    expected[1] += len(inside) / len(known) * (observed - base) ** 2
        found = [reliability[place], resolution[place], uncertainty[place]]
        assert found == pytest.approx(expected.tolist(), abs=1e-12)
        score = np.mean([((prob[row] - happened[row]) ** 2).sum() for row in known])
        total = reliability[place] - resolution[place] + uncertainty[place] + within[place]
        assert total == pytest.approx(score, abs=1e-12)
