"""Several runs of the DAG at once: the runs of a backfill leave the publication to the last of them, and
landing is not fetched again.

Real runs on a small market, driven step by step as the scheduler does: that the steps ask for their turn and
do what they are told. What they are told in any order is in test_turns_in_any_order, without a market.
"""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipeline import steps
from pipeline.endings import LeftToAnother, TryAgain
from pipeline.home_state import HomeState
from tests.queued_runs import Queue
from tests.shared_homes import HomeAfter, copied_home
from tests.small_market import (
    built,
    built_digests,
    context,
    fetch_all,
    published,
    published_digests,
    run_to_build,
    run_unaudited,
    small_settings,
    write_small_market,
)
from warehouse import publication
from warehouse.clock import utc_now
from warehouse.landing import Landed, land, set_aside
from warehouse.payloads import Payload, Request
from warehouse.publication import current_generation, run_that_built
from warehouse.settings import Settings

SESSIONS = ["2024-07-10", "2024-07-11", "2024-07-12", "2024-07-15", "2024-07-16"]


@pytest.fixture(scope="module")
def market(small_market_files: Path) -> Path:
    """Files of the small market."""
    return small_market_files


@pytest.fixture(scope="module")
def straight(home_after: HomeAfter) -> Settings:
    """A home that ran the last session alone."""
    return home_after(SESSIONS[-1])


def run_to_its_end(
    home: Settings, queue: Queue, session: str, *, backfill: bool = True, run: Any = run_to_build
) -> bool:
    """One run to its build, or to its publication with `run_unaudited`; whether it built."""
    run_id = f"{'backfill' if backfill else 'scheduled'}__{session}"
    turns = queue.turns(run_id, backfill=backfill)
    try:
        run(home, session, run_id, turns=turns)
        return True
    except LeftToAnother:
        return False
    finally:
        queue.active.remove(run_id)


def short_home(folder: Path, end: date = date(2024, 7, 31)) -> Settings:
    """An empty home on a market of few months: for what does not depend on a history."""
    start = date(2024, 5, 1)
    files = write_small_market(folder / "files", start=start, end=end)
    return small_settings(files, folder / "home", ROTATION_HISTORY_START=str(start))


def backfill_queue(sessions: list[str]) -> Queue:
    """All runs of a backfill, queued."""
    return Queue([f"backfill__{session}" for session in sessions])


def test_a_backfill_in_any_order_publishes_once_at_its_latest_session_and_fetches_once(
    market: Path, straight: Settings, tmp_path: Path, asked: list[Request]
) -> None:
    home = small_settings(market, tmp_path / "home")
    queue = backfill_queue(SESSIONS)
    # The last run is neither for the latest session nor for the earliest; it publishes at the latest that
    # was left to it.
    order = [SESSIONS[number] for number in (0, 4, 3, 1, 2)]
    assert [run_to_its_end(home, queue, session, run=run_unaudited) for session in order] == [False] * 4 + [
        True
    ]
    inputs = {(request.dataset, request.input) for request in asked}
    first = len(asked)
    assert first == len({(request.dataset, request.input, request.start, request.end) for request in asked})
    # Inputs that the folder does not hold were asked for once and not by each run; those that it holds
    # were fetched once for all sessions.
    assert first == len(inputs)
    current = current_generation(home)
    assert current is not None and current.name == "1"
    with published(home) as connection:
        assert connection.execute("select session_date from ops.publication").fetchall() == [
            (date(2024, 7, 16),)
        ]
    assert published_digests(home) == published_digests(straight)


