"""What funds hold, by sector and report: the issuer's holdings files.

In: the provider's reports. Out: rows of `raw.fund_holdings`. From the issuer a run asks for the newest report
of each fund and, once, for those of the ends of quarters since `FIRST_REPORT`: a report may be used for a
hundred days, so that the quarters leave no gap. From a folder it takes what lies there. A report could be
had on the morning of the next business day; the newest one, when it was fetched live, not before that
moment. No report is ever used for a session before it: what a fund holds today says nothing of last year.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import duckdb
import pandas as pd

from datasets.base import Dataset, Freshness, Reach
from market_calendar.sessions import cutoff_utc, sessions_between
from sources.ishares import NEWEST_DAYS, ISharesHoldings, funds
from sources.protocol import Provider
from warehouse.landing import Landed
from warehouse.settings import Settings

FIRST_REPORT = date(2020, 1, 1)
# A quarter's report is asked for so many days after its end, when it is surely there.
REPORT_DAYS = 5
# A report says something of the days after it for so long.
USABLE_DAYS = 100
# From one report to the next within that time: net assets by a factor, a sector's weight by points.
LARGEST_FACTOR, LARGEST_CHANGE_PP = 3.0, 25.0


class FundHoldings(Dataset):
    """An input is a fund (`IWM`, the newest report) or a fund and a day (`IWM_20250630`)."""

    name = "fund_holdings"
    table = "raw.fund_holdings"
    key = "file_symbol"
    day = "report_date"
    batch_size = 12
    trailing_days = 0
    awaited = False
    release_rule = "business_days:1@09:00"
    frequency = "daily"

    def inputs(
        self,
        connection: duckdb.DuckDBPyConnection,
        settings: Settings,
        provider: Provider,
        reach: Reach,
        held: Mapping[str, date],
    ) -> list[str]:
        """Of a folder what lies there; else the newest report of each fund, and from the issuer the ends of
        quarters that are not held.
        """
        present = provider.present_inputs()
        if present is not None:
            return present
        names = sorted(funds())
        if provider.name != ISharesHoldings.name:
            return names
        since = max(settings.history_start, FIRST_REPORT)
        days = quarter_sessions(since, reach.until - timedelta(days=REPORT_DAYS))
        dated = [f"{name}_{day:%Y%m%d}" for day in days for name in names]
        return [*names, *(item for item in dated if item not in held)]

    def held_until(self, connection: duckdb.DuckDBPyConnection, session: date) -> dict[str, date]:
        """The newest report of each fund, and every report under the name that asks for it."""
        rows = connection.execute(
            "select distinct file_symbol, report_date from raw.fund_holdings where report_date <= ?"
            " order by all",
            [session],
        ).fetchall()
        return dict(rows) | {f"{name}_{day:%Y%m%d}": day for name, day in rows}

    def with_availability(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The next business morning, or the moment of the fetch where that was later and is known."""
        dated = super().with_availability(rows)
        seen = dated["_not_before_utc"]
        later = seen.notna() & (seen > dated["available_at_utc"])
        return dated.assign(available_at_utc=dated["available_at_utc"].where(~later, seen))

    def broken_continuity(
        self, connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame
    ) -> Mapping[str, str]:
        """Reports that differ from the one before as if in another unit, or of another fund."""
        before = {(fund, day): (value, sectors) for fund, day, value, sectors in _held(connection)}
        broken: dict[str, str] = {}
        ordered = rows.sort_values(["report_date", "file_symbol"], kind="stable")
        for _, report in ordered.groupby(["report_date", "file_symbol"], sort=False):
            first = report.iloc[0]
            fund, day, item = str(first["file_symbol"]), first["report_date"].date(), str(first["_input"])
            sectors = dict(zip(report["sector"], report["sector_weight_pct"], strict=True))
            value = float(report["sector_value_usd"].sum())
            earlier = [at for name, at in before if name == fund and timedelta(0) < day - at <= NEAR]
            reason = (
                _differs(day, value, sectors, max(earlier), *before[fund, max(earlier)]) if earlier else None
            )
            if reason:
                broken[item] = f"{self.name}/{item}: {reason} Nothing new of it was loaded."
            else:
                before[fund, day] = value, sectors
        return broken

    def gone(
        self, connection: duckdb.DuckDBPyConnection, landed: list[Landed], rows: pd.DataFrame
    ) -> list[tuple[str, date, date, int]] | None:
        """A report is asked for by its day, so nothing inside a range can be missing."""
        return None

    def freshness(self, connection: duckdb.DuckDBPyConnection, session: date) -> list[Freshness]:
        """Each fund that was ever served should have a report of use; from the issuer a recent one."""
        rows = connection.execute(
            """
            select file_symbol, max(report_date), max_by(source, report_date)
            from pipeline.raw.fund_holdings
            where available_at_utc <= ?
            group by 1
            order by 1
            """,
            [cutoff_utc(session)],
        ).fetchall()
        return [
            Freshness(
                self.name,
                name,
                False,
                last,
                session - timedelta(days=NEWEST_DAYS if source == ISharesHoldings.name else USABLE_DAYS),
                source,
            )
            for name, last, source in rows
        ]


NEAR = timedelta(days=USABLE_DAYS)


def quarter_sessions(start: date, end: date) -> list[date]:
    """The last session of every quarter that ended in a range of days."""
    found = []
    for stamp in pd.date_range(start, end, freq="QE"):
        day = stamp.date()
        found.append(sessions_between(day - timedelta(days=10), day)[-1])
    return found


def _held(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, date, float, dict[str, float]]]:
    """Fund, day, market value and weights by sector of the newest version of every report."""
    return connection.execute(
        """
        with newest as (
            select *
            from raw.fund_holdings
            qualify known_at_utc = max(known_at_utc) over (partition by file_symbol, report_date)
        )

        select
            file_symbol,
            report_date,
            sum(sector_value_usd),
            map(list(sector), list(sector_weight_pct))
        from newest
        group by all
        """
    ).fetchall()


def _differs(
    day: date,
    value: float,
    sectors: Mapping[str, float],
    earlier: date,
    value_before: float,
    sectors_before: Mapping[str, float],
) -> str | None:
    """Why a report does not continue the one before; None where it does."""
    if not 1 / LARGEST_FACTOR <= value / value_before <= LARGEST_FACTOR:
        return (
            f"Market Value adds up to {value / 1e9:,.2f} bn USD on {day}, after {value_before / 1e9:,.2f} on"
            f" {earlier}: it is in another unit, or of another fund."
        )
    for name in sorted({*sectors, *sectors_before}):
        now, then = sectors.get(name, 0.0), sectors_before.get(name, 0.0)
        if abs(now - then) > LARGEST_CHANGE_PP:
            return f"{name} is {now:.1f} % of the fund on {day}, after {then:.1f} % on {earlier}."
    return None
