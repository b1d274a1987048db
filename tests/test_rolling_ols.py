"""Rolling regressions against statsmodels, on degenerate windows, and for look-ahead to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.lib import rolling_ols
from transforms.lib.rolling_ols import (
    MAX_SINGLE_ROW_SHARE,
    Floats,
    Panel,
    RollingFit,
    exponential_weights,
    fit_panel,
    fit_rolling,
)


def made_up(rows: int, count: int, seed: int) -> tuple[Floats, Floats]:
    """Fat tails, changing volatility, correlated factors, quantised yields: what the real series have."""
    rng = np.random.default_rng(seed)
    volatility = np.exp(np.cumsum(rng.normal(0, 0.05, rows)))
    factors = rng.standard_t(4, (rows, count)) * volatility[:, None]
    if count > 1:
        factors[:, 1:] = np.round(factors[:, 1:], 1)
        factors[:, -1] -= 0.8 * factors[:, 1]
    response = factors @ rng.normal(0, 1, count) + rng.standard_t(3, rows) * volatility
    response[1:] += 0.3 * response[:-1]
    return response, factors


def expect_equal(fit: RollingFit, row: int, response: Floats, factors: Floats, weights: Floats) -> None:
    """The row's window is its last len(weights) rows, or all there are."""
    size = min(row + 1, len(weights))
    window = slice(row + 1 - size, row + 1)
    # The made-up series have tails wild enough for a window to rest on one row: NULL by rule.
    used = weights[-size:, None]
    squares = used * (factors[window] - (used * factors[window]).sum(axis=0) / used.sum()) ** 2
    if (squares.max(axis=0) > MAX_SINGLE_ROW_SHARE * squares.sum(axis=0)).any():
        assert all_null(fit, row)
        return
    expected = sm.WLS(response[window], sm.add_constant(factors[window]), weights=weights[-size:]).fit(
        cov_type="HAC", cov_kwds={"maxlags": 5}
    )
    np.testing.assert_allclose(fit.beta[row], expected.params[1:], rtol=1e-8)
    np.testing.assert_allclose(fit.std_error[row], expected.bse[1:], rtol=1e-8)
    np.testing.assert_allclose(fit.t_stat[row], expected.tvalues[1:], rtol=1e-8)
    np.testing.assert_allclose(fit.r_squared[row], expected.rsquared, rtol=1e-8)
    assert fit.observations[row] == size


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("window", [60, 126, 252])
def test_equals_statsmodels(count: int, window: int) -> None:
    response, factors = made_up(900, count, seed=count * 1000 + window)
    fit = fit_rolling(response, factors, window)
    for row in [window - 1, *np.random.default_rng(1).integers(window, 900, 25), 899]:
        expect_equal(fit, int(row), response, factors, np.ones(window))
    assert np.isnan(fit.beta[: window - 1]).all()
    assert (fit.observations[: window - 1] == 0).all()


def test_default_is_statsmodels_default_without_small_sample_correction() -> None:
    response, factors = made_up(60, 1, seed=7)
    model = sm.OLS(response, sm.add_constant(factors))
    plain = model.fit(cov_type="HAC", cov_kwds={"maxlags": 5, "use_correction": False}).bse[1]
    corrected = model.fit(cov_type="HAC", cov_kwds={"maxlags": 5, "use_correction": True}).bse[1]
    ours = fit_rolling(response, factors, 60).std_error[-1, 0]
    assert ours == pytest.approx(plain, rel=1e-10)
    assert corrected / ours == pytest.approx(np.sqrt(60 / 58), rel=1e-10)


@pytest.mark.parametrize("count", [1, 3])
def test_exponential_weights_equal_weighted_least_squares(count: int) -> None:
    response, factors = made_up(800, count, seed=42 + count)
    weights = exponential_weights(60, 600)
    assert weights[-1] == 1.0 and weights[-61] == 0.5
    fit = fit_rolling(response, factors, 600, half_life=60, min_observations=120)
    assert (fit.observations[:119] == 0).all()
    for row in [119, 120, 300, 598, 599, 600, 700, 799]:
        expect_equal(fit, row, response, factors, weights)


