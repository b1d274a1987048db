"""A home that the version before made: the providers get their own names, and the next run goes on in it.

`data/home_layout_1.tar.xz` is such a home, made by that version (commit d1517ff) in a live run against the
local server of `tests.faults`, with the simulated market's values: seven symbols, seven series and seven
contracts from 2024-05-01 to 2024-07-15, and a backfill under way.
"""

from __future__ import annotations

import json
import tarfile
import time
from datetime import date
from pathlib import Path

import duckdb
import pytest

from operations.backup import make_backup
from pipeline import steps
from pipeline.state import HomeState
from tests.faults.home import impatient
from tests.faults.server import Server
from tests.small_market import context, fetch_all
from tests.test_live_run import CANARY, environ_of, small_feed
from warehouse import migrations
from warehouse.catalog import load_catalog
from warehouse.database import (
    LAYOUT,
    HomeError,
    home_marker,
    pipeline_database,
    prepare_home,
    write_home_marker,
)
from warehouse.migrations import RAW_TABLES, migrate_home
from warehouse.reference_data import load_reference
from warehouse.settings import Settings

ARCHIVE = Path(__file__).parent / "data" / "home_layout_1.tar.xz"
PROVIDERS = {
    "raw.equity_prices": [("yahoo",)],
    "raw.fed_funds_futures": [("yahoo",)],
    "raw.fred_observations": [("fred",)],
    "raw.bank_financials": [],
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The old home, unpacked."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    return Settings.from_environment(
        {
            "ROTATION_SOURCE": "live",
            "ROTATION_CHECK_SOURCES": "none",
            "ROTATION_HOME": str(tmp_path / "home"),
            "ROTATION_HISTORY_START": "2024-05-01",
        }
    )


def sources(settings: Settings) -> dict[str, list[tuple[str]]]:
    with pipeline_database(settings, read_only=True) as connection:
        return {
            table: connection.execute(f"select distinct source from {table} order by 1").fetchall()
            for table in RAW_TABLES
        }


def landed(settings: Settings) -> set[tuple[str, str]]:
    entries = [json.loads(path.read_text()) for path in settings.landing.rglob("*.json")]
    return {(entry["dataset"], entry["source"]) for entry in entries}


def content(settings: Settings) -> list[list[tuple[object, ...]]]:
    """Everything in raw but the provider."""
    with pipeline_database(settings, read_only=True) as connection:
        return [
            connection.execute(f"select * exclude (source) from {table} order by all").fetchall()
            for table in RAW_TABLES
        ]


def test_the_providers_get_their_own_names_and_nothing_else_changes(settings: Settings) -> None:
    before, payloads = content(settings), sorted(settings.landing.rglob("*.gz"))
    assert sources(settings)["raw.equity_prices"] == [("live",)]
    assert landed(settings) == {("prices", "live"), ("futures", "live"), ("fred", "live")}
    assert migrate_home(settings)
    assert sources(settings) == PROVIDERS
    assert landed(settings) == {("prices", "yahoo"), ("futures", "yahoo"), ("fred", "fred")}
    with pipeline_database(settings, read_only=True) as connection:
        assert connection.execute(
            "select dataset, source, count(*) from ops.payloads group by all order by 1"
        ).fetchall() == [("fred", "fred", 7), ("futures", "yahoo", 7), ("prices", "yahoo", 7)]
    assert content(settings) == before and len(before[0]) == 357
    assert sorted(settings.landing.rglob("*.gz")) == payloads
    assert home_marker(settings) == {"kind": "real", "layout": LAYOUT}
    assert not migrate_home(settings)


def test_what_runs_know_of_each_other_is_kept(settings: Settings) -> None:
    unserved = json.loads((settings.home / "runs" / "unserved.json").read_text())
    assert migrate_home(settings)
    state = HomeState.read(settings.home)
    assert state.left_session == date(2024, 7, 15)
    assert state.decided == state.working == ("backfill__2024-07-15",)
    assert {name: moment.isoformat() for name, moment in state.unserved.items()} == unserved
    assert len(unserved) > 100
    assert [path.name for path in (settings.home / "runs").iterdir() if path.is_file()] == ["state.json"]


