"""The FOMC's projections of the funds rate in the simulated market: median dots by year and over the longer
run.

In: the decisions, the expected path and the random streams. Out: per day with projections the dots of the
years that it names. A dot is what the market of that evening expects for the end of the year, drawn towards
the longer run the farther the year is away, with an opinion of the committee's own; in December the year's
own dot is the range that was decided. Medians lie on eighths and are printed with one decimal, as the Fed's.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np

from market_calendar.projections import last_year_named, projection_days
from sources.simulated_market.arrays import Bools, Days, Floats, Streams
from sources.simulated_market.grid import HORIZON_END
from sources.simulated_market.macro import Observations
from sources.simulated_market.meetings import EFFR_ABOVE_LOWER_PCT
from sources.simulated_market.rates import Rates

# The longer run fell from 4.25 % in 2012 to 2.5 %.
LONGER_RUN_PCT, LONGER_RUN_FALL_PCT, LONGER_RUN_YEARS = 2.5, 1.75, 3.0
TOWARDS_LONGER_RUN_PER_YEAR = 0.3
OPINION_SD_PCT, OPINION_HALF_LIFE = 0.35, 3.0
MIDPOINT_ABOVE_EFFR_PCT = 0.125 - EFFR_ABOVE_LOWER_PCT
LOWEST_DOT_PCT = 0.125
PATH_MONTHS = 48
LAST_MONTH = 12  # the decision of December is the year's last


class Dots(NamedTuple):
    """Median dots in long form: the day of publication, the first day of the year, the rate in %."""

    published: Days
    years: Days
    values: Floats


class Projections:
    """The projections of one simulated market."""

    def __init__(self, streams: Streams, rates: Rates) -> None:
        self._streams = streams
        self._rates = rates

    @cached_property
    def _days(self) -> Days:
        """The days with projections that are decision days of this market."""
        days = np.array(projection_days(), dtype="datetime64[D]")
        decided: Bools = np.isin(days, self._rates.meetings.decision) & (days <= HORIZON_END)
        return days[decided]

    @cached_property
    def _longer_run(self) -> Floats:
        elapsed = (self._days - np.datetime64("2012-01-25")).astype(np.float64) / 365.25
        level = LONGER_RUN_PCT + LONGER_RUN_FALL_PCT * np.exp(-elapsed / LONGER_RUN_YEARS)
        return level + self._streams.ar1("longer run", len(self._days), 12.0, 0.15)

    def longer_run(self, series_id: str) -> Observations:
        """The longer-run median, dated by the day of publication."""
        return Observations(self._days, _printed(self._longer_run), 1)

    @cached_property
    def by_year(self) -> Dots:
        """Every median dot of a calendar year, by day of publication and year."""
        opinion = self._streams.ar1("dots", len(self._days), OPINION_HALF_LIFE, OPINION_SD_PCT)
        published, years, values = [], [], []
        for place, day in enumerate(self._days):
            days, path = self._rates.expected_path(day, PATH_MONTHS)
            for year in range(day.item().year, last_year_named(day.item()) + 1):
                end = np.datetime64(f"{year}-12-31")
                decided = day.item().month == LAST_MONTH and year == day.item().year
                away = 0.0 if decided else (end - day).astype(np.float64) / 365.25
                market = path[np.searchsorted(days, end)] + MIDPOINT_ABOVE_EFFR_PCT
                weight = 1.0 - np.exp(-TOWARDS_LONGER_RUN_PER_YEAR * away)
                own = opinion[place] * min(away, 1.0)
                published.append(day)
                years.append(np.datetime64(f"{year}-01-01"))
                values.append((1.0 - weight) * market + weight * self._longer_run[place] + own)
        return Dots(
            np.array(published, dtype="datetime64[D]"),
            np.array(years, dtype="datetime64[D]"),
            _printed(np.array(values, dtype=np.float64)),
        )


def _printed(values: Floats) -> Floats:
    """On the nearest eighth, rounded to one decimal."""
    eighths = np.maximum(np.rint(values * 8.0) / 8.0, LOWEST_DOT_PCT)
    return np.floor(eighths * 10.0 + 0.5) / 10.0