def test_shifted_factors_keep_their_digits() -> None:
    """A mean a million times the variation costs digits of the data themselves, not more."""
    response, factors = made_up(300, 3, seed=9)
    plain = fit_rolling(response, factors, 252)
    shifted = fit_rolling(response + 1e3, factors + 1e3, 252)
    np.testing.assert_allclose(shifted.std_error[251:], plain.std_error[251:], rtol=1e-8)
    np.testing.assert_allclose(shifted.beta[251:], plain.beta[251:], rtol=1e-8)


def test_nearly_collinear_factors_equal_statsmodels_or_are_null() -> None:
    rng = np.random.default_rng(12)
    response, factors = made_up(120, 3, seed=12)
    for noise in (1e-1, 1e-2, 1e-4, 1e-6, 1e-9, 0.0):
        close = factors.copy()
        close[:, 2] = close[:, 1] + noise * rng.normal(size=120)
        fit = fit_rolling(response, close, 60)
        if noise >= 1e-2:
            expect_equal(fit, 119, response, close, np.ones(60))
        if noise <= 1e-4:
            assert np.isnan(fit.beta[59:]).all()


# --- degenerate windows: no estimate, never NaN elsewhere, never noise ----------------------------


def all_null(fit: RollingFit, row: int) -> bool:
    return bool(
        np.isnan(fit.beta[row]).all()
        and np.isnan(fit.std_error[row]).all()
        and np.isnan(fit.t_stat[row]).all()
        and np.isnan(fit.r_squared[row])
    )


@pytest.mark.parametrize("value", [0.0, 0.1, -3.7e5])
def test_constant_factor_is_null(value: float) -> None:
    response, factors = made_up(200, 3, seed=21)
    factors[50:130, 1] = value
    fit = fit_rolling(response, factors, 60)
    for row in range(109, 130):  # windows inside the constant stretch
        assert all_null(fit, row)
        assert fit.observations[row] == 60
    assert not all_null(fit, 100) and not all_null(fit, 140)


def test_one_row_with_all_the_variation_is_null() -> None:
    response, factors = made_up(100, 1, seed=22)
    factors[:, 0] = 0.0
    factors[70, 0] = 0.1
    assert all(all_null(fit_rolling(response, factors, 60), row) for row in range(59, 100))


def test_exact_fit_and_constant_response_are_null() -> None:
    _response, factors = made_up(100, 2, seed=23)
    exact = fit_rolling(factors @ np.array([1.3, -0.7]) + 0.2, factors, 60)
    flat = fit_rolling(np.full(100, 0.3), factors, 60)
    assert all(all_null(exact, row) and all_null(flat, row) for row in range(59, 100))


def test_short_series_and_unusable_input() -> None:
    response, factors = made_up(59, 3, seed=24)
    fit = fit_rolling(response, factors, 60)
    assert (fit.observations == 0).all() and np.isnan(fit.beta).all()
    assert fit_rolling(response[:0], factors[:0], 60).beta.shape == (0, 3)
    with pytest.raises(ValueError, match="finite"):
        fit_rolling(np.where(np.arange(59) == 3, np.nan, response), factors, 20)
    with pytest.raises(ValueError, match="length"):
        fit_rolling(response[1:], factors, 20)
    with pytest.raises(ValueError, match="observations"):
        fit_rolling(response, factors, 4)


