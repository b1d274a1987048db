"""One run for a range of sessions: what it asks for, what it loads from landing, and what it says.

Real runs on a small market that begins a few months before; what comes out is compared with a home that ran
the last session alone.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from datasets.base import Reach
from datasets.registry import DATASETS
from orchestration.summary import published_note
from pipeline import steps
from pipeline.context import RunContext
from pipeline.endings import Refused
from pipeline.home_state import HomeState
from pipeline.inputs import plan_dataset
from pipeline.planning_database import planning_database
from pipeline.state import LoadSummary
from pipeline.turns import Backfill
from sources.simulated import SimulatedFutures
from tests.queued_runs import Queue
from tests.small_market import (
    context,
    fetch_all,
    fetch_batch,
    published,
    published_digests,
    run_unaudited,
    small_settings,
    write_small_market,
)
from warehouse.payloads import Request
from warehouse.settings import Settings

START, FIRST, LAST, LATER = date(2024, 3, 1), "2024-06-03", "2024-07-16", "2024-07-22"
RANGE = f"{FIRST}/{LAST}"


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of a few months, to be read only."""
    return write_small_market(tmp_path_factory.mktemp("market"), start=START, end=date.fromisoformat(LATER))


@pytest.fixture(scope="module")
def straight(market: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home that ran the last session alone."""
    home = home_on(market, tmp_path_factory.mktemp("straight"))
    run_unaudited(home, LAST)
    return home


def home_on(market: Path, folder: Path) -> Settings:
    """Settings of an empty home."""
    return small_settings(market, folder / "home", ROTATION_HISTORY_START=str(START))


def copied(home: Settings, market: Path, folder: Path) -> Settings:
    """A copy of a home, on other files."""
    shutil.copytree(home.home, folder / "home", symlinks=True)
    return home_on(market, folder)


def with_lines(market: Path, folder: Path, symbol: str, edit: Callable[[list[str]], list[str]]) -> Path:
    """A copy of the market in which the file of a symbol has other lines."""
    files = Path(shutil.copytree(market, folder / "files"))
    path = files / "prices" / f"{symbol}.csv"
    path.write_text("".join(edit(path.read_text(encoding="utf-8").splitlines(keepends=True))))
    return files


def messages(home: Settings, run_id: str) -> dict[str, str | None]:
    """The message of each step in `ops.runs`."""
    with duckdb.connect(str(home.warehouse), read_only=True) as connection:
        return dict(
            connection.execute("select step, message from ops.runs where run_id = ?", [run_id]).fetchall()
        )


def test_a_range_in_an_empty_home_is_a_first_load_that_asks_once(
    market: Path, straight: Settings, tmp_path: Path, asked: list[Request]
) -> None:
    home = home_on(market, tmp_path)
    run_unaudited(home, RANGE, "range")
    assert len(asked) == len({(request.dataset, request.input) for request in asked})
    assert published_digests(home) == published_digests(straight)
    with published(home) as connection:
        assert connection.execute("select session_date::varchar from ops.publication").fetchall() == [(LAST,)]
    assert messages(home, "range")["plan"] == f"for the range {RANGE}"
    note = published_note(context(home, RANGE, "range"))
    assert note.startswith(f"**Sessions {RANGE}: [generation 1]")
    assert not HomeState.read(home.home).left_session


def test_a_range_before_the_last_publication_repairs_raw_and_publishes_there(
    market: Path, straight: Settings, tmp_path: Path
) -> None:
    """A correction early in the range, which a run for its last session alone would not ask for."""
    corrected = with_lines(market, tmp_path, "IWM", lambda lines: [_volume(line, FIRST) for line in lines])
    home = copied(straight, market, tmp_path)
    run_unaudited(home, LATER)
    home = home_on(corrected, tmp_path)
    run_unaudited(home, RANGE, "range")
    with published(home) as connection:
        assert connection.execute(
            "select volume from staging.equity_prices where symbol = 'IWM' and session_date = ?", [FIRST]
        ).fetchall() == [(12345,)]
        assert connection.execute(
            "select max_by(session_date::varchar, generation) from ops.publication"
        ).fetchone() == (LATER,)
    note = published_note(context(home, RANGE, "range"))
    assert note.startswith(f"**Sessions {RANGE} repaired, published at {LATER}: ")


def _volume(line: str, day: str) -> str:
    """The line with another volume, where it is of that day; the columns are those of the small market."""
    cells = line.split(",")
    return ",".join([*cells[:6], "12345", *cells[7:]]) if cells[0] == day else line


def test_a_range_asks_a_provider_of_ranges_from_its_first_session_on(straight: Settings) -> None:
    """And no more than that of what was asked before from the start of the history."""
    first, last = date.fromisoformat(FIRST), date.fromisoformat(LAST)
    with planning_database(straight) as connection:
        connection.execute("drop view ops.payloads")
        connection.execute(
            "create table ops.payloads as select * replace ('simulated' as source) from held.ops.payloads"
        )

        def starts(session: date, since: date | None = None) -> dict[str, date]:
            home = replace(straight, source="simulated")
            others = Backfill() if since else None
            planned = plan_dataset(home, connection, DATASETS["prices"], session, others, first=since)
            return {item.input: item.start for item in planned.inputs}

        def contracts(reach: Reach) -> set[str]:
            provider = SimulatedFutures.open(straight, {})
            return {item.input for item in DATASETS["futures"].plan(connection, straight, provider, reach)}

        assert starts(last, first)["SPY"] == starts(first)["SPY"]
        assert START < starts(last, first)["SPY"] < first < starts(last)["SPY"]
        assert contracts(Reach(last, last, first)) == contracts(Reach(first, last))
        connection.execute("update ops.payloads set request_start_date = ? where input = 'SPY'", [FIRST])
        assert starts(last, first)["SPY"] == START


def test_a_range_loads_what_landing_holds_and_no_other_run_loads_it_too(
    market: Path, straight: Settings, tmp_path: Path
) -> None:
    """The correction that came second is the newer version again, at the moment at which it came."""
    corrected = with_lines(market, tmp_path, "IWM", lambda lines: [_volume(line, LAST) for line in lines])
    copied(straight, market, tmp_path)
    home = home_on(corrected, tmp_path)
    fetch_all(context(home, LAST, "second"))
    home.warehouse.unlink()
    queue = Queue(["range", "backfill__1", "backfill__2"])
    run = context(home, RANGE, "range", turns=queue.turns("range", backfill=False))
    plan = steps.plan(run)
    assert len(plan.replay["prices"]) > len({entry.input for entry in plan.replay["prices"]})
    of_backfill = context(home, LAST, "backfill__1", turns=queue.turns("backfill__1"))
    assert queue.turns("backfill__1").at_work(home.home).at_work == ("range",)
    with pytest.raises(Exception, match="the last of them builds"):
        steps.plan(of_backfill)
    for batch in plan.batches:
        fetch_batch(run, batch.number)
    steps.load(run)
    with duckdb.connect(str(home.warehouse), read_only=True) as connection:
        versions = connection.execute(
            "select volume from raw.equity_prices where symbol = 'IWM' and session_date = ?"
            " order by known_at_utc",
            [LAST],
        ).fetchall()
    assert len(versions) == 2 and versions[-1] == (12345,)


def test_sessions_without_a_row_of_a_required_input_are_named(market: Path, tmp_path: Path) -> None:
    lacking = ("2024-06-05", "2024-06-06")
    files = with_lines(
        market, tmp_path, "KRE", lambda lines: [line for line in lines if not line.startswith(lacking)]
    )
    # No session of the first half of the range, of a rate.
    rates = files / "fred" / "DGS2.csv"
    lines = rates.read_text(encoding="utf-8").splitlines(keepends=True)
    rates.write_text("".join(line for line in lines if not FIRST <= line[:10] < "2024-06-20"))
    home = home_on(files, tmp_path)
    run = context(home, RANGE, "range")
    fetch_all(run)
    gaps = steps.load(run).gaps
    assert gaps == (
        "The required prices/KRE has no row for 2 of the 30 sessions of the range: 2024-06-05, 2024-06-06.",
        "The required fred/DGS2 has no row for 12 of the 30 sessions of the range from 2024-06-03 to"
        " 2024-06-18: 2024-06-03, 2024-06-04, 2024-06-05, 2024-06-06, 2024-06-07 and 7 more.",
    )
    message = messages(home, "range")["load"]
    assert message is not None and all(gap in message for gap in gaps)
    # A run for one session says nothing of others.
    alone = context(home, LAST, "alone")
    fetch_all(alone)
    assert steps.load(alone).gaps == ()


def test_the_note_names_the_first_gap_and_counts_the_others(straight: Settings, tmp_path: Path) -> None:
    home = copied(straight, straight.files_dir or tmp_path, tmp_path)
    run = context(home, LAST)
    loaded = run.state.read("loaded", LoadSummary)
    assert loaded is not None
    run.state.write("loaded", loaded.model_copy(update={"gaps": ("One lacks a session.", "b", "c")}))
    assert "One lacks a session. 2 more required inputs lack sessions." in published_note(run)


def test_a_dry_run_of_a_range_says_what_it_would_load(
    market: Path, straight: Settings, tmp_path: Path
) -> None:
    would = steps.dry_run(context(home_on(market, tmp_path), RANGE, "dry"))
    assert (would.sessions, would.session, would.target) == (RANGE, date.fromisoformat(LAST), would.session)
    assert not (tmp_path / "home" / "landing").exists()
    home = copied(straight, market, tmp_path)
    home.warehouse.unlink()
    again = steps.dry_run(context(home, RANGE, "dry"))
    assert again.replayed > 10 and f"load {again.replayed} payloads from landing" in again.sentence


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2024-07-16/2024-06-03", "ends before it begins; write a session as 2024-07-16, a range as"),
        ("2024-06-03/", "neither a session nor a range; write a session as"),
        ("2024/06/03", "neither a session nor a range"),
        ("2024-06-03/2024-06-04/2024-06-05", "names more than one date"),
        ("2024-06-03..2024-07-16", "names more than one date; write a session as 2024-07-16, a range as"),
        ("2024-06-02/2024-07-16", "2024-06-02 is a Sunday, not a session"),
        ("2024-06-03/2024-07-04", "2024-07-04 is a Thursday on which the NYSE was closed"),
        ("2024-02-01/2024-07-16", f"Session 2024-02-01 lies before ROTATION_HISTORY_START={START}"),
        ("2024-06-03/2028-07-17", "Session 2028-07-17 has not closed yet"),
        ("2024-06-31/2024-07-16", "is not a date"),
    ],
)
@pytest.mark.parametrize("step", [steps.plan, steps.dry_run])
def test_a_range_that_is_none_is_refused_and_nothing_is_touched(
    market: Path, tmp_path: Path, step: Callable[[RunContext], Any], text: str, said: str
) -> None:
    home = home_on(market, tmp_path)
    with pytest.raises(Refused, match=said.replace("(", r"\(")):
        step(context(home, text))
    assert not home.warehouse.exists()


def test_a_range_of_one_session_is_that_session(market: Path, tmp_path: Path) -> None:
    plan = steps.plan(context(home_on(market, tmp_path), f" {LAST} / {LAST} "))
    assert (plan.first, plan.sessions) == (None, LAST)