@pytest.mark.parametrize("step", ["_name_providers_in_warehouse", "_join_run_state", "write_home_marker"])
def test_an_interrupted_migration_is_finished_by_the_next(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def killed(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(migrations, step, killed)
        with pytest.raises(KeyboardInterrupt):
            migrate_home(settings)
    assert "layout" not in home_marker(settings)
    assert migrate_home(settings)
    assert sources(settings) == PROVIDERS
    assert HomeState.read(settings.home).left_session == date(2024, 7, 15)


def test_a_home_of_a_later_version_is_refused(settings: Settings) -> None:
    (settings.home / "home.json").write_text(json.dumps({"kind": "real", "layout": LAYOUT + 1}))
    with pytest.raises(HomeError, match="was written by a later version"):
        migrate_home(settings)


def test_the_next_session_goes_on_in_a_migrated_home(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trailing window, not the whole history again, and no row that is there comes a second time."""
    before = content(settings)
    with Server(small_feed(date(2024, 7, 16)), key=CANARY) as server:
        environment = {**environ_of(server, settings.home), "ROTATION_HISTORY_START": "2024-05-01"}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        impatient(monkeypatch)
        run = context(Settings.from_environment(), "2024-07-16", "tuesday")
        fetch_all(run)
        loaded = steps.load(run)
    assert loaded.datasets["prices"].source == "yahoo" and loaded.datasets["fred"].source == "fred"
    assert loaded.datasets["prices"].new_rows == 7
    with duckdb.connect(str(settings.warehouse), read_only=True) as connection:
        assert connection.execute(
            "select distinct request_start_date > date '2024-06-01' from ops.payloads"
            " where run_id = 'tuesday' and dataset = 'prices'"
        ).fetchall() == [(True,)]
    after = content(settings)
    assert all(set(old) <= set(new) for old, new in zip(before, after, strict=True))
    assert sources(settings) == PROVIDERS


def test_landing_alone_of_the_version_before_is_migrated_too(settings: Settings) -> None:
    """The recovery of a lost warehouse: landing is put into an empty home, and a backfill loads it again."""
    settings.warehouse.unlink()
    (settings.home / "home.json").unlink()
    prepare_home(settings)
    assert migrate_home(settings)
    assert landed(settings) == {("prices", "yahoo"), ("futures", "yahoo"), ("fred", "fred")}


def test_a_backup_after_the_migration_holds_the_new_descriptions(settings: Settings, tmp_path: Path) -> None:
    """A description that is rewritten at the same size must not be linked to the backup before."""
    target = tmp_path / "backups"
    make_backup(settings, target)
    assert migrate_home(settings)
    time.sleep(1.1)  # backups are named by the second
    second = make_backup(settings, target)
    entries = [json.loads(path.read_text()) for path in (second.folder / "landing").rglob("*.json")]
    assert {entry["source"] for entry in entries} == {"yahoo", "fred"}


def test_a_warehouse_elsewhere_is_looked_at_whatever_the_home_says(
    settings: Settings, tmp_path: Path
) -> None:
    other = Settings.from_environment(
        {
            "ROTATION_SOURCE": "live",
            "ROTATION_CHECK_SOURCES": "none",
            "ROTATION_HOME": str(tmp_path / "other"),
            "ROTATION_WAREHOUSE": str(settings.warehouse),
        }
    )
    prepare_home(other)
    write_home_marker(other, {"kind": "real", "layout": LAYOUT})
    assert migrate_home(other)
    assert sources(settings) == PROVIDERS
    assert not migrate_home(other)


def test_a_reference_table_of_layout_3_is_made_anew_and_filled_by_the_next_load(tmp_path: Path) -> None:
    settings = Settings.from_environment({"ROTATION_SOURCE": "live", "ROTATION_HOME": str(tmp_path / "home")})
    prepare_home(settings)
    table = load_catalog()["ref.fomc_meetings"]
    with pipeline_database(settings) as connection:
        for column in ("announced_on", "announced_on_assumed", "listed_from"):
            connection.execute(f"alter table ref.fomc_meetings drop column {column}")
    write_home_marker(settings, {"kind": "real", "layout": 3})
    assert migrate_home(settings)
    with pipeline_database(settings) as connection:
        load_reference(connection)
        rows = connection.execute("select * from ref.fomc_meetings where decision_date = '2025-01-29'")
        [row] = [dict(zip(table.column_names, found, strict=True)) for found in rows.fetchall()]
    assert (str(row["announced_on"]), str(row["listed_from"])) == ("2023-06-23", "2023-12-14")
    assert str(row["known_from_date"]) == "2023-06-23"
    assert not migrate_home(settings)


def test_a_column_that_a_table_has_got_since_is_added_once(tmp_path: Path) -> None:
    settings = Settings.from_environment({"ROTATION_SOURCE": "live", "ROTATION_HOME": str(tmp_path / "home")})
    prepare_home(settings)
    names = load_catalog()["ops.freshness"].column_names
    with pipeline_database(settings) as connection:
        connection.execute("alter table ops.freshness drop column source")
        connection.execute("insert into ops.freshness values ('fred', 'DGS2', true, null, null, true)")
    write_home_marker(settings, {"kind": "real", "layout": 2})
    assert migrate_home(settings)
    with pipeline_database(settings) as connection:
        rows = connection.execute("select * from ops.freshness")
        assert [column[0] for column in rows.description or []] == names
        assert rows.fetchall() == [("fred", "DGS2", True, None, None, True, None)]
    assert not migrate_home(settings)
