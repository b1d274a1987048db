"""Daily settlements of 30-day fed funds futures."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import duckdb
import pandas as pd

from datasets.base import Dataset, Freshness, Reach
from datasets.strip_labels import other_settlements, relabelled_strip
from market_calendar.release_rules import FUTURES_RULE
from market_calendar.sessions import settlement_days_between
from sources.protocol import FuturesProvider, Provider
from sources.tabular import delivery_month
from warehouse.reference_data import reference_frame
from warehouse.settings import Settings

# Contracts that expired since the last settlement held are still to be completed.
COMPLETION_DAYS = 45
# Half a thousandth is rounding.
SAME_SETTLEMENT = 0.0005
# As an accepted input it means every contract.
WHOLE_STRIP = "strip"


class Futures(Dataset):
    """One contract is one input."""

    name = "futures"
    table = "raw.fed_funds_futures"
    key = "contract"
    day = "settlement_date"
    batch_size = 110
    trailing_days = 14
    release_rule = FUTURES_RULE
    frequency = "daily"
    expects_every_day = True
    lines_before = 0
    accept_setting = "ROTATION_ACCEPT_SETTLEMENTS"

    def inputs(
        self,
        connection: duckdb.DuckDBPyConnection,
        settings: Settings,
        provider: Provider,
        reach: Reach,
        held: Mapping[str, date],
    ) -> list[str]:
        """The contracts that the provider has around the session; of one that was never asked, all of
        them.
        """
        assert isinstance(provider, FuturesProvider)
        asked = connection.execute(
            "select count(*) from ops.payloads where dataset = ? and source = ?", [self.name, provider.name]
        ).fetchone()
        newest = settings.history_start
        if held and ((asked and asked[0]) or not provider.serves_ranges):
            newest = min(reach.since, max(held.values()))
        start = max(settings.history_start, newest - timedelta(days=COMPLETION_DAYS))
        return provider.contracts(start, reach.until)

    def expected_days(self, name: str, first: date, last: date) -> list[date]:
        """The settlement days up to the end of the delivery month, as far back as a later run asks again: far
        contracts of earlier years have days without a settlement.
        """
        try:
            month = delivery_month(name)
        except ValueError:
            return []
        first = max(first, last - timedelta(days=COMPLETION_DAYS))
        return settlement_days_between(first, min(last, (month + pd.offsets.MonthEnd(0)).date()))

    def with_context(self, connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame) -> pd.DataFrame:
        """Settlement days, the last one of the delivery month, the neighbours in the strip, other
        providers.
        """
        days = _settlement_days()
        return rows.assign(
            _is_settlement_day=rows["settlement_date"].isin(days),
            _last_settlement_date=rows["delivery_month"].map(_last_days(days)),
            _distance_from_neighbours=distance_from_neighbours(rows, _held_neighbours(connection, rows)),
            _disagrees_with_other_source=_disagrees(connection, rows),
        )

    def goes_on_plainly(
        self, connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame, beside: pd.DataFrame
    ) -> set[str]:
        """Every contract: what the rules compare a settlement with is of its own day."""
        return set(rows["contract"])

    def broken_continuity(
        self, connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame
    ) -> Mapping[str, str]:
        """Contracts whose settlements are those of other months; `strip` among the accepted accepts all."""
        if WHOLE_STRIP in self.accepted():
            return {}
        served = rows["settlement_date"].max()
        held = connection.execute(f"select max(settlement_date) from {self.table}").fetchone()
        newest = max(served, pd.Timestamp(held[0])) if held and held[0] else served
        relabelled = relabelled_strip(rows, _last_days(_settlement_days()), newest)
        broken = relabelled or other_settlements(rows, _held_settlements(connection, rows))
        return {
            name: f"{reason} If they are right, run once with {self.accept_setting}="
            f"{WHOLE_STRIP if relabelled else name}"
            for name, reason in broken.items()
        }

    def freshness(self, connection: duckdb.DuckDBPyConnection, session: date) -> list[Freshness]:
        """The strip as a whole should have the last settlement day up to the session."""
        strip = connection.execute("select max(settlement_date) from staging.fed_funds_futures").fetchone()
        days = settlement_days_between(session - timedelta(days=10), session)
        return [Freshness(self.name, "strip", False, strip[0] if strip else None, days[-1])]


def _settlement_days() -> pd.Series:
    calendar = reference_frame("calendar")
    days: pd.Series = calendar.loc[calendar["is_settlement_day"], "calendar_date"]
    return days


def _last_days(days: pd.Series) -> pd.Series:
    """The last settlement day of each month, by the month's first day."""
    return days.groupby(days.dt.to_period("M").dt.to_timestamp()).max()


def _held_settlements(connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame) -> pd.DataFrame:
    """The latest versions that are held of the served contracts and days."""
    connection.register("served_rows", rows[["contract", "settlement_date"]])
    try:
        return connection.execute("""
            select contract, settlement_date, settle
            from raw.fed_funds_futures
            where (contract, settlement_date) in (
                select (contract, settlement_date::date) from served_rows
            )
            qualify row_number() over (partition by contract, settlement_date order by known_at_utc desc) = 1
        """).df()
    finally:
        connection.unregister("served_rows")


def _held_neighbours(connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame) -> pd.DataFrame:
    """Settlements that are held of the served days and did not come this time: the neighbours of what
    came.
    """
    connection.register("served_rows", rows[["contract", "settlement_date"]])
    try:
        return connection.execute("""
            select delivery_month, settlement_date, settle
            from raw.fed_funds_futures as held
            where settlement_date in (select settlement_date::date from served_rows)
                and (contract, settlement_date) not in (
                    select contract, settlement_date::date from served_rows
                )
            qualify row_number() over (partition by contract, settlement_date order by known_at_utc desc) = 1
        """).df()
    finally:
        connection.unregister("served_rows")


def distance_from_neighbours(served: pd.DataFrame, held: pd.DataFrame | None = None) -> pd.Series:
    """How far a settlement lies above or below both adjacent contracts of its day, in points; 0 between them
    or at an end of the strip.
    """
    columns = ["settlement_date", "delivery_month", "settle"]
    rows = served[columns]
    if held is not None and len(held):
        rows = pd.concat([rows, held[columns].set_index(pd.RangeIndex(-len(held), 0))])
    ordered = rows.sort_values(["settlement_date", "delivery_month"], kind="stable")
    settle = ordered["settle"].groupby(ordered["settlement_date"])
    nearer, farther = ordered["settle"] - settle.shift(1), ordered["settle"] - settle.shift(-1)
    both = pd.concat([nearer.abs(), farther.abs()], axis=1)
    same_side = (nearer > 0) == (farther > 0)
    distance: pd.Series = both.min(axis=1, skipna=False).where(same_side, 0.0).fillna(0.0)
    return distance.reindex(served.index)


def _disagrees(connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame) -> pd.Series:
    """Whether another provider gave a different settlement for the same contract and day."""
    connection.register("futures_rows", rows.assign(position=range(len(rows))))
    try:
        found = connection.execute(
            """
            select distinct served.position
            from futures_rows as served
            inner join raw.fed_funds_futures as held
                on served.contract = held.contract and served.settlement_date::date = held.settlement_date
            where served.source <> held.source and abs(served.settle - held.settle) > $1
            """,
            [SAME_SETTLEMENT],
        ).fetchall()
    finally:
        connection.unregister("futures_rows")
    positions = {row[0] for row in found}
    return pd.Series([position in positions for position in range(len(rows))], index=rows.index)
