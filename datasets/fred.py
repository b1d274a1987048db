"""Observations of the FRED series in `ref.fred_series`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from datasets.base import Dataset, Described, Freshness, PlannedInput, Reach, goes_on
from datasets.fred_appended import far_from_funds_rate, steps_are_small
from datasets.fred_units import Meaning, changed_meaning, single_errors
from market_calendar.projections import LONG_REACH_YEARS, newest_with_years, projection_days
from market_calendar.release_rules import available_at_utc, is_beyond_calendar, new_york_to_utc, parse_rule
from market_calendar.sessions import cutoff_utc, fed_business_days_between
from sources.protocol import Provider, Unreadable
from warehouse.landing import Landed
from warehouse.raw import asked_ranges, no_longer_served
from warehouse.reference_data import reference_frame
from warehouse.settings import Settings

# How far back a series' next observation is looked for, by frequency.
LOOK_BACK_DAYS = {
    "daily": 30,
    "weekly": 60,
    "monthly": 200,
    "quarterly": 500,
    "annual": 500,
    "irregular": 400,
}
# So many values that turn blank together, with none beside them, are no correction of a day.
LEAST_BLANKED = 3
# In so many lines before a new observation the one before it is found, whatever is blank.
LOOKED_BACK_LINES = 40
METADATA = ("title", "units", "frequency", "first_observation_date")


class FredSeries(Dataset):
    """One series is one input; its release rule and frequency are in `ref.fred_series`."""

    name = "fred"
    table = "raw.fred_observations"
    key = "series_id"
    day = "observation_date"
    batch_size = 50
    trailing_days = 45
    lines_before = LOOKED_BACK_LINES
    accept_setting = "ROTATION_ACCEPT_UNITS"

    def inputs(
        self,
        connection: duckdb.DuckDBPyConnection,
        settings: Settings,
        provider: Provider,
        reach: Reach,
        held: Mapping[str, date],
    ) -> list[str]:
        """Every series."""
        rows = connection.execute("select series_id from ref.fred_series order by 1").fetchall()
        return [row[0] for row in rows]

    def required(self, connection: duckdb.DuckDBPyConnection, session: date) -> set[str]:
        """The series that `ref.fred_series` requires."""
        return {
            row[0]
            for row in connection.execute("select series_id from ref.fred_series where required").fetchall()
        }

    def expected_days(self, name: str, first: date, last: date) -> list[date]:
        """The business days of a daily series, so that one which FRED no longer knows counts as missing for
        now; days inside an answer are not expected one by one, because FRED leaves holidays blank or out.
        """
        series = reference_frame("fred_series").set_index("series_id")
        if name not in series.index or series.at[name, "frequency"] != "daily":
            return []
        return fed_business_days_between(first, last)

    def plan(
        self,
        connection: duckdb.DuckDBPyConnection,
        settings: Settings,
        provider: Provider,
        reach: Reach,
        again: Collection[str] = (),
    ) -> list[PlannedInput]:
        """As for every kind; of projected years all are asked for, because which years an answer names tells
        which projections it is from.
        """
        projected = _projected_years()
        planned = super().plan(connection, settings, provider, reach, again)
        return [
            replace(item, start=settings.history_start) if item.input in projected else item
            for item in planned
        ]

    def with_availability(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The series' release rule; where the source dates its versions, its own date is used. Projected
        years without such a date are as old as the newest projections that name them.
        """
        series = reference_frame("fred_series").set_index("series_id")
        parts: list[pd.Series] = []
        for series_id, part in rows.groupby("series_id", sort=False):
            rule, frequency = (
                str(series.at[series_id, "release_rule"]),
                str(series.at[series_id, "frequency"]),
            )
            if parse_rule(rule).kind == "projections":
                parts.extend(served_projection(rule, own) for _, own in part.groupby("known_at_utc"))
            else:
                parts.append(available_at_utc(rule, frequency, part["observation_date"]))
        available = pd.concat(parts).reindex(rows.index) if parts else pd.Series(dtype="datetime64[ns]")
        if "available_at_utc" in rows:
            available = rows["available_at_utc"].astype("datetime64[us]").fillna(available)
        # An observation that we hold was available by then, even if the rule gives a later time.
        available = available.where(available <= rows["known_at_utc"], rows["known_at_utc"])
        served = rows["availability"] if "availability" in rows else pd.Series("assumed", index=rows.index)
        return rows.assign(available_at_utc=available, availability=served.fillna("assumed"))

    def described(
        self,
        connection: duckdb.DuckDBPyConnection,
        landed: Landed,
        metadata: Mapping[str, str],
        run_id: str,
        accepted: frozenset[str],
    ) -> Described | None:
        """Title, units, frequency and first date as FRED gives them; that the first of the projected years
        moves on with every year that passes is no change.
        """
        if not metadata:
            return None
        held = connection.execute(
            """
            select title, units, frequency, cast(first_observation_date as varchar)
            from ops.series_metadata where series_id = ? order by known_at_utc desc limit 1
            """,
            [landed.input],
        ).fetchone()
        before = {name: value or "" for name, value in zip(METADATA, held, strict=True)} if held else {}
        changed = {name: (old, metadata[name]) for name, old in before.items() if old != metadata[name]}
        if landed.input in _projected_years():
            changed.pop("first_observation_date", None)
        for name in ("units", "frequency"):
            if name in changed and landed.input not in accepted:
                old, new = changed[name]
                raise Unreadable(
                    f"FRED changed {name} of {landed.input} from {old!r} to {new!r}; nothing was loaded. If"
                    f" the values are comparable, run once with ROTATION_ACCEPT_UNITS={landed.input}"
                )
        row = {
            "series_id": landed.input,
            **metadata,
            "first_observation_date": metadata["first_observation_date"] or None,
            "known_at_utc": landed.fetched_at_utc,
            "run_id": run_id,
            "payload_sha256": landed.sha256,
        }
        return Described(row, not before, changed)

    def with_context(self, connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame) -> pd.DataFrame:
        """Whether a value lies outside the range of its series, or is a power of ten off its neighbours, and
        whether its day was still to come: of a projection, whether its year is farther than any names.
        """
        series = reference_frame("fred_series").set_index("series_id")
        off = pd.Series(False, index=rows.index)
        # What a person has accepted is in another unit on purpose.
        judged = rows["value"].notna() & ~rows["series_id"].isin(self.accepted())
        low, high = (rows["series_id"].map(series[name]) for name in ("plausible_min", "plausible_max"))
        outside = judged & ((rows["value"] < low) | (rows["value"] > high))
        for series_id, part in rows[judged & ~goes_on(rows)].groupby("series_id", sort=False):
            ordered = part.sort_values("observation_date", kind="stable")
            off.loc[ordered.index] = single_errors(_meaning(str(series_id)), ordered["value"])
        known, day = rows["known_at_utc"], rows["observation_date"]
        reach = known.dt.year + LONG_REACH_YEARS
        ahead = (day > known).where(~rows["series_id"].isin(_projected_years()), day.dt.year > reach)
        return rows.assign(
            _is_implausible=outside, _is_off_by_a_power_of_ten=off, _is_in_the_future=ahead.astype(bool)
        )

    def goes_on_plainly(
        self, connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame, beside: pd.DataFrame
    ) -> set[str]:
        """Series whose new values are no power of ten away from the ones before, and which stand to the funds
        rate as they did.
        """
        series = reference_frame("fred_series").set_index("series_id")
        known = set(series.index) - _projected_years() - self.accepted()
        near = steps_are_small(rows) & known
        rates = near & set(series.index[(series["frequency"] == "daily") & (series["units"] == "%")])
        both = pd.concat([beside, rows[rows["_is_new"]]], ignore_index=True)
        return near - far_from_funds_rate(connection, both, rates)

    def broken_continuity(
        self, connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame
    ) -> Mapping[str, str]:
        """Series whose values are in another unit than the held ones, or of another series."""
        if goes_on(rows).all():
            return {}
        held = _held(connection, set(rows.loc[~goes_on(rows), "series_id"]) | {"DFF"})
        served = {
            str(name): _by_day(part)
            for name, part in rows[~goes_on(rows) | (rows["series_id"] == "DFF")].groupby(
                "series_id", sort=False
            )
        }
        nothing = pd.Series(dtype="float64", index=pd.DatetimeIndex([]))
        funds_rate = pd.concat([held.get("DFF", nothing), served.get("DFF", nothing)])
        funds_rate = funds_rate[~funds_rate.index.duplicated(keep="last")]
        vintages = (
            set(rows.loc[rows["availability"] == "vintage", "series_id"]) if "availability" in rows else {}
        )
        broken = {}
        for name in dict.fromkeys(rows.loc[~goes_on(rows), "series_id"]):
            values = served[name]
            before = held.get(name, nothing)
            reason = _blanked(name, rows[rows["series_id"] == name], before) or changed_meaning(
                _meaning(name), values, before, funds_rate, whole=name not in vintages
            )
            if reason:
                advice = f"If they are right, run once with {self.accept_setting}={name}"
                broken[name] = f"{reason} Nothing new was loaded. {advice}"
        return broken

    def gone(
        self, connection: duckdb.DuckDBPyConnection, landed: list[Landed], rows: pd.DataFrame
    ) -> list[tuple[str, date, date, int]] | None:
        """As for every kind; but a trailing window of vintages holds new versions only, and new projections
        no longer name the years that have passed: what these leave out is not gone.
        """
        dated = set(rows.loc[rows["availability"] == "vintage", self.key]) | _projected_years()
        asked = asked_ranges((item.input, item.start, item.end) for item in landed if item.input not in dated)
        return no_longer_served(connection, self.table, self.key, self.day, asked, rows)

    def reaching(
        self, connection: duckdb.DuckDBPyConnection, session: date, names: Collection[str]
    ) -> dict[str, date]:
        """Series of which the release rule promises no later day than the one that is held."""
        rows = connection.execute(
            """
            select series.series_id, series.release_rule, series.frequency, max(held.observation_date)
            from ref.fred_series as series
            inner join raw.fred_observations as held on series.series_id = held.series_id
            where series.series_id in (select unnest($1)) and held.available_at_utc <= $2
            group by all
            """,
            [sorted(names), cutoff_utc(session)],
        ).fetchall()
        found = {}
        for series_id, rule, frequency, last in rows:
            expected = expected_observation(rule, frequency, session, last)
            if expected is not None and last >= expected:
                found[series_id] = last
        return found

    def freshness(self, connection: duckdb.DuckDBPyConnection, session: date) -> list[Freshness]:
        """Every active series should reach what its release rule promises by the session's cut-off. One that
        ended before the history begins was not to be served.
        """
        rows = connection.execute(
            """
            select
                series.series_id, series.frequency, series.release_rule, series.required, series.active_to,
                max(observations.observation_date),
                max_by(observations.source, observations.observation_date)
            from ref.fred_series as series
            left join staging.fred_observations as observations
                on series.series_id = observations.series_id
            where coalesce(series.active_from, date '1900-01-01') <= $1
            group by all
            order by 1
            """,
            [session],
        ).fetchall()
        first = connection.execute("select min(observation_date) from staging.fred_observations").fetchone()
        found = []
        for series_id, frequency, rule, required, active_to, last, source in rows:
            if last is None and active_to and first and first[0] and active_to < first[0]:
                continue  # it ended before the history that is held begins
            expected = expected_observation(rule, frequency, session, last)
            if expected and active_to:
                expected = min(expected, active_to)
            found.append(Freshness(self.name, series_id, required, last, expected, source))
        return found


