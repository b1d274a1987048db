"""Least squares on few, uneven observations (announcements): HC3 errors, a wild-bootstrap p, and how much of
a factor rests on its three largest rows.

In: a response and factors as in transforms/lib/rolling_ols.py; every window is the last `window` rows of an
entity, or as many as there are. Out: per row and factor the slope, its HC3 standard error and t statistic,
the bootstrap p, the share of the three largest rows, the slope without them.

Method: each factor after the first is replaced by what a regression on those before it leaves of it, within
the window (y2_residual is such a factor by definition). So the regressors are orthogonal to one another and
to the intercept: a slope is a ratio of two sums, leaving a factor out changes no other slope, and nothing is
inverted. The step counts as known in the standard errors.

HC3 (MacKinnon & White 1985): each squared residual divided by (1 − leverage)², as `statsmodels`
`cov_type="HC3"`; a few large rows make ordinary robust errors far too small. Wild bootstrap (Cameron, Gelbach
& Miller 2008; MacKinnon 2013): responses are rebuilt from the fit without the factor (the null imposed) with
its residuals times +1 or −1 (Rademacher), and the share of DRAWS rebuilt responses whose |t| (HC3 as well) is
not smaller than the observed one is the p, the observed one counted in: (1 + hits) / (1 + DRAWS). One table
of signs serves every window: the newest row takes its last column. It depends on nothing but SEED, so a p
depends on its window's rows alone, and two days' p differ by their data only.

Bits: sums go row by row over the windows. The bootstrap's sums of signed terms come from a matrix product,
whose order of additions is the library's own; the terms are rounded to 2^-45 of the largest first, so that
every sum of them is exact in whatever order it is made.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from transforms.lib.rolling_ols import (
    MIN_PIVOT,
    MIN_RESIDUAL_SHARE,
    MIN_VARIATION_SHARE,
    Booleans,
    Floats,
    Integers,
    Panel,
    windows_of,
)

DRAWS = 999  # so that 5 % of DRAWS + 1 is a whole number
SEED = 20_050_617
LARGEST_ROWS = 3
# 1 − leverage of a row that the fit goes through exactly: its HC3 term is 0 / 0.
MIN_LEVERAGE_LEFT = 1e-6
# Bits of a term of the bootstrap's sums: with up to 2^7 terms they fit the 53 of a float.
TERM_BITS = 45
MAX_WINDOW = 128
# Windows and draws multiplied at a time: so few that the matrix library does it in one thread. Two threads
# that wait for each other take five times the CPU time.
BOOTSTRAP_WINDOWS, BOOTSTRAP_DRAWS = 32, 32


@dataclass(frozen=True)
class EventFit:
    """One entry per row of the input; NaN = no estimate; `observations` 0 = not asked for."""

    beta: Floats  # (T, p)
    std_error: Floats  # (T, p)
    t_stat: Floats  # (T, p)
    top3_share: Floats  # (T, p)
    beta_without_top3: Floats  # (T, p)
    r_squared: Floats  # (T,)
    observations: Integers  # (T,)

    @classmethod
    def empty(cls, rows: int, count: int) -> EventFit:
        """No estimates yet, for `count` factors."""
        beta, std_error, t_stat, top3_share, without = (np.full((rows, count), np.nan) for _ in range(5))
        of_rows = np.full(rows, np.nan), np.zeros(rows, dtype=np.int64)
        return cls(beta, std_error, t_stat, top3_share, without, *of_rows)


@dataclass(frozen=True)
class _Windows:
    """Windows with orthogonal regressors. C windows, n rows of each; rows that are not present hold 0."""

    present: Booleans  # (n, C)
    regressors: Floats  # (p, n, C): each less its mean and less what those before it explain
    squares: Floats  # (p, C): their square sums
    beta: Floats  # (p, C)
    residual: Floats  # (n, C)
    varies: Booleans  # (C,): no factor is constant or follows from the others
    r_squared: Floats  # (C,)


def fit_events(panel: Panel, window: int, min_observations: int) -> EventFit:
    """Fit `response = a + factors · b + e` over the window that ends on each wanted row.

    Rows with fewer than `min_observations` rows behind them have their number and no figures.

    Raises:
        ValueError: The window is too long, or the least number of observations too small.
    """
    count = panel.factors.shape[1]
    if not count + 1 < min_observations <= window <= MAX_WINDOW:
        raise ValueError(f"{min_observations} observations for {count} factors and a window of {window}")
    fit = EventFit.empty(*panel.factors.shape)
    so_far = panel.rows_so_far()
    fit.observations[panel.wanted] = np.minimum(so_far[panel.wanted], window)
    rows = np.flatnonzero(panel.wanted & (so_far >= min_observations))
    for few, present, response, factors in windows_of(panel, rows, window, min_observations):
        fitted, own = _orthogonal(present, response, factors), rows[few]
        weights = _influence(fitted)
        with np.errstate(invalid="ignore"):  # a row that the fit goes through exactly: infinity times 0
            variance = np.stack([_sum(weight * fitted.residual**2) for weight in weights])
        sound = fitted.varies & (variance > 0.0).all(axis=0) & np.isfinite(variance).all(axis=0)
        error = np.sqrt(np.where(sound, variance, 1.0))
        fit.beta[own] = np.where(sound, fitted.beta, np.nan).T
        fit.std_error[own] = np.where(sound, error, np.nan).T
        fit.t_stat[own] = np.where(sound, fitted.beta / error, np.nan).T
        fit.r_squared[own] = np.where(sound, fitted.r_squared, np.nan)
        for place in range(count):
            moved = fitted.regressors[place] ** 2
            # stable: of equal rows the older one counts as the larger
            largest = np.argsort(-moved, axis=0, kind="stable")[:LARGEST_ROWS]
            top = _sum(np.take_along_axis(moved, largest, axis=0))
            share = top / np.where(sound, fitted.squares[place], 1.0)
            fit.top3_share[own, place] = np.where(sound, share, np.nan)
            without = present.copy()
            np.put_along_axis(without, largest, False, axis=0)
            rest = _orthogonal(without, response, factors)
            fit.beta_without_top3[own, place] = np.where(sound & rest.varies, rest.beta[place], np.nan)
    return fit


def wild_p(panel: Panel, factor: int, rows: Integers, window: int, min_observations: int) -> Floats:
    """The bootstrap p of one factor in the windows that end on `rows`, all of which have an estimate."""
    p_wild = np.full(rows.size, np.nan)
    signs = _signs()[:, MAX_WINDOW - window :]
    for few, present, response, factors in windows_of(panel, rows, window, min_observations):
        hits = _hits(_orthogonal(present, response, factors), factor, signs)
        p_wild[few] = (1.0 + hits) / (1.0 + DRAWS)
    return p_wild


@functools.cache
def _signs() -> Floats:
    """The table of signs, (DRAWS, MAX_WINDOW): ±1."""
    heads = np.random.default_rng(SEED).integers(0, 2, (DRAWS, MAX_WINDOW))
    signs = np.where(heads == 1, 1.0, -1.0)
    signs.setflags(write=False)
    return signs


def _sum(values: Floats) -> Floats:
    """Over the rows of each window, (n, C) to (C,), oldest first."""
    total = np.zeros(values.shape[1:])
    for row in values:
        total += row
    return total


def _orthogonal(present: Booleans, response: Floats, factors: Floats) -> _Windows:
    """Fit the windows' present rows."""
    number = np.maximum(_sum(present.astype(np.float64)), 1.0)
    residual = np.where(present, response - _sum(np.where(present, response, 0.0)) / number, 0.0)
    total = _sum(residual**2)
    varies = np.ones(number.size, dtype=bool)
    regressors: list[Floats] = []
    squares: list[Floats] = []
    beta: list[Floats] = []
    for values in factors:
        held = np.where(present, values, 0.0)
        own = np.where(present, values - _sum(held) / number, 0.0)
        variation = _sum(own**2)
        varies &= variation > MIN_VARIATION_SHARE * _sum(held**2)
        for earlier, square in zip(regressors, squares, strict=True):
            own = own - earlier * (_sum(own * earlier) / square)
        left = _sum(own**2)
        varies &= left > MIN_PIVOT * variation
        square = np.where(varies, left, 1.0)
        slope = _sum(own * residual) / square
        residual = residual - slope * own
        for kept, item in zip((regressors, squares, beta), (own, square, slope), strict=True):
            kept.append(item)
    unexplained = _sum(residual**2)
    varies &= unexplained > MIN_RESIDUAL_SHARE * total
    return _Windows(
        present=present,
        regressors=np.stack(regressors),
        squares=np.stack(squares),
        beta=np.stack(beta),
        residual=residual,
        varies=varies,
        r_squared=1.0 - unexplained / np.where(varies, total, 1.0),
    )


