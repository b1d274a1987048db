"""What a trigger may ask for besides the session: inputs fetched again from their beginning, and a dry run.

In: a home with one loaded session of the small market; copies of it are asked. Out: what is planned, and
that nothing is touched where nothing should be.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb
import pytest

from datasets.bank_financials import BankFinancials
from datasets.base import Reach
from datasets.prices import Prices
from pipeline import steps
from pipeline.context import Requested, RunContext
from pipeline.endings import LeftToAnother, Refused
from pipeline.planning_database import planning_database
from pipeline.state import RunPlan
from pipeline.turns import Turns
from sources.fdic import FdicSource
from sources.simulated import SimulatedPrices
from tests.small_market import HISTORY_START, small_settings, write_small_market
from warehouse.database import append, pipeline_database
from warehouse.publication import STORAGE_VERSION
from warehouse.settings import Settings

SESSION = "2024-07-16"


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of the small market."""
    return write_small_market(tmp_path_factory.mktemp("market"), end=date(2024, 7, 31))


@pytest.fixture(scope="module")
def filled(market: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home that has loaded the session and whose records say that it was published; nothing was built."""
    settings = small_settings(market, tmp_path_factory.mktemp("filled") / "home")
    context = run(settings)
    for batch in steps.plan(context).batches:
        steps.fetch(context.for_batch(batch.number))
    steps.load(context)
    row = {
        "generation": 1,
        "session_date": context.session,
        "data_source": "files",
        "published_at_utc": context.clock(),
        "storage_version": STORAGE_VERSION,
        "code_version": "test",
        "run_id": "asked",
    }
    with pipeline_database(settings) as connection:
        append(connection, "ops.publication", [row])
    return settings


@pytest.fixture
def home(filled: Settings, market: Path, tmp_path: Path) -> Settings:
    """A copy of it."""
    shutil.copytree(filled.home, tmp_path / "home", symlinks=True)
    return small_settings(market, tmp_path / "home")


def run(
    settings: Settings, *again: str, session: str = SESSION, dry_run: bool = False, turns: Turns | None = None
) -> RunContext:
    """A run that was triggered with these parameters."""
    asked = Requested(parameter=session, fetch_again=again, dry_run=dry_run)
    return RunContext(settings, "asked", asked, turns)


def content(folder: Path) -> dict[str, str]:
    """Every file with a hash of what it holds, every link with where it leads."""
    return {
        str(path.relative_to(folder)): str(path.readlink())
        if path.is_symlink()
        else hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def asked(plan: RunPlan) -> dict[str, date]:
    """Each input that is asked for, and since when."""
    return {f"{batch.dataset}/{item.input}": item.start for batch in plan.batches for item in batch.inputs}


# ---- fetched again


def test_a_provider_of_ranges_is_asked_for_the_whole_history_of_what_is_named(home: Settings) -> None:
    """The others are asked for the days since the last one held."""
    provider = SimulatedPrices.open(home, {})
    start = home.history_start
    with planning_database(home) as connection:
        connection.execute("drop view ops.payloads")
        connection.execute(
            "create table ops.payloads as select * replace ('simulated' as source) from held.ops.payloads"
        )
        day = date.fromisoformat(SESSION)

        def since(*again: str) -> dict[str, date]:
            planned = Prices().plan(connection, home, provider, Reach(day, day), again)
            return {item.input: item.start for item in planned}

        daily, repair = since(), since("SPY")
    assert daily["SPY"] > start and daily["IWM"] > start
    assert repair == daily | {"SPY": start}


def test_a_backfill_fetches_what_is_named_although_landing_holds_it(home: Settings) -> None:
    def turns() -> Turns:
        return Turns("asked", True, lambda run_ids: 1 if run_ids is None else 0)

    one_before = "2024-07-15"
    assert asked(_plan_or_nothing(run(home, session=one_before, turns=turns()))) == {}
    found = asked(_plan_or_nothing(run(home, "prices/SPY", "fred/DGS2", session=one_before, turns=turns())))
    assert found == {"prices/SPY": HISTORY_START, "fred/DGS2": HISTORY_START}


def _plan_or_nothing(context: RunContext) -> RunPlan:
    try:
        return steps.plan(context)
    except LeftToAnother:
        return RunPlan.model_construct(batches=())


def test_a_whole_kind_includes_what_a_daily_run_leaves_out(home: Settings) -> None:
    """Quarters that are held and will not be amended any more."""
    kind, day = BankFinancials(), date.fromisoformat(SESSION)
    provider = FdicSource.open(home, {})
    with planning_database(home) as connection:
        every = kind.known_inputs(connection, home, provider, Reach(day, day))
        held = dict.fromkeys(every, day)
        daily = kind.inputs(connection, home, provider, Reach(day, day), held)
        repair = kind.plan(connection, home, provider, Reach(day, day), every)
    assert len(every) > len(daily) > 0
    assert [item.input for item in repair] == every
    assert {item.start for item in repair} == {home.history_start}


def test_a_run_that_fetches_again_changes_nothing_where_the_source_serves_the_same(home: Settings) -> None:
    context = run(home, "prices/SPY", "futures")
    for batch in steps.plan(context).batches:
        steps.fetch(context.for_batch(batch.number))
    loaded = steps.load(context).datasets
    assert loaded["prices"].fetched > 0 and loaded["futures"].fetched > 0
    assert sum(entry.new_rows for entry in loaded.values()) == 0


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("price/SPY", r"'price' is not a kind of input of this home; choose from prices, futures, fred"),
        ("prices/SPYY", r"Did you mean prices/SPY"),
        ("fred/dgs2", r"Did you mean fred/DGS2"),
        ("prices/", r"'prices/', which is unknown"),
        ("prices/../../etc", "which is unknown"),
        ("bank_financials", "not a kind of input of this home"),
        ("fred/QQQQQQQQQQ", r"fred has \d+ inputs: "),
    ],
)
@pytest.mark.parametrize("step", [steps.plan, steps.dry_run])
def test_an_unknown_name_is_refused_and_the_home_stays_as_it_is(
    home: Settings, name: str, said: str, step: Callable[[RunContext], object]
) -> None:
    before = content(home.home)
    with pytest.raises(Refused, match=said):
        step(run(home, "prices/SPY", name))
    assert only_refused(home, before)


# ---- dry run


def test_a_dry_run_says_what_it_would_do_and_touches_nothing(
    home: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "pipeline")
    before = content(home.home)
    would = steps.dry_run(run(home, session="2024-07-17", dry_run=True))
    assert content(home.home) == before
    # The same as a real run then asks for.
    plan = steps.plan(run(home, session="2024-07-17"))
    assert [batch.label for batch in would.batches] == [plan.label(batch) for batch in plan.batches]
    assert [batch.inputs for batch in would.batches] == [
        tuple(item.input for item in batch.inputs) for batch in plan.batches
    ]
    assert (would.session, would.target) == (plan.session, plan.target)
    assert "would fetch prices 1/" in caplog.text
    assert would.sentence in caplog.text and would.sentence.endswith("Nothing was touched.")


def test_a_dry_run_of_an_earlier_session_says_at_which_one_it_would_publish(home: Settings) -> None:
    would = steps.dry_run(run(home, session="2024-07-10", dry_run=True))
    assert "repair 2024-07-10, then build and publish 2024-07-16" in would.sentence


def test_a_dry_run_without_a_home_makes_none(market: Path, tmp_path: Path) -> None:
    settings = small_settings(market, tmp_path / "home")
    would = steps.dry_run(run(settings, dry_run=True))
    assert would.session == would.target == date.fromisoformat(SESSION)
    assert all(batch.whole_history == batch.inputs for batch in would.batches)
    assert not settings.home.exists()


def only_refused(home: Settings, before: dict[str, str]) -> bool:
    """Whether nothing has changed but the reason of a refusal, which its alert reads."""
    after = content(home.home)
    return "refused" in str(sorted(after.keys() - before.keys())) and before == {
        path: held for path, held in after.items() if path != "published/refused.json"
    }


def test_a_dry_run_refuses_what_a_real_one_refuses(home: Settings) -> None:
    before = content(home.home)
    for session, said in (("2024-07-04", "NYSE was closed"), ("2021-07-06", "ROTATION_HISTORY_START")):
        with pytest.raises(Refused, match=said):
            steps.dry_run(run(home, session=session, dry_run=True))
    assert only_refused(home, before)


def test_a_dry_run_does_not_bring_a_home_of_another_version_up_to_date(home: Settings) -> None:
    (home.home / "home.json").write_text('{"kind": "real", "layout": 2}')
    before = content(home.home)
    with pytest.raises(Refused, match="Make a real run first"):
        steps.dry_run(run(home, dry_run=True))
    assert only_refused(home, before)


def test_the_planning_database_cannot_write_to_the_home(home: Settings) -> None:
    with planning_database(home) as connection, pytest.raises(duckdb.Error):
        connection.execute("delete from held.raw.equity_prices")
