"""A made-up market: prices, a fed funds futures strip, a yield curve and macro series that belong together.

In: the reference frames: instruments (one row per symbol), FRED series (per series), FOMC meetings (per
decision) and the calendar (per day). Out: CSV bytes in the layout of `sources.tabular`, one payload per
symbol, contract or series.

The policy rate follows the target ranges of the meeting list (flat after the last known decision). What the
market expects of each meeting converges on its outcome; a contract settles at 100 - the calendar-day
average of the expected EFFR, an `effective_date` being the first day at the new rate. Yields are averages
of the same path plus a term premium. Returns are total returns of common factors (market with GJR-GARCH
variance, Glosten, Jagannathan and Runkle 1993; size, value, tech, banks, changes of the 2- and 10-year
yield) plus own noise, with Student-t shocks and a handful of scripted episodes.

Everything is made over a fixed horizon, whatever range is asked, and every symbol draws from a stream of
its own, so that neither a later end nor another symbol changes a value. Caveat: the futures strip knows
today's DFF and the dates of scheduled meetings before they are announced; and what later policy will be
shapes prices and inflation slightly: a real market does not.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Days = npt.NDArray[np.datetime64]

HORIZON_START = np.datetime64("2000-01-01")
HORIZON_END = np.datetime64("2028-12-31")
LISTED_MONTHS = 24
MONTH_CODES = "FGHJKMNQUVXZ"
SESSIONS_PER_YEAR = 252

EFFR_ABOVE_LOWER_PCT = 0.08  # where the funds rate trades inside a target range
FLOOR_PCT = 0.06  # no expected funds rate below it

FACTOR_ANNUAL_VOL_PCT = {"market": 16.0, "size": 8.5, "value": 6.5, "tech": 8.5, "banks": 12.0}
# log return per year over the whole horizon, scripted episodes included
FACTOR_ANNUAL_DRIFT_PCT = {"market": 7.8, "size": 0.4, "value": 0.4, "tech": 2.0, "banks": -1.0}

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

# Scripted moves of the expected change per meeting: date, basis points, half-life in weekdays, weekdays to
# build up.
POLICY_SCARES: tuple[tuple[str, float, float, int], ...] = (
    ("2008-09-15", -8.0, 40.0, 5),
    ("2011-08-02", -5.0, 60.0, 5),
    ("2020-02-24", -12.0, 30.0, 8),
    ("2023-03-08", -17.0, 35.0, 5),
    ("2024-07-10", -3.0, 40.0, 4),
)

# What banks do when the 2-year yield rises by 10 bp, in per cent, by date; linear in between.
BANK_BETA_KNOTS: tuple[tuple[str, float], ...] = (
    ("2000-01-01", -0.5),
    ("2007-06-01", -0.3),
    ("2009-06-01", 0.7),
    ("2021-12-31", 0.9),
    ("2023-06-30", 0.7),
    ("2023-09-30", -0.9),
    ("2025-12-31", -0.8),
    ("2026-12-31", 0.6),
    ("2028-12-31", 0.6),
)

DEFAULT_SPLITS: Mapping[str, tuple[tuple[date, float], ...]] = {"XLK": ((date(2019, 6, 10), 2.0),)}

START_LEVELS = {"^GSPC": 1455.0, "^NDX": 3790.0, "^RUT": 496.0, "^DJI": 11357.0, "^IXIC": 4131.0}

TENOR_MONTHS = {1: 1, 3: 3, 6: 6, 12: 12, 24: 24}
FRONT_PREMIUM_PCT = {1: -0.03, 3: 0.03, 6: 0.06, 12: 0.10, 24: 0.18}
# weight of the 2-year, premium over the long anchor, loading on the curvature factor
LONG_TENORS = {
    36: (0.85, 0.02, 0.7),
    60: (0.68, 0.05, 1.0),
    84: (0.58, 0.15, 0.8),
    120: (0.50, 0.25, 0.4),
    240: (0.38, 0.55, 0.1),
    360: (0.34, 0.50, 0.0),
}
TREASURY_SERIES = {
    "DGS1MO": 1,
    "DGS3MO": 3,
    "DGS6MO": 6,
    "DGS1": 12,
    "DGS2": 24,
    "DGS3": 36,
    "DGS5": 60,
    "DGS7": 84,
    "DGS10": 120,
    "DGS20": 240,
    "DGS30": 360,
}


class UnknownInputError(KeyError):
    """The symbol, contract or series is not part of the simulated market."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Traits:
    """How one instrument behaves: loadings on the common factors, own noise, dividends, volume."""

    market: float = 1.0
    size: float = 0.0
    value: float = 0.0
    tech: float = 0.0
    banks: float = 0.0
    bank_rate_share: float = 0.0  # share of the banks' sensitivity to the 2-year yield
    duration_years: float = 0.0
    duration_tenor_months: int = 120
    own_annual_vol_pct: float = 1.5
    dividend_yield_pct: float = 1.5
    dividends_per_year: int = 4
    is_index: bool = False
    is_volatility: bool = False
    base_volume: float = 1.0e6


@dataclass(frozen=True)
class Prices:
    """One instrument as traded, on the sessions of its life; `split` is 1 on days without one."""

    sessions: Days
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    dividend: Floats
    split: Floats
    is_index: bool


