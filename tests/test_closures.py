"""A closure that nobody knew when the calendar was made: one row is enough, and until it is there nothing
wrong is published.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from airflow.timetables.base import TimeRestriction

from market_calendar import calendar_file, refresh, release_rules, sessions
from market_calendar.calendar_file import CLOSURE_COLUMNS, CalendarError, calendar_rows
from market_calendar.timetable import NyseSessionTimetable
from pipeline import steps
from pipeline.endings import Refused, StepFailed
from pipeline.presence import (
    passed_over_sentence,
    required_ended_sentence,
    required_that_ended,
    session_presence,
)
from tests.faults.feed import Feed
from tests.faults.home import LiveHome, live_home
from tests.faults.server import Server
from tests.small_market import (
    built,
    built_digests,
    context,
    fetch_all,
    published,
    published_digests,
    run_day,
    run_to_build,
    run_unaudited,
    small_settings,
    write_small_market,
)
from warehouse.database import pipeline_database
from warehouse.reference_data import ReferenceDataError, reference_frame
from warehouse.settings import Settings

START = date(2024, 1, 3)
BEFORE, CLOSED, AFTER = date(2024, 7, 16), date(2024, 7, 17), date(2024, 7, 18)
REASON = "A day of mourning,https://example.com/closed"
Rows = Callable[..., None]


@pytest.fixture
def closures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rows]:
    """Writes the rows of the operator's file; what a process keeps of it is dropped, as a new task's
    process would not have it.
    """
    path = tmp_path / "unscheduled_closures.csv"
    monkeypatch.setattr(calendar_file, "CLOSURES_CSV", path)

    def write(*rows: str) -> None:
        path.write_text("\n".join((",".join(CLOSURE_COLUMNS), *rows)) + "\n", encoding="utf-8")
        _forget()

    write()
    yield write
    _forget()


def _forget() -> None:
    reference_frame.cache_clear()
    release_rules._session_closes.cache_clear()


def settlement_days() -> set[date]:
    return set(sessions.calendar_days("settlement"))


# --- the file


def test_one_row_moves_everything_that_asks_the_calendar(closures: Rows) -> None:
    numbers = reference_frame("calendar").set_index("calendar_date")["session_number"]
    closures(f"{CLOSED},closed,,true,{REASON}")
    assert not sessions.is_session(CLOSED)
    assert sessions.next_session(BEFORE) == AFTER
    assert sessions.sessions_between(BEFORE, AFTER) == [BEFORE, AFTER]
    assert CLOSED in settlement_days()
    with pytest.raises(sessions.NotASession, match="2024-07-17 is a Wednesday on which the NYSE was closed"):
        sessions.require_session(CLOSED)
    row = reference_frame("calendar").set_index("calendar_date").loc[pd.Timestamp(CLOSED)]
    assert (bool(row["is_nyse_session"]), bool(row["is_settlement_day"])) == (False, True)
    assert pd.isna(row["session_number"]) and pd.isna(row["close_at_utc"])
    moved = reference_frame("calendar").set_index("calendar_date")["session_number"]
    assert moved[pd.Timestamp(BEFORE)] == numbers[pd.Timestamp(BEFORE)]
    assert moved[pd.Timestamp(AFTER)] == numbers[pd.Timestamp(AFTER)] - 1
    assert moved.max() == numbers.max() - 1
    info = NyseSessionTimetable().next_dagrun_info_v2(
        last_dagrun_info=_run(BEFORE),
        restriction=TimeRestriction(earliest=None, latest=None, catchup=True),
    )
    assert info is not None and info.partition_key == str(AFTER)


def _run(session: date):  # type: ignore[no-untyped-def]
    moment = datetime(session.year, session.month, session.day)
    [info] = NyseSessionTimetable().iter_partition_dagrun_infos(earliest=moment, latest=moment)
    return info


def test_the_scheduler_goes_on_from_a_run_whose_session_was_closed(closures: Rows) -> None:
    """The run of the evening exists already when its row is added; the schedule must not end there."""
    run_of_the_evening = _run(CLOSED)
    closures(f"{CLOSED},closed,,false,{REASON}")
    info = NyseSessionTimetable().next_dagrun_info_v2(
        last_dagrun_info=run_of_the_evening,
        restriction=TimeRestriction(earliest=None, latest=None, catchup=True),
    )
    assert info is not None and info.partition_key == str(AFTER)


def test_futures_may_pause_as_well(closures: Rows) -> None:
    closures(f"{CLOSED},closed,,false,{REASON}")
    assert CLOSED not in settlement_days()


def test_an_early_close(closures: Rows) -> None:
    closures(f"{CLOSED},early_close,13:00,,{REASON}")
    assert sessions.is_early_close(CLOSED)
    assert sessions.session_close_utc(CLOSED) == datetime(2024, 7, 17, 17, 0)
    available = release_rules.available_at_utc(
        "session_close", "daily", pd.Series([pd.Timestamp(CLOSED)])
    ).iloc[0]
    assert available == pd.Timestamp("2024-07-17 17:00")
    assert reference_frame("calendar").set_index("calendar_date").loc[pd.Timestamp(CLOSED), "early_close"]


def test_a_file_that_changes_is_seen_by_a_process_that_runs(closures: Rows) -> None:
    assert sessions.is_session(CLOSED)
    closures(f"{CLOSED},closed,,true,{REASON}")
    assert not sessions.is_session(CLOSED)
    closures()
    assert sessions.is_session(CLOSED)


@pytest.mark.parametrize(
    "row",
    [
        f"2025-01-09,closed,,true,{REASON}",
        f"2018-12-05,closed,,false,{REASON}",
        f"2024-07-03,early_close,13:00,,{REASON}",
        f"2024-07-16,open,,,{REASON}",
    ],
)
def test_a_row_that_the_calendar_covers_is_fine(closures: Rows, row: str) -> None:
    without = calendar_rows()
    closures(row)
    assert calendar_rows() == without


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (f"2025-01-09,closed,,false,{REASON}", "2025-01-09 has is_settlement_day = false, but calendar.csv"),
        (f"2024-07-03,early_close,12:00,,{REASON}", "2024-07-03 closes early at 2024-07-03 16:00 UTC, but"),
        (
            f"2024-07-04,early_close,13:00,,{REASON}",
            "2024-07-04 is early_close, but calendar.csv has no session",
        ),
        (f"2024-07-04,open,,,{REASON}", "2024-07-04 is open, but calendar.csv has no session"),
        (f"2029-01-03,closed,,true,{REASON}", "2029-01-03 lies outside calendar.csv"),
        (f"2024-07-20,closed,,true,{REASON}", "is a Saturday"),
        (f"2024-07-17,shut,,true,{REASON}", "kind = 'shut' is not one of closed, early_close, open"),
        (f"17.7.2024,closed,,true,{REASON}", "'17.7.2024' is not a date"),
        (f"2024-7-17,closed,,true,{REASON}", "'2024-7-17' is not a date"),
        (f"2024-07-17,closed,,,{REASON}", "is_settlement_day = '' is neither true"),
        (f"2024-07-17,closed,13:00,true,{REASON}", "close_time belongs to early_close"),
        (f"2024-07-17,early_close,,,{REASON}", "close_time = '' is not a New York time"),
        (f"2024-07-17,early_close,16:00,,{REASON}", "close_time = '16:00' is not a New York time"),
        (f"2024-07-17,early_close,13:00,true,{REASON}", "is_settlement_day belongs to closed"),
        ("2024-07-17,closed,,true,,https://example.com", "reason is empty"),
        ("2024-07-17,closed,,true,mourning,", "source_url is empty"),
        ("2024-07-17,closed,true", "3 fields, expected 6"),
    ],
)
def test_a_wrong_row_is_refused_by_file_and_line(closures: Rows, row: str, message: str) -> None:
    closures(f"2018-12-05,closed,,false,{REASON}", row)
    for ask in (lambda: sessions.is_session(BEFORE), lambda: reference_frame("calendar")):
        with pytest.raises((CalendarError, ReferenceDataError)) as refused:
            ask()
        assert str(refused.value).startswith("reference/unscheduled_closures.csv line 3: ")
        assert message in str(refused.value)


def test_a_day_may_stand_there_once(closures: Rows) -> None:
    closures(f"{CLOSED},closed,,true,{REASON}", f"{CLOSED},open,,,{REASON}")
    with pytest.raises(CalendarError, match="line 3: 2024-07-17 is listed twice"):
        sessions.is_session(CLOSED)


def test_a_wrong_row_is_an_import_error_of_the_dag(closures: Rows) -> None:
    from airflow.exceptions import AirflowTimetableInvalid

    NyseSessionTimetable().validate()
    closures("nonsense")
    with pytest.raises(AirflowTimetableInvalid, match=r"unscheduled_closures.csv line 2"):
        NyseSessionTimetable().validate()


def test_the_file_of_the_repository_agrees_with_the_calendar() -> None:
    calendar_rows()


def test_refresh_keeps_the_row_and_what_it_says_about_the_futures(
    closures: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before exchange_calendars knows the closure, calendar.csv does not change; once it does, the row
    still agrees.
    """
    generated = refresh.compute_calendar()
    closures(f"{CLOSED},closed,,true,{REASON}")
    assert refresh.compute_calendar() == generated
    overlaid = calendar_rows()
    # exchange_calendars as it will be when it knows 2025-01-09 as a plain closure: our row alone says
    # that the futures settled.
    closures(f"2025-01-09,closed,,true,{REASON}")
    monkeypatch.setattr(refresh, "read_settlement_exceptions", lambda: {})
    [row] = [
        row for row in refresh.compute_calendar(date(2025, 1, 1), date(2025, 1, 31)) if row[0] == "2025-01-09"
    ]
    assert row[:4] == ("2025-01-09", "0", "", "1")
    assert [row for row in overlaid if row[0] == str(CLOSED)] == [[str(CLOSED), "0", "", "1", "1", "0", ""]]