# --- no look-ahead --------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
def test_bits_do_not_depend_on_other_rows(weighted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, block = 2400, 700
    response, factors = made_up(rows, 3, seed=31)
    window, half_life, shortest = (180, 60, 100) if weighted else (126, None, None)

    def fit(y: Floats, x: Floats) -> RollingFit:
        return fit_rolling(y, x, window, half_life, shortest)

    assert rows < rolling_ols.BLOCK_ROWS
    whole = fit(response, factors)
    monkeypatch.setattr(rolling_ols, "BLOCK_ROWS", block)
    monkeypatch.setattr(rolling_ols, "BLOCK_WINDOWS", 100)
    for cut in (window, window + 1, window + 7, 777, block, block + window, rows - 1, rows):
        part = fit(response[:cut], factors[:cut])
        for name in ("beta", "std_error", "t_stat", "r_squared", "observations"):
            assert getattr(part, name).tobytes() == getattr(whole, name)[:cut].tobytes()
    # Nor on what comes after or before the window, however large.
    response[1000:] = 1e9
    factors[1000:] = 1e9 * np.arange(rows - 1000)[:, None]
    response[:500] = -1e12
    changed = fit(response, factors)
    kept = slice(500 + window, 1000)
    for name in ("beta", "std_error", "t_stat", "r_squared"):
        assert getattr(changed, name)[kept].tobytes() == getattr(whole, name)[kept].tobytes()


# --- many entities, and only some windows ---------------------------------------------------------

FIGURES = ("beta", "std_error", "t_stat", "r_squared", "observations")


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    lengths=st.lists(st.integers(1, 130), min_size=1, max_size=5),
    half_life=st.sampled_from([None, 20.0]),
    asked_share=st.sampled_from([0.02, 0.5, 1.0]),
)
def test_bits_of_an_entity_are_those_it_has_alone(
    seed: int, lengths: list[int], half_life: float | None, asked_share: float
) -> None:
    """Some are computed by sums and some by rows (constant stretches, spikes): neither the neighbours nor
    what is asked for decides which.
    """
    rng = np.random.default_rng(seed)
    response, factors = made_up(sum(lengths), 2, seed)
    factors[rng.integers(0, len(factors), 3)] *= 1e4
    first = int(rng.integers(0, len(factors)))
    factors[first : first + 70, 1] = 0.3
    begins = np.cumsum([0, *lengths[:-1]])
    wanted = rng.random(len(response)) < asked_share
    together = fit_panel(Panel(response, factors, begins, wanted), 60, half_life, 40)
    for begin, length in zip(begins, lengths, strict=True):
        own = slice(begin, begin + length)
        alone = fit_rolling(response[own], factors[own], 60, half_life, 40)
        for name in FIGURES:
            asked = getattr(together, name)[own][wanted[own]]
            assert asked.tobytes() == getattr(alone, name)[wanted[own]].tobytes()
    assert (together.observations[~wanted] == 0).all() and np.isnan(together.beta[~wanted]).all()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    tails=st.sampled_from([1.0, 2.0, 5.0]),
    mean=st.sampled_from([0.0, 1.0, 5.0, 40.0]),
    noise=st.sampled_from([1.0, 0.1, 0.01]),
    mixed=st.sampled_from([0.0, 1.0, 30.0]),
    half_life=st.sampled_from([None, 20.0]),
)
def test_sums_are_used_only_where_they_carry_ten_digits(
    seed: int, tails: float, mean: float, noise: float, mixed: float, half_life: float | None
) -> None:
    rng = np.random.default_rng(seed)
    factors = rng.standard_t(tails, (150, 3)) + mean
    factors[:, 2] += mixed * factors[:, 1]
    response = factors @ rng.normal(0, 1, 3) + noise * rng.standard_t(tails, 150)
    fit = fit_rolling(response, factors, 60, half_life, 40)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rolling_ols, "SAFE_CANCELLATION", 0.0)
        by_rows = fit_rolling(response, factors, 60, half_life, 40)
    np.testing.assert_allclose(fit.std_error, by_rows.std_error, rtol=1e-10)
    np.testing.assert_allclose(fit.beta, by_rows.beta, rtol=0, atol=1e-10 * np.nanmax(by_rows.std_error))
    np.testing.assert_allclose(fit.r_squared, by_rows.r_squared, rtol=0, atol=1e-10)


def test_ordinary_windows_are_computed_by_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    response, factors = made_up(400, 3, seed=4)
    by_rows = []
    fit_block = rolling_ols._fit_block
    monkeypatch.setattr(
        rolling_ols, "_fit_block", lambda *given: by_rows.append(given[0].shape[2]) or fit_block(*given)
    )
    fit_rolling(response, factors, 126)
    assert sum(by_rows) < 0.1 * (400 - 125)


# --- properties -----------------------------------------------------------------------------------

seeds = st.integers(0, 2**32 - 1)
scales = st.floats(1e-6, 1e6)


@settings(max_examples=25, deadline=None)
@given(seed=seeds, response_scale=scales, factor_scale=scales, count=st.integers(1, 3))
def test_scale_equivariance(seed: int, response_scale: float, factor_scale: float, count: int) -> None:
    response, factors = made_up(75, count, seed)
    plain = fit_rolling(response, factors, 60)
    scaled = fit_rolling(response * response_scale, factors * factor_scale, 60)
    ratio = response_scale / factor_scale
    np.testing.assert_allclose(scaled.beta, plain.beta * ratio, rtol=1e-8, atol=1e-11 * ratio)
    np.testing.assert_allclose(scaled.std_error, plain.std_error * ratio, rtol=1e-8)
    np.testing.assert_allclose(scaled.r_squared, plain.r_squared, rtol=1e-8, atol=1e-11)


