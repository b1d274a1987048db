"""daily_summary against a search by hand: what was known on each session's evening, and how old it may be."""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from expectations import ages
from market_calendar.sessions import sessions_between
from tests.model_fixture import (
    assert_prefix_is_equal,
    build,
    create,
    empty_warehouse,
    fill,
    project_reference,
)
from transforms.runner import models_to_build
from warehouse.catalog import load_catalog

# Labor Day, a bond holiday that is a session (Columbus Day) and the turn of a year lie in these windows.
FIRST_DAYS = (dt.date(2024, 8, 26), dt.date(2024, 10, 7), dt.date(2024, 12, 26), dt.date(2001, 9, 6))
SPAN_DAYS = 18
NEARBY = pd.Timedelta(days=40)
# A world is a hundred draws and half a second: shrinking one would cost minutes.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
FAMILIES = {
    "curve": ages.YIELDS,
    "kre_rates": ages.BANK_ESTIMATES,
    "banks": ages.BANK_ESTIMATES,
    "vix": ages.VIX,
    "baa_spread": next(family for family in ages.FAMILIES if family.series == "BAA10Y"),
    "high_yield_spread": next(family for family in ages.FAMILIES if family.series == "BAMLH0A0HYM2"),
    "fed": ages.FED_FUTURES,
    "regime": ages.FED_FUTURES,
    "growth": next(family for family in ages.FAMILIES if family.series == "ICSA"),
}
VALUES = {
    "curve": "y2_pct",
    "kre_rates": "kre_beta_y2",
    "banks": "all_banks_move_if_yields_down_25bp_pct",
    "vix": "vix_close",
    "baa_spread": "baa_spread_pp",
    "high_yield_spread": "high_yield_spread_pp",
    "fed": "year_end_rate_pct",
    "regime": "expected_policy_change",
    "growth": "growth",
}


@dataclass
class Known:
    """What there is: by source the days that it has, each with the day on whose evening it was known."""

    first: dt.date
    days: dict[str, dict[dt.date, dt.date]] = field(default_factory=dict, repr=False)

    def by(self, session: dt.date) -> Known:
        """What had come by a session's evening."""
        return Known(
            self.first,
            {
                source: {day: known for day, known in days.items() if known <= session}
                for source, days in self.days.items()
            },
        )


def number(source: str, day: dt.date) -> float:
    """A figure that tells source and day."""
    return len(source) + day.toordinal() / 1e6


@st.composite
def worlds(draw: Callable[[st.SearchStrategy[Any]], Any], in_order: bool = False) -> Known:
    """Sources with gaps and delays around a holiday; in order: no yield is known before an older one."""
    first = draw(st.sampled_from(FIRST_DAYS))
    calendar = [first + dt.timedelta(days=back) for back in range(SPAN_DAYS)]
    world = Known(first)

    def source(name: str, days: Iterable[dt.date], delays: Iterable[int]) -> None:
        delay = st.sampled_from([*delays, None])
        drawn = {day: draw(delay) for day in days}
        world.days[name] = {
            day: day + dt.timedelta(days=late) for day, late in drawn.items() if late is not None
        }

    sessions = sessions_between(first, calendar[-1])
    for name in ("DGS2", "DGS10", "VIXCLS", "BAA10Y", "BAMLH0A0HYM2"):
        source(name, sessions if name != "BAMLH0A0HYM2" else calendar, (1, 1, 3, 4, 9))
    for name in ("^VIX", "futures", "regime", "KRE", "all_banks"):
        source(name, sessions, (0,))
    if in_order:
        for name in ("DGS2", "DGS10"):
            days = world.days[name]
            world.days[name] = dict(zip(days, itertools.accumulate(days.values(), max), strict=True))
    return world


def summary(world: Known, session: dt.date) -> pd.DataFrame:
    """The table as it is built on a session."""
    con = empty_warehouse(str(session))
    calendar = project_reference("calendar")
    fill(con, "ref.calendar", calendar[calendar["calendar_date"] >= pd.Timestamp(world.first) - NEARBY])
    days = world.days
    both = {day for day in days["DGS2"] if day in days["DGS10"]}
    sessions = sessions_between(world.first, session)
    series = ("DGS2", "DGS10", "VIXCLS", "BAA10Y", "BAMLH0A0HYM2")
    put(
        con,
        "staging.fred_observations",
        [
            {"series_id": name, "observation_date": day, "first_available_date": known}
            for name in series
            for day, known in days[name].items()
        ],
    )
    put(
        con,
        "marts.macro_daily",
        [
            {"series_id": name, "observation_date": day, "value": number(name, day)}
            for name in series[2:]
            for day in days[name]
        ],
    )
    put(
        con,
        "marts.yield_curve_daily",
        [{"session_date": day, "y2_pct": number("curve", day), "y10_pct": 1} for day in both],
    )
    put(
        con,
        "marts.bank_sensitivity_daily",
        [
            {"entity_id": name, "session_date": day, column: number(family, day)}
            for name, family, column in (
                ("KRE", "kre_rates", "beta_y2"),
                ("all_banks", "banks", "move_if_yields_down_25bp_pct"),
            )
            for day in days[name]
            if day in both
        ],
    )
    put(
        con,
        "marts.instrument_daily",
        [{"symbol": "SPY", "session_date": day, "close": 1} for day in sessions]
        + [{"symbol": "^VIX", "session_date": day, "close": number("^VIX", day)} for day in days["^VIX"]],
    )
    put(
        con,
        "marts.policy_path_daily",
        [{"as_of_date": day, "year_end_rate_pct": number("fed", day)} for day in days["futures"]],
    )
    put(
        con,
        "marts.session_regimes_daily",
        [
            {
                "session_date": day,
                "growth": "up",
                "claims_week_date": day - dt.timedelta(days=12 + day.toordinal() % 9),
                "expected_policy_change": "easing" if day in days["regime"] else None,
                "regime": "growth_up_easing" if day in days["regime"] else None,
            }
            for day in sessions
        ],
    )
    for table in models_to_build("marts.daily_summary"):
        if table.full_name != "marts.daily_summary":
            create(con, table.full_name)
    frame = build(con, "marts.daily_summary")
    con.close()
    # a column of NULL alone has no type of its own
    return frame.astype(object).where(frame.notna(), None)