@pytest.mark.slow
def test_a_lost_warehouse_comes_back_from_landing(
    market: Path, straight: Settings, tmp_path: Path, asked: list[Request]
) -> None:
    """What was corrected at its source is there in both versions again, with the moments at which it was
    received.
    """
    files = shutil.copytree(market, tmp_path / "files")
    home = copied_home(straight, tmp_path / "home", files=files)
    prices = files / "prices" / "IWM.csv"
    text = prices.read_text(encoding="utf-8").splitlines(keepends=True)
    [number] = [n for n, line in enumerate(text) if line.startswith("2024-07-11")]
    header = text[0].rstrip("\n").split(",")
    cells = text[number].rstrip("\n").split(",")
    cells[header.index("volume")] = "12345"
    prices.write_text(
        "".join([*text[:number], ",".join(cells) + "\n", *text[number + 1 :]]), encoding="utf-8"
    )
    run_to_build(home, "2024-07-17")
    before, held = built_digests(home), raw_content(home)
    assert len({row[2] for row in held if row[:2] == ("IWM", "2024-07-11")}) == 2
    asked.clear()
    home.warehouse.unlink()
    shutil.rmtree(files / "prices")
    (files / "prices").mkdir()
    sessions = [SESSIONS[-1], "2024-07-17"]
    queue = backfill_queue(sessions)
    assert [run_to_its_end(home, queue, session) for session in sessions] == [False, True]
    assert not [request for request in asked if request.dataset == "prices" and request.input == "IWM"]
    assert raw_content(home) == held
    assert built_digests(home) == before


def raw_content(home: Settings) -> list[tuple[Any, ...]]:
    """Every version of every price with the moment of its receipt."""
    with duckdb.connect(str(home.warehouse), read_only=True) as connection:
        return connection.execute(
            "select symbol, session_date::varchar, volume, close, known_at_utc::varchar from"
            " raw.equity_prices order by all"
        ).fetchall()


def test_runs_that_start_together_fetch_once(
    market: Path, straight: Settings, tmp_path: Path, asked: list[Request]
) -> None:
    """Airflow starts ten runs of a backfill at once: the first to plan fetches, the others leave it all to
    that one.
    """
    home = small_settings(market, tmp_path / "home")
    queue = backfill_queue(SESSIONS)
    first, *others = queue.active[:]
    run = context(home, SESSIONS[0], first, turns=queue.turns(first))
    batches = steps.plan(run).batches
    for run_id, session in zip(others, SESSIONS[1:], strict=True):
        with pytest.raises(LeftToAnother, match="more runs follow"):
            steps.plan(context(home, session, run_id, turns=queue.turns(run_id)))
    for batch in batches:
        steps.fetch(run.for_batch(batch.number))
    steps.load(run)
    steps.build(run)
    assert len(asked) == len({(request.dataset, request.input) for request in asked})
    assert built_digests(home) == published_digests(straight)


@pytest.mark.slow
def test_what_the_run_at_work_does_not_fetch_is_fetched_by_another(
    market: Path, straight: Settings, tmp_path: Path, asked: list[Request]
) -> None:
    """The first run lacks one optional input only; the runs after it need all that is later, and must not
    leave that to the first.
    """
    home = small_settings(market, tmp_path / "home")
    before = context(home, SESSIONS[1])
    fetch_all(before)
    steps.load(before)
    HomeState.read(home.home).change(home.home, unserved={})
    queue = backfill_queue(SESSIONS)
    first, second, *others = queue.active[:]
    run = context(home, SESSIONS[0], first, turns=queue.turns(first))
    batches = steps.plan(run).batches
    assert batches
    with pytest.raises(LeftToAnother):
        steps.plan(context(home, SESSIONS[1], second, turns=queue.turns(second)))
    third = others.pop(0)
    later = context(home, SESSIONS[2], third, turns=queue.turns(third))
    more = steps.plan(later).batches
    asked.clear()
    for at_work, work in ((run, batches), (later, more)):
        for batch in work:
            steps.fetch(at_work.for_batch(batch.number))
        steps.load(at_work)
    assert len(asked) == len({(request.dataset, request.input) for request in asked})
    for run_id, session in zip(others, SESSIONS[3:], strict=True):
        with pytest.raises(LeftToAnother):
            steps.plan(context(home, session, run_id, turns=queue.turns(run_id)))
    with pytest.raises(LeftToAnother):
        steps.build(run)
    steps.build(later)
    assert built_digests(home) == published_digests(straight)


