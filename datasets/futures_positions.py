"""Positions in futures by kind of trader, weekly, as the CFTC reports them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import duckdb
import numpy as np
import pandas as pd

from datasets.base import Dataset, Freshness, Reach
from market_calendar.release_rules import available_at_utc, new_york_to_utc, parse_rule
from market_calendar.sessions import cutoff_utc
from sources.protocol import Provider
from warehouse.reference_data import reference_frame
from warehouse.settings import Settings

# The report by kinds of financial trader was first published in July 2010, with its history since June 2006;
# the oldest one in the CFTC's archive of published reports is of 27 July 2010, which came on the 30th.
FIRST_PUBLISHED, FIRST_RELEASE = date(2010, 7, 27), date(2010, 7, 30)
# Open interest of the contracts that are followed; far outside of it the numbers are in another unit.
LEAST_OPEN, MOST_OPEN = 5_000, 30_000_000
# A contract that is new or ends can be small; one that is held does not change by as much at once.
LARGEST_CHANGE, A_LITTLE = 5.0, 20_000
# Single reports are corrected; where at least three were held and most come with other shares of the open
# interest, a column means something else.
FAR_FROM_HELD, FEWEST_HELD = 0.02, 3
POSITIONS = tuple(
    f"{group}_{side}_contracts"
    for group in ("leveraged", "asset_manager")
    for side in ("long", "short", "spread")
)


class FuturesPositions(Dataset):
    """One contract is one input, written as its code."""

    name = "futures_positions"
    table = "raw.futures_positions"
    key = "contract_market_code"
    day = "report_date"
    batch_size = 20
    # Reports are corrected within a few weeks, and after a shutdown they come two months late.
    trailing_days = 100
    awaited = False
    # The third business day after the report's: Friday for a Tuesday, Monday in a week with a holiday.
    release_rule = "business_days:3@15:30"
    frequency = "weekly"

    def inputs(
        self,
        connection: duckdb.DuckDBPyConnection,
        settings: Settings,
        provider: Provider,
        reach: Reach,
        held: Mapping[str, date],
    ) -> list[str]:
        """The contracts that the provider has; one that has ended is asked for until it is held."""
        rows = connection.execute(
            "select contract_market_code, positions_to from ref.positioned_contracts order by 1"
        ).fetchall()
        asked_from = reach.since - timedelta(days=self.trailing_days)
        offered = provider.present_inputs()
        return [
            code
            for code, last in rows
            if (offered is None or code in offered)
            and (last is None or last >= asked_from or (code not in held and last >= settings.history_start))
        ]

    def with_availability(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The day on which the report came out: that of `ref.position_releases`, else by the rule."""
        available = released_at_utc(rows["report_date"])
        return rows.assign(available_at_utc=available, availability="assumed")

    def broken_continuity(
        self, connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame
    ) -> Mapping[str, str]:
        """Contracts whose open interest is in another unit, or of another contract, or whose positions are
        those of other traders than what is held.
        """
        moved = _moved(connection, rows)
        held = dict(
            connection.execute(
                "select contract_market_code, median(open_interest_contracts) from"
                " (from raw.futures_positions qualify row_number() over (partition by contract_market_code"
                " order by report_date desc, known_at_utc desc) <= 26) group by all"
            ).fetchall()
        )
        broken: dict[str, str] = {}
        for code, part in rows.groupby("contract_market_code", sort=True):
            newest = part.sort_values("report_date").tail(26)
            served = float(newest["open_interest_contracts"].astype("float64").median())
            known = held.get(str(code))
            if known is None:
                if LEAST_OPEN <= served <= MOST_OPEN:
                    continue
                reason = f"expected {LEAST_OPEN:,} to {MOST_OPEN:,}"
            else:
                apart = max(served, float(known)) / max(min(served, float(known)), 1.0)
                if apart <= LARGEST_CHANGE or max(served, float(known)) < A_LITTLE:
                    if moved.get(str(code), 0.0) > FAR_FROM_HELD:
                        broken[str(code)] = _other_positions(part, str(code), moved[str(code)])
                    continue
                reason = f"and {float(known):,.0f} are held"
            broken[str(code)] = (
                f"{_source(part)}: futures_positions/{code}: field open_interest_all is {served:,.0f}"
                f" contracts in the middle of the newest reports, {reason}: another unit or another contract."
                " Nothing new was loaded."
            )
        return broken

    def freshness(self, connection: duckdb.DuckDBPyConnection, session: date) -> list[Freshness]:
        """Every market that was ever served should reach the last report that had come out."""
        rows = connection.execute(
            """
            select contracts.market_id, max(positions.report_date)
            from pipeline.raw.futures_positions as positions
            inner join ref.positioned_contracts as contracts
                on positions.contract_market_code = contracts.contract_market_code
            where positions.available_at_utc <= ?
            group by all
            order by 1
            """,
            [cutoff_utc(session)],
        ).fetchall()
        expected = last_report_out(session)
        return [Freshness(self.name, market, False, last, expected) for market, last in rows]