@settings(max_examples=25, deadline=None)
@given(seed=seeds, count=st.integers(1, 3))
def test_signs_flip_exactly(seed: int, count: int) -> None:
    response, factors = made_up(75, count, seed)
    plain = fit_rolling(response, factors, 60)
    other_response = fit_rolling(-response, factors, 60)
    other_factors = fit_rolling(response, -factors, 60)
    for other in (other_response, other_factors):
        np.testing.assert_array_equal(other.beta, -plain.beta)
        np.testing.assert_array_equal(other.std_error, plain.std_error)
        np.testing.assert_array_equal(other.t_stat, -plain.t_stat)
        np.testing.assert_array_equal(other.r_squared, plain.r_squared)


@settings(max_examples=25, deadline=None)
@given(seed=seeds, added=st.floats(-50, 50))
def test_adding_a_multiple_of_a_factor_adds_to_its_beta_alone(seed: int, added: float) -> None:
    response, factors = made_up(75, 3, seed)
    plain = fit_rolling(response, factors, 60)
    more = fit_rolling(response + added * factors[:, 1], factors, 60)
    np.testing.assert_allclose(
        more.beta - plain.beta, np.where(np.isnan(plain.beta), np.nan, [0, added, 0]), atol=1e-7
    )
    np.testing.assert_allclose(more.std_error, plain.std_error, rtol=1e-7)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from([-0.1, 0.0, 0.1, 5.0]), st.sampled_from([0.0, 0.1]), st.sampled_from([0.0, 0.3])
        ),
        min_size=10,
        max_size=30,
    )
)
def test_coarse_data_give_finite_numbers_or_null(rows: list[tuple[float, float, float]]) -> None:
    data = np.array(rows)
    fit = fit_rolling(data[:, 0], data[:, 1:], 10)
    usable = ~np.isnan(fit.r_squared)
    for values in (fit.beta, fit.std_error, fit.t_stat):
        assert np.isfinite(values[usable]).all()
        assert np.isnan(values[~usable]).all()
    assert (fit.std_error[usable] > 0).all()
    assert (fit.r_squared[usable] <= 1).all() and (fit.r_squared[usable] > -1e-9).all()


def test_without_the_largest_days_equals_statsmodels_on_the_rows_that_are_left() -> None:
    """Two entities, a factor of few values, so that days of equal size are common: the oldest go."""
    response, factors = made_up(150, 3, 8)
    factors[:, 1] = np.clip(factors[:, 1].round(), -4, 4)
    begins = np.array([0, 70])
    wanted = np.arange(150) % 3 > 0
    panel = rolling_ols.Panel(response, factors, begins, wanted)
    fit = rolling_ols.fit_panel_without_largest(panel, 1, 5, 60)
    ties = 0
    for row in range(150):
        start = 70 if row >= 70 else 0
        if row - start < 59 or not wanted[row]:
            assert np.isnan(fit.t_stat[row]).all() and fit.observations[row] == 0
            continue
        window = np.arange(row - 59, row + 1)
        order = sorted(window, key=lambda place: (-abs(factors[place, 1]), place))
        ties += abs(factors[order[4], 1]) == abs(factors[order[5], 1])
        left = np.array(sorted(order[5:]))
        expected = sm.OLS(response[left], sm.add_constant(factors[left])).fit(
            cov_type="HAC", cov_kwds={"maxlags": 5}
        )
        np.testing.assert_allclose(fit.beta[row], expected.params[1:], rtol=1e-8)
        np.testing.assert_allclose(fit.t_stat[row], expected.tvalues[1:], rtol=1e-8)
        assert fit.observations[row] == 55
    assert ties > 5
    alone = rolling_ols.fit_panel_without_largest(
        rolling_ols.Panel(response[:80], factors[:80], begins[:1], np.arange(80) == 79), 1, 5, 60
    )
    longer = rolling_ols.fit_panel_without_largest(
        rolling_ols.Panel(response, factors, begins[:1], np.ones(150, dtype=bool)), 1, 5, 60
    )
    np.testing.assert_array_equal(alone.t_stat[79], longer.t_stat[79])