class SimulatedMarket:
    """One simulated history of everything, from the reference data and a seed."""

    def __init__(
        self,
        instruments: pd.DataFrame,
        fred_series: pd.DataFrame,
        fomc_meetings: pd.DataFrame,
        calendar: pd.DataFrame,
        seed: int = 20000103,
        splits: Mapping[str, Sequence[tuple[date, float]]] = DEFAULT_SPLITS,
    ) -> None:
        self._seed = seed
        self._splits = splits
        self._instruments = _rows(instruments, "symbol")
        self._series = _rows(fred_series, "series_id")
        self._meetings = _meetings(fomc_meetings)
        self._all_days: Days = np.arange(HORIZON_START, HORIZON_END + 1)
        days = _days(calendar["calendar_date"])
        self._sessions = _within(days[_flags(calendar["is_nyse_session"])], np.datetime64("2000-01-03"))
        self._settlement_days = _within(
            days[_flags(calendar["is_settlement_day"])], np.datetime64("2000-01-03")
        )
        self._fed_days = _within(days[_flags(calendar["is_fed_business_day"])], HORIZON_START)
        weekday = (self._all_days.astype(np.int64) + 3) % 7  # Monday is 0
        self._weekdays = _within(self._all_days[weekday < 5], np.datetime64("2000-01-03"))
        self._first_month = int(HORIZON_START.astype("datetime64[M]").astype(np.int64))
        self._month_count = (
            int(HORIZON_END.astype("datetime64[M]").astype(np.int64)) - self._first_month + 1 + LISTED_MONTHS
        )
        self._prices: dict[str, Prices] = {}

    # ---- payloads ----------------------------------------------------------------------------------------

    def prices_csv(self, symbol: str, start: date, end: date) -> bytes:
        """Prices of one symbol as served on `end`: splits up to then are in every row, adjusted closes
        start from there."""
        prices = self._instrument(symbol)
        first, last = _slice(prices.sessions, start, end)
        header = "date,open,high,low,close,adj_close,volume,dividend,split\n"
        if first >= last:
            return header.encode()
        later_splits = np.cumprod(prices.split[:last][::-1])[::-1]
        factor = later_splits / prices.split[:last]  # splits after the row, up to `end`
        close = prices.close[:last] / factor
        dividend = prices.dividend[:last] / factor
        total = np.ones(last)
        total[1:] = (close[1:] + dividend[1:]) / close[:-1]
        index = np.cumprod(total)
        adjusted = close[-1] * index / index[-1]
        cut = slice(first, last)
        dates = _texts(prices.sessions[cut])
        numbers = [
            (values[:last] / factor)[cut].tolist()
            for values in (prices.open, prices.high, prices.low, prices.close)
        ]
        numbers.append(adjusted[cut].tolist())
        if prices.is_index:
            volumes = ["" if np.isnan(v) else f"{v:.0f}" for v in prices.volume[cut]]
            rows = zip(dates, *numbers, volumes, strict=True)
            body = "".join(["%s,%.6f,%.6f,%.6f,%.6f,%.6f,%s,,\n" % row for row in rows])
        else:
            volume = np.rint(prices.volume[:last] * factor)[cut].tolist()
            split = np.where(prices.split[cut] == 1.0, 0.0, prices.split[cut]).tolist()
            rows = zip(dates, *numbers, volume, dividend[cut].tolist(), split, strict=True)
            body = "".join(["%s,%.6f,%.6f,%.6f,%.6f,%.6f,%.0f,%.6f,%.1f\n" % row for row in rows])
        return (header + body).encode()

    def futures_csv(self, contract: str, start: date, end: date) -> bytes:
        """Daily settlements of one contract from its listing to its final settlement."""
        month = self._contract_month(contract)
        first, last = _slice(self._settlement_days, start, end)
        offset = month - self._settlement_month[first:last]
        listed = np.flatnonzero((offset >= 0) & (offset <= LISTED_MONTHS)) + first
        settles = self._settlements[listed, month - self._first_month].tolist()
        rows = zip(_texts(self._settlement_days[listed]), settles, strict=True)
        return ("date,settle\n" + "".join(["%s,%.4f\n" % row for row in rows])).encode()

    def contracts(self, start: date, end: date) -> list[str]:
        """Contracts that settle at least once in the range, by delivery month."""
        first, last = _slice(self._settlement_days, start, end)
        if first >= last:
            return []
        months = range(
            int(self._settlement_month[first]), int(self._settlement_month[last - 1]) + LISTED_MONTHS + 1
        )
        return [f"ZQ{MONTH_CODES[month % 12]}{(1970 + month // 12) % 100:02d}" for month in months]

    def fred_csv(self, series_id: str, start: date, end: date) -> bytes:
        """One FRED series; a day without an observation is a row with a blank."""
        days, values, decimals = self._fred(series_id)
        first, last = _slice(days, start, end)
        pairs = zip(_texts(days[first:last]), values[first:last].tolist(), strict=True)
        rows = [f"{day},\n" if value != value else f"{day},{value:.{decimals}f}\n" for day, value in pairs]
        return (f"observation_date,{series_id}\n" + "".join(rows)).encode()

    def expected_effr(self, settlement_date: date, months: int = LISTED_MONTHS) -> pd.Series[float]:
        """The path behind one day's strip: DFF up to that day, then the expected rate, by calendar day; for
        checks."""
        as_of = np.datetime64(settlement_date)
        row = int(np.searchsorted(self._weekdays, as_of))
        if row >= len(self._weekdays) or self._weekdays[row] != as_of:
            raise ValueError(f"{settlement_date} is not a weekday of the simulated horizon")
        month = as_of.astype("datetime64[M]")
        days = np.arange(month.astype("datetime64[D]"), (month + months + 1).astype("datetime64[D]"))
        steps = self._expected_steps[row]
        known = np.searchsorted(self._meetings.effective, days, side="right")
        path = self._meetings.rate_at_start + np.concatenate([[0.0], np.cumsum(steps)])[known]
        past = days <= as_of
        path[past] = self._dff[np.searchsorted(self._all_days, days[past])]
        return pd.Series(path, index=pd.to_datetime(days))

    # ---- random streams ----------------------------------------------------------------------------------

    def _stream(self, purpose: str) -> np.random.Generator:
        """A stream for one purpose; crc32 because Python's own hash differs between processes."""
        return np.random.Generator(np.random.PCG64([self._seed, zlib.crc32(purpose.encode())]))

    def _ar1(self, purpose: str, count: int, half_life: float, stationary_sd: float) -> Floats:
        """A first-order autoregression in steps of the series' own grid."""
        shocks = self._stream(purpose).standard_normal(count + 1)
        return _autoregression(shocks, 0.5 ** (1.0 / half_life), stationary_sd)

    # ---- policy rate, strip, yields ----------------------------------------------------------------------

    @cached_property
    def _policy_rate(self) -> Floats:
        """Where the funds rate trades without noise, by calendar day."""
        meetings = self._meetings
        known = np.searchsorted(meetings.effective, self._all_days, side="right")
        levels: Floats = np.concatenate(
            [[meetings.rate_at_start], meetings.rate_at_start + np.cumsum(meetings.change)]
        )
        return levels[known]

    @cached_property
    def _dff(self) -> Floats:
        """Effective funds rate by calendar day, 2 decimals; other than business days repeat the business
        day before."""
        stream = self._stream("dff")
        count = len(self._all_days)
        noise_bp = stream.choice(np.array([-1.0, 0.0, 1.0]), size=count, p=[0.06, 0.88, 0.06])
        dip_bp = stream.choice(np.array([0.0, -1.0, -2.0]), size=count, p=[0.4, 0.4, 0.2])
        business = np.isin(self._all_days, self._fed_days)
        position = np.flatnonzero(business)
        month = self._all_days.astype("datetime64[M]")
        last_of_month = np.zeros(count, dtype=bool)
        last_of_month[position[:-1][month[position[:-1]] != month[position[1:]]]] = True
        value = (
            np.rint((self._policy_rate + (noise_bp + np.where(last_of_month, dip_bp, 0.0)) / 100.0) * 100.0)
            / 100.0
        )
        before = np.maximum.accumulate(np.where(business, np.arange(count), -1))
        return np.where(before >= 0, value[before], np.rint(self._policy_rate * 100.0) / 100.0)

    @cached_property
    def _sentiment(self) -> tuple[Floats, Floats]:
        """Expected change per meeting beyond the outcome, in bp by weekday: a slow factor and a faster
        one."""
        count = len(self._weekdays)
        slow = self._ar1("policy slow", count, 75.0, 8.0)
        fast = self._ar1("policy fast", count, 15.0, 3.0)
        for first, size_bp, half_life, build in POLICY_SCARES:
            elapsed = np.arange(count) - int(np.searchsorted(self._weekdays, np.datetime64(first)))
            ramp = np.clip((elapsed + 1) / build, 0.0, 1.0)
            slow = slow + size_bp * ramp * 0.5 ** (np.maximum(elapsed - build, 0) / half_life)
        return slow, fast

    @cached_property
    def _expected_steps(self) -> Floats:
        """Expected change in % at each meeting (columns) as seen on each weekday (rows); past meetings:
        what was done.

        An unscheduled decision counts from its own day; before, part of it is expected of the next
        scheduled meeting.
        """
        meetings = self._meetings
        today = self._weekdays.astype(np.int64)[:, None]
        decided = meetings.decision.astype(np.int64)[None, :]
        ahead = decided - today
        priced = (
            (ahead > 0)
            & (ahead < 1100)
            & meetings.scheduled
            & (self._weekdays[:, None] < meetings.cancelled_on)
        )
        row, column = np.nonzero(priced)
        horizon = ahead[row, column].astype(np.float64)
        weight = 1.0 / (1.0 + (horizon / 190.0) ** 1.6)
        slow, fast = self._sentiment
        wide = (1.0 - np.exp(-horizon / 45.0)) * np.exp(-horizon / 600.0)
        near = (1.0 - np.exp(-horizon / 10.0)) * np.exp(-horizon / 90.0)
        surprise_bp = np.array(
            [self._stream(f"surprise {day}").standard_normal() * 2.5 for day in meetings.decision]
        )
        beyond_bp = slow[row] * wide + fast[row] * near + surprise_bp[column] * np.exp(-horizon / 30.0)
        expected = np.zeros(ahead.shape)
        expected[row, column] = weight * meetings.change[column] + beyond_bp / 100.0
        held = meetings.scheduled & np.isnat(meetings.cancelled_on_or_nat)
        for sudden in np.flatnonzero(~meetings.scheduled):
            later = np.flatnonzero(held & (meetings.decision > meetings.decision[sudden]))
            if later.size:
                wait = ahead[:, sudden].astype(np.float64)
                feared = 0.5 * meetings.change[sudden] * np.exp(-np.maximum(wait, 0.0) / 15.0)
                expected[:, later[0]] += np.where(wait > 0, feared, 0.0)
        steps = np.where(ahead <= 0, meetings.change, expected)
        levels = meetings.rate_at_start + np.cumsum(steps, axis=1)
        levels = np.where(ahead > 0, np.maximum(levels, FLOOR_PCT), levels)
        before = np.full((len(levels), 1), meetings.rate_at_start)
        result: Floats = np.diff(levels, axis=1, prepend=before)
        return result

    @cached_property
    def _expected_month_average(self) -> Floats:
        """Expected calendar-day average of EFFR, weekdays x months, realised days of the current month
        included."""
        months = np.arange(self._month_count) + self._first_month
        begin = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
        finish = (months + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
        effective = self._meetings.effective.astype(np.int64)
        share = np.clip(finish[None, :] - effective[:, None], 0, (finish - begin)[None, :]) / (finish - begin)
        average: Floats = self._meetings.rate_at_start + self._expected_steps @ share
        excess = np.concatenate([[0.0], np.cumsum(self._dff - self._policy_rate)])
        today = self._weekdays.astype(np.int64) - int(HORIZON_START.astype(np.int64))
        current = self._weekdays.astype("datetime64[M]").astype(np.int64) - self._first_month
        month_begin = begin[current] - int(HORIZON_START.astype(np.int64))
        realised = (excess[today + 1] - excess[month_begin]) / (finish - begin)[current]
        average[np.arange(len(today)), current] += realised
        return average

    @cached_property
    def _settlement_month(self) -> Ints:
        return self._settlement_days.astype("datetime64[M]").astype(np.int64)

    @cached_property
    def _settlements(self) -> Floats:
        """Settlement prices, settlement days x months, rounded to the tick; the last day of a month is the
        final one."""
        rows = np.searchsorted(self._weekdays, self._settlement_days)
        price = 100.0 - self._expected_month_average[rows]
        settle = np.rint(price / 0.005) * 0.005
        current = self._settlement_month - self._first_month
        index = np.arange(len(rows))
        settle[index, current] = np.rint(price[index, current] / 0.0025) * 0.0025
        last = np.flatnonzero(np.append(current[1:] != current[:-1], True))
        total = np.zeros(self._month_count)
        month_of_day = self._all_days.astype("datetime64[M]").astype(np.int64) - self._first_month
        np.add.at(total, month_of_day, np.rint(self._dff * 100.0))
        days_in_month = np.maximum(np.bincount(month_of_day, minlength=self._month_count), 1)
        settle[last, current[last]] = np.round(100.0 - (total / days_in_month / 100.0)[current[last]], 3)
        result: Floats = settle
        return result

    @cached_property
    def _yields(self) -> dict[int, Floats]:
        """Unrounded par yields in % by tenor in months, on weekdays."""
        average = self._expected_month_average
        count = len(self._weekdays)
        rows = np.arange(count)
        current = self._weekdays.astype("datetime64[M]").astype(np.int64) - self._first_month
        month_begin = self._weekdays.astype("datetime64[M]").astype("datetime64[D]")
        passed = (self._weekdays - month_begin).astype(np.float64) / 30.5
        running = np.concatenate([np.zeros((count, 1)), np.cumsum(average, axis=1)], axis=1)
        curvature = self._ar1("curvature", count, 120.0, 0.14)
        yields: dict[int, Floats] = {}
        for tenor, months in TENOR_MONTHS.items():
            here = (running[rows, current + months] - running[rows, current]) / months
            following = np.minimum(current + months + 1, running.shape[1] - 1)
            there = (running[rows, following] - running[rows, current + 1]) / months
            yields[tenor] = (
                here + (there - here) * passed + FRONT_PREMIUM_PCT[tenor] + curvature * min(tenor, 24) / 48.0
            )
        slow_shock = np.diff(self._sentiment[0], prepend=self._sentiment[0][0])
        level = self._ar1("level", count, 140.0, 0.60) + 0.6 * _decayed_sum(slow_shock / 100.0, 160.0)
        policy = self._policy_rate[np.searchsorted(self._all_days, self._weekdays)]
        anchor = 1.6 + 0.75 * _smooth(policy, 600.0, start=5.2) + level
        for tenor, (weight, premium, hump) in LONG_TENORS.items():
            yields[tenor] = weight * yields[24] + (1.0 - weight) * anchor + premium + curvature * hump
        return {tenor: np.maximum(values, 0.01) for tenor, values in yields.items()}

    # ---- equities ----------------------------------------------------------------------------------------

    @cached_property
    def _variance_ratio(self) -> Floats:
        """Market variance relative to its long-run level, known before the session."""
        return self._market[1]

    @cached_property
    def _market(self) -> tuple[Floats, Floats, Floats]:
        """Log returns of the market factor, its variance ratio, and the ratio expected for the next
        session."""
        count = len(self._sessions)
        daily_sd = FACTOR_ANNUAL_VOL_PCT["market"] / 100.0 / SESSIONS_PER_YEAR**0.5
        shocks = (_student_t(self._stream("market"), count, 7.0) * daily_sd).tolist()
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
        return _with_drift(returns, FACTOR_ANNUAL_DRIFT_PCT["market"]), ratios[:-1], ratios[1:]

    def _episodes(self, factor: str) -> tuple[Floats, Floats]:
        """Scripted log return by session, and the share of noise that is kept."""
        extra, kept = np.zeros(len(self._sessions)), np.ones(len(self._sessions))
        for name, first, last, size_pct, noise in EPISODES:
            if name == factor:
                days = (self._sessions >= np.datetime64(first)) & (self._sessions <= np.datetime64(last))
                extra[days] += size_pct / 100.0 / max(int(days.sum()), 1)
                kept[days] = noise
        return extra, kept

    @cached_property
    def _factors(self) -> dict[str, Floats]:
        """Log returns of the common factors by session."""
        factors = {"market": self._market[0]}
        for name in ("size", "value", "tech", "banks"):
            extra, kept = self._episodes(name)
            daily_sd = FACTOR_ANNUAL_VOL_PCT[name] / 100.0 / SESSIONS_PER_YEAR**0.5
            shocks = _student_t(self._stream(f"factor {name}"), len(self._sessions), 6.0)
            returns = extra + kept * daily_sd * shocks * self._variance_ratio**0.35
            factors[name] = _with_drift(returns, FACTOR_ANNUAL_DRIFT_PCT[name])
        return factors

    def _yield_change(self, tenor: int) -> Floats:
        """Change of a yield in percentage points from session to session."""
        values = self._yields[tenor][np.searchsorted(self._weekdays, self._sessions)]
        change: Floats = np.diff(values, prepend=values[0])
        return change

    def _total_log_return(self, symbol: str, traits: Traits) -> Floats:
        factors = self._factors
        result = (
            traits.market * factors["market"]
            + traits.size * factors["size"]
            + traits.value * factors["value"]
        )
        result = result + traits.tech * factors["tech"] + traits.banks * factors["banks"]
        if traits.bank_rate_share:
            knots = np.array([np.datetime64(day) for day, _ in BANK_BETA_KNOTS]).astype(np.int64)
            beta = np.interp(self._sessions.astype(np.int64), knots, [value for _, value in BANK_BETA_KNOTS])
            result = result + traits.bank_rate_share * beta / 100.0 * self._yield_change(24) * 10.0
        if traits.duration_years:
            tenor = traits.duration_tenor_months
            carry = (
                self._yields[tenor][np.searchsorted(self._weekdays, self._sessions)]
                / 100.0
                / SESSIONS_PER_YEAR
            )
            result = result + carry - traits.duration_years * self._yield_change(tenor) / 100.0
        own_sd = traits.own_annual_vol_pct / 100.0 / SESSIONS_PER_YEAR**0.5
        shocks = _student_t(self._stream(f"own {symbol}"), len(self._sessions), 5.0)
        own_drift_pct = float(self._stream(f"drift {symbol}").normal()) * 0.1 * traits.own_annual_vol_pct
        own_drift_pct = float(np.clip(own_drift_pct, -2.0, 3.0))
        return result + _with_drift(own_sd * shocks * self._variance_ratio**0.25, own_drift_pct)

    @cached_property
    def _volatility_index(self) -> Floats:
        """Annualised volatility expected over a month, in points, with a premium over the model's."""
        ahead = self._market[2]
        expected = 1.0 + (ahead - 1.0) * 0.85
        model = FACTOR_ANNUAL_VOL_PCT["market"] * np.sqrt(np.maximum(expected, 0.2))
        noise = self._ar1("vix", len(ahead), 8.0, 0.07)
        points: Floats = np.clip(1.5 + 1.08 * model * np.exp(noise), 9.0, 90.0).astype(np.float64)
        return np.round(points, 2)

    def _instrument(self, symbol: str) -> Prices:
        if symbol not in self._prices:
            if symbol not in self._instruments:
                raise UnknownInputError(f"simulated: symbol {symbol!r} is not in the instrument list")
            self._prices[symbol] = self._make(symbol)
        return self._prices[symbol]

    def _make(self, symbol: str) -> Prices:
        """Prices of one symbol over the horizon, cut to its life."""
        row = self._instruments[symbol]
        traits = traits_of(row)
        count = len(self._sessions)
        first, last = (
            _date_or(row.get("active_from"), HORIZON_START),
            _date_or(row.get("active_to"), HORIZON_END),
        )
        stream = self._stream(f"bars {symbol}")
        noise = stream.standard_normal((4, count))
        dividend, split = np.zeros(count), np.ones(count)
        if traits.is_volatility:
            level = np.log(self._volatility_index)
            log_return = np.diff(level, prepend=level[0])
            close, daily_sd = self._volatility_index, np.full(count, 0.03)
        else:
            log_return = self._total_log_return(symbol, traits)
            log_return[0] = 0.0
            paid = self._dividend_share(symbol, traits)
            log_price = np.cumsum(log_return + np.log1p(-paid))
            start = START_LEVELS.get(symbol, float(np.round(stream.uniform(25.0, 110.0), 2)))
            begin = min(int(np.searchsorted(self._sessions, first)), count - 1)
            unsplit = start * np.exp(log_price - log_price[begin])  # listed later: starts at that price then
            for day, ratio in self._splits.get(symbol, ()):
                split[self._sessions == np.datetime64(day)] = ratio
            traded = unsplit / np.cumprod(split)
            close = _to_cents(traded)
            dividend = np.round(traded * paid / (1.0 - paid), 4)
            loading = max(abs(traits.market), 0.1)
            own = (traits.own_annual_vol_pct / 100.0) ** 2 + (traits.duration_years * 0.009) ** 2
            annual = np.sqrt(
                (loading * FACTOR_ANNUAL_VOL_PCT["market"] / 100.0) ** 2 * self._variance_ratio + own
            )
            daily_sd = annual / SESSIONS_PER_YEAR**0.5
        before = np.concatenate([close[:1], close[:-1]]) / split
        before = np.maximum(before - dividend, 0.01)
        opened = before * np.exp(0.4 * log_return + 0.25 * daily_sd * noise[0])
        opened = np.round(opened, 2) if traits.is_volatility else _to_cents(opened)
        top, bottom = np.maximum(opened, close), np.minimum(opened, close)
        high = np.maximum(_to_cents(top * np.exp(0.35 * daily_sd * np.abs(noise[1]))), top)
        low = np.minimum(_to_cents(bottom * np.exp(-0.35 * daily_sd * np.abs(noise[2]))), bottom)
        busy = np.clip(np.abs(log_return) / np.maximum(daily_sd, 1e-6), 0.0, 5.0)
        volume = np.rint(traits.base_volume * np.exp(0.25 * busy + 0.3 * noise[3]) * np.cumprod(split))
        if traits.is_volatility:
            volume = np.full(count, np.nan)
        life = (self._sessions >= first) & (self._sessions <= last)
        return Prices(
            sessions=self._sessions[life],
            open=opened[life],
            high=high[life],
            low=low[life],
            close=close[life],
            volume=volume[life],
            dividend=dividend[life],
            split=split[life],
            is_index=traits.is_index,
        )

    def _dividend_share(self, symbol: str, traits: Traits) -> Floats:
        """Dividend as a share of the price before it, by session; an index loses its yield a little every
        day."""
        paid = np.zeros(len(self._sessions))
        if traits.is_index:
            return paid + traits.dividend_yield_pct / 100.0 / SESSIONS_PER_YEAR
        if not traits.dividends_per_year:
            return paid
        stock = traits.own_annual_vol_pct > 12.0
        step = 12 // traits.dividends_per_year
        offset = zlib.crc32(f"dividend month {symbol}".encode()) % 3 if stock else 2
        month = self._sessions.astype("datetime64[M]").astype(np.int64)
        day = (self._sessions - self._sessions.astype("datetime64[M]").astype("datetime64[D]")).astype(
            np.int64
        ) + 1
        due_day = (
            1 if traits.dividends_per_year == 12 else 16 + zlib.crc32(f"dividend day {symbol}".encode()) % 7
        )
        due = (day >= due_day) & (month % step == offset % step)
        first = np.flatnonzero(due & np.append([False], ~(due[:-1] & (month[:-1] == month[1:]))))
        if traits.duration_years:
            yields = self._yields[traits.duration_tenor_months][
                np.searchsorted(self._weekdays, self._sessions)
            ]
            paid[first] = (yields[first] + traits.dividend_yield_pct) / 100.0 / traits.dividends_per_year
        else:
            paid[first] = traits.dividend_yield_pct / 100.0 / traits.dividends_per_year
        return paid

    # ---- FRED --------------------------------------------------------------------------------------------

    def _fred(self, series_id: str) -> tuple[Days, Floats, int]:
        """Dates, values (NaN = blank) and printed decimals of one series."""
        if series_id not in self._series:
            raise UnknownInputError(f"simulated: series {series_id!r} is not in the list of FRED series")
        found = self._fred_rates(series_id) or self._fred_markets(series_id) or self._fred_macro(series_id)
        days, values, decimals = found or self._fred_other(series_id)
        row = self._series[series_id]
        first = _date_or(row.get("active_from"), HORIZON_START)
        last = _date_or(row.get("active_to"), HORIZON_END)
        alive = (days >= first) & (days <= last)
        return days[alive], values[alive], decimals

    def _fred_rates(self, series_id: str) -> tuple[Days, Floats, int] | None:
        days = self._all_days
        if series_id in TREASURY_SERIES:
            return self._weekday_series(np.round(self._yields[TREASURY_SERIES[series_id]], 2), 2)
        if series_id == "RRPONTSYD":
            amount = np.exp(2.0 + self._ar1("reverse repo", len(self._weekdays), 150.0, 1.4))
            return self._weekday_series(np.minimum(amount, 2500.0), 3)
        spreads = {"T10Y2Y": (120, 24), "T10Y3M": (120, 3)}
        if series_id in spreads:
            far, near = spreads[series_id]
            return self._weekday_series(np.round(self._yields[far], 2) - np.round(self._yields[near], 2), 2)
        if series_id == "DFF":
            return days, self._dff, 2
        lower, upper = self._target_range
        is_range = np.maximum.accumulate(upper > lower)
        if series_id == "DFEDTAR":
            return days[~is_range], lower[~is_range], 2
        if series_id in ("DFEDTARL", "DFEDTARU"):
            return days[is_range], (lower if series_id == "DFEDTARL" else upper)[is_range], 2
        if series_id == "IORB":
            return days, lower + 0.15, 2
        dff = self._dff[np.searchsorted(days, self._weekdays)]
        if series_id in ("EFFR", "OBFR"):
            shift = {"EFFR": 0.0, "OBFR": -0.01}[series_id]
            return self._weekday_series(np.maximum(dff + shift, 0.0), 2)
        if series_id == "SOFR":
            noise = np.round(self._ar1("sofr", len(self._weekdays), 3.0, 0.02), 2)
            return self._weekday_series(np.maximum(dff - 0.01 + noise, 0.01), 2)
        return None

    @cached_property
    def _target_range(self) -> tuple[Floats, Floats]:
        """Target range by calendar day as FRED prints it: a single target (and the first range) changes on
        the decision day."""
        meetings = self._meetings
        ranged = meetings.upper > meetings.lower
        first = int(np.argmax(ranged)) if ranged.any() else len(ranged)
        early = np.arange(len(ranged)) <= first
        change_day = np.where(early, meetings.decision, meetings.effective)
        known = np.searchsorted(change_day, self._all_days, side="right")
        lower = np.concatenate([[meetings.lower_at_start], meetings.lower])[known]
        upper = np.concatenate([[meetings.upper_at_start], meetings.upper])[known]
        return lower, upper

    def _fred_markets(self, series_id: str) -> tuple[Days, Floats, int] | None:
        if series_id == "VIXCLS":
            return self._session_series(self._volatility_index, 2)
        if series_id in ("SP500", "NASDAQCOM", "DJIA"):
            twin = {"SP500": "^GSPC", "NASDAQCOM": "^IXIC", "DJIA": "^DJI"}[series_id]
            tech = 0.9 if series_id == "NASDAQCOM" else 0.0
            if twin in self._instruments and _missing(self._instruments[twin].get("active_from")):
                prices = self._instrument(twin)
                return self._session_series(prices.close, 2)
            log_return = self._factors["market"] + tech * self._factors["tech"] - 0.015 / SESSIONS_PER_YEAR
            return self._session_series(START_LEVELS[twin] * np.exp(np.cumsum(log_return)), 2)
        sizes = {
            "BAMLH0A0HYM2": (3.2, 0.15, 0.45),
            "BAMLC0A0CM": (0.95, 0.035, 0.12),
            "BAA10Y": (1.9, 0.04, 0.2),
        }
        if series_id in sizes:
            base, slope, sd = sizes[series_id]
            noise = self._ar1(f"spread {series_id}", len(self._weekdays), 60.0, sd)
            return self._weekday_series(np.maximum(base + slope * (self._fear - 18.0) + noise, base * 0.4), 2)
        return None

    @cached_property
    def _fear(self) -> Floats:
        """The volatility index smoothed over about a month, on weekdays; drives spreads, conditions and
        claims."""
        position = np.maximum(np.searchsorted(self._sessions, self._weekdays, side="right") - 1, 0)
        return _smooth(self._volatility_index[position], 20.0)

    @cached_property
    def _unemployment(self) -> Floats:
        """Unemployment rate in % by month: high while policy is easy, as a central bank would have it, plus
        noise."""
        policy = self._monthly(self._policy_rate)
        ease = _smooth(_smooth(policy, 60.0, start=5.0) - policy, 9.0)
        return np.maximum(5.2 + 0.7 * ease + self._ar1("unemployment", len(policy), 30.0, 0.3), 3.3)

    def _monthly(self, daily: Floats) -> Floats:
        """The calendar-day series at the first of each month."""
        return daily[np.searchsorted(self._all_days, self._months.astype("datetime64[D]"))]

    @cached_property
    def _months(self) -> Days:
        return np.arange(HORIZON_START.astype("datetime64[M]"), HORIZON_END.astype("datetime64[M]") + 1)

    def _fred_macro(self, series_id: str) -> tuple[Days, Floats, int] | None:
        month_days = self._months.astype("datetime64[D]")
        count = len(month_days)
        if series_id == "UNRATE":
            return month_days, self._unemployment, 1
        if series_id == "PAYEMS":
            change = 125.0 - 600.0 * np.diff(self._unemployment, prepend=self._unemployment[0])
            return (
                month_days,
                130700.0 + np.cumsum(change + 50.0 * self._stream("payrolls").standard_normal(count)),
                0,
            )
        if series_id in ("CPIAUCSL", "CPILFESL"):
            policy = self._monthly(self._policy_rate)
            later = policy[np.minimum(np.arange(count) + 9, count - 1)]
            earlier = policy[np.maximum(np.arange(count) - 3, 0)]
            core = series_id == "CPILFESL"
            trend = 2.3 + (0.5 if core else 0.75) * np.clip(later - earlier, -2.5, 5.0)
            noise = self._stream(f"cpi {series_id}").standard_normal(count) * (0.05 if core else 0.14)
            return (
                month_days,
                (179.3 if core else 169.3) * np.exp(np.cumsum(trend / 1200.0 + noise / 100.0)),
                3,
            )
        growth = {
            "BUSLOANS": (1001.0, 4.0, 0.6),
            "TOTBKCR": (4750.0, 5.2, 0.15),
            "DPSACBW027SBOG": (3550.0, 6.0, 0.25),
            "DPSSCBW027NBOG": (1350.0, 5.4, 0.35),
            "DPSLCBW027NBOG": (1850.0, 6.4, 0.35),
            "TASSCBW027SBOG": (390.0, 3.8, 0.3),
            "TASLCBW027SBOG": (640.0, 6.0, 0.4),
        }
        if series_id in growth:
            level, yearly_pct, sd_pct = growth[series_id]
            monthly = series_id == "BUSLOANS"
            days = month_days if monthly else self._weekly("wednesday")
            steps = yearly_pct / 100.0 / (12.0 if monthly else 52.18)
            noise = self._stream(f"level {series_id}").standard_normal(len(days)) * sd_pct / 100.0
            return days, level * np.exp(np.cumsum(steps + noise)), 4
        if series_id in ("DRTSCILM", "DRTSCIS"):
            quarters = month_days[::3]
            noise = self._ar1(f"standards {series_id}", len(quarters), 3.0, 7.0)
            return (
                quarters,
                np.clip(4.0 + 2.2 * (self._at(self._fear, quarters) - 19.0) + noise, -30.0, 90.0),
                1,
            )
        if series_id == "ICSA":
            days = self._weekly("saturday")
            unemployment = self._unemployment[np.searchsorted(month_days, days, side="right") - 1]
            noise = self._ar1("claims", len(days), 3.0, 0.04)
            claims = (60e3 + 42e3 * unemployment + 2.5e3 * (self._at(self._fear, days) - 18.0)) * np.exp(
                noise
            )
            return days, np.rint(np.maximum(claims, 150e3) / 1000.0) * 1000.0, 0
        if series_id == "MORTGAGE30US":
            days = self._weekly("thursday")
            noise = self._ar1("mortgage", len(days), 30.0, 0.12)
            return days, np.maximum(self._at(self._yields[120], days) + 1.7 + noise, 2.4), 2
        if series_id in ("NFCI", "STLFSI4"):
            days = self._weekly("friday")
            noise = self._ar1(f"conditions {series_id}", len(days), 20.0, 0.08)
            return days, -0.5 + 0.05 * (self._at(self._fear, days) - 15.0) + noise, 4
        return None

    def _fred_other(self, series_id: str) -> tuple[Days, Floats, int]:
        """A series that nobody described: a slow autoregression at a level that fits its units."""
        row = self._series[series_id]
        units, frequency = _words(row, "units"), _words(row, "frequency", "observation_period")
        if frequency.startswith("m"):
            days = self._months.astype("datetime64[D]")
        elif frequency.startswith("q"):
            days = self._months.astype("datetime64[D]")[::3]
        elif frequency.startswith("w"):
            named = re.search(r"monday|tuesday|wednesday|thursday|friday|saturday", frequency)
            days = self._weekly(named.group(0) if named else "friday")
        else:
            days = self._weekdays
        noise = self._ar1(f"series {series_id}", len(days), 100.0, 1.0)
        percent = bool(re.search(r"percent|%|^pp$|^$", units))
        if "standard deviation" in units:
            return days, 0.5 * noise, 2
        values = (
            np.maximum(3.0 + noise, 0.05)
            if percent
            else 100.0 * np.exp(0.1 * noise + np.arange(len(days)) * 1e-4)
        )
        return self._weekday_series(values, 2) if days is self._weekdays else (days, values, 2)

    def _at(self, weekday_values: Floats, days: Days) -> Floats:
        """Value of a weekday series on the last weekday up to each day."""
        return weekday_values[np.maximum(np.searchsorted(self._weekdays, days, side="right") - 1, 0)]

    def _weekly(self, name: str) -> Days:
        number = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"].index(name)
        days: Days = self._all_days[(self._all_days.astype(np.int64) + 3) % 7 == number]
        return days

    def _weekday_series(self, values: Floats, decimals: int) -> tuple[Days, Floats, int]:
        """Monday to Friday, blank on the Fed's holidays."""
        return self._weekdays, np.where(np.isin(self._weekdays, self._fed_days), values, np.nan), decimals

    def _session_series(self, values: Floats, decimals: int) -> tuple[Days, Floats, int]:
        """Monday to Friday, blank when the NYSE is closed."""
        result = np.full(len(self._weekdays), np.nan)
        result[np.searchsorted(self._weekdays, self._sessions)] = values
        return self._weekdays, result, decimals

    def _contract_month(self, contract: str) -> int:
        matched = re.fullmatch(r"ZQ([FGHJKMNQUVXZ])(\d{2})", contract)
        month = (30 + int(matched[2])) * 12 + MONTH_CODES.index(matched[1]) if matched else -1
        if not self._first_month <= month < self._first_month + self._month_count:
            raise UnknownInputError(f"simulated: contract {contract!r} is not one of ZQF00 to ZQZ30")
        return month


# ---- what an instrument is -------------------------------------------------------------------------------

# Sector words: market, value, tech, banks loading, own volatility, dividend yield. The first that is found
# counts.
SECTORS: tuple[tuple[str, float, float, float, float, float, float], ...] = (
    (r"technolog|software|semicond|nasdaq|\bndx\b", 1.05, -0.1, 0.95, 0.0, 5.0, 0.8),
    (r"communicat|media", 1.0, 0.0, 0.4, 0.0, 8.0, 0.9),
    (r"discretionary|retail", 1.1, 0.0, 0.3, 0.0, 7.0, 0.9),
    (r"staple", 0.62, 0.25, -0.1, 0.0, 7.5, 2.5),
    (r"health|biotech|pharma", 0.78, 0.05, 0.0, 0.0, 8.0, 1.5),
    (r"utilit", 0.6, 0.3, -0.1, 0.0, 11.0, 3.1),
    (r"energy|oil", 1.05, 0.8, -0.1, 0.0, 19.0, 3.3),
    (r"material|metals|mining", 1.05, 0.4, 0.0, 0.0, 9.0, 1.9),
    (r"industrial", 1.03, 0.3, 0.0, 0.05, 6.0, 1.6),
    (r"real estate|reit", 0.95, 0.4, 0.0, 0.1, 11.0, 3.5),
)


def traits_of(row: Mapping[str, object]) -> Traits:
    """Behaviour of an instrument from what the reference says of it: asset class, role, size, style and
    words of its name."""

    symbol, kind = str(row["symbol"]), _words(row, "asset_class", "role")
    everything = f"{kind} {_words(row, 'name')}".replace(
        "dow jones industrial", "dow"
    )  # an average, no sector
    size, style = _words(row, "size"), _words(row, "style")
    named = f"{everything} {size} {style}"
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(f"traits {symbol}".encode())))
    vary = float(rng.uniform(-1.0, 1.0))  # makes two banks of the same kind differ
    is_index = symbol.startswith("^") or bool(re.search(r"\bindex\b", _words(row, "asset_class")))
    is_volatility = "volatility" in kind or "VIX" in symbol or "volatility index" in named
    if is_volatility:
        return Traits(is_index=True, is_volatility=True, dividend_yield_pct=0.0)
    if re.search(r"bond|treasur|fixed|credit|\brates\b", everything):
        return _bond_traits(named)
    is_etf = "etf" in named or "fund" in named or "spdr" in named or "ishares" in named
    if re.search(r"bank|regional|thrift|broker", everything):
        regional = bool(re.search(r"regional", everything)) or size in ("small", "mid")
        bank_loading = (1.2 if regional else 0.95) + (0.0 if is_etf else 0.3) * vary
        return Traits(
            market=1.08 + 0.08 * vary,
            size=0.35 if regional else 0.05,
            value=0.35,
            banks=bank_loading,
            bank_rate_share=(1.15 if regional else 0.85) + 0.15 * vary,
            own_annual_vol_pct=3.0 if is_etf or is_index else 17.0 + 4.0 * vary,
            dividend_yield_pct=2.8,
            is_index=is_index,
            base_volume=6.0e6,
        )
    if re.search(r"financ", everything):
        return Traits(
            market=1.05,
            value=0.4,
            banks=0.6,
            bank_rate_share=0.6,
            own_annual_vol_pct=3.0,
            dividend_yield_pct=1.8,
            is_index=is_index,
            base_volume=4.0e7,
        )
    if re.search(r"commodit|gold|currency|crypto", everything):
        return Traits(
            market=0.08,
            own_annual_vol_pct=16.0,
            dividend_yield_pct=0.0,
            dividends_per_year=0,
            is_index=is_index,
        )
    growth = 1.0 if "growth" in style else 0.0
    value = 1.0 if "value" in style else 0.0
    for words, market, value_loading, tech, banks, own, dividends in SECTORS:
        if re.search(words, everything) or ("sector" in kind and re.search(words, named)):
            return Traits(
                market=market,
                size=_size_loading(size, named)[0],
                value=value_loading,
                tech=tech,
                banks=banks,
                own_annual_vol_pct=own,
                dividend_yield_pct=dividends,
                is_index=is_index,
                base_volume=2.0e9 if is_index else 1.2e7,
            )
    size_loading, market = _size_loading(size, named)
    is_stock = bool(re.search(r"stock|equity", kind)) and not is_etf and not is_index
    equal = 0.25 if "equal" in named else 0.0
    small = size_loading >= 0.5
    return Traits(
        market=market + 0.03 * growth - 0.03 * value,
        size=size_loading + equal,
        value=0.75 * value - 0.55 * growth + 0.6 * equal + (0.05 if small else 0.0),
        tech=0.35 * growth - 0.15 * value - 0.4 * equal,
        banks=(0.12 if small else 0.0) + 0.15 * value,
        bank_rate_share=(0.15 if small else 0.0) + 0.1 * value,
        own_annual_vol_pct=24.0 if is_stock else (0.5 if is_index or symbol in ("SPY", "IWM") else 1.6),
        dividend_yield_pct=1.0 if growth else 2.2 if value else 1.5,
        is_index=is_index,
        base_volume=3.0e9 if is_index else 6.0e7 if symbol == "SPY" else 3.0e7 if symbol == "IWM" else 2.0e6,
    )