def test_a_session_that_was_left_and_never_loaded_does_not_hinder_a_repair(tmp_path: Path) -> None:
    home = short_home(tmp_path, end=date(2024, 7, 11))
    queue = backfill_queue(SESSIONS)
    with pytest.raises(LeftToAnother):
        queue.turns(queue.active[-1]).leave_to_another(home.home, date.fromisoformat(SESSIONS[-1]), None)
    queue.active = ["scheduled__2024-07-11"]
    assert run_to_its_end(home, queue, SESSIONS[1], backfill=False)
    with built(home) as connection:
        assert connection.execute(
            "select max(session_date)::varchar from marts.instrument_daily"
        ).fetchone() == (SESSIONS[1],)


def test_refused_damaged_and_unreadable_payloads_are_not_replayed(
    market: Path, straight: Settings, tmp_path: Path, asked: list[Request]
) -> None:
    home = copied_home(straight, tmp_path / "home")
    before = published_digests(home)
    [refused] = (home.landing / "prices" / "JPM").glob("*.json")
    entry = Landed.from_json(json.loads(refused.read_text(encoding="utf-8")))
    bytes_of_another = (market / "prices" / "KRE.csv").read_bytes()
    wrong = land(
        home.landing,
        Payload(
            Request("prices", "JPM", entry.start, entry.end), "files", bytes_of_another, "csv", utc_now()
        ),
    )
    set_aside(home.landing, wrong, "the symbol may now belong to another company")
    [damaged] = (home.landing / "prices" / "IWM").glob("*.gz")
    damaged.write_bytes(b"half a file")
    [unreadable] = (home.landing / "prices" / "SPY").glob("*.json")
    unreadable.write_text("", encoding="utf-8")
    home.warehouse.unlink()
    asked.clear()
    assert run_to_its_end(home, backfill_queue(SESSIONS[-1:]), SESSIONS[-1])
    # What landing cannot give is fetched again, and nothing else that the source serves.
    served = {request.input for request in asked if (market / "prices" / f"{request.input}.csv").exists()}
    assert served == {"IWM", "SPY"}
    assert built_digests(home) == before


@pytest.mark.slow
def test_a_publication_is_finished_by_the_next_attempt(
    straight: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the folder was moved, and the next attempt after the link was and before the record: each
    goes on there.
    """
    home = copied_home(straight, tmp_path / "home")
    run = run_to_build(home, "2024-07-17", "killed")
    for generation_seen, step_name in ((1, "publish_link"), (2, "finish")):

        def killed(*arguments: Any) -> Any:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(publication, step_name, killed)
            with pytest.raises(KeyboardInterrupt):
                steps.publish(run)
        current = current_generation(home)
        assert current is not None and current.name == str(generation_seen)
    steps.publish(run)
    with published(home) as connection:
        assert connection.execute("select max_by(run_id, generation) from ops.publication").fetchone() == (
            "killed",
        )
    with duckdb.connect(str(home.warehouse), read_only=True) as connection:
        assert connection.execute(
            "select count(*) from ops.publication where run_id = 'killed'"
        ).fetchone() == (1,)
    assert json.loads((home.published / "status.json").read_text(encoding="utf-8"))["state"] == "success"
    assert not list((home.published / "generations").glob("*/.run"))


@pytest.mark.slow
def test_two_runs_between_build_and_publication_wait_for_each_other(tmp_path: Path) -> None:
    home = short_home(tmp_path)
    queue = Queue(["first", "second"])
    # The one that waits is for an earlier session: it must not take the publication back to it.
    first, second = (
        context(home, session, run_id, rebuild=True, turns=queue.turns(run_id, backfill=False))
        for run_id, session in (("first", SESSIONS[1]), ("second", SESSIONS[0]))
    )
    for run in (first, second):
        fetch_all(run)
        steps.load(run)
    steps.build(first)
    with pytest.raises(TryAgain, match="run first has built and not published yet"):
        steps.build(second)
    steps.publish(first)
    steps.build(second)
    steps.publish(second)
    with published(home) as connection:
        assert connection.execute(
            "select session_date::varchar from ops.publication order by generation"
        ).fetchall() == [(SESSIONS[1],), (SESSIONS[1],)]
    # A run that died between the two is no longer active and is not waited for.
    steps.build(second)
    queue.active = ["third"]
    run_to_build(home, SESSIONS[2], "third", turns=queue.turns("third", backfill=False))
    assert run_that_built(home) == "third"