def _projected_years() -> set[str]:
    """The series whose observations are forecasts of the year that dates them."""
    series = reference_frame("fred_series")
    return set(series.loc[series["observation_period"] == "projected_year", "series_id"])


def served_projection(rule: str, rows: pd.DataFrame) -> pd.Series:
    """When one answer with projected years could first be had: at the newest projections that name exactly
    its years, and where there are none when we received it. On a day of projections, from their clock time
    on, it counts as theirs, so that new projections never count as older ones.

    Args:
        rule: the release rule of the series.
        rows: of one series and one answer, with observation_date, value and known_at_utc.

    Returns:
        Naive UTC timestamps, indexed like `rows`.
    """
    known = pd.Timestamp(rows["known_at_utc"].iloc[0])
    here = known.tz_localize("UTC").tz_convert("America/New_York").date()
    years = set(rows.loc[rows["value"].notna(), "observation_date"].dt.year)
    clock = parse_rule(rule).clock_time
    assert clock is not None
    # Of the projections of that very day only what came after their clock time.
    [today] = new_york_to_utc(np.array([here], dtype="datetime64[D]"), clock)
    day = newest_with_years(years, here if today <= known else here - timedelta(days=1))
    moment = known if day is None else new_york_to_utc(np.array([day], dtype="datetime64[D]"), clock)[0]
    return pd.Series(moment, index=rows.index, dtype="datetime64[us]")


