"""Second, independent sources of rates that FRED serves too: compared with FRED in every run, and standing in
for its newest days while it does not answer.

In: the providers that ROTATION_CHECK_SOURCES names. Out: rows of `raw.second_source_rates` under the names of
the FRED series. A row counts as available when FRED's release rule would make it so, never before: what a run
knows of day t does not depend on which of the two answered. `staging.fred_observations` takes from here only
days after FRED's last one, marked with the source, and only while the source agrees with FRED on the days
before; with FRED back, its own rows count again. Caveat: they bridge an outage and do not make a history.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, timedelta
from typing import ClassVar

import duckdb
import pandas as pd

from datasets.base import Dataset, Freshness, Reach
from datasets.fred import expected_observation
from datasets.stand_in import StandIn
from market_calendar.release_rules import available_at_utc
from market_calendar.sessions import cutoff_utc, fed_business_days_between
from sources.protocol import Provider
from warehouse.catalog import load_catalog
from warehouse.landing import Landed
from warehouse.raw import asked_ranges, no_longer_served
from warehouse.reference_data import reference_frame
from warehouse.settings import Settings

# When a second source publishes a series later than FRED's release rule says: the target range comes with
# the rate of its day, on the next business day.
LATER_RULES = {
    "DFEDTAR": "business_days:1@09:00",
    "DFEDTARL": "business_days:1@09:00",
    "DFEDTARU": "business_days:1@09:00",
}
# Per series the last value of FRED, and of a second source the newest value after it and the largest
# difference on the days of FRED's last month.
WHY_NOT = """
    with fred as (
        select series_id, observation_date, value
        from raw.fred_observations
        where available_at_utc <= $1 and value is not null and series_id in (select unnest($2))
        qualify row_number() over (
            partition by series_id, observation_date order by known_at_utc desc
        ) = 1
    ),

    reach as (
        select series_id, max(observation_date) as last_date, max_by(value, observation_date) as last_value
        from fred
        group by series_id
    ),

    second as (
        select series_id, observation_date, value
        from raw.second_source_rates
        where available_at_utc <= $1 and source = $3
        qualify row_number() over (
            partition by series_id, observation_date order by known_at_utc desc
        ) = 1
    )

    select
        reach.series_id,
        reach.last_date,
        reach.last_value,
        max(second.observation_date) as newest,
        max_by(second.value, second.observation_date) as newest_value,
        max(abs(second.value - fred.value)) filter (where fred.observation_date > reach.last_date - 31)
    from reach
    left join second on reach.series_id = second.series_id
    left join fred on second.series_id = fred.series_id and second.observation_date = fred.observation_date
    group by all
    order by 1
