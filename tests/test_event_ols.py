"""Regressions on few announcements: HC3 against statsmodels, the bootstrap's p against a loop, and that a
window's figures depend on its own rows alone, to the last bit.
"""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.lib import event_ols
from transforms.lib.event_ols import DRAWS, MAX_WINDOW, SEED, EventFit, fit_events, wild_p
from transforms.lib.rolling_ols import Floats, Panel

WINDOW, SHORTEST = 80, 40
FIGURES = ("beta", "std_error", "t_stat", "top3_share", "beta_without_top3", "r_squared", "observations")


def made_up(rows: int, seed: int, tails: float = 2.5) -> tuple[Floats, Floats]:
    """Surprises with fat tails and many zeros, a yield that takes some of them in, and noise."""
    rng = np.random.default_rng(seed)
    surprise = np.where(rng.random(rows) < 0.4, 0.0, rng.standard_t(tails, rows).round(1))
    other = 0.5 * surprise + rng.standard_t(4, rows)
    response = -0.3 * surprise + 0.2 * other + rng.standard_t(3, rows) * (1 + np.abs(surprise))
    return response, np.column_stack([surprise, other])


def textbook(response: Floats, factors: Floats) -> tuple[Floats, Floats]:
    """The regressors with an intercept and the residual in place of the second factor, and the response."""
    first = sm.add_constant(factors[:, 0])
    residual = sm.OLS(factors[:, 1], first).fit().resid
    return np.column_stack([first, residual]), response


@pytest.mark.parametrize("rows", [40, 47, 80, 120])
def test_equals_statsmodels(rows: int) -> None:
    response, factors = made_up(rows, rows)
    fit = fit_events(Panel.of_one(response, factors), WINDOW, SHORTEST)
    for end in {40, rows}:
        inside = slice(max(0, end - WINDOW), end)
        regressors, y = textbook(response[inside], factors[inside])
        expected = sm.OLS(y, regressors).fit(cov_type="HC3")
        np.testing.assert_allclose(fit.beta[end - 1], expected.params[1:], rtol=1e-9)
        np.testing.assert_allclose(fit.std_error[end - 1], expected.bse[1:], rtol=1e-9)
        np.testing.assert_allclose(fit.t_stat[end - 1], expected.tvalues[1:], rtol=1e-9)
        assert fit.r_squared[end - 1] == pytest.approx(expected.rsquared, rel=1e-9)
    assert fit.observations.tolist() == [min(number, WINDOW) for number in range(1, rows + 1)]
    assert np.isnan(fit.beta[:39]).all() and np.isfinite(fit.beta[39:]).all()


def looped_p(response: Floats, factors: Floats, factor: int) -> float:
    """The bootstrap as it is written in a paper: each response rebuilt and fitted anew."""
    regressors, y = textbook(response, factors)
    observed = sm.OLS(y, regressors).fit(cov_type="HC3").tvalues[factor + 1]
    without = sm.OLS(y, np.delete(regressors, factor + 1, axis=1)).fit()
    heads = np.random.default_rng(SEED).integers(0, 2, (DRAWS, MAX_WINDOW))[:, MAX_WINDOW - len(y) :]
    hits = 0
    for signs in 2.0 * heads - 1.0:
        drawn = sm.OLS(without.fittedvalues + signs * without.resid, regressors).fit(cov_type="HC3")
        hits += abs(drawn.tvalues[factor + 1]) >= abs(observed)
    return (1 + hits) / (1 + DRAWS)


@pytest.mark.parametrize(("rows", "seed"), [(47, 1), (95, 2)])
def test_bootstrap_equals_a_loop(rows: int, seed: int) -> None:
    response, factors = made_up(rows, seed)
    panel, inside = Panel.of_one(response, factors), slice(max(0, rows - WINDOW), rows)
    for factor in (0, 1):
        [found] = wild_p(panel, factor, np.array([rows - 1]), WINDOW, SHORTEST)
        assert found == looped_p(response[inside], factors[inside], factor)


def test_bootstrap_rejects_a_true_null_as_often_as_it_says() -> None:
    """600 histories in which the surprise does nothing, with the recorded kind of tails."""
    histories, rows = 600, 60
    rng = np.random.default_rng(8)
    surprise = rng.standard_t(2.5, (histories, rows))
    noise = rng.standard_t(4, (histories, rows)) * (1 + np.abs(surprise))
    panel = Panel(
        noise.ravel(),
        np.column_stack([surprise.ravel(), rng.normal(size=noise.size)]),
        np.arange(0, noise.size, rows),
        np.ones(noise.size, dtype=bool),
    )
    p_value = wild_p(panel, 0, np.arange(rows - 1, noise.size, rows), WINDOW, SHORTEST)
    for level in (0.05, 0.10, 0.20):
        assert (p_value <= level).mean() == pytest.approx(level, abs=0.03)


