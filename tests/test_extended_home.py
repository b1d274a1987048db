"""A home whose publications are extended from session to session, by the steps of the daily run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

import expectations.gate
from alerts.checks import check_publication
from expectations.cross_check_scope import Earlier
from market_calendar.sessions import cutoff_utc
from pipeline import steps
from pipeline.audit import EVERY_ROW, NO_ROW, _unjudged
from pipeline.base import Base, find_base
from pipeline.context import RunContext
from pipeline.cross_checked import earlier_cross_checks
from pipeline.endings import NothingNew
from pipeline.state import BuildSummary
from tests.shared_homes import HomeAfter, copied_home
from tests.small_market import (
    built_digests,
    context,
    published,
    published_digests,
    run_day,
    run_to_build,
    run_unaudited,
    small_settings,
)
from transforms.changes import InputState
from warehouse.catalog import Table, load_catalog
from warehouse.database import pipeline_database
from warehouse.publication import (
    attached_pipeline,
    building_folder,
    copy_tables,
    current_generation,
    opened_publication,
    read_inputs,
    write_inputs,
)
from warehouse.settings import REPOSITORY, Settings
from warehouse.status import read_small, status_file

FIRST, SECOND, THIRD, WEEK_LATER = "2024-07-16", "2024-07-17", "2024-07-18", "2024-07-23"


@pytest.fixture(scope="module")
def two_sessions(home_after: HomeAfter, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Not changed by whoever reads it."""
    settings = copied_home(home_after(FIRST), tmp_path_factory.mktemp("extended") / "home")
    run_day(settings, SECOND)
    return settings


@pytest.fixture
def home(two_sessions: Settings, tmp_path: Path) -> Settings:
    """A copy of it with the same market."""
    shutil.copytree(two_sessions.home, tmp_path / "home", symlinks=True)
    assert two_sessions.files_dir is not None
    return small_settings(two_sessions.files_dir, tmp_path / "home")


def built_by(settings: Settings, session: str, run_id: str | None = None) -> BuildSummary:
    built = context(settings, session, run_id).state.read("built", BuildSummary)
    assert built is not None
    return built


def generation(settings: Settings) -> Path:
    current = current_generation(settings)
    assert current is not None
    return current


def test_the_first_publication_is_built_and_the_next_extends_it(two_sessions: Settings) -> None:
    first, second = built_by(two_sessions, FIRST), built_by(two_sessions, SECOND)
    assert first.sentence.endswith("tables built anew, because there is no publication yet")
    assert second.extends == 1 and second.rebuilt_because == ""
    assert "marts.instrument_daily" in second.changed_from
    assert (
        "marts.bank_reported_losses" in second.rows
        and "marts.bank_reported_losses" not in second.changed_from
    )
    assert set(first.rows) == set(second.rows)


def test_an_extended_publication_equals_one_that_is_built_anew(
    two_sessions: Settings, tmp_path: Path
) -> None:
    assert two_sessions.files_dir is not None
    anew = small_settings(two_sessions.files_dir, tmp_path / "home")
    run_to_build(anew, SECOND)
    assert built_by(anew, SECOND).extends is None
    assert built_digests(anew) == published_digests(two_sessions)


def test_every_rule_is_counted_in_an_extended_publication(two_sessions: Settings) -> None:
    with published(two_sessions) as connection:
        counts = connection.execute(
            "select count(*) from ops.validation_results where table_name not like 'raw.%' group by run_id"
        ).fetchall()
        assert len(counts) == 2 and counts[0] == counts[1] and counts[0][0] > 500
        rules = connection.execute(
            "select run_id, list((rule, checked_rows) order by rule)"
            " from ops.validation_results where table_name = 'marts.yield_curve_daily' group by 1 order by 1"
        ).fetchall()
    (_, before), (_, after) = rules
    assert [rule for rule, _ in before] == [rule for rule, _ in after]
    assert all(new > old for (_, old), (_, new) in zip(before, after, strict=True))


def test_parquet_of_what_did_not_change_is_not_written_again(two_sessions: Settings) -> None:
    folder = generation(two_sessions).parent
    kept = "parquet/marts/bank_reported_losses.parquet"
    assert (folder / "1" / kept).samefile(folder / "2" / kept)
    changed = "parquet/marts/yield_curve_daily.parquet"
    assert not (folder / "1" / changed).samefile(folder / "2" / changed)
    yearly = "parquet/marts/bank_rate_betas"
    years = sorted(path.name for path in (folder / "2" / yearly).iterdir())
    assert years == ["year=2022.parquet", "year=2023.parquet", "year=2024.parquet"]
    assert [(folder / "1" / yearly / year).samefile(folder / "2" / yearly / year) for year in years] == [
        True,
        True,
        False,
    ]
    with published(two_sessions) as connection:
        inside = connection.execute(
            "select count(*), sum(hash(t)) from marts.bank_rate_betas as t"
        ).fetchone()
        files = folder / "2" / yearly / "*.parquet"
        outside = connection.execute(f"select count(*), sum(hash(t)) from '{files}' as t").fetchone()
    assert inside == outside


