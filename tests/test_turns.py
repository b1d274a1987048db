"""Several runs of the DAG at once: the runs of a backfill leave the publication to the last of them, and
landing is not fetched again.

The runs are driven step by step as the scheduler does, in orders that a scheduler may choose; `Queue` is
what Airflow would answer.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_calendar.sessions import sessions_between
from pipeline import steps
from pipeline.errors import LeftToAnother, TryAgain
from pipeline.state import HomeState
from pipeline.turns import Turns
from sources.files import FilesProvider
from tests.small_market import (
    context,
    fetch_all,
    published,
    published_digests,
    run_day,
    small_settings,
    write_small_market,
)
from warehouse.database import utc_now
from warehouse.landing import Landed, land, set_aside
from warehouse.payloads import Payload, Request
from warehouse.publication import current_generation
from warehouse.settings import Settings

SESSIONS = ["2024-07-10", "2024-07-11", "2024-07-12", "2024-07-15", "2024-07-16"]


class Queue:
    """The queued and running runs, as Airflow counts them."""

    def __init__(self, runs: list[str]) -> None:
        self.active = list(runs)

    def count(self, run_ids: list[str] | None) -> int:
        """How many of the ids, or of all, have not ended."""
        return len(self.active if run_ids is None else [run for run in run_ids if run in self.active])

    def turns(self, run_id: str, *, backfill: bool = True) -> Turns:
        """What one run is told."""
        return Turns(run_id, backfill, self.count)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of the small market."""
    return write_small_market(tmp_path_factory.mktemp("market"))