def put(con: duckdb.DuckDBPyConnection, table: str, rows: list[dict[str, Any]]) -> None:
    """Rows of a table, or none."""
    create(con, table)
    if rows:
        fill(con, table, pd.DataFrame(rows).astype(object).where(lambda frame: frame.notna(), None))


def answers(world: Known) -> dict[str, dict[dt.date, dt.date]]:
    """By family the days with an answer and the evening on which each was known, by the definition."""
    days = world.days
    curve = {
        day: max(known, days["DGS10"][day]) for day, known in days["DGS2"].items() if day in days["DGS10"]
    }
    # an estimate needs the yields of its day and of those before it
    so_far = {day: max(known for other, known in curve.items() if other <= day) for day in curve}
    vix = {day: known for day, known in days["VIXCLS"].items()} | days["^VIX"]
    return {
        "curve": curve,
        "kre_rates": {day: so_far[day] for day in days["KRE"] if day in curve},
        "banks": {day: so_far[day] for day in days["all_banks"] if day in curve},
        "vix": vix,
        "baa_spread": days["BAA10Y"],
        "high_yield_spread": days["BAMLH0A0HYM2"],
        "fed": days["futures"],
        "regime": days["regime"],
    }


@settings(max_examples=8, deadline=None, phases=PHASES, suppress_health_check=[HealthCheck.too_slow])
@given(worlds())
def test_each_row_shows_the_latest_known_number_up_to_its_allowed_age(world: Known) -> None:
    last = sessions_between(world.first, world.first + dt.timedelta(days=SPAN_DAYS))[-1]
    found = summary(world.by(last), last).set_index("session_date")
    assert len(found) == len(sessions_between(world.first, last))
    for family, known in answers(world.by(last)).items():
        allowed = FAMILIES[family]
        for moment, row in found.iterrows():
            session = moment.date()  # type: ignore[union-attr]
            day = max((day for day, evening in known.items() if evening <= session), default=None)
            shown, reason = row[VALUES[family]], row[f"{family}_missing_reason"]
            if day is None:
                assert (reason, pd.isna(row[f"{family}_date"]), pd.isna(shown)) == ("none_yet", True, True)
                continue
            assert row[f"{family}_date"].date() == day, (family, session)
            if allowed.unit.between(day, session) > allowed.allowed:
                assert (reason, pd.isna(shown)) == ("older_than_allowed", True), (family, session)
                continue
            assert pd.isna(reason), (family, session)
            if family == "vix":
                assert row["vix_source"] == ("^VIX" if day in world.days["^VIX"] else "VIXCLS")
                assert shown == number(row["vix_source"], day)
            elif family == "regime":
                assert (shown, row["regime"]) == ("easing", "growth_up_easing")
            else:
                expected = {"baa_spread": "BAA10Y", "high_yield_spread": "BAMLH0A0HYM2"}.get(family, family)
                assert shown == number(expected, day), (family, session)


@settings(max_examples=5, deadline=None, phases=PHASES, suppress_health_check=[HealthCheck.too_slow])
@given(worlds(in_order=True), st.integers(3, 9))
def test_a_row_does_not_change_when_later_numbers_come(world: Known, passed: int) -> None:
    """Yields that come out of order would restate the banks' estimates that had been made without them."""
    sessions = sessions_between(world.first, world.first + dt.timedelta(days=SPAN_DAYS))
    then = sessions[min(passed, len(sessions) - 2)]
    early = summary(world.by(then), then)
    late = summary(world.by(sessions[-1]), sessions[-1])
    assert_prefix_is_equal(late, early, ["session_date"])


@pytest.mark.parametrize("name", [family.name for family in ages.FAMILIES])
def test_what_is_read_of_the_past_reaches_as_far_as_the_ages(name: str) -> None:
    """Numbers that are looked up by the day that is shown are read 31 days back."""
    family = next(family for family in ages.FAMILIES if family.name == name)
    if family in FAMILIES.values():
        for session in sessions_between(dt.date(2000, 2, 3), dt.date(2026, 12, 31)):
            assert (session - family.oldest_day(session)).days <= 31


@pytest.mark.parametrize("name", FAMILIES)
def test_the_age_in_the_comment_is_the_age_that_is_allowed(name: str) -> None:
    """A reader, and the dashboard of what there is to trust, know the limit from the comment alone."""
    meaning = load_catalog().columns[f"{name}_missing_reason"].description
    found = re.search(r"is more than (\d+) ([a-z ]+?)s? before the session", meaning)
    assert found is not None, meaning
    family = FAMILIES[name]
    assert (int(found[1]), found[2]) == (family.allowed, family.unit.name)
