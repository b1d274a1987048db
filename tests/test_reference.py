"""The reference CSVs agree with the catalog, with each other and with known history."""

from __future__ import annotations

import csv
import datetime as dt
import itertools
from collections import Counter
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pandas as pd
import pytest
import yaml

from market_calendar import release_rules, sessions
from market_calendar.calendar_file import LAST_DAY
from warehouse.catalog import CALENDAR_END
from warehouse.reference_data import COMPUTED, DEFAULTS, reference_frame

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "warehouse" / "reference"
CATALOG = ROOT / "warehouse" / "catalog"
TABLES: dict[str, dict] = yaml.safe_load((CATALOG / "tables" / "ref.yml").read_text(encoding="utf-8"))
COLUMNS: dict[str, dict] = {}
for fragment in sorted((CATALOG / "columns").glob("*.yml")):
    COLUMNS |= yaml.safe_load(fragment.read_text(encoding="utf-8")) or {}
NEW_YORK = ZoneInfo("America/New_York")


def rows(name: str) -> list[dict[str, str]]:
    with (REFERENCE / f"{name}.csv").open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def date(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def new_york(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).astimezone(NEW_YORK)


SYMBOLS = {row["symbol"] for row in rows("instruments")}
MEETINGS = rows("fomc_meetings")
DECIDED = [row for row in MEETINGS if row["lower_after"]]
EVENTS = rows("events")


@pytest.mark.parametrize("table", TABLES)
def test_csv_has_the_columns_of_its_table_and_casts_to_their_types(table: str) -> None:
    spec = TABLES[table]
    path = REFERENCE / f"{table.removeprefix('ref.')}.csv"
    with path.open(newline="", encoding="utf-8") as handle:
        header = next(csv.reader(handle))
    # What depends on where the data comes from, or is computed, stands in no CSV.
    absent = {*DEFAULTS.get(path.stem, {}), *COMPUTED.get(path.stem, ())}
    assert header == [name for name in spec["columns"] if name not in absent]
    types = {column: COLUMNS[column]["type"] for column in header}
    con = duckdb.connect()
    con.execute(
        "create table loaded as select * from read_csv(?, header = true, columns = ?)", [str(path), types]
    )
    keys = ", ".join(spec["grain"])
    assert (
        con.execute(f"select count(*), count(distinct ({keys})) from loaded").fetchone()
        == (len(rows(path.stem)),) * 2
    )
    for column in {*spec["grain"], *spec.get("not_null", [])} & set(header):
        assert con.execute(f"select count(*) from loaded where {column} is null").fetchone() == (0,), column
    for column in header:
        limits = COLUMNS[column]
        if "values" in limits:
            found = {row[0] for row in con.execute(f"select distinct {column} from loaded").fetchall()} - {
                None
            }
            assert found <= set(limits["values"]), column
        if "min" in limits:
            low, high = con.execute(f"select min({column}), max({column}) from loaded").fetchone() or (
                None,
                None,
            )
            last = LAST_DAY if limits["max"] == CALENDAR_END else limits["max"]
            assert low is None or limits["min"] <= low <= high <= last, column


def test_every_column_of_the_fragment_is_used_and_none_is_defined_twice() -> None:
    fragment = yaml.safe_load((CATALOG / "columns" / "reference.yml").read_text(encoding="utf-8"))
    assert set(fragment) <= {column for spec in TABLES.values() for column in spec["columns"]}
    others = [path for path in (CATALOG / "columns").glob("*.yml") if path.name != "reference.yml"]
    for path in others:
        assert not set(fragment) & set(yaml.safe_load(path.read_text(encoding="utf-8")) or {}), path.name


def test_contract_columns_are_there() -> None:
    contract = {
        "ref.instruments": (
            "symbol name asset_class role size style benchmark_symbol required active_from active_to"
        ),
        "ref.group_members": "group_id symbol member_from member_to",
        "ref.pairs": "pair_id base_symbol quote_symbol theme chosen_after_the_fact why_chosen",
        "ref.fred_series": "series_id title units frequency release_rule required source_url",
        "ref.fomc_meetings": (
            "decision_date announced_at_utc effective_date scheduled cancelled "
            "known_from_date lower_before upper_before lower_after upper_after source_url"
        ),
        "ref.events": "event_type event_date released_at_utc source_url",
        "ref.calendar": "is_nyse_session session_number is_settlement_day early_close",
    }
    for table, columns in contract.items():
        assert set(columns.split()) <= set(TABLES[table]["columns"]), table


def test_symbols_of_pairs_groups_and_benchmarks_exist() -> None:
    for row in rows("instruments"):
        assert not row["benchmark_symbol"] or row["benchmark_symbol"] in SYMBOLS - {row["symbol"]}, row
    for row in rows("pairs"):
        assert {row["base_symbol"], row["quote_symbol"]} <= SYMBOLS, row
        assert row["pair_id"] == f"{row['base_symbol']}/{row['quote_symbol']}"
        assert row["base_symbol"] != row["quote_symbol"]
    groups = {row["group_id"] for row in rows("groups")}
    members = rows("group_members")
    assert {row["group_id"] for row in members} == groups
    assert {row["symbol"] for row in members} <= SYMBOLS


def test_required_inputs_are_few_and_known() -> None:
    assert {row["symbol"] for row in rows("instruments") if row["required"] == "true"} == {
        "SPY",
        "IWM",
        "QQQ",
        "KRE",
    }
    assert {row["series_id"] for row in rows("fred_series") if row["required"] == "true"} == {
        "DGS2",
        "DGS10",
        "DFF",
    }


def test_nine_boxes_are_complete_and_unique() -> None:
    boxes = [row for row in rows("instruments") if row["role"] == "size_style"]
    wanted = {(size, style) for size in ("large", "mid", "small") for style in ("value", "blend", "growth")}
    assert Counter((row["size"], row["style"]) for row in boxes) == Counter(wanted)
    assert {row["symbol"] for row in boxes} == {
        row["symbol"] for row in rows("group_members") if row["group_id"] == "size_style_boxes"
    }


def test_every_bank_share_is_in_one_specific_group_at_most() -> None:
    kinds = {row["group_id"]: row["group_kind"] for row in rows("groups")}
    specific = Counter(
        row["symbol"]
        for row in rows("group_members")
        if kinds[row["group_id"]] == "bank" and row["group_id"] != "all_banks"
    )
    assert max(specific.values()) == 1
    banks = {row["symbol"] for row in rows("instruments") if row["role"] == "bank"}
    assert banks == {row["symbol"] for row in rows("group_members") if row["group_id"] == "all_banks"}
    assert banks - set(specific) == {"COF"}


def test_dates_of_members_are_those_of_their_listing() -> None:
    listed = {row["symbol"]: (row["active_from"], row["active_to"]) for row in rows("instruments")}
    dated = {
        (row["group_id"], row["symbol"]): (row["member_from"], row["member_to"])
        for row in rows("group_members")
        if row["member_from"] or row["member_to"]
    }
    for group in ("regional", "all_banks"):
        for symbol in ("CFG", "CMA", "WAL"):
            assert dated.pop((group, symbol)) == listed[symbol]
    assert dated == {
        ("super_regional", "TFC"): ("2019-12-09", ""),
        ("all_banks", "GS"): ("2008-09-22", ""),
        ("all_banks", "MS"): ("2008-09-22", ""),
        ("all_banks", "SCHW"): ("2000-06-01", ""),
    }


def test_pairs_say_whether_they_were_chosen_after_the_fact() -> None:
    after = {row["theme"] for row in rows("pairs") if row["chosen_after_the_fact"] == "true"}
    before = {row["theme"] for row in rows("pairs") if row["chosen_after_the_fact"] == "false"}
    assert after == {
        "small_vs_technology",
        "technology_vs_market",
        "banks_vs_market",
        "regional_vs_large_banks",
        "banks_vs_small_caps",
        "dow_vs_nasdaq",
        "domestic_vs_international",
        "megacaps_vs_equal_weight",
    }
    assert not after & before
    assert all(row["why_chosen"].endswith(".") for row in rows("pairs"))


def test_eight_scheduled_meetings_a_year() -> None:
    counts = Counter(row["decision_date"][:4] for row in MEETINGS if row["scheduled"] == "true")
    assert {year: counts[str(year)] for year in range(1994, 2028)} == dict.fromkeys(range(1994, 2028), 8)


def test_unscheduled_decisions() -> None:
    assert [row["decision_date"] for row in MEETINGS if row["scheduled"] == "false"] == [
        "1994-04-18",
        "1998-10-15",
        "2001-01-03",
        "2001-04-18",
        "2001-09-17",
        "2008-01-22",
        "2008-10-08",
        "2020-03-03",
        "2020-03-15",
    ]


def test_target_ranges_are_continuous_and_move_in_steps() -> None:
    for before, after in itertools.pairwise(DECIDED):
        assert (before["lower_after"], before["upper_after"]) == (
            after["lower_before"],
            after["upper_before"],
        ), after
    for row in DECIDED:
        width = float(row["upper_after"]) - float(row["lower_after"])
        assert width == (0.25 if row["decision_date"] >= "2008-12-16" else 0.0), row
        assert float(row["upper_after"]) % 0.25 == 0, row
        assert abs(float(row["upper_after"]) - float(row["upper_before"])) <= 1, row
    # No gap: once a decision is missing, every later one is, the cancelled meeting apart.
    missing = [
        row["decision_date"] for row in MEETINGS if not row["lower_after"] and row["cancelled"] == "false"
    ]
    assert not missing or min(missing) > DECIDED[-1]["decision_date"]


@pytest.mark.parametrize(
    ("decision_date", "lower", "upper"),
    [
        ("1994-11-15", 5.5, 5.5),
        ("2000-05-16", 6.5, 6.5),
        ("2003-06-25", 1.0, 1.0),
        ("2006-06-29", 5.25, 5.25),
        ("2008-12-16", 0.0, 0.25),
        ("2015-12-16", 0.25, 0.5),
        ("2018-12-19", 2.25, 2.5),
        ("2020-03-15", 0.0, 0.25),
        ("2023-07-26", 5.25, 5.5),
        ("2024-09-18", 4.75, 5.0),
        ("2025-12-10", 3.5, 3.75),
    ],
)
def test_known_target_ranges(decision_date: str, lower: float, upper: float) -> None:
    (row,) = [row for row in MEETINGS if row["decision_date"] == decision_date]
    assert (float(row["lower_after"]), float(row["upper_after"])) == (lower, upper)


def test_effective_date_is_the_next_fed_business_day() -> None:
    for row in MEETINGS:
        decision, effective = date(row["decision_date"]), date(row["effective_date"])
        assert sessions.fed_business_days_between(decision + dt.timedelta(days=1), effective) == [
            effective
        ], row
    effective = {row["decision_date"]: row["effective_date"] for row in MEETINGS}
    assert effective["2020-03-15"] == "2020-03-16"  # announced on a Sunday
    assert effective["1996-07-03"] == "1996-07-05"  # Independence Day between
    assert effective["2024-07-31"] == "2024-08-01"


def test_announcements_are_in_new_york_time_on_the_decision_day() -> None:
    for row in MEETINGS:
        if row["cancelled"] == "true":
            assert row["announced_at_utc"] == ""
            continue
        local = new_york(row["announced_at_utc"])
        assert local.date() == date(row["decision_date"])
        if row["scheduled"] == "true" and row["decision_date"] >= "2013-03-01":
            assert (local.hour, local.minute) == (14, 0), row
    announced = {row["decision_date"]: row["announced_at_utc"] for row in MEETINGS}
    assert announced["2024-01-31"] == "2024-01-31 19:00:00"
    assert announced["2024-09-18"] == "2024-09-18 18:00:00"
    assert announced["2012-06-20"] == "2012-06-20 16:30:00"
    assert announced["2012-08-01"] == "2012-08-01 18:15:00"
    assert announced["2020-03-15"] == "2020-03-15 21:00:00"


def test_meetings_are_known_from_their_announcement_or_from_the_ninth_decision_before() -> None:
    """Counted anew with plain lists."""
    schedules = {int(row["schedule_year"]): row for row in rows("fomc_schedules")}
    scheduled = [date(row["decision_date"]) for row in MEETINGS if row["scheduled"] == "true"]
    frame = reference_frame("fomc_meetings").set_index("decision_date")
    for row in MEETINGS:
        day, known = date(row["decision_date"]), frame.loc[row["decision_date"]]
        if row["scheduled"] != "true":
            assert known["known_from_date"].date() == known["announced_on"].date() == day
            assert pd.isna(known["listed_from"]) and not known["known_from_assumed"]
            continue
        naming = [schedules[day.year]] if day.year in schedules else []
        first_of_the_year = min(other for other in scheduled if other.year == day.year)
        before = schedules.get(day.year - 1)
        if before and before["names_next_january"] == "true" and day == first_of_the_year:
            naming.append(before)
        announced = min(date(each["announced_on"]) for each in naming)
        place = scheduled.index(day)
        listed = scheduled[place - 9] + dt.timedelta(days=1) if place >= 9 else None
        assert known["announced_on"].date() == announced, day
        assert (None if pd.isna(known["listed_from"]) else known["listed_from"].date()) == listed, day
        assert known["known_from_date"].date() == min(announced, listed or announced), day
        assert known["known_from_date"].date() < day, day


@pytest.mark.parametrize(
    ("meeting", "announced", "listed", "assumed"),
    [
        ("2025-01-29", "2023-06-23", "2023-12-14", False),  # named with the schedule of 2024
        ("2025-03-19", "2024-08-09", "2024-02-01", False),
        ("2026-01-28", "2024-08-09", "2024-12-19", False),
        ("2026-07-29", "2024-08-09", "2025-06-19", False),
        ("2027-01-27", "2024-08-09", "2025-12-11", False),
        ("2027-06-09", "2025-09-05", "2026-04-30", False),
        ("2028-01-26", "2025-09-05", "2026-12-10", False),
        ("2000-02-02", "1999-10-31", "1998-12-23", True),  # the release of 1998 names no meeting of 2000
        ("2017-02-01", "2015-05-11", "2015-12-17", False),
        ("2020-03-18", "2019-05-17", "2019-01-31", True),
    ],
)
def test_when_a_meeting_was_announced_and_listed(
    meeting: str, announced: str, listed: str, assumed: bool
) -> None:
    known = reference_frame("fomc_meetings").set_index("decision_date").loc[meeting]
    assert (str(known["announced_on"].date()), str(known["listed_from"].date())) == (announced, listed)
    assert known["known_from_assumed"] == assumed


def test_the_cancelled_meeting_of_march_2020() -> None:
    assert [
        (row["decision_date"], row["cancelled_on"]) for row in MEETINGS if row["cancelled"] == "true"
    ] == [("2020-03-18", "2020-03-15")]


# --- events ---


@pytest.mark.parametrize("event_type", ["cpi", "jobs"])
def test_one_release_per_month_but_october_2025(event_type: str) -> None:
    events = [row for row in EVENTS if row["event_type"] == event_type]
    months = sorted(row["reference_month"] for row in events)
    every = [f"{year}-{month:02d}-01" for year in range(1999, 2040) for month in range(1, 13)]
    wanted = [month for month in every if months[0] <= month <= months[-1] and month != "2025-10-01"]
    assert months == wanted
    assert months[0] == "1999-12-01"
    for row in events:
        assert new_york(row["released_at_utc"]).strftime("%Y-%m-%d %H:%M") == f"{row['event_date']} 08:30"
        released = date(row["event_date"])
        assert released.weekday() < 5
        month = date(row["reference_month"])
        end = (month.replace(day=28) + dt.timedelta(days=4)).replace(day=1)
        assert 0 <= (released - end).days <= 51, row
        assert sessions.fed_business_days_between(released, released), row
    dates = [row["event_date"] for row in sorted(events, key=lambda row: row["reference_month"])]
    assert dates == sorted(dates)


def test_known_releases() -> None:
    released = {(row["event_type"], row["reference_month"]): row["released_at_utc"] for row in EVENTS}
    assert released["cpi", "2024-06-01"] == "2024-07-11 12:30:00"
    assert released["cpi", "2023-12-01"] == "2024-01-11 13:30:00"
    assert released["jobs", "2023-03-01"] == "2023-04-07 12:30:00"
    assert released["jobs", "2025-11-01"] == "2025-12-16 13:30:00"


def test_jackson_hole_speeches() -> None:
    speeches = [row for row in EVENTS if row["event_type"] == "jackson_hole"]
    assert "2025-08-22" in {row["event_date"] for row in speeches}
    for row in speeches:
        assert row["reference_month"] == ""
        assert date(row["event_date"]).month == 8
        # The file name of the speech carries its date: a typing mistake in either would show.
        assert row["event_date"].replace("-", "") in row["source_url"], row
    assert {row["event_type"] for row in EVENTS} == {"cpi", "jobs", "jackson_hole"}


# --- series and provenance ---


def test_release_rules_can_be_read_and_fit_the_frequency() -> None:
    weekly = {"week_ending_wednesday", "week_ending_thursday", "week_ending_friday", "week_ending_saturday"}
    periods = {
        "daily": {"day", "day_incl_weekends"},
        "weekly": weekly,
        "monthly": {"month"},
        "quarterly": {"quarter"},
        "annual": {"projected_year"},
        "irregular": {"projection"},
    }
    for row in rows("fred_series"):
        rule = release_rules.parse_rule(row["release_rule"])
        assert row["observation_period"] in periods[row["frequency"]], row
        daily = rule.kind in ("business_days", "next_week")
        assert daily == (row["frequency"] == "daily"), row
        assert rule.lag >= 0 or row["frequency"] == "quarterly", row


def test_facts_name_a_public_source() -> None:
    for name in ("instruments", "fred_series", "fomc_meetings", "events"):
        for row in rows(name):
            assert row["source_url"].startswith("https://"), row
    for row in rows("extra_settlement_days"):
        assert row["reason"] and row["source"], row