def _size_loading(size: str, named: str) -> tuple[float, float]:
    """Loading on small-minus-large, and market beta."""
    for word, loading, market in (("micro", 1.25, 1.02), ("small", 1.0, 1.1), ("mid", 0.5, 1.05)):
        if word in size or (not size.strip() and f"{word}cap" in named.replace("-", "").replace(" ", "")):
            return loading, market
    return 0.0, 1.0


# Words of a bond fund's name: duration in years, the tenor it follows in months, market loading, own
# volatility in %.
BONDS: tuple[tuple[str, float, int, float, float], ...] = (
    (r"high yield|junk", 2.5, 60, 0.33, 2.0),
    (r"bill|month|floating", 0.15, 3, 0.0, 0.1),
    (r"20\+|long|30", 16.5, 360, 0.0, 1.0),
    (r"1-3|short|0-", 1.85, 24, 0.0, 0.2),
    (r"3-7", 4.4, 60, 0.0, 0.4),
    (r"mbs|mortgage", 5.3, 84, 0.0, 0.9),
    (r"corporate|investment grade", 8.0, 120, 0.07, 1.5),
    (r"aggregate|total|core", 6.0, 84, 0.0, 0.7),
    (r"", 7.6, 120, 0.0, 0.6),
)


def _bond_traits(named: str) -> Traits:
    """Duration and credit from the words of a bond fund's name; 7 to 10 years when they say nothing."""
    found = next(entry for entry in BONDS if re.search(entry[0], named))
    return Traits(
        market=found[3],
        duration_years=found[1],
        duration_tenor_months=found[2],
        own_annual_vol_pct=found[4],
        dividend_yield_pct=0.0,
        dividends_per_year=12,
        base_volume=8.0e6,
    )


