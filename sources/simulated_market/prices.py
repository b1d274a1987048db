"""Prices of the instruments as traded: open, high, low, close, volume, dividends and splits.

In: the reference rows, the common factors and the yields. Out: one `Prices` per symbol, on the sessions of
its life.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date

import numpy as np

from sources.simulated_market.arrays import (
    SESSIONS_PER_YEAR,
    Bools,
    Days,
    Floats,
    Streams,
    date_or,
    student_t,
    to_cents,
    with_drift,
)
from sources.simulated_market.factors import ANNUAL_VOL_PCT, Factors
from sources.simulated_market.grid import HORIZON_END, HORIZON_START, UnknownInputError
from sources.simulated_market.rates import Rates
from sources.simulated_market.traits import Traits, traits_of

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

# An index whose fund is simulated has the fund's own moves, too.
FUND_OF_INDEX = {"^NDX": "QQQ"}
START_LEVELS = {"^GSPC": 1455.0, "^NDX": 3790.0, "^RUT": 496.0, "^DJI": 11357.0, "^IXIC": 4131.0}


@dataclass(frozen=True)
class Prices:
    """One instrument as traded, by session; `split` is 1 on days without one."""

    sessions: Days
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    dividend: Floats
    split: Floats
    is_index: bool

    def during(self, life: Bools) -> Prices:
        """The same, on some of the sessions."""
        arrays = [item.name for item in fields(self) if item.name != "is_index"]
        return replace(self, **{name: getattr(self, name)[life] for name in arrays})


@dataclass(frozen=True)
class _Closes:
    """What the bar of each session is made around."""

    close: Floats
    log_return: Floats
    daily_sd: Floats
    dividend: Floats
    split: Floats


class Instruments:
    """The instruments of one simulated market; each is made once."""

    def __init__(
        self,
        rows: Mapping[str, Mapping[str, object]],
        splits: Mapping[str, Sequence[tuple[date, float]]],
        streams: Streams,
        factors: Factors,
        rates: Rates,
    ) -> None:
        self.rows = rows
        self._splits = splits
        self._streams = streams
        self._factors = factors
        self._rates = rates
        self._grid = rates.grid
        self._made: dict[str, Prices] = {}

    def prices(self, symbol: str) -> Prices:
        """Prices of one symbol over its life.

        Raises:
            UnknownInputError: the symbol is not among the instruments.
        """
        if symbol not in self._made:
            if symbol not in self.rows:
                raise UnknownInputError(f"simulated: symbol {symbol!r} is not in the instrument list")
            self._made[symbol] = self._make(symbol)
        return self._made[symbol]

    def _make(self, symbol: str) -> Prices:
        """Prices of one symbol over the horizon, cut to its life."""
        row, sessions = self.rows[symbol], self._grid.sessions
        traits = traits_of(row)
        first = date_or(row.get("active_from"), HORIZON_START)
        last = date_or(row.get("active_to"), HORIZON_END)
        stream = self._streams.stream(f"bars {symbol}")
        noise = stream.standard_normal((4, len(sessions)))
        if traits.is_volatility:
            closes = self._volatility_closes()
        else:
            drawn = float(np.round(stream.uniform(25.0, 110.0), 2))
            closes = self._traded_closes(symbol, traits, START_LEVELS.get(symbol, drawn), first)
        whole = self._bars(traits, closes, noise)
        return whole.during((sessions >= first) & (sessions <= last))

    def _volatility_closes(self) -> _Closes:
        """The volatility index: no dividends, no splits."""
        points = self._factors.volatility_index
        level = np.log(points)
        count = len(points)
        return _Closes(
            close=points,
            log_return=np.diff(level, prepend=level[0]),
            daily_sd=np.full(count, 0.03),
            dividend=np.zeros(count),
            split=np.ones(count),
        )

    def _traded_closes(self, symbol: str, traits: Traits, start: float, first: np.datetime64) -> _Closes:
        """Closes from total returns less dividends; listed later: starts at the price `start` then."""
        sessions = self._grid.sessions
        log_return = self._total_log_return(symbol, traits)
        log_return[0] = 0.0
        paid = self._dividend_share(symbol, traits)
        log_price = np.cumsum(log_return + np.log1p(-paid))
        begin = min(int(np.searchsorted(sessions, first)), len(sessions) - 1)
        unsplit = start * np.exp(log_price - log_price[begin])
        split = np.ones(len(sessions))
        for day, ratio in self._splits.get(symbol, ()):
            split[sessions == np.datetime64(day)] = ratio
        traded = unsplit / np.cumprod(split)
        loading = max(abs(traits.market), 0.1)
        own = (traits.own_annual_vol_pct / 100.0) ** 2 + (traits.duration_years * 0.009) ** 2
        annual = np.sqrt(
            (loading * ANNUAL_VOL_PCT["market"] / 100.0) ** 2 * self._factors.variance_ratio + own
        )
        return _Closes(
            close=to_cents(traded),
            log_return=log_return,
            daily_sd=annual / SESSIONS_PER_YEAR**0.5,
            dividend=np.round(traded * paid / (1.0 - paid), 4),
            split=split,
        )

    def _bars(self, traits: Traits, closes: _Closes, noise: Floats) -> Prices:
        """Open, high, low and volume around the closes; `noise` has one row for each of them."""
        close, log_return, daily_sd = closes.close, closes.log_return, closes.daily_sd
        before = np.concatenate([close[:1], close[:-1]]) / closes.split
        before = np.maximum(before - closes.dividend, 0.01)
        opened = before * np.exp(0.4 * log_return + 0.25 * daily_sd * noise[0])
        opened = np.round(opened, 2) if traits.is_volatility else to_cents(opened)
        top, bottom = np.maximum(opened, close), np.minimum(opened, close)
        busy = np.clip(np.abs(log_return) / np.maximum(daily_sd, 1e-6), 0.0, 5.0)
        volume = np.rint(traits.base_volume * np.exp(0.25 * busy + 0.3 * noise[3]) * np.cumprod(closes.split))
        if traits.is_volatility:
            volume = np.full(len(close), np.nan)
        return Prices(
            sessions=self._grid.sessions,
            open=opened,
            high=np.maximum(to_cents(top * np.exp(0.35 * daily_sd * np.abs(noise[1]))), top),
            low=np.minimum(to_cents(bottom * np.exp(-0.35 * daily_sd * np.abs(noise[2]))), bottom),
            close=close,
            volume=volume,
            dividend=closes.dividend,
            split=closes.split,
            is_index=traits.is_index,
        )

    def _total_log_return(self, symbol: str, traits: Traits) -> Floats:
        """Total log returns by session: factors, rates, own noise."""
        factors, sessions = self._factors.log_returns, self._grid.sessions
        result = (
            traits.market * factors["market"]
            + traits.size * factors["size"]
            + traits.value * factors["value"]
        )
        result = result + traits.tech * factors["tech"] + traits.banks * factors["banks"]
        if traits.bank_rate_share:
            knots = np.array([np.datetime64(day) for day, _ in BANK_BETA_KNOTS]).astype(np.int64)
            beta = np.interp(sessions.astype(np.int64), knots, [value for _, value in BANK_BETA_KNOTS])
            result = result + traits.bank_rate_share * beta / 100.0 * self._yield_change(24) * 10.0
        if traits.duration_years:
            tenor = traits.duration_tenor_months
            carry = self._yield(tenor) / 100.0 / SESSIONS_PER_YEAR
            result = result + carry - traits.duration_years * self._yield_change(tenor) / 100.0
        own_sd = traits.own_annual_vol_pct / 100.0 / SESSIONS_PER_YEAR**0.5
        own = FUND_OF_INDEX.get(symbol, symbol)
        shocks = student_t(self._streams.stream(f"own {own}"), len(sessions), 5.0)
        own_drift_pct = float(self._streams.stream(f"drift {own}").normal()) * 0.1 * traits.own_annual_vol_pct
        own_drift_pct = float(np.clip(own_drift_pct, -2.0, 3.0))
        return result + with_drift(own_sd * shocks * self._factors.variance_ratio**0.25, own_drift_pct)

    def _yield(self, tenor: int) -> Floats:
        """A yield in % by session."""
        return self._rates.yields[tenor][self._grid.weekday_of_session]

    def _yield_change(self, tenor: int) -> Floats:
        """Change of a yield in percentage points from session to session."""
        values = self._yield(tenor)
        change: Floats = np.diff(values, prepend=values[0])
        return change

    def _dividend_share(self, symbol: str, traits: Traits) -> Floats:
        """Dividend as a share of the price before it, by session; an index loses its yield a little every
        day.
        """
        sessions = self._grid.sessions
        paid = np.zeros(len(sessions))
        if traits.is_index:
            return paid + traits.dividend_yield_pct / 100.0 / SESSIONS_PER_YEAR
        if not traits.dividends_per_year:
            return paid
        stock = traits.own_annual_vol_pct > 12.0
        step = 12 // traits.dividends_per_year
        offset = zlib.crc32(f"dividend month {symbol}".encode()) % 3 if stock else 2
        month = sessions.astype("datetime64[M]").astype(np.int64)
        day = (sessions - sessions.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64) + 1
        due_day = (
            1 if traits.dividends_per_year == 12 else 16 + zlib.crc32(f"dividend day {symbol}".encode()) % 7
        )
        due = (day >= due_day) & (month % step == offset % step)
        first = np.flatnonzero(due & np.append([False], ~(due[:-1] & (month[:-1] == month[1:]))))
        if traits.duration_years:
            yields = self._yield(traits.duration_tenor_months)
            paid[first] = (yields[first] + traits.dividend_yield_pct) / 100.0 / traits.dividends_per_year
        else:
            paid[first] = traits.dividend_yield_pct / 100.0 / traits.dividends_per_year
        return paid