def test_a_run_without_news_publishes_nothing_and_succeeds(home: Settings) -> None:
    before = published_digests(home)
    with pytest.raises(NothingNew, match=f"generation 2 for {SECOND} is up to date"):
        run_to_build(home, SECOND, "again")
    assert generation(home).name == "2"
    status = read_small(status_file(home))
    assert (status["state"], status["step"], status["generation"]) == ("success", "build", 2)
    assert status["headlines"] and status["open"] == []
    assert run_unaudited(home, SECOND, "rebuilt", rebuild=True).generation == 3
    assert published_digests(home) == before


def test_a_rebuild_is_due_after_a_week_and_finds_a_table_that_differs(home: Settings) -> None:
    database = generation(home) / "warehouse.duckdb"
    database.chmod(0o644)
    with duckdb.connect(str(database)) as connection:
        connection.execute("update marts.instrument_daily set rsi_14 = 50 where session_date = '2023-05-05'")
    run = run_to_build(home, WEEK_LATER)
    built = built_by(home, WEEK_LATER)
    assert built.rebuilt_because == f"the last rebuild was for {FIRST}"
    assert "marts.instrument_daily" in built.differing
    steps.audit(run)
    steps.publish(run)
    problems = check_publication(home, datetime.now(UTC)).problems
    assert any("differs from the extended tables before it: " in text for text in problems)


