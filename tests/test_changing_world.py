"""Runs through a world that changes from day to day (tests/faults/world.py): every session, in jumps, and
once at the end.

The marts of the last session are the same bit for bit; the raw tables differ by the versions that only an
early run can have seen. What differs, and why, is listed in docs/live-sources.md under "Many runs or
one"; each line of that table is asserted here.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from datasets.base import Dataset, PlannedInput
from market_calendar.sessions import is_session
from pipeline import steps
from pipeline.context import RunContext
from pipeline.endings import TryAgain
from pipeline.fetch import ATTEMPTS
from pipeline.state import LoadSummary, RunState
from tests.faults import world
from tests.faults.home import RAW, impatient, raw_digest
from tests.faults.server import Server
from tests.faults.world import World
from tests.small_market import SERIES, SYMBOLS, context
from warehouse.database import pipeline_database, prepare_home
from warehouse.publication import digests, opened_publication
from warehouse.settings import Settings

pytestmark = pytest.mark.slow
KEY = "0123456789abcdef0123456789abcdef"
FIRST, LAST = date(2024, 7, 8), date(2024, 7, 15)
EVERY_SESSION = [
    FIRST + timedelta(days=number)
    for number in range((LAST - FIRST).days + 1)
    if is_session(FIRST + timedelta(days=number))
]
CUTS = {
    "every session": EVERY_SESSION,
    "jumps": [FIRST, date(2024, 7, 10), date(2024, 7, 12), LAST],
    "at once": [LAST],
}
CONTRACTS = ("ZQM24", "ZQN24", "ZQQ24", "ZQU24", "ZQV24", "ZQX24", "ZQZ24", "ZQF25", "ZQG25", "ZQH25")
INPUTS = frozenset({*SYMBOLS, *SERIES, *CONTRACTS})
Row = tuple[Any, ...]


@dataclass
class Left:
    """What a way of running left: digests of the marts, rows of raw, revisions, and what was missing when."""

    marts: list[tuple[str, int, str]]
    raw: dict[str, tuple[int, str]]
    rows: dict[str, set[Row]]
    revisions: list[Row]
    adj_close: dict[date, float]
    missing: dict[date, list[str]] = field(default_factory=dict)


def run_through(
    folder: Path, sessions: list[date], inputs: frozenset[str] = INPUTS, build: bool = True, **changes: Any
) -> Left:
    """Plan, fetch and load each session in the world of its evening; build the marts of the last."""
    plan_one = Dataset.plan

    def few(*arguments: Any) -> list[PlannedInput]:
        return [item for item in plan_one(*arguments) if item.input in inputs]

    missing = {}
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        Server(World(sessions[0], **changes), key=KEY) as server,
    ):
        for name, value in {
            "ROTATION_SOURCE": "live",
            "ROTATION_FUTURES_POSITIONS_SOURCE": "none",
            "ROTATION_BANK_INCOME_SOURCE": "none",
            "ROTATION_BANK_MARGINS_SOURCE": "none",
            "ROTATION_SIZE_PORTFOLIOS_SOURCE": "none",
            "ROTATION_FUND_HOLDINGS_SOURCE": "none",
            "ROTATION_CHECK_SOURCES": "none",
            "ROTATION_HOME": str(folder),
            "ROTATION_HISTORY_START": "2023-01-03",
            "FRED_API_KEY": KEY,
            "ROTATION_FRED_URL": server.url,
            "ROTATION_YAHOO_URL": server.url,
        }.items():
            monkeypatch.setenv(name, value)
        impatient(monkeypatch, 30.0, 20.0)
        monkeypatch.setattr(Dataset, "plan", few)
        settings = Settings.from_environment()
        prepare_home(settings)
        # The live quote of an evening has a volume of its own, which the next day revises.
        server.yahoo.live = "none"
        for session in sessions:
            server.feed.as_of = session
            run_id = f"run-{session}"
            run = context(settings, str(session), run_id)
            fetch_patiently(run)
            steps.load(run)
            missing[session] = daily_missing(settings, run_id)
        marts = []
        if build:
            steps.build(run)
            with opened_publication(settings) as connection:
                marts = digests(connection)
    with pipeline_database(settings, read_only=True) as connection:
        names = "known_at_utc, run_id, payload_sha256, adj_close, previous_adj_close"
        rows = {
            table: set(
                connection.execute(
                    f"select columns(name -> not list_contains(string_split('{names}', ', '), name)) from"
                    f" {table}"
                ).fetchall()
            )
            for table in RAW
        }
        revisions = connection.execute(
            "select key, column_name, round(old_value, 6), round(new_value, 6) from ops.revisions order"
            " by all"
        ).fetchall()
        adj_close = dict(
            connection.execute(
                "select session_date, adj_close from raw.equity_prices where symbol = ? and session_date >="
                " '2024-07-01'",
                [world.DIVIDEND_SYMBOL],
            ).fetchall()
        )
    return Left(marts, raw_digest(settings), rows, revisions, adj_close, missing)


def fetch_patiently(run: RunContext) -> None:
    """Plan, then fetch every batch until nothing is waited for any more, as a scheduler does."""
    for batch in steps.plan(run).batches:
        for _ in range(ATTEMPTS):
            with contextlib.suppress(TryAgain):
                steps.fetch(run.for_batch(batch.number))
                break


def daily_missing(settings: Settings, run_id: str) -> list[str]:
    """The optional inputs that a run did not get."""
    loaded = RunState(settings.home, run_id).read("loaded", LoadSummary)
    assert loaded is not None
    return list(loaded.missing)


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Left]:
    """Each way of running, in a home of its own."""
    return {
        name: run_through(tmp_path_factory.mktemp("world") / "home", sessions)
        for name, sessions in CUTS.items()
    }


def test_the_marts_are_the_same_however_the_runs_are_cut(left: dict[str, Left]) -> None:
    for name, entry in left.items():
        print(name, entry.raw)
    at_once = left["at once"]
    rows = {name: rows for name, rows, _ in at_once.marts}
    assert rows["marts.instrument_daily"] > 2500 and rows["marts.fomc_probabilities"] > 0, rows
    assert left["every session"].marts == at_once.marts and left["jumps"].marts == at_once.marts
    for name in ("every session", "jumps"):
        for table in RAW:
            assert at_once.rows[table] <= left[name].rows[table], (
                "no row of a run at once is missing elsewhere"
            )


def test_raw_differs_by_what_only_early_runs_saw(left: dict[str, Left]) -> None:
    more = {
        name: {table: left[name].rows[table] - left["at once"].rows[table] for table in RAW}
        for name in ("every session", "jumps")
    }
    for name, found in more.items():
        # The basis before the split: every session that had been loaded by then.
        old_basis = {row[:2] for row in found["raw.equity_prices"]}
        assert {symbol for symbol, _ in old_basis} == {world.SPLIT_SYMBOL}
        assert len(old_basis) == len(found["raw.equity_prices"])
        before = date(2024, 7, 9) if name == "every session" else FIRST
        assert (min(day for _, day in old_basis), max(day for _, day in old_basis)) == (
            date(2023, 1, 3),
            before,
        )
        # The settlement and the yield before their corrections.
        [settlement] = found["raw.fed_funds_futures"]
        assert (settlement[0], settlement[2]) == (world.CORRECTED_CONTRACT, world.CORRECTED_DAY)
        [observation] = found["raw.fred_observations"]
        assert observation[:2] == (world.REVISED_SERIES, world.REVISED_DAY)
    assert len(more["every session"]["raw.equity_prices"]) == len(more["jumps"]["raw.equity_prices"]) + 1
    # Dated versions come whole to each: the first prints and every revision, by their release.
    dated = {
        name: {row for row in entry.rows["raw.fred_observations"] if row[-1] == "vintage"}
        for name, entry in left.items()
    }
    assert dated["every session"] == dated["jumps"] == dated["at once"]
    may = sorted(row[4:] + row[2:3] for row in dated["at once"] if row[:2] == ("CPIAUCSL", date(2024, 5, 1)))
    assert [str(row[0]) for row in may] == ["2024-06-12 12:30:00", "2024-07-07 12:30:00"]
    assert may[0][-1] == pytest.approx(may[1][-1] + 1.0)
    # The dividend of the last session lowers every adjusted close before it: a held one keeps the basis
    # on which it came.
    kept, fresh = left["every session"].adj_close, left["at once"].adj_close
    assert kept[LAST] == fresh[LAST] and all(kept[day] > fresh[day] for day in fresh if day < LAST)


def test_each_change_is_a_revision_and_what_was_late_is_there(left: dict[str, Left]) -> None:
    early, at_once = left["every session"], left["at once"]
    new = [row for row in early.revisions if row not in at_once.revisions]
    others = [row for row in new if not row[0].startswith(world.SPLIT_SYMBOL)]
    assert [(row[0], row[1]) for row in others] == [
        (f"{world.REVISED_SERIES} {world.REVISED_DAY}", "value"),
        (f"{world.CORRECTED_CONTRACT} {world.CORRECTED_DAY}", "settle"),
    ]
    assert [round(row[2] - row[3], 6) for row in others] == [world.YIELD_ERROR_PCT, world.SETTLE_ERROR]
    closes = [row for row in new if row[0].startswith(world.SPLIT_SYMBOL) and row[1] == "close"]
    assert len(closes) > 370 and {round(row[2] / row[3], 4) for row in closes} == {world.SPLIT_RATIO}
    late = {session for session, names in early.missing.items() if names}
    assert late == set(world.LATE_DAYS) and all("JPM" in early.missing[day][0] for day in late)
    held = {row[1] for row in early.rows["raw.equity_prices"] if row[0] == world.LATE_SYMBOL}
    assert set(world.LATE_DAYS) < held, "the days that were missing came with the next file"


def test_what_a_run_at_once_cannot_see_and_what_a_daily_one_no_longer_asks(tmp_path: Path) -> None:
    """A contract that expired before the last month; a correction that comes after the trailing window of
    14 days.
    """
    inputs, last = (
        frozenset({"ZQM24", "ZQN24", "ZQU24", "SPY", "QQQ", "IWM", "KRE", "DGS2", "DGS10", "DFF"}),
        date(2024, 8, 15),
    )
    late = {"corrected_on": date(2024, 8, 1)}
    early = run_through(tmp_path / "early", [FIRST, date(2024, 7, 31), last], inputs, build=False, **late)
    at_once = run_through(tmp_path / "once", [last], inputs, build=False, **late)
    futures = early.rows["raw.fed_funds_futures"], at_once.rows["raw.fed_funds_futures"]
    assert [{row[0] for row in rows} for rows in futures] == [{"ZQM24", "ZQN24", "ZQU24"}, {"ZQN24", "ZQU24"}]
    settled = [
        [row[3] for row in rows if (row[0], row[2]) == (world.CORRECTED_CONTRACT, world.CORRECTED_DAY)]
        for rows in futures
    ]
    assert len(settled[0]) == len(settled[1]) == 1
    assert settled[0][0] == pytest.approx(settled[1][0] + world.SETTLE_ERROR)