"""
# How far back the next observation is looked for.
LOOK_BACK_DAYS = 30
# A series that was not served for longer is not expected with the others (the 30-year yield of 2002 to 2006).
SERVED_LATELY = timedelta(days=60)


class SecondSource(Dataset):
    """A second source of daily rates.

    Attributes:
        source: the name of its provider, as its rows carry it.
        title: what it is called in sentences.
        series: per input the FRED series that its answer holds, the one that names its reach first.
    """

    table = "raw.second_source_rates"
    key = "series_id"
    day = "observation_date"
    batch_size = 10
    trailing_days = 45
    awaited = False
    stands_in_for = "fred"
    source: ClassVar[str]
    title: ClassVar[str]
    series: ClassVar[Mapping[str, tuple[str, ...]]]

    def inputs(
        self,
        connection: duckdb.DuckDBPyConnection,
        settings: Settings,
        provider: Provider,
        reach: Reach,
        held: Mapping[str, date],
    ) -> list[str]:
        """All of them."""
        return list(self.series)

    def held_until(self, connection: duckdb.DuckDBPyConnection, session: date) -> dict[str, date]:
        """Per input the last day that is held of its first series."""
        rows = connection.execute(
            "select series_id, max(observation_date) from raw.second_source_rates"
            " where source = ? and observation_date <= ? group by 1",
            [self.source, session],
        ).fetchall()
        last = dict(rows)
        return {name: last[series[0]] for name, series in self.series.items() if series[0] in last}

    def with_availability(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The release rule of the FRED series, or the source's own where that is later; also for a row that
        is held earlier than that.
        """
        known = reference_frame("fred_series").set_index("series_id")
        # A series that was taken out of fred_series.csv is nobody's counterpart any more.
        rows = rows[rows["series_id"].isin(known.index)]
        available = pd.Series(pd.NaT, index=rows.index, dtype="datetime64[us]")
        for series_id, part in rows.groupby("series_id", sort=False):
            moments = _available(known, str(series_id), part["observation_date"])
            available.loc[part.index] = moments.astype("datetime64[us]")
        return rows.assign(available_at_utc=available, availability="assumed")

    def gone(
        self, connection: duckdb.DuckDBPyConnection, landed: list[Landed], rows: pd.DataFrame
    ) -> list[tuple[str, date, date, int]] | None:
        """As for every kind; an input was asked for all of its series."""
        asked = asked_ranges(
            (series_id, item.start, item.end) for item in landed for series_id in self.series[item.input]
        )
        return no_longer_served(connection, self.table, self.key, self.day, asked, rows)

    def stand_ins(self, connection: duckdb.DuckDBPyConnection, session: date) -> list[StandIn]:
        """The newest days that `staging.fred_observations` takes from this source at a session."""
        model = load_catalog()["staging.fred_observations"].model
        assert model is not None
        text = model.read_text(encoding="utf-8").replace("pipeline.raw.", "raw.")
        connection.execute("set variable cutoff_utc = ?::timestamp", [cutoff_utc(session)])
        rows = connection.execute(
            f"""
            with observations as ({text})

            select
                series.series_id,
                series.release_rule,
                series.frequency,
                max(observations.observation_date) filter (where observations.source <> $1),
                min(observations.observation_date) filter (where observations.source = $1),
                max(observations.observation_date) filter (where observations.source = $1),
                count(*) filter (where observations.source = $1)
            from observations
            inner join ref.fred_series as series on observations.series_id = series.series_id
            group by all
            having count(*) filter (where observations.source = $1) > 0
            order by 1
            """,
            [self.source],
        ).fetchall()
        found = []
        for series_id, rule, frequency, held_until, first, last, days in rows:
            expected = expected_observation(rule, frequency, session, last)
            found.append(
                StandIn(
                    dataset=self.stands_in_for,
                    input=series_id,
                    owner="FRED",
                    title=self.title,
                    source=self.source,
                    held_until=held_until,
                    first=first,
                    last=last,
                    days=days,
                    complete=expected is None or last >= expected,
                )
            )
        return found

    def refusals(
        self, connection: duckdb.DuckDBPyConnection, session: date, names: Collection[str]
    ) -> dict[str, str]:
        """What of this source does not reach far enough, or does not continue FRED."""
        known = [name for series in self.series.values() for name in series if name in names]
        rows = connection.execute(WHY_NOT, [cutoff_utc(session), known, self.source]).fetchall()
        found = {}
        for series_id, last, value, newest, newest_value, apart in rows:
            if newest is None:
                reason = f"it has no {series_id}"
            elif newest <= last:
                reason = f"its {series_id} ends at {newest}, FRED's at {last}"
            else:
                reason = (
                    f"its {series_id} reaches {newest} ({newest_value:g} after FRED's {value:g} of {last}),"
                    f" and in the month before it differs from FRED by up to {apart or 0:g}"
                )
            found[series_id] = f"{self.title[0].upper()}{self.title[1:]} does not stand in: {reason}."
        return found

    def freshness(self, connection: duckdb.DuckDBPyConnection, session: date) -> list[Freshness]:
        """Every input that was ever served should reach what its first series promises, with each series that
        was served lately: one that ends is not compared any more.
        """
        known = reference_frame("fred_series").set_index("series_id")
        last = dict(
            connection.execute(
                """
                select series_id, max(observation_date)
                from pipeline.raw.second_source_rates
                where source = ? and available_at_utc <= ?
                group by 1
                """,
                [self.source, cutoff_utc(session)],
            ).fetchall()
        )
        business_days = fed_business_days_between(session - timedelta(days=LOOK_BACK_DAYS), session)
        days = pd.Series(pd.to_datetime(pd.Series(business_days, dtype=object)))
        found = []
        for name, series in self.series.items():
            if series[0] not in last:
                continue
            promised = days[_available(known, series[0], days) <= pd.Timestamp(cutoff_utc(session))]
            expected = promised.max().date()
            lately = max(last[entry] for entry in series if entry in last) - SERVED_LATELY
            reached = min(last[entry] for entry in series if last.get(entry, date.min) >= lately)
            found.append(Freshness(self.name, name, False, reached, expected, self.source))
        return found


class ReferenceRates(SecondSource):
    """The New York Fed's EFFR with the target range, and SOFR."""

    name = "reference_rates"
    source = "newyorkfed"
    title = "the New York Fed"
    series: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "EFFR": ("EFFR", "DFF", "DFEDTAR", "DFEDTARL", "DFEDTARU"),
        "SOFR": ("SOFR",),
    }


class ParYields(SecondSource):
    """The Treasury's daily par yield curve."""

    name = "par_yields"
    source = "treasury"
    title = "the Treasury"
    series: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "par_yield_curve": (
            "DGS2",
            "DGS1MO",
            "DGS3MO",
            "DGS6MO",
            "DGS1",
            "DGS5",
            "DGS7",
            "DGS10",
            "DGS20",
            "DGS30",
        )
    }


def _available(known: pd.DataFrame, series_id: str, days: pd.Series) -> pd.Series:
    """When a series' observations count as available from a second source."""
    frequency = str(known.at[series_id, "frequency"])
    available = available_at_utc(str(known.at[series_id, "release_rule"]), frequency, days)
    if series_id in LATER_RULES:
        own = available_at_utc(LATER_RULES[series_id], frequency, days)
        available = available.where(available >= own, own)
    return available
