"""A home of every earlier layout becomes one of today's; nothing of it is lost, and the next run goes on."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import fields
from datetime import date
from pathlib import Path

import duckdb
import pytest

from operations.backup import make_backup, restore
from pipeline import steps
from pipeline.home_state import HomeState
from pipeline.turns import Turns
from tests.faults.home import impatient
from tests.faults.server import Server
from tests.small_market import context, fetch_all, published_digests
from tests.stored_homes import HISTORY_START, LAYOUTS, landed_index, layouts_said, raw_rows, stored_home
from tests.test_live_run import CANARY, environ_of, small_feed
from warehouse import migrations
from warehouse.catalog import load_catalog
from warehouse.database import (
    LAYOUT,
    HomeError,
    home_marker,
    older_home,
    opened_database,
    pipeline_database,
    prepare_home,
    write_home_marker,
)
from warehouse.landing import is_whole
from warehouse.migrations import migrate_home
from warehouse.migrations.layout_2 import RAW_TABLES
from warehouse.migrations.step import Step
from warehouse.migrations.stored import layout_tables
from warehouse.publication import digests, opened_publication
from warehouse.reference_data import load_reference
from warehouse.schema import catalog_tables, present_tables
from warehouse.settings import Settings

PROVIDERS = {
    "raw.equity_prices": [("yahoo",)],
    "raw.fed_funds_futures": [("yahoo",)],
    "raw.fred_observations": [("fred",)],
    "raw.bank_financials": [],
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The oldest home."""
    return stored_home(1, tmp_path)


def sources(settings: Settings) -> dict[str, list[tuple[str]]]:
    with opened_database(settings, read_only=True) as connection:
        return {
            table: connection.execute(f"select distinct source from {table} order by 1").fetchall()
            for table in RAW_TABLES
        }


def landed(settings: Settings) -> set[tuple[str, str]]:
    return {(entry.dataset, entry.source) for entry in landed_index(settings)}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_stored_home_becomes_one_of_today(layout: int, tmp_path: Path) -> None:
    settings = stored_home(layout, tmp_path)
    with opened_database(settings, read_only=True) as connection:
        assert present_tables(connection) == layout_tables(layout), "the file of the layout is what it was"
    assert home_marker(settings).get("layout", 1) == layout
    before, index = raw_rows(settings), landed_index(settings)
    assert migrate_home(settings)
    assert home_marker(settings) == {"kind": "real", "layout": LAYOUT}
    with pipeline_database(settings) as connection:
        assert present_tables(connection) == catalog_tables(load_catalog())
        said = connection.execute("select layout, from_layout from ops.migrations order by layout").fetchall()
        assert said == layouts_said(layout)
        load_reference(connection)
        assert connection.execute("select count(*) > 40 from ref.fomc_meetings").fetchone() == (True,)
        connection.execute("select count(*) from ops.revisions").fetchone()
    assert raw_rows(settings) == before and sum(rows for rows, _ in before.values()) > 600
    after = landed_index(settings)
    assert [(entry.path, entry.sha256) for entry in after] == [(entry.path, entry.sha256) for entry in index]
    assert len(after) > 20 and all(is_whole(settings.landing, entry) for entry in after)
    assert not list(settings.home.glob("migration*"))
    assert not migrate_home(settings)


def test_the_providers_get_their_own_names(settings: Settings) -> None:
    assert sources(settings)["raw.equity_prices"] == [("live",)]
    assert landed(settings) == {("prices", "live"), ("futures", "live"), ("fred", "live")}
    assert migrate_home(settings)
    assert sources(settings) == PROVIDERS
    assert landed(settings) == {("prices", "yahoo"), ("futures", "yahoo"), ("fred", "fred")}
    with pipeline_database(settings, read_only=True) as connection:
        assert connection.execute(
            "select dataset, source, count(*) from ops.payloads group by all order by 1"
        ).fetchall() == [("fred", "fred", 7), ("futures", "yahoo", 7), ("prices", "yahoo", 7)]


def test_what_runs_know_of_each_other_is_kept(settings: Settings) -> None:
    unserved = json.loads((settings.home / "runs" / "unserved.json").read_text())
    assert migrate_home(settings)
    state = HomeState.read(settings.home)
    assert state.left_session == date(2024, 7, 15)
    assert state.decided == state.working == ("backfill__2024-07-15",)
    assert {name: moment.isoformat() for name, moment in state.unserved.items()} == unserved
    assert len(unserved) > 100
    assert [path.name for path in (settings.home / "runs").iterdir() if path.is_file()] == ["state.json"]


