"""When an observation could first be had: the language of `ref.fred_series.release_rule`.

In: a rule, the series' frequency and its observation dates. Out: naive UTC timestamps, one per date.

    session_close                 the close of that day's NYSE session (equity and index prices)
    same_day@17:00                that day at that New York clock time (futures settlements; projections that
                                  are dated by their publication)
    projections@14:00             the first projections of the FOMC that name the observation's year
                                  (market_calendar/projections.py); later ones name it anew
    business_days:N@HH:MM         the N-th Federal Reserve business day after the observation date; N = 0 is
                                  that day itself, or the next business day when it is not one
    next_week@HH:MM               the first Federal Reserve business day of the week after the observation's
                                  (daily values that are published together each Monday)
    days:N@HH:MM                  N calendar days after the END of the observation's period, then forward to a
                                  Federal Reserve business day; N may be negative (a survey taken early in its
                                  quarter)
    calendar:EVENT|days:N@HH:MM   the release in `events.csv` for that reference month; the part after the bar
                                  serves months before the first and after the last release listed

Clock times are New York's, summer time included. A weekly observation is dated by the end of its week, as
FRED does. A month inside the range of events.csv without a release of its own (October 2025) came with the
next.
Source of the lags: the release schedules named in docs/data-sources.md.
Caveat: an assumed lag, not a record. Government shutdowns that delayed a release are known for CPI and jobs
only, and holidays before 1990 are not: there the rule goes by weekdays.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from market_calendar import projections, sessions

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

EVENTS_CSV = sessions.CALENDAR_CSV.parent / "events.csv"
EQUITY_RULE = "session_close"
# Settlements are struck at 15:00 New York and published within about two hours.
FUTURES_RULE = "same_day@17:00"
FREQUENCIES = ("daily", "weekly", "monthly", "quarterly", "annual", "irregular")
_SIMPLE = re.compile(r"(?P<kind>business_days|days):(?P<lag>-?\d+)@(?P<hour>\d\d):(?P<minute>\d\d)")
_AT_A_TIME = re.compile(r"(?P<kind>same_day|projections|next_week)@(?P<hour>\d\d):(?P<minute>\d\d)")
_CALENDAR = re.compile(r"calendar:(?P<event>[a-z_]+)\|(?P<fallback>.+)")


@dataclass(frozen=True)
class ReleaseRule:
    """A parsed rule; `fallback` belongs to `calendar` rules only."""

    kind: str
    lag: int = 0
    clock_time: dt.time | None = None
    event_type: str | None = None
    fallback: ReleaseRule | None = None


def parse_rule(text: str) -> ReleaseRule:
    """Parse one rule.

    Raises:
        ValueError: names the rule that cannot be read.
    """
    text = text.strip()
    if text == EQUITY_RULE:
        return ReleaseRule("session_close")
    try:
        if match := _AT_A_TIME.fullmatch(text):
            return ReleaseRule(match["kind"], 0, dt.time(int(match["hour"]), int(match["minute"])))
        if match := _SIMPLE.fullmatch(text):
            lag = int(match["lag"])
            if match["kind"] == "days" or lag >= 0:
                return ReleaseRule(match["kind"], lag, dt.time(int(match["hour"]), int(match["minute"])))
        if match := _CALENDAR.fullmatch(text):
            fallback = parse_rule(match["fallback"])
            if fallback.kind == "days":
                return ReleaseRule("calendar", event_type=match["event"], fallback=fallback)
    except ValueError:
        pass
    raise ValueError(
        f"release rule {text!r} cannot be read: expected session_close, same_day@HH:MM, projections@HH:MM, "
        "next_week@HH:MM, business_days:N@HH:MM, days:N@HH:MM or calendar:EVENT|days:N@HH:MM"
    )


def available_at_utc(
    rule: str,
    frequency: str,
    observation_dates: pd.Series,
    releases: Mapping[str, pd.Series] | None = None,
) -> pd.Series:
    """First availability of each observation.

    Args:
        rule: the release rule of the series.
        frequency: of the series.
        observation_dates: the observations; NaT stays NaT, and so does a year that no listed meeting names.
        releases: maps an event type to release times (naive UTC) indexed by the first day of the reference
            month; from events.csv by default.

    Returns:
        Naive UTC timestamps, indexed like `observation_dates`.
    """
    import pandas as pd

    if frequency not in FREQUENCIES:
        raise ValueError(f"frequency {frequency!r} is not one of {', '.join(FREQUENCIES)}")
    parsed = parse_rule(rule)
    dates = pd.Series(pd.to_datetime(observation_dates), index=observation_dates.index).astype(
        "datetime64[s]"
    )
    present = dates.dropna()
    out = pd.Series(pd.NaT, index=dates.index, dtype="datetime64[us]", name="available_at_utc")
    if present.empty:
        return out
    days = present.dt.normalize().to_numpy().astype("datetime64[D]")
    out.loc[dates.notna()] = _compute(parsed, frequency, days, releases).to_numpy()
    return out


def is_beyond_calendar(rule: str, observation_dates: pd.Series) -> pd.Series:
    """Where the list of releases ends before the observation's month: there is nothing but the rule's
    assumption, and no release day is promised.
    """
    import pandas as pd

    parsed = parse_rule(rule)
    if parsed.kind != "calendar":
        return pd.Series(False, index=observation_dates.index)
    assert parsed.event_type is not None
    last = pd.Timestamp(_event_releases(parsed.event_type).index[-1])
    months = pd.to_datetime(observation_dates).dt.to_period("M").dt.to_timestamp()
    return pd.Series(months > last, index=observation_dates.index)


def _compute(
    rule: ReleaseRule, frequency: str, days: np.ndarray, releases: Mapping[str, pd.Series] | None
) -> pd.DatetimeIndex:
    import numpy as np
    import pandas as pd

    if rule.kind == "session_close":
        closes = _session_closes().reindex(pd.DatetimeIndex(days).as_unit("us"))
        # The validation gate rejects a row on a day without a session; here it gets the usual 16:00.
        usual = new_york_to_utc(days, dt.time(16, 0))
        return pd.DatetimeIndex(
            np.where(closes.isna().to_numpy(), usual.to_numpy(), closes.to_numpy())
        ).as_unit("us")
    if rule.kind == "calendar":
        assert rule.event_type is not None and rule.fallback is not None
        known = releases[rule.event_type] if releases is not None else _event_releases(rule.event_type)
        known = known.sort_index()
        months = days.astype("datetime64[M]").astype("datetime64[D]")
        listed = known.index.to_numpy().astype("datetime64[D]")
        times = known.to_numpy().astype("datetime64[us]")
        result = _compute(rule.fallback, frequency, days, releases).to_numpy().astype("datetime64[us]")
        if len(listed):
            # The month's own release, else the next month's: left-sided search finds both.
            position = np.searchsorted(listed, months, side="left")
            inside = (months >= listed[0]) & (months <= listed[-1])
            result = np.where(inside, times[np.minimum(position, len(times) - 1)], result)
        return pd.DatetimeIndex(result).as_unit("us")
    assert rule.clock_time is not None
    if rule.kind == "same_day":
        return new_york_to_utc(days, rule.clock_time)
    if rule.kind == "projections":
        first = [
            projections.first_naming(int(year) + 1970) for year in days.astype("datetime64[Y]").astype(int)
        ]
        return new_york_to_utc(np.array(first, dtype="datetime64[D]"), rule.clock_time)
    calendar = np.busdaycalendar(weekmask="1111100", holidays=_fed_holidays())
    if rule.kind == "next_week":
        # 1970-01-01 was a Thursday: three days later the count of weeks begins on Mondays.
        monday = days - (days.astype("int64") + 3) % 7 + np.timedelta64(7, "D")
        released = np.busday_offset(monday, 0, roll="forward", busdaycal=calendar)
    elif rule.kind == "business_days":
        roll = "backward" if rule.lag else "forward"
        released = np.busday_offset(days, rule.lag, roll=roll, busdaycal=calendar)  # type: ignore[call-overload]
    else:
        shifted = _period_end(days, frequency) + np.timedelta64(rule.lag, "D")
        released = np.busday_offset(shifted, 0, roll="forward", busdaycal=calendar)
    return new_york_to_utc(released, rule.clock_time)


def _period_end(days: np.ndarray, frequency: str) -> np.ndarray:
    import numpy as np

    if frequency in ("daily", "weekly"):
        return days
    months = days.astype("datetime64[M]")
    if frequency == "quarterly":
        # Months since 1970-01 of the quarter's last month.
        months = (months.astype("int64") // 3 * 3 + 2).astype("datetime64[M]")
    result: np.ndarray = (months + np.timedelta64(1, "M")).astype("datetime64[D]") - np.timedelta64(1, "D")
    return result


def new_york_to_utc(days: np.ndarray, clock_time: dt.time) -> pd.DatetimeIndex:
    """A New York clock time of some days as naive UTC."""
    import pandas as pd

    local = pd.DatetimeIndex(days).as_unit("us") + pd.Timedelta(
        hours=clock_time.hour, minutes=clock_time.minute
    )
    return local.tz_localize("America/New_York").tz_convert("UTC").tz_localize(None)


@lru_cache(maxsize=1)
def _fed_holidays() -> np.ndarray:
    import numpy as np

    first, last = sessions.first_and_last_day()
    every = np.arange(np.datetime64(first), np.datetime64(last) + np.timedelta64(1, "D"))
    business = np.array(list(sessions.calendar_days("fed_business")), dtype="datetime64[D]")
    return np.setdiff1d(every[np.is_busday(every)], business)


@lru_cache(maxsize=1)
def _session_closes() -> pd.Series:
    import pandas as pd

    closes = sessions.session_closes_utc()
    index = pd.DatetimeIndex(pd.to_datetime(list(closes))).as_unit("us")
    return pd.Series(pd.DatetimeIndex(list(closes.values())).as_unit("us").to_numpy(), index=index)


@lru_cache(maxsize=8)
def _event_releases(event_type: str, path: Path = EVENTS_CSV) -> pd.Series:
    import pandas as pd

    events = pd.read_csv(path, dtype=str)
    events = events[(events["event_type"] == event_type) & events["reference_month"].notna()]
    if events.empty:
        raise ValueError(f"{path.name} has no release of event type {event_type!r} with a reference month")
    times = pd.DatetimeIndex(pd.to_datetime(events["released_at_utc"])).as_unit("us")
    months = pd.DatetimeIndex(pd.to_datetime(events["reference_month"])).as_unit("us")
    return pd.Series(times.to_numpy(), index=months).sort_index()
