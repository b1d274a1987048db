"""Window sums against plain sums, and that a window's bits come from its own rows alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.lib.rolling_ols import exponential_weights
from transforms.lib.window_sums import WindowSums, largest_in_windows


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), window=st.integers(1, 70), half_life=st.sampled_from([None, 7.0, 60.0])
)
def test_equals_the_sum_and_the_maximum_of_each_window(
    seed: int, window: int, half_life: float | None
) -> None:
    values = np.random.default_rng(seed).normal(0, 1, 90)
    starts = np.arange(len(values) - window + 1)
    weights = np.ones(window) if half_life is None else exponential_weights(half_life, window)
    found = WindowSums(starts, window, half_life)(values)
    largest = largest_in_windows(np.abs(values), starts, window, half_life)
    for start in starts:
        rows = values[start : start + window]
        scale = math.fsum(np.abs(weights * rows))
        assert found[start] == pytest.approx(math.fsum(weights * rows), abs=1e-15 * scale * 8)
        assert largest[start] == pytest.approx((np.sqrt(weights) * np.abs(rows)).max(), rel=1e-14)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    window=st.integers(1, 70),
    before=st.integers(0, 20),
    after=st.integers(0, 20),
    half_life=st.sampled_from([None, 60.0]),
)
def test_bits_come_from_the_windows_own_rows(
    seed: int, window: int, before: int, after: int, half_life: float | None
) -> None:
    rng = np.random.default_rng(seed)
    own = rng.normal(0, 1, window)
    around = np.concatenate([1e12 * rng.normal(size=before), own, np.full(after, np.nan)])
    alone = WindowSums(np.array([0]), window, half_life)(own)
    inside = WindowSums(np.array([before]), window, half_life)(around)
    assert alone.tobytes() == inside.tobytes()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    window=st.integers(1, 70),
    half_life=st.sampled_from([None, 7.0]),
)
def test_a_few_windows_have_the_bits_they_have_among_all(
    seed: int, window: int, half_life: float | None
) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 1, 200)
    every = np.arange(len(values) - window + 1)
    few = np.sort(rng.choice(every, 2, replace=False))
    for combined in (
        WindowSums(every, window, half_life),
        WindowSums(np.repeat(every, 3), window, half_life),
    ):
        some = WindowSums(few, window, half_life)(values)
        assert some.tobytes() == combined(values)[np.searchsorted(combined.starts, few)].tobytes()
    largest = largest_in_windows(np.abs(values), few, window, half_life)
    assert largest.tobytes() == largest_in_windows(np.abs(values), every, window, half_life)[few].tobytes()
