"""Which prices are not believed, day by day by the plain rule: what the vectorised code must find as well."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.lib import month_averages as rules
from transforms.lib.month_averages import BoolArray, FloatArray

START = np.datetime64("2001-01-02")
FIRST_MONTH = int(np.datetime64("2000-12", "M").astype(np.int64))


def plain_jumps(believed: FloatArray, current: list[int]) -> BoolArray:
    """One day after the other, with the last believed price of each contract and its age."""
    jumps = np.zeros(believed.shape, dtype=bool)
    last: dict[int, tuple[int, float]] = {}
    for day, prices in enumerate(believed):
        change = {
            month: abs(price - last[month][1])
            for month, price in enumerate(prices)
            if np.isfinite(price) and month in last and day - last[month][0] <= rules.JUMP_DAYS
        }
        kept: list[int] = []
        for month, price in enumerate(prices):
            if not np.isfinite(price):
                continue
            nearer = [other for other in kept if other in change][-rules.JUMP_REFERENCE_MONTHS :]
            jumps[day, month] = bool(
                change.get(month, 0.0) >= rules.JUMP_PCT
                and month >= current[day] + rules.JUMP_LEAD_MONTHS
                and nearer
                and abs(price - prices[nearer[-1]]) >= rules.JUMP_STRIP_STEP_PCT
                and change[month] >= rules.JUMP_RATIO * np.median([change[other] for other in nearer])
            )
            if not jumps[day, month]:
                kept.append(month)
        for month in kept:
            last[month] = (day, prices[month])
    return jumps


def plain_stale(averages: FloatArray, current: list[int]) -> BoolArray:
    """A price that has stood still on more than ten of the contract's days while the nearby curve moved."""
    stale = np.zeros(averages.shape, dtype=bool)
    for month in range(averages.shape[1]):
        run: list[int] = []
        for day in np.flatnonzero(np.isfinite(averages[:, month])).tolist():
            if run and averages[day, month] != averages[run[0], month]:
                run = []
            run.append(day)
            if len(run) <= rules.STALE_DAYS or month < current[day] + 3:
                continue
            nearby = [current[day] + ahead for ahead in range(1, rules.REFERENCE_MONTHS + 1)]
            moved = [
                abs(averages[day, other] - averages[run[0], other])
                for other in nearby
                if other != month and other < averages.shape[1]
            ]
            moved = [step for step in moved if np.isfinite(step)]
            stale[day, month] = bool(moved) and np.median(moved) >= rules.STALE_CURVE_MOVE_PCT
    return stale


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    days=st.integers(1, 60),
    missing=st.sampled_from([0.0, 0.05, 0.4]),
    wild=st.sampled_from([0.0, 0.03, 0.15]),
    still=st.sampled_from([0.0, 0.5, 0.9]),
)
def test_jumps_and_stale_prices_are_those_of_the_plain_rule(
    seed: int, days: int, missing: float, wild: float, still: float
) -> None:
    rng = np.random.default_rng(seed)
    months = 14
    averages = 5 + np.cumsum(rng.normal(0, 0.04, (days, 1)), axis=0) + 0.02 * np.arange(months)
    averages = averages.round(3)
    for day in range(1, days):
        held = rng.random(months) < still
        averages[day, held] = averages[day - 1, held]
    averages += rng.choice([0.0, -0.9, 0.6, 2.5], averages.shape, p=[1 - wild, wild / 3, wild / 3, wild / 3])
    averages[rng.random(averages.shape) < missing] = np.nan
    dates = np.busday_offset(START, np.arange(days), roll="forward").astype("datetime64[D]")
    current = dates.astype("datetime64[M]").astype(np.int64) - FIRST_MONTH
    np.testing.assert_array_equal(
        rules._find_jumps(averages, current), plain_jumps(averages, current.tolist())
    )
    np.testing.assert_array_equal(
        rules._find_stale(averages, current), plain_stale(averages, current.tolist())
    )
