"""Net interest income of single banks by quarter, as they file it with the SEC."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import duckdb
import pandas as pd

from datasets.base import Dataset, Freshness, Reach
from market_calendar.release_rules import new_york_to_utc, parse_rule
from market_calendar.sessions import cutoff_utc
from sources.protocol import Provider
from warehouse.settings import Settings

# A quarter of a bank that is followed, as first seen: from a small regional bank to twice the largest.
LEAST_QUARTER_USD, MOST_QUARTER_USD = 5e6, 60e9
# What is held changes by restatements and mergers, never by as much.
LARGEST_CHANGE = 5.0
# A late filer asks for five days more, or fifteen for a 10-K (rule 12b-25).
DUE_DAYS = {"10-Q": timedelta(days=40 + 7), "10-K": timedelta(days=60 + 17)}
ENDED = timedelta(days=366)
# In days, what a quarter is.
QUARTER = (80, 100)


class BankIncome(Dataset):
    """One bank is one input, written as its symbol."""

    name = "bank_income"
    table = "raw.bank_income"
    key = "symbol"
    day = "period_end"
    batch_size = 25
    # Everything is served at once.
    trailing_days = 0
    awaited = False
    # A filing of a day was accepted by 17:30 of it; what comes later has the next business day's date.
    release_rule = "same_day@17:30"
    frequency = "quarterly"

    def inputs(
        self,
        connection: duckdb.DuckDBPyConnection,
        settings: Settings,
        provider: Provider,
        reach: Reach,
        held: Mapping[str, date],
    ) -> list[str]:
        """The banks that the provider can be asked for."""
        rows = connection.execute("select distinct symbol from ref.bank_filers order by 1").fetchall()
        offered = provider.present_inputs()
        return [symbol for (symbol,) in rows if offered is None or symbol in offered]

    def with_availability(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The evening of the day of filing, which the source states."""
        clock = parse_rule(self.release_rule).clock_time
        assert clock is not None
        moments = new_york_to_utc(rows["filed_on"].to_numpy().astype("datetime64[D]"), clock)
        available = pd.Series(moments.to_numpy().astype("datetime64[us]"), index=rows.index)
        return rows.assign(available_at_utc=available, availability="vintage")

    def broken_continuity(
        self, connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame
    ) -> Mapping[str, str]:
        """Banks whose amounts are in another unit, or of another bank."""
        held = dict(
            connection.execute(
                "select symbol, median(amount_usd) from"
                " (from raw.bank_income where period_end - period_start between ? and ?"
                " qualify row_number() over (partition by symbol order by filed_on desc, period_end desc)"
                " <= 12) group by all",
                list(QUARTER),
            ).fetchall()
        )
        days = (rows["period_end"] - rows["period_start"]).dt.days
        quarters = rows[days.between(*QUARTER)].sort_values(["filed_on", "period_end"])
        broken: dict[str, str] = {}
        for symbol, part in quarters.groupby("symbol", sort=True):
            served = float(part["amount_usd"].tail(12).median())
            known = held.get(str(symbol))
            if known is None:
                if LEAST_QUARTER_USD <= served <= MOST_QUARTER_USD:
                    continue
                reason = f"expected {LEAST_QUARTER_USD:,.0f} to {MOST_QUARTER_USD:,.0f}"
            else:
                if served * known > 0 and max(served / known, known / served) <= LARGEST_CHANGE:
                    continue
                reason = f"and {known:,.0f} are held"
            source = str(part["source"].iloc[-1]) if "source" in part else "sec"
            broken[str(symbol)] = (
                f"{source}: bank_income/{symbol}: field val is {served:,.0f} USD in the middle of the newest"
                f" quarters, {reason}: another unit, another sign or another bank. Nothing new was loaded."
            )
        return broken

    def freshness(self, connection: duckdb.DuckDBPyConnection, session: date) -> list[Freshness]:
        """Every bank that was ever served should reach the quarter whose reports were due; one that has filed
        nothing for more than a year has ended, by a merger most often.
        """
        rows = connection.execute(
            f"""
            select symbol, max(period_end), max_by(source, period_end)
            from pipeline.{self.table}
            where available_at_utc <= ?
            group by 1
            order by 1
            """,
            [cutoff_utc(session)],
        ).fetchall()
        expected = last_quarter_due(session)
        return [
            Freshness(self.name, symbol, False, last, expected, source)
            for symbol, last, source in rows
            if last > expected - ENDED
        ]


def last_quarter_due(session: date) -> date:
    """The last quarter whose reports are due: a 10-Q 40 days after its end, a 10-K 60 days after the year's
    (large filers, by the general instructions of the forms), and some days of grace.
    """
    ends = [stamp.date() for stamp in pd.date_range(session - timedelta(days=300), session, freq="QE")]
    return max(end for end in ends if end + DUE_DAYS["10-K" if end.month == 12 else "10-Q"] <= session)