# ---- helpers ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Meetings:
    """Decisions from the horizon on, in order; rates are where the funds rate trades, in %."""

    decision: Days
    effective: Days
    scheduled: Bools
    cancelled_on: Days  # far in the future when it was held
    cancelled_on_or_nat: Days
    change: Floats
    lower: Floats
    upper: Floats
    lower_at_start: float
    upper_at_start: float
    rate_at_start: float


def _meetings(frame: pd.DataFrame) -> Meetings:
    """The meeting list as arrays; an unknown outcome, or a cancelled meeting, leaves the range as it was."""
    decision = _days(frame["decision_date"])
    order = np.argsort(decision, kind="stable")
    decision = decision[order]

    def numbers(name: str) -> Floats:
        return pd.to_numeric(frame[name], errors="coerce").to_numpy(dtype=np.float64)[order]

    def flags(name: str, missing: bool) -> Bools:
        return _flags(frame[name])[order] if name in frame else np.full(len(frame), missing)

    def days(name: str) -> Days:
        if name not in frame:
            return np.full(len(frame), np.datetime64("NaT", "D"))
        return _days(frame[name])[order]

    cancelled_on = np.where(flags("cancelled", False), days("cancelled_on"), np.datetime64("NaT", "D"))
    cancelled = flags("cancelled", False)
    lower = np.where(cancelled, np.nan, numbers("lower_after"))
    upper = np.where(cancelled, np.nan, numbers("upper_after"))
    effective = days("effective_date")
    effective = np.where(np.isnat(effective), decision + 1, effective)
    past = effective < HORIZON_START
    kept = ~past & (decision <= HORIZON_END)
    before_lower = np.concatenate([lower[past], numbers("lower_before")[kept]])
    before_upper = np.concatenate([upper[past], numbers("upper_before")[kept]])
    known = np.flatnonzero(~np.isnan(before_lower))
    if known.size == 0:
        raise ValueError("simulated: fomc_meetings has no target range at all")
    usable = known[known < past.sum()]
    at = int(usable[-1]) if usable.size else int(known[0])
    lower_start, upper_start = float(before_lower[at]), float(before_upper[at])
    lower = _filled(lower[kept], lower_start)
    upper = _filled(upper[kept], upper_start)
    level = lower + np.where(upper > lower, EFFR_ABOVE_LOWER_PCT, 0.0)
    start = lower_start + (EFFR_ABOVE_LOWER_PCT if upper_start > lower_start else 0.0)
    cancelled_on = cancelled_on[kept]
    return Meetings(
        decision=decision[kept],
        effective=effective[kept],
        scheduled=flags("scheduled", True)[kept],
        cancelled_on=np.where(np.isnat(cancelled_on), np.datetime64("2100-01-01"), cancelled_on),
        cancelled_on_or_nat=cancelled_on,
        change=np.diff(level, prepend=start),
        lower=lower,
        upper=upper,
        lower_at_start=lower_start,
        upper_at_start=upper_start,
        rate_at_start=start,
    )


