"""What the flags of rotation say where there is nothing: quadrants of random walks, records and z of noise.

The constants that the catalog, the docs and the brief name as benchmarks are simulated here again, seeded.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from transforms.lib.co_movement import fading_deviation
from transforms.lib.history import FloatArray, compute_expanding_statistics, least_history
from transforms.lib.relative_rotation import (
    CONFIRMING_BARS,
    NO_QUADRANT,
    RANDOM_WALK_CONFIRMED_SPELL,
    RANDOM_WALK_SPELL,
    quadrant_codes,
    relative_rotation,
    spells,
)
from transforms.marts.rotation_pair_daily import NO_PAIR, WINDOWS_SESSIONS, Pair, compute_pair_window
from warehouse.catalog import load_catalog

WALKS, BARS, YEAR = 100, 6_000, 252


@functools.cache
def _quadrants() -> NDArray[np.int8]:
    """Of ratios that are random walks: nothing that has been can say what comes."""
    steps = np.random.default_rng(1).normal(0, 0.006, (BARS, WALKS))
    codes = quadrant_codes(relative_rotation(np.exp(np.cumsum(steps, axis=0))))
    return codes[60:]  # where every window is full


def _lengths(codes: NDArray[Any]) -> NDArray[np.int64]:
    """Of all spells that begin and end inside, counted change by change."""
    return np.concatenate([np.diff(np.flatnonzero(np.diff(column))) for column in codes.T.astype(np.int64)])


def test_a_random_walk_changes_its_quadrant_every_other_day() -> None:
    lengths = _lengths(_quadrants())
    assert len(lengths) > 300_000
    assert lengths.mean() == pytest.approx(RANDOM_WALK_SPELL, abs=0.05)
    assert (lengths == 1).mean() == pytest.approx(0.56, abs=0.01)


def test_a_random_walk_moves_clockwise_too() -> None:
    """More than half of its changes: leading (3), weakening (2), lagging (0), improving (1), leading."""
    codes = _quadrants().astype(np.int64)
    follows, leads = np.array([1, 3, 0, 2]), np.array([2, 0, 3, 1])
    before, after = codes[:-1], codes[1:]
    changed = before != after
    assert np.mean(after[changed] == follows[before[changed]]) == pytest.approx(0.57, abs=0.01)
    assert np.mean(after[changed] == leads[before[changed]]) == pytest.approx(0.30, abs=0.01)


def test_a_confirmed_quadrant_of_a_random_walk_lasts_seven_times_as_long() -> None:
    confirmed = spells(_quadrants()).confirmed[20:]
    lengths = _lengths(confirmed)
    assert lengths.mean() == pytest.approx(RANDOM_WALK_CONFIRMED_SPELL, abs=0.2)
    assert np.median(lengths) == 9
    flips = YEAR * np.mean(confirmed[1:] != confirmed[:-1])
    assert flips == pytest.approx(20, abs=1)  # and none of them means anything


def test_three_bars_are_a_choice_between_flicker_and_delay() -> None:
    agreement = {}
    for bars, mean in ((2, 5), (3, 12), (4, 29), (5, 70)):
        confirmed = spells(_quadrants(), bars).confirmed[200:]
        assert _lengths(confirmed).mean() == pytest.approx(mean, rel=0.06)
        agreement[bars] = np.mean(confirmed == _quadrants()[200:])
    # a quadrant that is independent of the present one agrees on every fourth day
    assert agreement[CONFIRMING_BARS] > 0.38 and agreement[5] < 0.29


def test_the_catalog_names_these_benchmarks() -> None:
    columns = load_catalog().columns
    assert f"stays {RANDOM_WALK_SPELL} sessions" in columns["quadrant_spell_sessions"].description
    assert f"stays {RANDOM_WALK_CONFIRMED_SPELL} sessions" in columns["quadrant_confirmed"].description


def test_spells_equal_a_count_bar_by_bar() -> None:
    rng = np.random.default_rng(2)
    codes = rng.choice(np.array([0, 1, 3, NO_QUADRANT], dtype=np.int8), (500, 4), p=[0.5, 0.3, 0.17, 0.03])
    got = spells(codes)
    for column in range(4):
        run, confirmed, last = 0, NO_QUADRANT, NO_QUADRANT
        for bar, code in enumerate(codes[:, column]):
            if code == NO_QUADRANT:
                run, confirmed = 0, NO_QUADRANT
            else:
                run = run + 1 if code == last else 1
                confirmed = code if run >= CONFIRMING_BARS else confirmed
            last = code
            assert (got.bars[bar, column], got.confirmed[bar, column]) == (run, confirmed)


@pytest.mark.parametrize("cut", [1, 2, 250])
def test_later_bars_change_no_spell(cut: int) -> None:
    whole, part = spells(_quadrants()[:500]), spells(_quadrants()[:cut])
    assert (whole.bars[:cut] == part.bars).all() and (whole.confirmed[:cut] == part.confirmed).all()
    assert spells(_quadrants()[:0]).bars.shape == (0, WALKS)


# -- records and large z ----------------------------------------------------------------------------------


@functools.cache
def _noise() -> list[Pair]:
    """Pairs of funds that have the market in common and nothing else; normal, of a constant volatility."""
    rng = np.random.default_rng(3)
    pairs = []
    market = rng.normal(0, 0.01, 6_500)
    for _ in range(12):
        base, quote = (100 * np.exp(np.cumsum(market + rng.normal(0, 0.005, 6_500))) for _ in range(2))
        deviation, beta = np.full(6_500, 0.5 * np.sqrt(2)), np.zeros(6_500)
        pairs.append(Pair(base, quote, 100 * np.exp(np.cumsum(market)), deviation, beta))
    return pairs


def _column(window: int, name: str) -> list[FloatArray]:
    return [compute_pair_window(pair, window)[name] for pair in _noise()]


def test_noise_reaches_three_deviations_on_0_3_per_cent_of_days() -> None:
    for window in (1, 5, 21):
        z = np.concatenate(_column(window, "spread_z"))
        share = np.mean(np.abs(z[np.isfinite(z)]) >= 3)
        assert share == pytest.approx(0.0027, abs=0.0012), window


def test_noise_sets_a_record_on_two_in_n_days_for_single_sessions() -> None:
    """Of n values in any order each is as likely to be the largest, or the smallest: 2 / n."""
    records = 0
    for pair in _noise():
        part = compute_pair_window(pair, 1)
        ranked, places = part["ranked"], part["spread_rank"]
        records += int(np.sum(ranked & ((places == 1) | (places == part["history_sessions"]))))
    expected = 12 * sum(2 / n for n in range(252, 6_500))
    assert records == pytest.approx(expected, abs=3 * np.sqrt(expected))


def test_some_extreme_somewhere_is_common_in_noise() -> None:
    """Twelve pairs and nine windows: with no signal at all, some cell is at |z| of 3 on many days."""
    extreme = np.zeros(6_500, dtype=bool)
    answered = np.zeros(6_500)
    for window in WINDOWS_SESSIONS:
        for pair in _noise():
            part = compute_pair_window(pair, window)
            extreme[part["rows"]] |= np.abs(part["spread_z"]) >= 3
            answered[part["rows"]] += np.isfinite(part["spread_z"])
    days = answered > 60
    assert 0.05 < extreme[days].mean() < 0.25


def test_scaled_noise_lies_beyond_the_5th_and_95th_on_a_tenth_of_days() -> None:
    percentile = np.concatenate(_column(5, "spread_vol_scaled_percentile"))
    percentile = percentile[np.isfinite(percentile)]
    assert np.mean((percentile <= 5) | (percentile >= 95)) == pytest.approx(0.10, abs=0.01)


def test_scaling_takes_the_regime_out_of_the_percentile() -> None:
    """Volatility that triples for two years of twenty: raw spreads cross the 5th and 95th at three times the
    rate there, scaled ones at the nominal one.
    """
    rng = np.random.default_rng(4)
    volatility = np.where((np.arange(5_040) >= 4_000) & (np.arange(5_040) < 4_504), 0.03, 0.01)
    daily = volatility[:, np.newaxis] * rng.normal(size=(5_040, 20))
    shares: dict[str, list[float]] = {"raw": [], "scaled": []}
    deviation = fading_deviation(100 * np.vstack([np.full((1, 20), np.nan), np.exp(daily[1:]) - 1]))
    quote = np.full(5_040, 100.0)
    for place in range(20):
        base = 100 * np.exp(np.cumsum(daily[:, place]))
        part = compute_pair_window(Pair(base, quote, quote, deviation[:, place], np.zeros(5_040)), 5)
        inside = (part["rows"] >= 4_030) & (part["rows"] < 4_504)
        for name, column in (("raw", "spread_percentile"), ("scaled", "spread_vol_scaled_percentile")):
            values = part[column][inside]
            shares[name].append(float(np.mean((values <= 5) | (values >= 95))))
    assert np.mean(shares["raw"]) > 0.30
    assert np.mean(shares["scaled"]) == pytest.approx(0.10, abs=0.04)


def test_what_is_answered_needs_twenty_windows() -> None:
    for window in WINDOWS_SESSIONS:
        part = compute_pair_window(_noise()[0], window)
        enough = part["history_sessions"] >= least_history(window)
        assert np.isfinite(part["spread_z"]).tolist() == enough.tolist()
        assert np.isfinite(part["spread_percentile"]).tolist() == enough.tolist()
        assert np.isfinite(part["spread_rank"]).tolist() == (part["history_sessions"] >= 252).tolist()
    assert compute_pair_window(NO_PAIR, 5)["rows"].size == 0
    assert compute_expanding_statistics(np.empty(0)).z.size == 0