# --- a run on such a day


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small market without prices on the closed day; yields and settlements of the day are there."""
    folder = write_small_market(tmp_path_factory.mktemp("market"), start=START)
    for path in (folder / "prices").glob("*.csv"):
        _drop(path, CLOSED)
    return folder


def _drop(path: Path, day: date) -> None:
    with path.open(newline="", encoding="utf-8") as handle:
        header, *rows = csv.reader(handle)
    kept = [row for row in rows if row[0] != str(day)]
    assert len(kept) == len(rows) - 1, path.name
    with path.open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([header, *kept])


def home_of(market: Path, folder: Path) -> Settings:
    return small_settings(market, folder, ROTATION_HISTORY_START=str(START))


def plan_to_load(settings: Settings, session: date, run_id: str) -> None:
    run = context(settings, str(session), run_id)
    fetch_all(run)
    steps.load(run)


@pytest.fixture(scope="module")
def unaware(market: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home that published the session before, and was refused on the evening of the closed day and on the
    next session.
    """
    settings = home_of(market, tmp_path_factory.mktemp("unaware") / "home")
    run_unaudited(settings, str(BEFORE))
    first = published_digests(settings)
    with pytest.raises(
        StepFailed, match=f"No prices were returned for {CLOSED}, although 5 symbols answered"
    ):
        plan_to_load(settings, CLOSED, "evening")
    with pytest.raises(StepFailed, match=f"Prices are missing for {CLOSED} but present afterwards"):
        plan_to_load(settings, AFTER, "next")
    assert published_digests(settings) == first, "the last publication stays in place"
    return settings


