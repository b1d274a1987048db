"""The common factors of returns: market, size, value, tech and banks, and the volatility index.

In: the sessions and the random streams. Out: log returns by session, with scripted episodes.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from sources.simulated_market.arrays import (
    SESSIONS_PER_YEAR,
    Floats,
    Streams,
    smooth,
    student_t,
    with_drift,
)
from sources.simulated_market.grid import Grid

ANNUAL_VOL_PCT = {"market": 16.0, "size": 8.5, "value": 6.5, "tech": 8.5, "banks": 12.0}
# log return per year over the whole horizon, scripted episodes included
ANNUAL_DRIFT_PCT = {"market": 7.8, "size": 0.4, "value": 0.4, "tech": 2.0, "banks": -1.0}

# Scripted episodes: factor, first and last session, log return in per cent over the episode, share of the
# noise that is kept.
# They make the made-up history recognisable and give rare features (a rotation, a bank stress) something to
# find.
EPISODES: tuple[tuple[str, str, str, float, float], ...] = (
    ("tech", "2000-03-13", "2002-10-09", -75.0, 1.0),
    ("market", "2000-09-01", "2002-10-09", -48.0, 1.0),
    ("size", "2000-03-13", "2002-04-30", 24.0, 1.0),
    ("banks", "2007-07-02", "2009-03-06", -75.0, 1.0),
    ("market", "2008-09-15", "2008-11-20", -38.0, 1.0),
    ("market", "2020-02-20", "2020-03-23", -36.0, 1.0),
    ("market", "2020-03-24", "2020-06-08", 30.0, 1.0),
    ("size", "2020-11-06", "2021-02-12", 16.0, 1.0),
    ("market", "2022-01-04", "2022-10-12", -26.0, 1.0),
    ("banks", "2023-03-08", "2023-03-24", -32.0, 0.4),
    ("size", "2024-07-10", "2024-07-16", 11.0, 0.3),
)


class Factors:
    """Factors of one simulated market."""

    def __init__(self, grid: Grid, streams: Streams) -> None:
        self._grid = grid
        self._streams = streams

    @cached_property
    def log_returns(self) -> dict[str, Floats]:
        """Log returns of the common factors by session."""
        factors = {"market": self._market[0]}
        for name in ("size", "value", "tech", "banks"):
            extra, kept = self._episodes(name)
            daily_sd = ANNUAL_VOL_PCT[name] / 100.0 / SESSIONS_PER_YEAR**0.5
            shocks = student_t(self._streams.stream(f"factor {name}"), len(self._grid.sessions), 6.0)
            returns = extra + kept * daily_sd * shocks * self.variance_ratio**0.35
            factors[name] = with_drift(returns, ANNUAL_DRIFT_PCT[name])
        return factors

    @cached_property
    def variance_ratio(self) -> Floats:
        """Market variance relative to its long-run level, known before the session."""
        return self._market[1]

    @cached_property
    def volatility_index(self) -> Floats:
        """Annualised volatility expected over a month, in points, with a premium over the model's."""
        ahead = self._market[2]
        expected = 1.0 + (ahead - 1.0) * 0.85
        model = ANNUAL_VOL_PCT["market"] * np.sqrt(np.maximum(expected, 0.2))
        noise = self._streams.ar1("vix", len(ahead), 8.0, 0.07)
        points: Floats = np.clip(1.5 + 1.08 * model * np.exp(noise), 9.0, 90.0).astype(np.float64)
        return np.round(points, 2)

    @cached_property
    def fear(self) -> Floats:
        """The volatility index smoothed over about a month, on weekdays; drives spreads, conditions and
        claims.
        """
        return smooth(self.volatility_index[self._grid.session_of_weekday], 20.0)

    @cached_property
    def _market(self) -> tuple[Floats, Floats, Floats]:
        """Log returns of the market factor, its variance ratio, and the ratio expected for the next
        session.
        """
        count = len(self._grid.sessions)
        daily_sd = ANNUAL_VOL_PCT["market"] / 100.0 / SESSIONS_PER_YEAR**0.5
        shocks = (student_t(self._streams.stream("market"), count, 7.0) * daily_sd).tolist()
        extra = self._episodes("market")[0].tolist()
        alpha, leverage, beta = 0.035, 0.11, 0.89
        omega = 1.0 - alpha - leverage / 2.0 - beta
        returns, ratios = np.empty(count), np.empty(count + 1)
        ratio, unit = 1.0, daily_sd**2
        for day in range(count):
            ratios[day] = ratio
            surprise = shocks[day] * ratio**0.5 + extra[day]
            returns[day] = surprise
            squared = min(surprise * surprise / unit, 40.0)
            ratio = min(omega + (alpha + (leverage if surprise < 0 else 0.0)) * squared + beta * ratio, 16.0)
        ratios[count] = ratio
        return with_drift(returns, ANNUAL_DRIFT_PCT["market"]), ratios[:-1], ratios[1:]

    def _episodes(self, factor: str) -> tuple[Floats, Floats]:
        """Scripted log return by session, and the share of noise that is kept."""
        sessions = self._grid.sessions
        extra, kept = np.zeros(len(sessions)), np.ones(len(sessions))
        for name, first, last, size_pct, noise in EPISODES:
            if name == factor:
                days = (sessions >= np.datetime64(first)) & (sessions <= np.datetime64(last))
                extra[days] += size_pct / 100.0 / max(int(days.sum()), 1)
                kept[days] = noise
        return extra, kept
