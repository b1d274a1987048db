"""Daily prices of the symbols in `ref.instruments`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date

import duckdb
import pandas as pd

from datasets.base import Dataset, Freshness, PlannedInput, Reach, goes_on
from datasets.price_appended import plain_symbols
from datasets.price_basis import HeldHistory, broken_basis, differs, has_new_split, is_restated
from datasets.price_quality import (
    CONTEXT_BARS,
    contradictions,
    good_rows,
    held_bars,
    row_context,
    without_unknown_prices,
)
from market_calendar.release_rules import EQUITY_RULE
from market_calendar.sessions import sessions_between
from sources.protocol import Provider
from warehouse.reference_data import reference_frame
from warehouse.settings import Settings

# So many of the last closes held are compared with what is served.
COMPARED_SESSIONS = 8


class Prices(Dataset):
    """One symbol is one input."""

    name = "prices"
    table = "raw.equity_prices"
    key = "symbol"
    day = "session_date"
    batch_size = 20
    trailing_days = 14
    release_rule = EQUITY_RULE
    frequency = "daily"
    expects_every_day = True
    proves_sessions = True
    lines_before = CONTEXT_BARS
    accept_setting = "ROTATION_ACCEPT_PRICES"

    def inputs(
        self,
        connection: duckdb.DuckDBPyConnection,
        settings: Settings,
        provider: Provider,
        reach: Reach,
        held: Mapping[str, date],
    ) -> list[str]:
        """Every symbol that is active by the session."""
        rows = connection.execute(
            "select symbol from ref.instruments"
            " where coalesce(active_from, date '1900-01-01') <= ? order by 1",
            [reach.session],
        ).fetchall()
        return [row[0] for row in rows]

    def last_day(self, rows: pd.DataFrame) -> date | None:
        """The last session with a close: a bar of today may be listed without one."""
        return super().last_day(rows[rows["close"].notna()])

    def held_values(
        self, connection: duckdb.DuckDBPyConnection, session: date
    ) -> Mapping[str, Mapping[date, float]]:
        """Per symbol the last closes that are held."""
        rows = connection.execute(
            f"""
            with latest as (
                select symbol, session_date, close
                from raw.equity_prices
                where session_date <= $1
                qualify row_number() over (partition by symbol, session_date order by known_at_utc desc) = 1
            )

            select
                symbol,
                max_by(session_date, session_date, {COMPARED_SESSIONS}),
                max_by(close, session_date, {COMPARED_SESSIONS})
            from latest
            group by symbol
            """,
            [session],
        ).fetchall()
        return {symbol: dict(zip(days, closes, strict=True)) for symbol, days, closes in rows}

    def expected_days(self, name: str, first: date, last: date) -> list[date]:
        """The sessions of the symbol's life."""
        instruments = reference_frame("instruments")
        found = instruments.loc[instruments["symbol"] == name, ["active_from", "active_to"]]
        if found.empty:
            return []
        born, ended = found.iloc[0]
        first = max(first, born.date()) if isinstance(born, pd.Timestamp) else first
        last = min(last, ended.date()) if isinstance(ended, pd.Timestamp) else last
        return sessions_between(first, last)

    def needs_whole_history(self, read: Callable[[], pd.DataFrame], planned: PlannedInput) -> bool:
        """A split restates every close before it: the whole history is fetched again on the new basis."""
        frame = read()
        return has_new_split(frame, planned.known_until) or is_restated(frame, planned.held or {})

    def required(self, connection: duckdb.DuckDBPyConnection, session: date) -> set[str]:
        """The symbols that `ref.instruments` requires at the session."""
        rows = connection.execute(
            "select symbol from ref.instruments"
            " where required and coalesce(active_to, date '9999-12-31') >= ?",
            [session],
        ).fetchall()
        return {row[0] for row in rows}

    def with_context(self, connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame) -> pd.DataFrame:
        """Whether the NYSE was open on the row's day, and how the bar stands beside its neighbours.

        An open, high or low of 0 becomes NULL: it means not known.
        """
        rows = without_unknown_prices(_on_sessions(rows))
        changed = rows[~goes_on(rows)]
        return row_context(rows, changed, held_bars(connection, changed), self.accepted())

    def goes_on_plainly(
        self, connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame, beside: pd.DataFrame
    ) -> set[str]:
        """Symbols whose last bars have no split or dividend that their prices contradict, and no step that no
        market makes.
        """
        rows = without_unknown_prices(_on_sessions(rows))
        return plain_symbols(rows, self.accepted()) - self.accepted()

    def kept(self, rows: pd.DataFrame, broken: pd.Series) -> pd.DataFrame:
        """The good rows; a total return never starts from the adjusted close of a broken one."""
        return good_rows(rows, broken)

    def broken_continuity(
        self, connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame
    ) -> Mapping[str, str]:
        """Symbols whose closes come on another basis than the held ones, which no split explains, or
        contradict their own splits and dividends.
        """
        rows = rows[~goes_on(rows)]
        served = without_unknown_prices(_on_sessions(rows))
        contradicted = {
            symbol: f"{reason} {self._advice(symbol)}"
            for symbol, reason in contradictions(served, held_bars(connection, served)).items()
        }
        return contradicted | self._on_another_basis(connection, rows)

    def _advice(self, symbol: str) -> str:
        return f"If they are right, run once with {self.accept_setting}={symbol}"

    def _on_another_basis(self, connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame) -> dict[str, str]:
        connection.register("served_rows", rows[["symbol", "session_date", "close"]])
        try:
            held = connection.execute(
                f"""
                with served as (
                    select symbol, session_date::date as session_date, any_value(close) as close
                    from served_rows
                    where close > 0
                    group by all
                ),

                held as (
                    select prices.symbol, prices.session_date, prices.close as held_close, served.close
                    from raw.equity_prices as prices
                    inner join served
                        on prices.symbol = served.symbol and prices.session_date = served.session_date
                    qualify
                        row_number() over (
                            partition by prices.symbol, prices.session_date order by prices.known_at_utc desc
                        ) = 1
                )

                select symbol, session_date, close / held_close as ratio
                from held
                qualify
                    row_number() over (partition by symbol order by session_date desc) <= {COMPARED_SESSIONS}
                order by symbol, session_date
                """
            ).df()
        finally:
            connection.unregister("served_rows")
        broken = {}
        for symbol, part in held.groupby("symbol"):
            ratios = part.set_index("session_date")["ratio"]
            if differs(ratios):
                served = rows[rows["symbol"] == symbol]
                if reason := broken_basis(str(symbol), served, ratios, _held(connection, str(symbol))):
                    broken[str(symbol)] = f"{reason} {self._advice(str(symbol))}"
        return broken

    def freshness(self, connection: duckdb.DuckDBPyConnection, session: date) -> list[Freshness]:
        """Every active symbol should have the session, or the last one of its life."""
        rows = connection.execute(
            """
            select
                instruments.symbol, instruments.required, instruments.active_to,
                max(prices.session_date)
            from ref.instruments as instruments
            left join staging.equity_prices as prices on instruments.symbol = prices.symbol
            where coalesce(instruments.active_from, date '1900-01-01') <= $1
            group by all
            order by 1
            """,
            [session],
        ).fetchall()
        return [
            Freshness(self.name, symbol, required, last, min(session, active_to or session))
            for symbol, required, active_to, last in rows
        ]


def _on_sessions(rows: pd.DataFrame) -> pd.DataFrame:
    calendar = reference_frame("calendar")
    sessions = calendar.loc[calendar["is_nyse_session"], "calendar_date"]
    return rows.assign(_is_nyse_session=rows["session_date"].isin(sessions))


def _held(connection: duckdb.DuckDBPyConnection, symbol: str) -> HeldHistory:
    row = connection.execute(
        """
        select min(prices.session_date), max(prices.session_date), any_value(instruments.price_basis)
        from raw.equity_prices as prices
        left join ref.instruments as instruments on prices.symbol = instruments.symbol
        where prices.symbol = $1
        """,
        [symbol],
    ).fetchone()
    first, last, basis = row or (None, None, None)
    return HeldHistory(first, last, basis == "fully_adjusted")
