"""What the metrics read, and what they answer with.

In: a connection to the publication. Out: `Evidence`, which reads calendar, prices and marts once each, and
`Finding`, the answer of a metric.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import duckdb
import numpy as np

from transforms.lib.history import FloatArray, IntArray
from transforms.lib.session_grid import float_column

Parameters = Mapping[str, str]
# Why a publisher's own ranking cannot be computed.
PROPRIETARY = "the publisher's scores are proprietary, and no free input brings them"


def bring_prices(symbol: str) -> str:
    """What a user has to bring for a symbol without prices."""
    return f"bring prices/{symbol.replace('^', '_')}.csv, or a live source"


class NotComputable(ValueError):
    """An input is missing or proprietary; the message says which."""


@dataclass(frozen=True)
class Finding:
    """What a metric found: a number or a day, or (during a session) the range or days that were possible.

    An estimate has its number and, as low and high, its interval of so many per cent.
    """

    words: str
    number: float | None = None
    day: dt.date | None = None
    low: float | None = None
    high: float | None = None
    possible_days: tuple[dt.date, ...] = ()
    interval_pct: int = 0

    @property
    def is_estimate(self) -> bool:
        """Whether the number has an interval."""
        return self.number is not None and self.low is not None and self.high is not None


@dataclass(frozen=True)
class Prices:
    """One symbol's history, oldest first."""

    numbers: IntArray
    close: FloatArray
    high: FloatArray
    low: FloatArray
    total: FloatArray

    def of_kind(self, kind: str) -> FloatArray:
        """The series named close, high, low or total."""
        return {"close": self.close, "high": self.high, "low": self.low, "total": self.total}[kind]


@dataclass
class Evidence:
    """The publication as the metrics read it; the calendar and each symbol's prices are read once."""

    con: duckdb.DuckDBPyConnection
    _prices: dict[str, Prices] = field(default_factory=dict)

    @cached_property
    def sessions(self) -> dict[dt.date, int]:
        """Number of every session up to the publication's own."""
        rows = self.con.execute("""
            select calendar_date, session_number from ref.calendar
            where session_number is not null and calendar_date <= getvariable('session_date')
            order by calendar_date
            """).fetchall()
        return dict(rows)

    @cached_property
    def dates(self) -> dict[int, dt.date]:
        """Date of every session by its number."""
        return {number: day for day, number in self.sessions.items()}

    def session_at(self, day: dt.date) -> int:
        """Number of the last session at or before a day.

        Raises:
            NotComputable: there is no session in the ten days up to it.
        """
        for back in range(10):
            number = self.sessions.get(day - dt.timedelta(days=back))
            if number is not None:
                return number
        raise NotComputable(f"the publication has no session at {day}")

    def prices(self, symbol: str) -> Prices:
        """The history of one symbol."""
        if symbol not in self._prices:
            rows = self.con.execute(
                """
                select
                    prices.session_number, prices.close, prices.high, prices.low,
                    daily.total_return_index as total
                from staging.equity_prices as prices
                left join marts.instrument_daily as daily
                    on prices.symbol = daily.symbol and prices.session_date = daily.session_date
                where prices.symbol = ?
                order by prices.session_number
                """,
                [symbol],
            ).fetchnumpy()
            self._prices[symbol] = Prices(
                np.asarray(rows["session_number"], dtype=np.int64),
                *(float_column(rows[name]) for name in ("close", "high", "low", "total")),
            )
        return self._prices[symbol]

    def price(self, symbol: str, number: int, kind: str) -> float:
        """One price of one session.

        Args:
            symbol: the instrument.
            number: number of the session.
            kind: close, high, low or total (the total return index).

        Raises:
            NotComputable: the price is missing.
        """
        prices = self.prices(symbol)
        row = int(np.searchsorted(prices.numbers, number))
        if row < len(prices.numbers) and prices.numbers[row] == number:
            value = float(prices.of_kind(kind)[row])
            if np.isfinite(value):
                return value
        if not len(prices.numbers):
            raise NotComputable(f"there are no prices of {symbol} ({bring_prices(symbol)})")
        raise NotComputable(f"{symbol} has no {kind} on {self.dates.get(number, number)}")

    def closes(self, symbol: str, until: int) -> FloatArray:
        """Closes on the grid of session numbers 0..until; NaN where there is none."""
        prices = self.prices(symbol)
        grid = np.full(until + 1, np.nan)
        known = prices.numbers <= until
        grid[prices.numbers[known]] = prices.close[known]
        return grid

    def observations(self, series: str, day: dt.date) -> Prices:
        """The observations of a FRED series that were out on a day, on sessions, as closes; highs, lows and
        total returns are missing.
        """
        rows = self.con.execute(
            """
            select calendar.session_number, observations.value
            from staging.fred_observations as observations
            inner join ref.calendar as calendar on observations.observation_date = calendar.calendar_date
            where
                observations.series_id = ? and observations.available_at_utc < ?::date + 1
                and calendar.session_number is not null
            order by calendar.session_number
            """,
            [series, day],
        ).fetchnumpy()
        close = float_column(rows["value"])
        missing = np.full(len(close), np.nan)
        numbers = np.asarray(rows["session_number"], dtype=np.int64)
        return Prices(numbers, close, missing, missing, missing)

    def observations_beside(self, series: str, day: dt.date) -> list[dt.date]:
        """The days of the observations before and after one of a series, where there are any."""
        return self._beside("staging.fred_observations", "series_id", series, "observation_date", day)

    def reports_beside(self, market: str, day: dt.date) -> list[dt.date]:
        """The days of the reports on positions in a market before and after that of a day, where there are
        any.
        """
        return self._beside("marts.futures_positioning", "market_id", market, "report_date", day)

    def _beside(self, table: str, key: str, name: str, column: str, day: dt.date) -> list[dt.date]:
        rows = self.con.execute(
            f"""
            select max({column}) filter (where {column} < $2), min({column}) filter (where {column} > $2)
            from {table} where {key} = $1
            """,
            [name, day],
        ).fetchone()
        return [found for found in rows or () if found is not None]

    def value(self, sql: str, parameters: Sequence[object], missing: str) -> tuple[Any, ...]:
        """The one row of a query.

        Args:
            sql: the query; its values are bound.
            parameters: one per `?`.
            missing: why there is no row, for the reader of the verdict.

        Raises:
            NotComputable: there is no row, or its first column is NULL.
        """
        row = self.con.execute(sql, parameters).fetchone()
        if row is None or row[0] is None:
            raise NotComputable(missing)
        return tuple(row)