@pytest.fixture(scope="module")
def straight(market: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home that ran the last session alone."""
    home = small_settings(market, tmp_path_factory.mktemp("straight") / "home")
    run_day(home, SESSIONS[-1])
    return home


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Request]]:
    """Every request to the source."""
    requests: list[Request] = []
    fetch = FilesProvider.fetch

    def watched(source: FilesProvider, request: Request) -> Payload:
        requests.append(request)
        return fetch(source, request)

    monkeypatch.setattr(FilesProvider, "fetch", watched)
    yield requests


def run_to_its_end(home: Settings, queue: Queue, session: str, *, backfill: bool = True) -> bool:
    """All steps of one run; whether it published."""
    run_id = f"{'backfill' if backfill else 'scheduled'}__{session}"
    turns = queue.turns(run_id, backfill=backfill)
    try:
        run_day(home, session, run_id, turns=turns)
        return True
    except LeftToAnother:
        return False
    finally:
        queue.active.remove(run_id)


def backfill_queue(sessions: list[str]) -> Queue:
    """All runs of a backfill, queued."""
    return Queue([f"backfill__{session}" for session in sessions])


def test_a_backfill_publishes_once_and_fetches_once(
    market: Path, straight: Settings, tmp_path: Path, asked: list[Request]
) -> None:
    home = small_settings(market, tmp_path / "home")
    queue = backfill_queue(SESSIONS)
    assert [run_to_its_end(home, queue, session) for session in SESSIONS] == [False] * 4 + [True]
    inputs = {(request.dataset, request.input) for request in asked}
    first = len(asked)
    assert first == len({(request.dataset, request.input, request.start, request.end) for request in asked})
    # Inputs that the folder does not hold were asked for once and not by each run; those that it holds
    # were fetched once for all sessions.
    assert first == len(inputs)
    current = current_generation(home)
    assert current is not None and current.name == "1"
    assert published_digests(home) == published_digests(straight)


def test_the_runs_of_a_backfill_may_end_in_any_order(
    market: Path, straight: Settings, tmp_path: Path
) -> None:
    home = small_settings(market, tmp_path / "home")
    queue = backfill_queue(SESSIONS)
    backwards = [run_to_its_end(home, queue, session) for session in reversed(SESSIONS)]
    assert backwards == [False] * 4 + [True]
    # The last run is for the earliest session; it publishes at the latest that was left to it.
    with published(home) as connection:
        assert connection.execute("select session_date from ops.publication").fetchall() == [
            (date(2024, 7, 16),)
        ]
    assert published_digests(home) == published_digests(straight)


def test_a_lost_warehouse_comes_back_from_landing(market: Path, tmp_path: Path, asked: list[Request]) -> None:
    """What was corrected at its source is there in both versions again, with the moments at which it was
    received.
    """
    files = tmp_path / "files"
    shutil.copytree(market, files)
    home = small_settings(files, tmp_path / "home")
    run_day(home, "2024-07-15")
    prices = files / "prices" / "IWM.csv"
    text = prices.read_text(encoding="utf-8").splitlines(keepends=True)
    [number] = [n for n, line in enumerate(text) if line.startswith("2024-07-11")]
    header = text[0].rstrip("\n").split(",")
    cells = text[number].rstrip("\n").split(",")
    cells[header.index("volume")] = "12345"
    prices.write_text(
        "".join([*text[:number], ",".join(cells) + "\n", *text[number + 1 :]]), encoding="utf-8"
    )
    run_day(home, "2024-07-16")
    before, held = published_digests(home), raw_content(home)
    assert len({row[2] for row in held if row[:2] == ("IWM", "2024-07-11")}) == 2
    asked.clear()
    home.warehouse.unlink()
    shutil.rmtree(files / "prices")
    (files / "prices").mkdir()
    queue = backfill_queue(SESSIONS[-2:])
    assert [run_to_its_end(home, queue, session) for session in SESSIONS[-2:]] == [False, True]
    assert not [request for request in asked if request.dataset == "prices" and request.input == "IWM"]
    assert raw_content(home) == held
    assert published_digests(home) == before


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
    steps.audit(run)
    steps.publish(run)
    assert len(asked) == len({(request.dataset, request.input) for request in asked})
    assert published_digests(home) == published_digests(straight)


def test_what_the_run_at_work_does_not_fetch_is_fetched_by_another(
    market: Path, straight: Settings, tmp_path: Path, asked: list[Request]
) -> None:
    """The first run lacks one optional input only; the runs after it need all that is later, and must not
    leave that to the first.
    """
    home = small_settings(market, tmp_path / "home")
    run_day(home, SESSIONS[1])
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
    steps.audit(later)
    steps.publish(later)
    assert published_digests(home) == published_digests(straight)


def test_a_session_that_was_left_and_never_loaded_does_not_hinder_a_repair(
    market: Path, tmp_path: Path
) -> None:
    ended = write_small_market(tmp_path / "ended", end=date(2024, 7, 11))
    home = small_settings(ended, tmp_path / "home")
    run_day(home, SESSIONS[0])
    queue = backfill_queue(SESSIONS)
    with pytest.raises(LeftToAnother):
        queue.turns(queue.active[-1]).leave_to_another(home.home, date.fromisoformat(SESSIONS[-1]), None)
    queue.active = ["scheduled__2024-07-11"]
    assert run_to_its_end(home, queue, SESSIONS[1], backfill=False)
    with published(home) as connection:
        assert connection.execute("select max(session_date)::varchar from ops.publication").fetchone() == (
            SESSIONS[1],
        )


def test_refused_damaged_and_unreadable_payloads_are_not_replayed(
    market: Path, tmp_path: Path, asked: list[Request]
) -> None:
    home = small_settings(market, tmp_path / "home")
    run_day(home, SESSIONS[-1])
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
    assert published_digests(home) == before


def test_a_publication_is_finished_by_the_next_attempt(
    market: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the folder was moved, after the link was, and before the record: the attempt after it
    goes on there.
    """
    from warehouse import publication

    home = small_settings(market, tmp_path / "home")
    for session, step_name in zip(SESSIONS, ("publish_link", "finish"), strict=False):
        step = getattr(publication, step_name)

        def killed(*arguments: Any) -> Any:
            raise KeyboardInterrupt

        monkeypatch.setattr(publication, step_name, killed)
        with pytest.raises(KeyboardInterrupt):
            run_day(home, session, f"run-{session}")
        monkeypatch.setattr(publication, step_name, step)
        steps.publish(context(home, session, f"run-{session}"))
        with published(home) as connection:
            assert connection.execute(
                "select max_by(run_id, generation) from ops.publication"
            ).fetchone() == (f"run-{session}",)
        with duckdb.connect(str(home.warehouse), read_only=True) as connection:
            assert connection.execute(
                "select count(*) from ops.publication where run_id = ?", [f"run-{session}"]
            ).fetchone() == (1,)
        assert json.loads((home.published / "status.json").read_text(encoding="utf-8"))["state"] == "success"
        assert not list((home.published / "generations").glob("*/.run"))


def test_a_scheduled_run_publishes_although_a_backfill_goes_on(market: Path, tmp_path: Path) -> None:
    home = small_settings(market, tmp_path / "home")
    queue = Queue([*(f"backfill__{session}" for session in SESSIONS[:2]), "scheduled__2024-07-16"])
    assert not run_to_its_end(home, queue, SESSIONS[0])
    assert run_to_its_end(home, queue, "2024-07-16", backfill=False)
    assert run_to_its_end(home, queue, SESSIONS[1])


def test_two_runs_between_build_and_publication_wait_for_each_other(market: Path, tmp_path: Path) -> None:
    home = small_settings(market, tmp_path / "home")
    queue = Queue(["first", "second"])
    # The one that waits is for an earlier session: it must not take the publication back to it.
    first, second = (
        context(home, session, run_id, turns=queue.turns(run_id, backfill=False))
        for run_id, session in (("first", SESSIONS[1]), ("second", SESSIONS[0]))
    )
    for run in (first, second):
        fetch_all(run)
        steps.load(run)
    steps.build(first)
    with pytest.raises(TryAgain, match="run first has built and not published yet"):
        steps.build(second)
    steps.audit(first)
    steps.publish(first)
    steps.build(second)
    steps.audit(second)
    steps.publish(second)
    with published(home) as connection:
        assert connection.execute(
            "select session_date::varchar from ops.publication order by generation"
        ).fetchall() == [(SESSIONS[1],), (SESSIONS[1],)]
    # A run that died between the two is no longer active and is not waited for.
    steps.build(second)
    queue.active = ["third"]
    third = run_day(home, SESSIONS[2], "third", turns=queue.turns("third", backfill=False))
    assert third.generation == 3


@settings(max_examples=60, deadline=None)
@given(data=st.data(), count=st.integers(1, 130), repeated=st.integers(0, 3))
def test_exactly_the_last_to_decide_publishes(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, count: int, repeated: int
) -> None:
    """In any order, with runs that end late, end at once, or are started again."""
    home = tmp_path_factory.mktemp("home")
    sessions = [str(day) for day in sessions_between(date(2023, 1, 3), date(2024, 7, 16))][:count]
    queue = Queue([f"backfill__{session}" for session in sessions])
    waiting = data.draw(st.permutations(queue.active))
    again = waiting[:repeated]
    decided: list[tuple[str, bool]] = []
    for run_id in waiting:
        turns = queue.turns(run_id)
        for _ in range(2 if run_id in again else 1):
            turns.begin(home)
            try:
                session = date.fromisoformat(run_id.removeprefix("backfill__"))
                built_at = turns.leave_to_another(home, session, date(2024, 12, 31))
                published = True
            except LeftToAnother:
                published = False
        decided.append((run_id, published))
        # Airflow notices the end of a run some time after its last task.
        for ended in [run for run, _ in decided if run in queue.active][: data.draw(st.integers(0, 2))]:
            queue.active.remove(ended)
    assert [published for _, published in decided] == [False] * (count - 1) + [True]
    assert str(built_at) == max(sessions)