def copy_of(settings: Settings, folder: Path) -> Settings:
    shutil.copytree(settings.home, folder, symlinks=True)
    assert settings.files_dir is not None
    return home_of(settings.files_dir, folder)


@pytest.mark.parametrize("settles", ["true", "false"])
@pytest.mark.slow
def test_a_closure_that_is_learned_late_leaves_no_trace(
    closures: Rows, unaware: Settings, market: Path, tmp_path: Path, settles: str
) -> None:
    """Once the row is there, the next session is right: as in a home that knew the closure from the start."""
    late, early = copy_of(unaware, tmp_path / "late"), home_of(market, tmp_path / "early")
    closures(f"{CLOSED},closed,,{settles},{REASON}")
    with pytest.raises(Refused, match="on which the NYSE was closed"):
        run_day(late, str(CLOSED), "evening-again")
    run_to_build(late, str(AFTER), "after-the-row")
    run_to_build(early, str(AFTER))
    assert built_digests(late) == built_digests(early)
    with built(late) as connection:
        for table in ("instrument_daily", "rotation_pair_daily", "daily_summary", "yield_curve_daily"):
            assert connection.execute(
                "select count(*) filter (session_date = ?), count(*) filter (session_date = ?) > 0 from"
                f" marts.{table}",
                [CLOSED, BEFORE],
            ).fetchone() == (0, True), table
        one_day = connection.execute(
            """
            select today.return_1d_pct - 100 * (today.close / before.close - 1)
            from marts.instrument_daily as today, marts.instrument_daily as before
            where today.symbol = 'SPY' and before.symbol = 'SPY'
                and today.session_date = ? and before.session_date = ?
            """,
            [AFTER, BEFORE],
        ).fetchall()
        assert one_day == [(pytest.approx(0, abs=1e-12),)], (
            "one session back is the session before the closure"
        )
        settled = connection.execute(
            "select count(*) > 0 from staging.fed_funds_futures where settlement_date = ?", [CLOSED]
        ).fetchone()
        assert settled == (settles == "true",)