def _blanked(name: str, rows: pd.DataFrame, held: pd.Series) -> str | None:
    """Why rows are refused that have no value at all where values are held: a column that was lost, not
    observations that were withdrawn.
    """
    if rows["value"].notna().any():
        return None
    lost = held.index.intersection(pd.DatetimeIndex(rows["observation_date"]))
    if len(lost) < LEAST_BLANKED:
        return None
    return (
        f"fred/{name}: none of {len(rows)} served rows has a value, and values of {len(lost)} of these days"
        f" are held (the newest of {lost.max():%Y-%m-%d})."
    )


def _meaning(series_id: str) -> Meaning:
    """What `ref.fred_series` says of a series."""
    frame = reference_frame("fred_series")
    row: dict[Any, Any] = frame[frame["series_id"] == series_id].iloc[0].to_dict()
    return Meaning(
        series_id=series_id,
        frequency=str(row["frequency"]),
        units=str(row["units"]),
        plausible_min=float(row["plausible_min"]),
        plausible_max=float(row["plausible_max"]),
    )


def _by_day(rows: pd.DataFrame) -> pd.Series:
    """The last version of each observation by day, blanks left out."""
    order = ["observation_date", *(["available_at_utc"] if "available_at_utc" in rows else [])]
    last = (
        rows[rows["value"].notna()]
        .sort_values(order, kind="stable")
        .drop_duplicates("observation_date", keep="last")
    )
    return pd.Series(
        last["value"].to_numpy(dtype="float64"), index=pd.DatetimeIndex(last["observation_date"])
    )