def test_three_days_are_named_and_left_out() -> None:
    rng = np.random.default_rng(4)
    surprise = np.append(rng.normal(0, 0.5, 57), [8.0, -6.0, 7.0])
    response = np.where(np.abs(surprise) > 5, -1.0, 1.0) * surprise + rng.normal(0, 0.1, 60)
    factors = np.column_stack([surprise, rng.normal(0, 1, 60)])
    fit = fit_events(Panel.of_one(response, factors), WINDOW, SHORTEST)
    assert fit.top3_share[-1, 0] > 0.85 > 0.4 > fit.top3_share[-1, 1]
    assert fit.beta[-1, 0] < 0 < fit.beta_without_top3[-1, 0]
    assert fit.beta_without_top3[-1, 0] == pytest.approx(np.polyfit(surprise[:57], response[:57], 1)[0])


@pytest.mark.parametrize("column", [0, 1])
def test_degenerate_windows_are_null(column: int) -> None:
    response, factors = made_up(60, 3)
    constant = factors.copy()
    constant[:, column] = 0.3
    collinear = factors.copy()
    collinear[:, 1 - column] = 2 * collinear[:, column] + 1
    exact = factors @ np.array([1.0, -2.0])
    for y, x in ((response, constant), (response, collinear), (exact, factors), (response * 0 + 2, factors)):
        fit = fit_events(Panel.of_one(y, x), WINDOW, SHORTEST)
        for name in FIGURES[:-1]:
            assert np.isnan(getattr(fit, name)).all()
        assert fit.observations[-1] == 60


def test_one_row_that_decides_a_factor_is_null() -> None:
    response, factors = made_up(60, 3)
    factors[:, 0] = 0.0
    factors[50, 0] = 1.0
    assert np.isnan(fit_events(Panel.of_one(response, factors), WINDOW, SHORTEST).beta).all()


def test_unusable_windows_are_refused() -> None:
    response, factors = made_up(60, 3)
    with pytest.raises(ValueError, match="a window of 200"):
        fit_events(Panel.of_one(response, factors), 200, 40)
    with pytest.raises(ValueError, match="3 observations for 2 factors"):
        fit_events(Panel.of_one(response, factors), 80, 3)
    empty = fit_events(Panel.of_one(response[:0], factors[:0]), WINDOW, SHORTEST)
    assert empty.beta.shape == (0, 2)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    lengths=st.lists(st.integers(1, 130), min_size=2, max_size=5),
    share=st.sampled_from([0.05, 0.5, 1.0]),
)
def test_bits_of_an_entity_are_those_it_has_alone(seed: int, lengths: list[int], share: float) -> None:
    """Neither neighbours nor what is asked for nor later rows change a bit of a window, its p included."""
    rng = np.random.default_rng(seed)
    response, factors = made_up(sum(lengths), seed)
    begins = np.cumsum([0, *lengths[:-1]])
    wanted = rng.random(len(response)) < share
    together = Panel(response, factors, begins, wanted)
    fit = fit_events(together, WINDOW, SHORTEST)
    rows = np.flatnonzero(np.isfinite(fit.r_squared))
    p_value = np.full(len(response), np.nan)
    p_value[rows] = wild_p(together, 0, rows, WINDOW, SHORTEST)
    for begin, length in zip(begins, lengths, strict=True):
        cut = int(rng.integers(1, length + 1))  # up to an earlier day
        own = slice(begin, begin + cut)
        alone = Panel.of_one(response[own], factors[own])
        alone_fit: EventFit = fit_events(alone, WINDOW, SHORTEST)
        for name in FIGURES:
            asked = getattr(fit, name)[own][wanted[own]]
            assert asked.tobytes() == getattr(alone_fit, name)[wanted[own]].tobytes()
        found = np.flatnonzero(np.isfinite(alone_fit.r_squared) & wanted[own])
        assert wild_p(alone, 0, found, WINDOW, SHORTEST).tobytes() == p_value[own][found].tobytes()


def test_sums_of_signed_terms_are_exact_in_any_order() -> None:
    rng = np.random.default_rng(6)
    terms = rng.standard_t(2, (1, 80, 1)) * 10.0 ** rng.integers(-6, 6, (1, 80, 1))
    signs = event_ols._signs()[:, MAX_WINDOW - 80 :]
    order = rng.permutation(80)
    sums = event_ols._signed_sums(event_ols._exact(terms), signs)
    other = event_ols._signed_sums(event_ols._exact(terms[:, order]), signs[:, order])
    assert sums.tobytes() == other.tobytes()
    np.testing.assert_allclose(sums[0, 0], signs @ terms[0, :, 0], rtol=0, atol=1e-12 * np.abs(terms).max())