def test_a_damaged_publication_is_not_extended(home: Settings) -> None:
    database = generation(home) / "warehouse.duckdb"
    database.chmod(0o644)
    content = bytearray(database.read_bytes())
    content[4096 : 3 * len(content) // 4] = bytes(3 * len(content) // 4 - 4096)
    database.write_bytes(content)
    run_to_build(home, THIRD)
    assert "generation 2 could not be extended" in built_by(home, THIRD).rebuilt_because


def test_why_nothing_can_be_extended(home: Settings) -> None:
    inputs = InputState.from_json(read_inputs(generation(home)) or {})
    assert inputs is not None
    target, code = inputs.session, dict(inputs.code)

    def reason(day: date = target, hashes: dict[str, str] = code, *, asked: bool = False) -> str | Base:
        return find_base(home, day, hashes, asked=asked)

    assert isinstance(reason(), Base)
    assert reason(asked=True) == "it was asked for"
    assert reason(hashes={**code, "shared": "other"}) == "the code or a package that all models share changed"
    assert isinstance(reason(hashes={**code, "marts.daily_summary": "other"}), Base)
    assert reason(inputs.rebuilt_session) == f"generation 2 is for the later session {SECOND}"
    (generation(home) / "inputs.json").chmod(0o644)
    (generation(home) / "inputs.json").write_text("{")
    assert reason() == "generation 2 does not say what it was made from"


def test_rows_are_judged_again_where_nobody_knows_that_they_passed(home: Settings) -> None:
    run = run_to_build(home, THIRD)
    steps.audit(run)
    known = _unjudged(run, load_catalog())
    assert known["marts.bank_reported_losses"] == NO_ROW
    assert known["marts.yield_curve_daily"].startswith('"session_date" >= ')
    # A rule on it fails in this market.
    assert known["marts.bank_securities_mark"] == EVERY_ROW
    with pipeline_database(home) as connection:
        connection.execute("delete from ops.validation_results")
    assert set(_unjudged(run, load_catalog()).values()) == {EVERY_ROW}


def earlier(run: RunContext) -> Earlier | None:
    """What the audit of this run will know of the cross checks of the generation before."""
    built = run.state.read("built", BuildSummary)
    assert built is not None
    with opened_publication(run.settings) as connection, attached_pipeline(connection, run.settings):
        copy_tables(connection, load_catalog(), "ops")
        return earlier_cross_checks(run.settings, connection, built, cutoff_utc(run.target))


def test_cross_checks_know_what_changed_and_doubt_what_they_cannot_know(
    home: Settings, tmp_path: Path
) -> None:
    assert home.files_dir is not None
    market = tmp_path / "market"
    shutil.copytree(home.files_dir, market)
    settings = small_settings(market, home.home)
    path = market / "fred" / "DGS10.csv"
    lines = path.read_text().splitlines()
    at = next(index for index, line in enumerate(lines) if line.startswith("2023-03-01"))
    lines[at] = f"2023-03-01,{float(lines[at].split(',')[1]) + 0.5:.2f}"
    path.write_text("\n".join(lines) + "\n")
    run = run_to_build(settings, THIRD)
    known = earlier(run)
    assert known is not None and not known.unknown
    assert known.changed_from["fred/DGS10"] == date(2023, 3, 1), "the corrected row"
    day = date.fromisoformat(THIRD)
    assert known.changed_from["prices/SPY"] == known.changed_from["adjusted/SPY"] == day
    assert known.compared["ten_years_move_with_their_neighbours"] == 0
    assert known.compared["three_months_stay_near_the_funds_rate"] > 500
    with opened_publication(settings) as connection:
        connection.execute("create table main.kept as from ref.instruments")
        connection.execute("update ref.instruments set price_basis = 'other' where symbol = 'SPY'")
    assert earlier(run) is None, "a reference table is another"
    with opened_publication(settings) as connection:
        connection.execute("delete from ref.instruments")
        connection.execute("insert into ref.instruments from main.kept")
        connection.execute("drop table main.kept")
    assert earlier(run) is not None
    state = read_inputs(building_folder(settings))
    assert state is not None
    state["raw"]["raw.equity_prices"]["sha"] = "0" * 16
    write_inputs(settings, state)
    doubted = earlier(run)
    assert doubted is not None and doubted.unknown == {"adjusted"}, "old rows of raw are others"
    with pipeline_database(settings) as connection:
        connection.execute("update ops.cross_checks set run_id = 'another'")
    assert earlier(run) is None, "the rows are another run's"
    with pipeline_database(settings) as connection:
        connection.execute("delete from ops.validation_results")
    assert earlier(run) is None, "nobody knows what passed"


def test_after_a_rebuild_every_day_is_compared(home: Settings) -> None:
    assert earlier(run_to_build(home, THIRD, rebuild=True)) is None


@pytest.fixture(scope="module")
def undisturbed(two_sessions: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The same home with the build of a third session."""
    settings = copied_home(two_sessions, tmp_path_factory.mktemp("undisturbed") / "home")
    run_to_build(settings, THIRD)
    return settings


@pytest.mark.parametrize("models", [0, 7])
def test_a_build_killed_while_it_extends_is_begun_again(
    home: Settings, undisturbed: Settings, models: int
) -> None:
    """The process is gone after the copy and a few models; the next attempt ends as if nothing had been."""
    killed = f"""
        import os
        import transforms.extension
        from pipeline import steps
        from tests.small_market import context, fetch_all
        from warehouse.settings import REPOSITORY, Settings

        extend, done = transforms.extension._extend, []

        def one_more(*arguments):
            if len(done) == {models}:
                os._exit(9)
            done.append(arguments)
            return extend(*arguments)

        transforms.extension._extend = one_more
        run = context(Settings.from_environment(), "{THIRD}")
        fetch_all(run)
        steps.load(run)
        steps.build(run)
    """
    settings = {
        "ROTATION_SOURCE": "files",
        "ROTATION_FILES_DIR": str(home.files_dir),
        "ROTATION_HOME": str(home.home),
        "ROTATION_HISTORY_START": str(home.history_start),
        "PYTHONPATH": str(REPOSITORY),
    }
    command = [sys.executable, "-c", textwrap.dedent(killed)]
    ended = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, check=False)
    assert ended.returncode == 9, ended.stderr
    assert (building_folder(home) / "warehouse.duckdb").exists()
    assert generation(home).name == "2"
    run_unaudited(home, THIRD, "again")
    assert built_by(home, THIRD, "again").extends == built_by(undisturbed, THIRD).extends == 2
    assert published_digests(home) == built_digests(undisturbed)


def test_changed_rules_judge_every_row_of_an_extended_publication(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule that came in between finds an old row, though the build extends what was judged without it."""
    strict = "a_rule_of_today"
    query = {
        "name": strict,
        "severity": "warning",
        "why": "seen to fire on an old day",
        "sql": "select session_date from marts.yield_curve_daily where session_date = date '2024-03-01'",
    }
    monkeypatch.setattr("pipeline.build.hash_of", lambda paths, texts=(): "rules of today")
    known = expectations.gate.handwritten

    def with_one_more(table: Table) -> Any:
        rules = known(table)
        if table.full_name != "marts.yield_curve_daily":
            return rules
        return {**rules, "queries": [*rules["queries"], query | {"by_day": True}]}

    monkeypatch.setattr(expectations.gate, "handwritten", with_one_more)
    run_day(home, THIRD)
    built = built_by(home, THIRD)
    assert built.extends == 2 and built.rules_changed
    with pipeline_database(home, read_only=True) as connection:
        failed = connection.execute(
            "select failed_rows from ops.validation_results where run_id = ? and rule = ?",
            [f"test-{THIRD}", strict],
        ).fetchall()
    assert failed and failed[0][0] > 0
