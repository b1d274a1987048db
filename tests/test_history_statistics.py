"""The statistics of a history to date against pandas, scipy, brute force and hand-worked figures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from transforms.lib import history
from transforms.lib.history import NO_INDEX, FloatArray, compute_expanding_statistics

RANDOM = np.random.default_rng(20240711)
NAN = np.nan


def _with_gaps(values: FloatArray) -> FloatArray:
    out = values.copy()
    out[RANDOM.random(len(out)) < 0.1] = NAN
    out[40:75] = NAN
    return out


SERIES: dict[str, FloatArray] = {
    "empty": np.empty(0),
    "one": np.array([3.0]),
    "one among gaps": np.array([NAN, 3.0, NAN]),
    "all missing": np.full(20, NAN),
    "constant": np.full(300, 0.1),
    "constant, then one jump": np.append(np.full(400, 0.1), [7.0, 0.1]),
    "rising": np.arange(700.0),
    "falling": -np.arange(700.0),
    "saw": np.tile([3.0, 1.0, 2.0], 200),
    "many ties": RANDOM.integers(-3, 4, 900).astype(float),
    "normal": RANDOM.normal(size=1111),
    "fat tails": RANDOM.standard_cauchy(800),
    "random walk": np.cumsum(RANDOM.normal(size=1500)),
    "huge first value": np.append([1e7], RANDOM.normal(size=600)),
    "huge level": 1e6 + RANDOM.normal(size=600),
    "jumps": np.repeat(RANDOM.normal(size=12) * 1e4, 60) + RANDOM.normal(size=720),
    "gaps": _with_gaps(RANDOM.normal(size=900)),
    "gaps and ties": _with_gaps(RANDOM.integers(0, 5, 900).astype(float)),
    "infinite": np.append(RANDOM.normal(size=300), [np.inf, -np.inf, 0.0]),
    "one block less one": RANDOM.normal(size=255),
    "one block": RANDOM.normal(size=256),
    "one block and one": RANDOM.normal(size=257),
}


def _brute_force(values: FloatArray, minimum: int) -> list[tuple[float, float, int, int, int]]:
    """percentile, rank, observations, last exceeded, last undercut of every row, by looking at every pair."""
    out = []
    for row, x in enumerate(values):
        earlier = [(j, v) for j, v in enumerate(values[:row]) if np.isfinite(v)]
        n = len(earlier) + bool(np.isfinite(x))
        if not np.isfinite(x) or n < minimum:
            out.append((NAN, NAN, n, NO_INDEX, NO_INDEX))
            continue
        at_most = 1 + sum(v <= x for _, v in earlier)
        larger = sum(v > x for _, v in earlier)
        exceeded = max((j for j, v in earlier if v >= x), default=NO_INDEX)
        undercut = max((j for j, v in earlier if v <= x), default=NO_INDEX)
        out.append((100.0 * at_most / n, 1.0 + larger, n, exceeded, undercut))
    return out


def _assert_equals_brute_force(values: FloatArray, minimum: int) -> None:
    got = compute_expanding_statistics(values, minimum)
    want = _brute_force(values, minimum)
    percentile, rank, observations, exceeded, undercut = (
        (list(c) for c in zip(*want, strict=True)) if want else [[]] * 5
    )
    np.testing.assert_array_equal(got.percentile, np.array(percentile, dtype=float))
    np.testing.assert_array_equal(got.rank, np.array(rank, dtype=float))
    assert got.observations.tolist() == observations
    assert got.last_exceeded_index.tolist() == exceeded
    assert got.last_undercut_index.tolist() == undercut
    finite = np.flatnonzero(np.isfinite(values))
    first = [finite[0] if n else NO_INDEX for n in observations]
    assert got.first_index.tolist() == first
    np.testing.assert_array_equal(got.ranked, np.isfinite(got.rank))


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("minimum", [1, 252])
def test_ranks_and_last_dates_equal_brute_force(name: str, minimum: int) -> None:
    _assert_equals_brute_force(SERIES[name], minimum)


@settings(max_examples=150, deadline=None)
@given(
    values=st.lists(st.one_of(st.sampled_from([NAN, 0.0, -0.0, 1.0]), st.floats(-9, 9)), max_size=60),
    minimum=st.integers(1, 8),
)
def test_any_series_equals_brute_force(values: list[float], minimum: int) -> None:
    _assert_equals_brute_force(np.array(values, dtype=float), minimum)


@pytest.mark.parametrize("name", SERIES)
def test_z_percentile_and_rank_equal_pandas_and_scipy(name: str) -> None:
    values = np.where(np.isfinite(SERIES[name]), SERIES[name], NAN)
    got = compute_expanding_statistics(values, 2)
    known = pd.Series(values).dropna()
    expanding = known.expanding(2)
    want_rank = expanding.rank(method="min", ascending=False).reindex(range(len(values)))
    want_percentile = 100 * expanding.rank(method="max", pct=True).reindex(range(len(values)))
    np.testing.assert_allclose(got.rank, want_rank, rtol=1e-12)
    np.testing.assert_allclose(got.percentile, want_percentile, rtol=1e-12)
    for row in known.index[1 :: max(len(known) // 40, 1)]:
        to_date = known.loc[:row]
        assert got.percentile[row] == pytest.approx(
            stats.percentileofscore(to_date, values[row], kind="weak"), rel=1e-12
        )
        if np.ptp(to_date) == 0:
            assert np.isnan(got.z[row])
        else:
            # two passes on the whole history: more exact than pandas' running update
            want = (values[row] - to_date.mean()) / to_date.std(ddof=1)
            assert got.z[row] == pytest.approx(want, rel=1e-9, abs=1e-9)
            assert got.z[row] == pytest.approx(
                stats.zscore(to_date.to_numpy(), ddof=1)[-1], rel=1e-9, abs=1e-9
            )


def test_z_equals_pandas_expanding_on_every_row() -> None:
    for name in ("normal", "random walk", "many ties", "gaps"):
        series = pd.Series(SERIES[name])
        want = (series - series.expanding(2).mean()) / series.expanding(2).std()
        np.testing.assert_allclose(
            compute_expanding_statistics(SERIES[name], 2).z, want, rtol=1e-9, atol=1e-9
        )


def test_nothing_before_252_observations() -> None:
    got = compute_expanding_statistics(np.append(RANDOM.normal(size=250), [NAN, 50.0, 60.0, 55.0]))
    assert not got.ranked[:252].any()  # the 251st observation is too few
    assert got.ranked[252:].all()
    assert got.rank[252:].tolist() == [1.0, 2.0]
    assert got.last_exceeded_index[252:].tolist() == [NO_INDEX, 252]
    assert np.isnan(got.z[:252]).all()


def test_the_largest_z_does_not_leave_its_bound() -> None:
    values = np.append(np.zeros(999), 1.0)
    assert compute_expanding_statistics(values).z[-1] == pytest.approx(999 / np.sqrt(1000), rel=1e-12)


# -- rolling statistics ----------------------------------------------------


def _grid() -> FloatArray:
    columns = [np.cumsum(RANDOM.normal(size=700)) + 100 for _ in range(3)]
    columns[1] = _with_gaps(columns[1])
    columns.append(np.full(700, 0.1))
    columns.append(np.append(np.full(690, NAN), np.arange(1.0, 11.0)))
    return np.column_stack(columns)


GRID = _grid()


@pytest.mark.parametrize("sessions", [2, 20, 21, 50, 200])
def test_rolling_mean_sd_and_z_equal_pandas(sessions: int) -> None:
    frame = pd.DataFrame(GRID)
    mean, deviation = frame.rolling(sessions).mean(), frame.rolling(sessions).std()
    np.testing.assert_allclose(history.rolling_mean(GRID, sessions), mean, rtol=1e-10)
    np.testing.assert_allclose(history.rolling_sd(GRID, sessions)[:, :3], deviation.iloc[:, :3], rtol=1e-8)
    z = ((frame - mean) / deviation).iloc[:, :3]
    np.testing.assert_allclose(history.rolling_z(GRID, sessions)[:, :3], z, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(
        history.distance_from_mean_pct(GRID, sessions), 100 * (frame / mean - 1), rtol=1e-9, atol=1e-9
    )


def test_a_constant_price_has_no_z_and_no_volatility() -> None:
    assert np.isnan(history.rolling_z(GRID[:, 3:4], 20)).all()
    assert (history.rolling_sd(GRID[:, 3:4], 20)[19:] == 0).all()


def test_a_missing_session_empties_every_window_that_holds_it() -> None:
    grid = GRID[:100, :1].copy()
    grid[50] = NAN
    missing = np.isnan(history.rolling_mean(grid, 20)[:, 0])
    assert np.flatnonzero(missing).tolist() == [*range(19), *range(50, 70)]


def test_change_pct_counts_sessions_and_guards_zero() -> None:
    grid = np.array([[2.0], [NAN], [3.0], [0.0], [1.0]])
    np.testing.assert_allclose(history.change_pct(grid, 2)[:, 0], [NAN, NAN, 50.0, NAN, -200 / 3])
    np.testing.assert_allclose(history.change_pct(grid, 1)[:, 0], [NAN, NAN, NAN, -100.0, NAN])
    assert np.isnan(history.change_pct(grid, 2520)).all()


# -- RSI -------------------------------------------------------------------

# A widely printed worked example of Wilder's method (33 closes, RSI from the 15th on, to two digits).
WORKED_CLOSES = [
    *(44.3389, 44.0902, 44.1497, 43.6124, 44.3278, 44.8264, 45.0955, 45.4245, 45.8433, 46.0826, 45.8931),
    *(46.0328, 45.6140, 46.2820, 46.2820, 46.0028, 46.0328, 46.4116, 46.2222, 45.6439, 46.2122, 46.2521),
    *(45.7137, 46.4515, 45.7835, 45.3548, 44.0288, 44.1783, 44.2181, 44.5672, 43.4205, 42.6628, 43.1314),
]
WORKED_RSI = [
    *(70.53, 66.32, 66.55, 69.41, 66.36, 57.97, 62.93, 63.26, 56.06, 62.38, 54.71, 50.42, 39.99, 41.46),
    *(41.87, 45.46, 37.30, 33.08, 37.77),
]


def _rsi(closes: list[float] | FloatArray, periods: int = 14) -> FloatArray:
    return history.wilder_rsi(np.asarray(closes, dtype=float)[:, np.newaxis], periods)[:, 0]


def test_rsi_equals_the_worked_example() -> None:
    got = _rsi(WORKED_CLOSES)
    assert np.isnan(got[:14]).all()
    np.testing.assert_allclose(got[14:], WORKED_RSI, atol=0.006)


def test_rsi_by_hand() -> None:
    # changes +1 +1 −1 | +2 with 3 periods: averages 2/3 and 1/3, then (4/3 + 2)/3 = 10/9 and (2/3)/3 = 2/9
    np.testing.assert_allclose(_rsi([10, 11, 12, 11, 13], 3), [NAN, NAN, NAN, 200 / 3, 500 / 6], rtol=1e-14)
    assert _rsi(np.arange(1.0, 16.0))[-1] == 100.0
    assert _rsi(np.arange(16.0, 1.0, -1.0))[-1] == 0.0
    assert np.isnan(_rsi(np.full(30, 5.0))).all()


def test_rsi_equals_a_seeded_exponential_mean() -> None:
    changes = pd.Series(GRID[:, 0]).diff()

    def wilder(part: pd.Series) -> pd.Series:
        seeded = pd.concat([pd.Series([part[1:15].mean()]), part[15:]])
        return seeded.ewm(alpha=1 / 14, adjust=False).mean()

    gain, loss = wilder(changes.clip(lower=0)), wilder(-changes.clip(upper=0))
    np.testing.assert_allclose(_rsi(GRID[:, 0])[14:], 100 - 100 / (1 + gain / loss), rtol=1e-10)


def test_rsi_starts_anew_behind_a_missing_session() -> None:
    closes = GRID[:200, 0].copy()
    closes[100] = NAN
    got = _rsi(closes)
    assert np.flatnonzero(np.isnan(got)).tolist() == [*range(14), *range(100, 115)]
    np.testing.assert_array_equal(got[101:], _rsi(closes[101:]))


# -- total return ----------------------------------------------------------


def test_total_return_index_runs_over_a_gap_but_not_over_an_unknown_return() -> None:
    closes = np.array([[NAN, 50.0], [20.0, 51.0], [NAN, 52.0], [22.0, 53.0], [21.0, 54.0]])
    returns = np.array([[NAN, NAN], [NAN, 2.0], [NAN, NAN], [10.0, 1.0], [-50.0, 1.0]])
    got = history.total_return_index(closes, returns)
    np.testing.assert_allclose(got[:, 0], [NAN, 100, NAN, 110, 55])
    np.testing.assert_allclose(got[:, 1], [100, 102, NAN, NAN, NAN])


# -- no look-ahead ---------------------------------------------------------

GRID_FUNCTIONS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "mean": lambda grid: history.rolling_mean(grid, 200),
    "sd": lambda grid: history.rolling_sd(grid, 21),
    "z": lambda grid: history.rolling_z(grid, 20),
    "distance": lambda grid: history.distance_from_mean_pct(grid, 50),
    "change": lambda grid: history.change_pct(grid, 252),
    "rsi": history.wilder_rsi,
    "total return": lambda grid: history.total_return_index(
        grid, history.change_pct(grid, 1) * np.where(np.isnan(grid), NAN, 0.01)
    ),
}


@pytest.mark.parametrize("name", GRID_FUNCTIONS)
def test_later_sessions_and_other_series_change_no_bit_of_a_grid(name: str) -> None:
    function = GRID_FUNCTIONS[name]
    whole = function(GRID)
    for cut in (1, 2, 14, 20, 21, 199, 200, 201, 333, 512, 699):
        assert function(GRID[:cut].copy()).tobytes() == whole[:cut].tobytes(), cut
    alone = function(GRID[:, 1:2].copy())
    assert alone.tobytes() == np.ascontiguousarray(whole[:, 1:2]).tobytes()


def _fields(statistics: history.ExpandingStatistics, cut: int) -> dict[str, bytes]:
    return {name: values[:cut].tobytes() for name, values in vars(statistics).items()}


@pytest.mark.parametrize("name", SERIES)
def test_later_values_change_no_bit_of_a_series(name: str) -> None:
    values = SERIES[name]
    whole = compute_expanding_statistics(values, 5)
    for cut in {1, 2, 5, 100, 255, 256, 257, 300, 512, 513, len(values) - 1} - {-1}:
        part = compute_expanding_statistics(values[:cut].copy(), 5)
        assert _fields(part, cut) == _fields(whole, cut), cut