def test_a_text_of_the_runs_that_is_no_text_stops_no_migration(settings: Settings) -> None:
    (settings.home / "runs" / "decided.txt").write_bytes(b"\xff\xfe\xe9")
    assert migrate_home(settings)
    state = HomeState.read(settings.home)
    assert state.left_session == date(2024, 7, 15)
    assert (state.decided, state.working) == ((), ("backfill__2024-07-15",))


def test_the_oldest_home_publishes_what_a_new_one_does(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The next session in the migrated home: a trailing window, no row comes a second time, and every mart
    equals that of an empty home that loads the same landing.
    """
    before = raw_rows(settings)
    with Server(small_feed(date(2024, 7, 16)), key=CANARY) as server:
        environment = environ_of(server, settings.home) | {"ROTATION_HISTORY_START": str(HISTORY_START)}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        impatient(monkeypatch)
        run = context(Settings.from_environment(), "2024-07-16", "tuesday")
        fetch_all(run)
        loaded = steps.load(run)
        steps.build(run)
        steps.audit(run)
        steps.publish(run)
        assert loaded.datasets["prices"].source == "yahoo" and loaded.datasets["prices"].new_rows == 7
        assert {table: rows for table, (rows, _) in raw_rows(settings).items()} == {
            "raw.equity_prices": before["raw.equity_prices"][0] + 7,
            "raw.fed_funds_futures": before["raw.fed_funds_futures"][0] + 7,
            "raw.fred_observations": before["raw.fred_observations"][0] + loaded.datasets["fred"].new_rows,
        }
        empty = tmp_path / "empty"
        shutil.copytree(settings.landing, empty / "landing")
        monkeypatch.setenv("ROTATION_HOME", str(empty))
        name = "backfill__2024-07-16"
        fresh = context(
            Settings.from_environment(), "2024-07-16", name, turns=Turns(name, True, lambda ids: 0)
        )
        fetch_all(fresh)
        assert steps.load(fresh).datasets["prices"].replayed == 14
        steps.build(fresh)
    with opened_publication(fresh.settings) as connection:
        assert digests(connection) == published_digests(settings)


class Broken(Exception):
    """What a mistake in a step raises."""


@pytest.mark.parametrize("layout", range(2, LAYOUT + 1))
@pytest.mark.parametrize("part", ["change_tables", "change_documents"])
def test_a_step_that_fails_leaves_the_home_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: int, part: str
) -> None:
    """After all of its work; a mistake is raised as what it is, so that it is seen as one."""
    settings = stored_home(layout - 1, tmp_path)
    replace_step(monkeypatch, layout, part, Broken("the step"))
    before, tables = documents(settings), everything(settings)
    with pytest.raises(Broken):
        migrate_home(settings)
    assert documents(settings) == before
    assert everything(settings) == tables
    monkeypatch.undo()
    assert migrate_home(settings)


def replace_step(monkeypatch: pytest.MonkeyPatch, layout: int, part: str, error: Exception) -> None:
    """Let the step to a layout fail at the end of a part."""
    step = migrations.STEPS[layout - 2]
    work: Callable[[object], None] = getattr(step, part)

    def fails(argument: object) -> None:
        work(argument)
        raise error

    broken = Step(**{**{field.name: getattr(step, field.name) for field in fields(step)}, part: fails})
    monkeypatch.setattr(
        migrations, "STEPS", (*migrations.STEPS[: layout - 2], broken, *migrations.STEPS[layout - 1 :])
    )


def documents(settings: Settings) -> dict[str, bytes]:
    """Every file of the home but the database."""
    return {
        str(path.relative_to(settings.home)): path.read_bytes()
        for path in settings.home.rglob("*")
        if path.is_file() and path != settings.warehouse
    }


def everything(settings: Settings) -> dict[str, tuple[object, list[tuple[object, ...]]]]:
    """Every table of the database with its columns and rows."""
    with opened_database(settings, read_only=True) as connection:
        return {
            table: (columns, connection.execute(f"select * from {table} order by all").fetchall())
            for table, columns in present_tables(connection).items()
        }


def test_an_error_of_the_database_says_what_failed_and_that_it_was_undone(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = everything(settings)
    replace_step(monkeypatch, 2, "change_tables", duckdb.ConstraintException("Constraint Error: twice"))
    with pytest.raises(
        HomeError, match="the migration to layout 2 failed and was undone: Constraint Error: tw"
    ):
        migrate_home(settings)
    assert everything(settings) == tables


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_table_that_an_older_home_lacks_is_named_and_not_made_anew(layout: int, tmp_path: Path) -> None:
    settings = stored_home(layout, tmp_path)
    with opened_database(settings) as connection:
        connection.execute("drop table raw.equity_prices")
    with pytest.raises(HomeError, match=f"layout {layout}: the table raw.equity_prices is missing"):
        migrate_home(settings)
    assert home_marker(settings).get("layout", 1) == layout


def test_a_home_that_matches_no_layout_stays_as_it_was(settings: Settings) -> None:
    with opened_database(settings) as connection:
        connection.execute("alter table raw.equity_prices add column host varchar")
    before, tables = documents(settings), everything(settings)
    with pytest.raises(
        HomeError, match=r"tables of layout 1: raw\.equity_prices has a column too many: host"
    ):
        migrate_home(settings)
    assert documents(settings) == before and everything(settings) == tables


def test_landing_alone_of_the_version_before_is_migrated_too(settings: Settings) -> None:
    """The recovery of a lost warehouse: landing is put into an empty home, and a backfill loads it again."""
    settings.warehouse.unlink()
    (settings.home / "home.json").unlink()
    prepare_home(settings)
    assert migrate_home(settings)
    assert landed(settings) == {("prices", "yahoo"), ("futures", "yahoo"), ("fred", "fred")}
    assert home_marker(settings) == {"kind": "real", "layout": LAYOUT}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_home_without_its_database_gets_a_new_one(layout: int, tmp_path: Path) -> None:
    settings = stored_home(layout, tmp_path)
    settings.warehouse.unlink()
    assert migrate_home(settings)
    with pipeline_database(settings) as connection:
        assert connection.execute("select layout, from_layout from ops.migrations").fetchall() == [
            (LAYOUT, None)
        ]


def test_what_lies_in_the_log_of_the_database_is_migrated_too(settings: Settings, tmp_path: Path) -> None:
    """As a kill of the version before leaves it."""
    copy = tmp_path / "killed"
    with duckdb.connect(str(settings.warehouse), config={"checkpoint_threshold": "1TB"}) as connection:
        connection.execute(
            "insert into ops.runs values ('last', null, 'load', now()::timestamp, null, 1, 'success', '')"
        )
        shutil.copytree(settings.home, copy)
    assert (copy / "warehouse.duckdb.wal").exists()
    killed = Settings.from_environment({"ROTATION_SOURCE": "live", "ROTATION_HOME": str(copy)})
    assert migrate_home(killed)
    assert not (copy / "warehouse.duckdb.wal").exists()
    with pipeline_database(killed, read_only=True) as connection:
        assert connection.execute("select step from ops.runs where run_id = 'last'").fetchall() == [("load",)]


def test_a_backup_of_the_version_before_is_restored_and_migrated(settings: Settings, tmp_path: Path) -> None:
    """Going back: the backup of before the upgrade holds the home as it was, and can be upgraded again. It is
    made by either version, and changes nothing.
    """
    tables = everything(settings)
    made = make_backup(settings, tmp_path / "backups")
    assert everything(settings) == tables and "layout" not in home_marker(settings)
    assert migrate_home(settings)
    environ = {
        "ROTATION_SOURCE": "live",
        "ROTATION_CHECK_SOURCES": "none",
        "ROTATION_HOME": str(tmp_path / "back"),
    }
    back = Settings.from_environment(environ)
    restore(back, made.folder)
    assert everything(back) == tables and landed(back) == {
        ("prices", "live"),
        ("futures", "live"),
        ("fred", "live"),
    }
    assert older_home(back) == f"{back.home} has layout 1; the next run migrates it to layout {LAYOUT}."
    assert migrate_home(back) and older_home(back) is None
    assert raw_rows(back) == raw_rows(settings)


def test_a_backup_after_the_migration_holds_the_new_descriptions(settings: Settings, tmp_path: Path) -> None:
    """A description that is rewritten at the same size must not be linked to the backup before."""
    target = tmp_path / "backups"
    make_backup(settings, target)
    assert migrate_home(settings)
    time.sleep(1.1)  # backups are named by the second
    second = make_backup(settings, target)
    entries = [json.loads(path.read_text()) for path in (second.folder / "landing").rglob("*.json")]
    assert {entry["source"] for entry in entries} == {"yahoo", "fred"}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_warehouse_elsewhere_is_looked_at_whatever_the_home_says(layout: int, tmp_path: Path) -> None:
    held = stored_home(layout, tmp_path)
    other = Settings.from_environment(
        {
            "ROTATION_SOURCE": held.source,
            "ROTATION_FILES_DIR": str(tmp_path),
            "ROTATION_CHECK_SOURCES": "none",
            "ROTATION_HOME": str(tmp_path / "other"),
            "ROTATION_WAREHOUSE": str(held.warehouse),
        }
    )
    before = raw_rows(other)
    prepare_home(other)
    write_home_marker(other, {"kind": "real", "layout": LAYOUT})
    assert migrate_home(other)
    assert raw_rows(other) == before
    with pipeline_database(other, read_only=True) as connection:
        assert present_tables(connection) == catalog_tables(load_catalog())
    if layout == 1:
        assert sources(other) == PROVIDERS
    assert not migrate_home(other)