def test_a_session_that_the_source_lost_is_passed_when_somebody_vouches_for_it(
    closures: Rows, unaware: Settings, tmp_path: Path
) -> None:
    home = copy_of(unaware, tmp_path / "home")
    closures(f"{CLOSED},open,,,{REASON}")
    plan_to_load(home, AFTER, "vouched")
    with pipeline_database(home, read_only=True) as connection:
        assert connection.execute(
            "select outcome from ops.runs where run_id = 'vouched' and step = 'load'"
        ).fetchone() == ("warning",)


@pytest.mark.slow
def test_a_publication_of_a_day_that_turned_out_closed_is_left_behind(closures: Rows, tmp_path: Path) -> None:
    """A vendor served the day as if it had been one: after the row a repair builds at the session before
    it.
    """
    folder = write_small_market(tmp_path / "market", start=date(2024, 5, 1), end=CLOSED)
    home = small_settings(folder, tmp_path / "home", ROTATION_HISTORY_START="2024-05-01")
    run_unaudited(home, str(CLOSED))
    closures(f"{CLOSED},closed,,true,{REASON}")
    run_unaudited(home, "2024-07-15")
    with published(home) as connection:
        assert connection.execute("select max(session_date) from marts.instrument_daily").fetchone() == (
            BEFORE,
        )


# --- the verdicts