def _moved(connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame) -> dict[str, float]:
    """Per contract by how much of the open interest the positions of a report differ from those held, in the
    middle of the common reports; of contracts with too few of them nothing.
    """
    farthest = ", ".join(f"abs(served.{name} - held.{name})" for name in POSITIONS)
    served = rows[["contract_market_code", "report_date", "open_interest_contracts", *POSITIONS]]
    connection.register("served_reports", served)
    try:
        found = connection.execute(
            f"""
            with held as (
                from raw.futures_positions
                qualify row_number() over (
                    partition by contract_market_code, report_date order by known_at_utc desc
                ) = 1
            )

            select
                held.contract_market_code,
                median(greatest({farthest}) / held.open_interest_contracts) as moved
            from held
            inner join served_reports as served
                on held.contract_market_code = served.contract_market_code
                and held.report_date = served.report_date
            where held.open_interest_contracts > 0
            group by 1
            having count(*) >= {FEWEST_HELD}
            """
        ).fetchall()
    finally:
        connection.unregister("served_reports")
    return {code: moved for code, moved in found if moved is not None}


def _other_positions(rows: pd.DataFrame, code: str, moved: float) -> str:
    return (
        f"{_source(rows)}: futures_positions/{code}: most reports that are held come again with other"
        f" positions, by {100 * moved:.0f} % of the open interest: a field means something else than it did."
        " Nothing new was loaded."
    )


def _source(rows: pd.DataFrame) -> str:
    """Who served some rows."""
    return str(rows["source"].iloc[-1]) if "source" in rows else "cftc"


def released_at_utc(report_dates: pd.Series) -> pd.Series:
    """When reports came out, as naive UTC: on the listed day, else by the rule, and never before a listed
    report of an earlier day, since the CFTC publishes in order.
    """
    rule = FuturesPositions.release_rule
    usual = available_at_utc(rule, FuturesPositions.frequency, report_dates)
    clock = parse_rule(rule).clock_time
    assert clock is not None
    late = reference_frame("position_releases").sort_values("report_date")
    start = np.array(["1900-01-01"], "datetime64[D]")
    listed = np.concatenate([start, late["report_date"].to_numpy().astype("datetime64[D]")])
    released = np.concatenate([start, late["released_on"].cummax().to_numpy().astype("datetime64[D]")])
    days = pd.to_datetime(report_dates).to_numpy().astype("datetime64[D]")
    floor = released[np.maximum(np.searchsorted(listed, days, side="right") - 1, 0)]
    floor = np.where(days < np.datetime64(FIRST_PUBLISHED), np.datetime64(FIRST_RELEASE), floor)
    moments = pd.Series(new_york_to_utc(floor, clock).to_numpy().astype("datetime64[us]"), usual.index)
    return usual.where(usual >= moments, moments)


def last_report_out(session: date) -> date | None:
    """The day that the last report which had come out on the evening of a session reaches at least: the
    Monday of its week, since before a holiday on Tuesday positions are taken on Monday.
    """
    tuesdays = pd.Series(pd.date_range(session - timedelta(days=100), session, freq="W-TUE"))
    listed = reference_frame("position_releases")["report_date"]
    weeks = {stamp.isocalendar()[:2]: stamp for stamp in listed}
    dated = tuesdays.map(lambda stamp: weeks.get(stamp.isocalendar()[:2], stamp))
    out = tuesdays[released_at_utc(dated) <= pd.Timestamp(cutoff_utc(session))]
    return (out.max() - timedelta(days=1)).date() if len(out) else None