def _filled(values: Floats, first: float) -> Floats:
    """Missing values take the one before, `first` where there is none."""
    filled = pd.Series(values).ffill().fillna(first)
    return np.asarray(filled.tolist(), dtype=np.float64)


def _days(values: pd.Series) -> Days:
    result: Days = pd.to_datetime(values).to_numpy().astype("datetime64[D]")
    return result


def _flags(values: pd.Series) -> Bools:
    """Booleans, whether they came as booleans, numbers or texts."""
    return (
        values.astype(str)
        .str.strip()
        .str.lower()
        .isin(["true", "1", "1.0", "t", "yes"])
        .to_numpy(dtype=np.bool_)
    )


def _date_or(value: object, default: np.datetime64) -> np.datetime64:
    text = "" if _missing(value) else str(value)[:10]
    return np.datetime64(text, "D") if text else default


def _rows(frame: pd.DataFrame, key: str) -> dict[str, dict[str, object]]:
    return {str(row[key]): {str(name): row[name] for name in row} for row in frame.to_dict("records")}


def _missing(value: object) -> bool:
    """None, NaN, NaT and NA."""
    return value is None or value is pd.NA or value is pd.NaT or value != value


def _words(row: Mapping[str, object], *names: str) -> str:
    """Texts of a reference row in lower case, missing ones left out."""
    found = [row.get(name) for name in names]
    return " ".join(str(value) for value in found if not _missing(value)).lower().replace("_", " ")


