"""Monthly returns of portfolios formed on size since 1926, as Kenneth R. French publishes them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import duckdb
import pandas as pd

from datasets.base import Dataset, Freshness, Reach
from sources.french import INPUT
from sources.protocol import Provider
from warehouse.landing import Landed
from warehouse.raw import asked_ranges, no_longer_served
from warehouse.settings import Settings

# July 2026 was there on 4 September, 35 days after its end, and August was not yet on 25 September. Rather
# late than early, so that no run uses what was not public.
AVAILABLE_DAYS = 60
# From so many days after a month's end on, the library is asked for it.
ASKED_DAYS = 25
FIRST_DAY = date(1926, 7, 1)
# A new version of the data base behind it moves a month's return by hundredths, single ones by some points.
FAR_FROM_HELD_PP = 0.1


class SizePortfolios(Dataset):
    """The one file is one input; its rows have the name of the file."""

    name = "size_portfolios"
    table = "raw.size_portfolios"
    key = "portfolio_set"
    day = "month_end"
    batch_size = 1
    trailing_days = 0
    awaited = False
    release_rule = f"days:{AVAILABLE_DAYS}@12:00"
    frequency = "monthly"
    keeps_whole_history = True

    def inputs(
        self,
        connection: duckdb.DuckDBPyConnection,
        settings: Settings,
        provider: Provider,
        reach: Reach,
        held: Mapping[str, date],
    ) -> list[str]:
        """The file; from a library only once the month after the last one held can be in it."""
        present = provider.present_inputs()
        if present is not None:
            return present
        last = held.get(INPUT)
        if last is not None and reach.until < _month_end_after(last) + timedelta(days=ASKED_DAYS):
            return []
        return [INPUT]

    def broken_continuity(
        self, connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame
    ) -> Mapping[str, str]:
        """The file, where it ends before what is held, or most of its returns are others."""
        if rows.empty:
            return {}
        connection.register(
            "served_months", rows[["weighting", "portfolio", "month_end", "portfolio_return_pct"]]
        )
        try:
            row = connection.execute(
                f"""
                with held as (
                    select weighting, portfolio, month_end, portfolio_return_pct
                    from {self.table}
                    qualify
                        row_number() over (
                            partition by portfolio_set, weighting, portfolio, month_end
                            order by known_at_utc desc
                        ) = 1
                ),

                distances as (
                    select
                        served.portfolio,
                        served.weighting,
                        median(abs(served.portfolio_return_pct - held.portfolio_return_pct)) filter (
                            where served.weighting = held.weighting
                        ) as moved,
                        median(abs(served.portfolio_return_pct - held.portfolio_return_pct)) filter (
                            where served.weighting <> held.weighting
                        ) as moved_crosswise
                    from served_months as served
                    inner join held on served.portfolio = held.portfolio and served.month_end = held.month_end
                    group by all
                )

                select
                    (select max(month_end) from held) as held_until,
                    (select max(month_end)::date from served_months) as served_until,
                    median(moved) as moved,
                    median(moved_crosswise) as moved_crosswise,
                    max(moved) as moved_most,
                    arg_max(portfolio || ' by ' || weighting, moved) as farthest
                from distances
                """
            ).fetchone()
        finally:
            connection.unregister("served_months")
        assert row is not None
        held_until, served_until, moved, moved_crosswise, moved_most, farthest = row
        source = str(rows["source"].iloc[-1]) if "source" in rows else self.name
        what = f"{source}: {self.name}/{INPUT}"
        if held_until is not None and served_until < held_until:
            return {
                INPUT: f"{what}: its months end with {served_until:%Y-%m}, and those that are held with"
                f" {held_until:%Y-%m}: it is an older file. Nothing new was loaded."
            }
        if moved is not None and moved_crosswise < moved and moved_crosswise <= FAR_FROM_HELD_PP:
            return {
                INPUT: f"{what}: its returns by value are nearer to the equally weighted ones that are held"
                " than to those by value: the two blocks are exchanged. Nothing new was loaded."
            }
        if moved is not None and moved > FAR_FROM_HELD_PP:
            return {
                INPUT: f"{what}: half of its returns differ by more than {moved:.2g} points from those that"
                " are held: they are in another unit, or of other portfolios. Nothing new was loaded."
            }
        if moved_most is not None and moved_most > FAR_FROM_HELD_PP:
            return {
                INPUT: f"{what}: half of the returns of {farthest} differ by more than {moved_most:.2g}"
                " points from those that are held: the column is another portfolio's. Nothing new was loaded."
            }
        return {}

    def gone(
        self, connection: duckdb.DuckDBPyConnection, landed: list[Landed], rows: pd.DataFrame
    ) -> list[tuple[str, date, date, int]] | None:
        """Months that are held and did not come, of the whole history: the file is always served whole."""
        asked = asked_ranges((item.input, FIRST_DAY, item.end) for item in landed)
        return no_longer_served(connection, self.table, self.key, self.day, asked, rows)

    def freshness(self, connection: duckdb.DuckDBPyConnection, session: date) -> list[Freshness]:
        """Once it was served, it should reach the month that its release rule promises."""
        return self.against_its_rule(connection, session, INPUT)


def _month_end_after(day: date) -> date:
    """The last day of the month after a month's end."""
    end: date = (pd.Timestamp(day) + pd.offsets.MonthEnd(1)).date()
    return end