def _held(connection: duckdb.DuckDBPyConnection, series: set[str]) -> dict[str, pd.Series]:
    """The latest versions that are held, by series and day."""
    rows = connection.execute(
        """
        select series_id, observation_date, value
        from raw.fred_observations
        where series_id in (select unnest($1))
        qualify row_number() over (
            partition by series_id, observation_date
            order by
                availability = 'vintage' desc,
                case when availability = 'vintage' then available_at_utc end desc nulls last,
                known_at_utc desc
        ) = 1
        order by series_id, observation_date
        """,
        [sorted(series)],
    ).df()
    return {str(name): _by_day(part) for name, part in rows.groupby("series_id", sort=False)}


def expected_observation(rule: str, frequency: str, session: date, last: date | None) -> date | None:
    """The latest observation date that the release rule promises by the session's cut-off."""
    first = session - timedelta(days=LOOK_BACK_DAYS[frequency])
    if frequency == "daily":
        candidates = fed_business_days_between(first, session)
    elif frequency == "irregular":
        candidates = [day for day in projection_days() if first <= day <= session]
    elif frequency == "annual":
        # Projections name years to come.
        years = range(first.year, session.year + LONG_REACH_YEARS + 1)
        candidates = [date(year, 1, 1) for year in years]
    elif frequency == "weekly":
        if last is None:
            return None
        weeks = (session - last).days // 7
        candidates = [last + timedelta(days=7 * week) for week in range(weeks + 1)]
    else:
        starts = pd.date_range(first, session, freq="MS" if frequency == "monthly" else "QS")
        candidates = [stamp.date() for stamp in starts]
    days = pd.Series(pd.to_datetime(pd.Series(candidates, dtype=object)))
    # Behind the end of the release calendar no day is promised; `market_calendar.horizons` tells of the end.
    days = days[~is_beyond_calendar(rule, days)]
    promised = days[available_at_utc(rule, frequency, days) <= pd.Timestamp(cutoff_utc(session))]
    return None if promised.empty else promised.max().date()