@pytest.fixture
def raw(unaware: Settings, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Raw tables that reach the session after the closure and may be changed."""
    with pipeline_database(copy_of(unaware, tmp_path / "copy")) as connection:
        yield connection


TRADED = {"SPY", "IWM", "QQQ", "KRE", "JPM"}


def test_present(raw: duckdb.DuckDBPyConnection) -> None:
    presence = session_presence(raw, BEFORE, {})
    assert (presence.verdict, presence.with_bar) == ("present", len(TRADED))


def test_late_names_the_required_symbols(raw: duckdb.DuckDBPyConnection) -> None:
    raw.execute(f"delete from raw.equity_prices where session_date = '{BEFORE}' and symbol in ('SPY', 'JPM')")
    presence = session_presence(raw, BEFORE, {})
    assert presence.verdict == "late"
    assert presence.required_without_bar == ("SPY",)
    assert (
        presence.sentence
        == "3 symbols have a bar of 2024-07-16 and 2 symbols not yet (JPM, SPY), among them the required SPY."
    )


def test_nothing_served_although_an_index_and_a_filler_have_the_day(raw: duckdb.DuckDBPyConnection) -> None:
    """Vendors compute indices and repeat the last close on holidays."""
    assert session_presence(raw, CLOSED, {}).verdict == "nothing_served"
    for symbol, volume in (("^GSPC", 5e9), ("SPY", 0)):
        raw.execute(
            f"""
            insert into raw.equity_prices
            select * replace (
                date '{CLOSED}' as session_date,
                close as open, close as high, close as low, {volume} as volume
            )
            from raw.equity_prices where symbol = ? and session_date = ?
            """,
            [symbol, BEFORE],
        )
    assert session_presence(raw, CLOSED, {}).verdict == "nothing_served"
    raw.execute(f"update raw.equity_prices set volume = 1 where symbol = 'SPY' and session_date = '{CLOSED}'")
    assert session_presence(raw, CLOSED, {}).verdict == "late"


def test_two_days_closed_in_a_row_name_both(raw: duckdb.DuckDBPyConnection) -> None:
    raw.execute(f"delete from raw.equity_prices where session_date >= '{AFTER}'")
    presence = session_presence(raw, AFTER, {})
    assert presence.verdict == "nothing_served"
    assert presence.days == (CLOSED, AFTER)
    assert f"{CLOSED},closed,," in presence.sentence and f"{AFTER},closed,," in presence.sentence


@pytest.mark.parametrize(
    ("session", "says"),
    [
        (date(2024, 7, 19), "2024-07-17,closed,,"),
        (date(2024, 7, 22), "The source ends at 2024-07-16: no prices for the 4 sessions since. "),
        (date(2026, 11, 27), "The source ends at 2024-07-16: no prices for the 595 sessions since. "),
    ],
    ids=["three sessions are late or closed", "four are the end", "595 are the end"],
)
def test_a_source_that_ended_is_no_list_of_closures(
    raw: duckdb.DuckDBPyConnection, session: date, says: str
) -> None:
    raw.execute(f"delete from raw.equity_prices where session_date >= '{CLOSED}'")
    presence = session_presence(raw, session, {})
    assert says in presence.sentence
    assert presence.has_ended is says.startswith("The source ends")
    assert len(presence.sentence) < (300 if presence.has_ended else 700)


def test_an_index_that_moved_contradicts_a_closure(raw: duckdb.DuckDBPyConnection) -> None:
    insert = f"""
        insert into raw.equity_prices
        select * replace (
            date '{CLOSED}' as session_date, close + $1 as close, known_at_utc + to_hours(1) as known_at_utc
        )
        from raw.equity_prices where symbol = '^GSPC' and session_date = '{BEFORE}'
    """
    raw.execute(insert, [0])
    assert "Only if the exchange was closed, add the line" in session_presence(raw, CLOSED, {}).sentence
    raw.execute(insert, [1])
    raw.execute(
        f"update raw.equity_prices set known_at_utc = known_at_utc + to_hours(1) where symbol = '^GSPC' and"
        f" session_date = '{CLOSED}' and close <> (select any_value(close) from raw.equity_prices where"
        f" symbol = '^GSPC' and session_date = '{BEFORE}')"
    )
    sentence = session_presence(raw, CLOSED, {}).sentence
    assert f"The exchange was open (^GSPC moved on {CLOSED}), so the source is late: run" in sentence
    assert "closed,," not in sentence


def test_a_row_that_says_open_contradicts_a_closure(closures: Rows, raw: duckdb.DuckDBPyConnection) -> None:
    closures(f"{CLOSED},open,,,{REASON}")
    assert "The exchange was open (" in session_presence(raw, CLOSED, {}).sentence


def test_a_required_symbol_that_ended_while_others_go_on(raw: duckdb.DuckDBPyConnection) -> None:
    assert required_that_ended(raw, AFTER) == []
    raw.execute("delete from raw.equity_prices where symbol = 'KRE' and session_date > '2024-07-12'")
    assert required_that_ended(raw, CLOSED) == []  # three sessions
    raw.execute("delete from raw.equity_prices where symbol = 'KRE' and session_date > '2024-07-11'")
    raw.execute("delete from raw.equity_prices where symbol = 'JPM' and session_date > '2024-05-11'")
    [ended] = required_that_ended(raw, CLOSED)
    assert ended == ("KRE", date(2024, 7, 11), 4)
    sentence = required_ended_sentence([ended] * 9)
    assert sentence.startswith("The required KRE ends at 2024-07-11: no prices for the 4 sessions since")
    assert "KRE, KRE, KRE, KRE, KRE and 3 more ended too." in sentence and len(sentence) < 500


@pytest.mark.parametrize(("days", "longest"), [(3, 800), (4, 500), (900, 500)])
def test_a_gap_of_many_sessions_is_one_short_sentence(days: int, longest: int) -> None:
    gap = sessions.sessions_between(date(2020, 1, 2), date(2024, 1, 2))[:days]
    sentence = passed_over_sentence(gap)
    assert len(sentence) < longest
    assert (f"Prices are missing for {days} sessions between 2020-01-02 and {gap[-1]}" in sentence) is (
        days > 3
    )


def test_a_source_that_does_not_answer_says_nothing_about_the_exchange(
    raw: duckdb.DuckDBPyConnection,
) -> None:
    down = dict.fromkeys(TRADED, "SourceUnavailable")
    assert session_presence(raw, CLOSED, down).verdict == "unanswered"
    assert session_presence(raw, CLOSED, {**down, "SPY": "BarNotThere"}).verdict == "nothing_served"
    assert session_presence(raw, date(2010, 1, 4), {}).verdict == "unanswered"


# --- live


def live_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server) -> LiveHome:
    return live_home(monkeypatch, tmp_path / "live", server.url)


def test_live_without_any_bar_of_the_session(
    closures: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's last session stays the one before, as Yahoo's does on a day of mourning."""
    inputs = [("prices", symbol) for symbol in ("SPY", "IWM", "QQQ", "KRE", "JPM")]
    with Server(Feed(BEFORE, only=frozenset(name for _, name in inputs))) as server:
        home = live_world(tmp_path, monkeypatch, server)
        home.run(inputs, BEFORE)
        home.run(inputs, CLOSED, trailing=True)
    assert home.stopped is not None
    assert home.stopped.startswith(f"No prices were returned for {CLOSED}, although 5 symbols answered")