def _within(days: Days, first: np.datetime64) -> Days:
    return np.unique(days[(days >= first) & (days <= HORIZON_END)])


def _slice(days: Days, start: date, end: date) -> tuple[int, int]:
    return int(np.searchsorted(days, np.datetime64(start))), int(
        np.searchsorted(days, np.datetime64(end), side="right")
    )


def _texts(days: Days) -> list[str]:
    result: list[str] = np.datetime_as_string(days, unit="D").tolist()
    return result


def _to_cents(values: Floats) -> Floats:
    """Traded prices are in cents; below 1 USD in hundredths of a cent, so that returns keep their shape."""
    return np.where(values >= 1.0, np.round(values, 2), np.maximum(np.round(values, 4), 0.0001))


def _student_t(stream: np.random.Generator, count: int, freedom: float) -> Floats:
    """Student-t shocks of unit variance, cut at eight standard deviations."""
    shocks: Floats = np.clip(
        stream.standard_t(freedom, count) * ((freedom - 2.0) / freedom) ** 0.5, -8.0, 8.0
    )
    return shocks


def _with_drift(returns: Floats, yearly_pct: float) -> Floats:
    """The same returns with a given mean over the horizon, so that luck and episodes do not set the long
    run."""
    result: Floats = returns - returns.mean() + yearly_pct / 100.0 / SESSIONS_PER_YEAR
    return result


def _autoregression(shocks: Floats, keep: float, stationary_sd: float) -> Floats:
    """AR(1) from its stationary distribution; the first shock gives the state before the first value."""
    scale = stationary_sd * (1.0 - keep * keep) ** 0.5
    scaled = shocks * scale
    scaled[0] = shocks[0] * stationary_sd
    states: Floats = _filter(scaled, keep)[1:]
    return states


def _filter(values: Floats, keep: float) -> Floats:
    """x[t] = keep * x[t-1] + values[t]."""
    result = np.empty(len(values))
    state = 0.0
    for position, value in enumerate(values.tolist()):
        state = keep * state + value
        result[position] = state
    return result


def _decayed_sum(values: Floats, half_life: float) -> Floats:
    return _filter(values, 0.5 ** (1.0 / half_life))


def _smooth(values: Floats, half_life: float, start: float | None = None) -> Floats:
    """Exponentially weighted average that starts at `start` (default: the first value)."""
    keep = 0.5 ** (1.0 / half_life)
    weighted = values * (1.0 - keep)
    first = float(values[0]) if start is None else start
    weighted[0] += keep * first
    return _filter(weighted, keep)