def _influence(fitted: _Windows) -> list[Floats]:
    """What a squared residual counts for in the HC3 variance of each slope, (n, C) per factor; infinite where
    a row's leverage is 1.
    """
    leverage = fitted.present / np.maximum(_sum(fitted.present.astype(np.float64)), 1.0)
    for regressor, square in zip(fitted.regressors, fitted.squares, strict=True):
        leverage = leverage + regressor**2 / square
    left = 1.0 - leverage
    scale = np.where(left > MIN_LEVERAGE_LEFT, left, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return [
            np.where(fitted.present, (regressor / square / scale) ** 2, 0.0)
            for regressor, square in zip(fitted.regressors, fitted.squares, strict=True)
        ]


def _hits(fitted: _Windows, factor: int, signs: Floats) -> Integers:
    """How many draws have a |t| of the factor that is not smaller than the observed one, (C,).

    With signs v, w = v · (residual without the factor) and an orthonormal basis q of the regressors, the
    rebuilt response has the residual w − Σ q_k c_k, c_k = Σ_i q_k w, and the slope c_j / |z_j|. Its variance
    Σ g (w − Σ q_k c_k)² is Σ g w² + Σ_k c_k h_k with h_k = Σ_l c_l Σ_i g q_k q_l − 2 Σ_i g q_k w. As w² has
    no sign, all that the signs decide are c and h, which are linear in them.
    """
    slope, square = fitted.beta[factor], fitted.squares[factor]
    ones = fitted.present / np.sqrt(_sum(fitted.present.astype(np.float64)))
    basis = np.stack([ones, *(fitted.regressors / np.sqrt(fitted.squares)[:, None, :])])
    influence = _influence(fitted)[factor]
    without = fitted.residual + slope * fitted.regressors[factor]
    terms = basis * without
    crossed = -2.0 * influence * terms
    for k in range(len(basis)):
        for other in range(len(basis)):
            crossed[k] += terms[other] * _sum(influence * basis[k] * basis[other])
    variance = _sum(influence * without**2)[:, None]
    t_squared = slope**2 / _sum(influence * fitted.residual**2)
    least = (square * t_squared)[:, None]
    terms, crossed = _exact(terms), _exact(crossed)
    hits = np.zeros(slope.size, dtype=np.int64)
    for first in range(0, slope.size, BOOTSTRAP_WINDOWS):
        some = slice(first, first + BOOTSTRAP_WINDOWS)
        drawn_variance = np.repeat(variance[some], DRAWS, axis=1)
        projected, linear = _signed_sums(terms[:, some], signs), _signed_sums(crossed[:, some], signs)
        for c, h in zip(projected, linear, strict=True):
            drawn_variance += c * h
        drawn_variance *= least[some]
        hits[some] = (projected[factor + 1] ** 2 >= drawn_variance).sum(axis=1)
    return hits


def _exact(terms: Floats) -> Floats:
    """Terms of the windows (k, n, C) as (k, C, n), rounded so that every sum of them is exact."""
    by_window = np.ascontiguousarray(np.moveaxis(terms, 1, 2))
    _, exponent = np.frexp(np.abs(by_window).max(axis=2, keepdims=True))
    exact: Floats = np.ldexp(np.rint(np.ldexp(by_window, TERM_BITS - exponent)), exponent - TERM_BITS)
    return exact


def _signed_sums(terms: Floats, signs: Floats) -> Floats:
    """Σ_i v_i · term_i for every draw: (k, C, n) terms to (k, C, DRAWS)."""
    rows = terms.reshape(-1, terms.shape[2])
    sums = np.empty((len(rows), DRAWS))
    for first in range(0, DRAWS, BOOTSTRAP_DRAWS):
        part = slice(first, first + BOOTSTRAP_DRAWS)
        np.matmul(rows, signs[part].T, out=sums[:, part])
    return sums.reshape(*terms.shape[:2], DRAWS)
