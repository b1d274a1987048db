"""A migration that is killed, or runs out of disk, at any point: the home is the old one or the new one, and
the next run ends what was begun.

Each kill is a SIGKILL of a process of its own, forked from one that has the modules loaded.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from operations.backup import BackupRefused, make_backup
from tests.stored_homes import landed_index, layouts_said, raw_rows, stored_home
from tests.test_migrations import documents, everything
from warehouse import migrations
from warehouse.catalog import load_catalog
from warehouse.database import (
    LAYOUT,
    HomeError,
    WarehouseBusy,
    home_marker,
    opened_database,
    pipeline_database,
)
from warehouse.landing import Landed
from warehouse.migrations import copies, layout_2, migrate_home
from warehouse.migrations.stored import layout_tables
from warehouse.schema import catalog_tables, present_tables
from warehouse.settings import Settings

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.test_killed_migrations"])


def kill(*_: object, **__: object) -> None:
    """Ends this process as the kernel or an impatient person does."""
    os.kill(os.getpid(), signal.SIGKILL)


def after(work: Callable[..., Any]) -> Callable[..., Any]:
    """The work, then the kill."""

    def killed(*arguments: Any, **named: Any) -> Any:
        work(*arguments, **named)
        kill()

    return killed


# Where the process ends: module, name, and what takes the name's place.
POINTS: dict[str, Callable[[Any], None]] = {
    "before the copy": lambda patch: patch.setattr(migrations, "make_copy", kill),
    "in the copy": lambda patch: patch.setattr(copies.os, "rename", kill),
    "after the copy": lambda patch: patch.setattr(migrations, "make_copy", after(migrations.make_copy)),
    "in the transaction": lambda patch: patch.setattr(
        migrations, "_change_tables", after(migrations._change_tables)
    ),
    "between the documents": lambda patch: patch.setattr(layout_2, "_join_run_state", kill),
    "after the documents": lambda patch: patch.setattr(
        layout_2, "_join_run_state", after(layout_2._join_run_state)
    ),
    "after the commit": lambda patch: patch.setattr(migrations, "write_home_marker", kill),
    "after the number": lambda patch: patch.setattr(migrations, "remove_copy", kill),
    "in the removal": lambda patch: patch.setattr(copies.shutil, "rmtree", kill),
}


def migrate_and_die(settings: Settings, point: str) -> None:
    """In a process of its own."""
    patch = pytest.MonkeyPatch()
    POINTS[point](patch)
    migrate_home(settings)


def end_of(target: Callable[..., None], *arguments: object) -> int | None:
    """Run in a process of its own; its exit code."""
    process = PROCESSES.Process(target=target, args=arguments)
    process.start()
    process.join(60)
    return process.exitcode


BEFORE_THE_COMMIT = tuple(POINTS)[:6]


@pytest.mark.parametrize(
    ("layout", "point"),
    [
        *((1, point) for point in POINTS),
        *((layout, point) for layout in (4, 5) for point in POINTS if "documents" not in point),
    ],
)
def test_a_killed_migration_is_ended_by_the_next_run(layout: int, point: str, tmp_path: Path) -> None:
    settings = stored_home(layout, tmp_path)
    before, index = raw_rows(settings), landed_index(settings)
    for _ in range(2):  # the run that would end it is killed at the same point
        assert end_of(migrate_and_die, settings, point) == -signal.SIGKILL
        assert home_marker(settings).get("layout", 1) in (layout, layout + 1)
        assert raw_rows(settings) == before
        if point in BEFORE_THE_COMMIT:
            assert home_marker(settings).get("layout", 1) == layout
            with opened_database(settings, read_only=True) as connection:
                assert present_tables(connection) == layout_tables(layout)
    assert migrate_home(settings) or point in ("after the commit", "after the number", "in the removal")
    require_migrated(settings, before, index, layout)


def require_migrated(settings: Settings, before: Any, index: list[Landed], layout: int) -> None:
    assert home_marker(settings) == {"kind": "real", "layout": LAYOUT}
    with pipeline_database(settings) as connection:
        assert present_tables(connection) == catalog_tables(load_catalog())
        said = connection.execute("select layout, from_layout from ops.migrations order by layout").fetchall()
        assert said == layouts_said(layout)
    assert raw_rows(settings) == before
    after = landed_index(settings)
    assert [entry.path for entry in after] == [entry.path for entry in index]
    assert {entry.source for entry in after} in ({"yahoo", "fred"}, {"files"})
    assert not list(settings.home.glob("migration*")) and not list(settings.home.glob("*.tmp"))


def test_a_database_that_did_not_survive_the_kill_is_put_back(tmp_path: Path) -> None:
    settings = stored_home(4, tmp_path)
    before, index = raw_rows(settings), landed_index(settings)
    assert end_of(migrate_and_die, settings, "in the transaction") == -signal.SIGKILL
    settings.warehouse.write_bytes(b"half a page" * 1000)
    settings.warehouse.with_name("warehouse.duckdb.wal").write_bytes(b"a log of what is gone")
    assert migrate_home(settings)
    require_migrated(settings, before, index, 4)


def test_a_damaged_database_is_not_taken_for_a_busy_one(tmp_path: Path) -> None:
    """DuckDB names the damaged "block", and that holds the word lock."""
    settings = stored_home(4, tmp_path)
    before, index = raw_rows(settings), landed_index(settings)
    assert end_of(migrate_and_die, settings, "in the transaction") == -signal.SIGKILL
    content = bytearray(settings.warehouse.read_bytes())
    content[5000] ^= 0xFF
    settings.warehouse.write_bytes(content)
    with pytest.raises(HomeError, match=r"A database file of .* is damaged") as refused:
        raw_rows(settings)
    assert not isinstance(refused.value, WarehouseBusy)
    assert migrate_home(settings)
    require_migrated(settings, before, index, 4)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("migration/copy.json", "{", "copy.json cannot be read"),
        ("migration/copy.json", "[]", "copy.json cannot be read"),
        ("migration/copy.json", '{"layout": 9, "colour": "red"}', "copy.json cannot be read"),
        ("migration/notes.txt", "mine", "migration is in the way"),
        ("migration", "mine", "migration is in the way"),
    ],
)
def test_what_is_no_copy_is_named_and_stays(name: str, content: str, said: str, tmp_path: Path) -> None:
    settings = stored_home(4, tmp_path)
    (settings.home / name).parent.mkdir(exist_ok=True)
    (settings.home / name).write_text(content)
    before = everything(settings)
    with pytest.raises(HomeError, match=said):
        migrate_home(settings)
    assert everything(settings) == before


def test_a_migration_that_goes_on_elsewhere_is_not_taken_for_an_interrupted_one(tmp_path: Path) -> None:
    settings = stored_home(4, tmp_path)
    assert end_of(migrate_and_die, settings, "in the copy") == -signal.SIGKILL
    script = (
        "import sys, duckdb; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(settings.warehouse)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "open\n"
        with pytest.raises(WarehouseBusy):
            migrate_home(settings)
        assert (settings.home / "migration.partial").exists()
        other.communicate("")
    assert migrate_home(settings)


def test_a_backup_waits_for_the_end_of_an_interrupted_migration(tmp_path: Path) -> None:
    settings = stored_home(4, tmp_path)
    assert end_of(migrate_and_die, settings, "after the commit") == -signal.SIGKILL
    with pytest.raises(BackupRefused, match="was interrupted; the next run ends it"):
        make_backup(settings, tmp_path / "backups")
    migrate_home(settings)
    made = make_backup(settings, tmp_path / "backups")
    assert made.description.tables["ops.migrations"] == len(layouts_said(4))


def migrate_on_a_full_disk(settings: Settings, limit: int, report: Path) -> None:
    """In a process of its own, where no file can grow beyond a limit."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        migrate_home(settings)
    except HomeError as error:
        os.truncate(report, 0)
        with report.open("r+") as stream:
            stream.write(str(error))


@pytest.mark.parametrize(("layout", "room"), [(1, 0.5), (4, 0.5), (1, 1.0)])
def test_a_disk_that_fills_up_leaves_the_old_home(layout: int, room: float, tmp_path: Path) -> None:
    """In the copy; or, with the copy made, when what was committed is to go from the log into the file."""
    settings = stored_home(layout, tmp_path)
    before, index = raw_rows(settings), landed_index(settings)
    tables, kept = everything(settings), documents(settings)
    report = tmp_path / "report"
    report.touch()
    limit = int(room * settings.warehouse.stat().st_size)
    assert end_of(migrate_on_a_full_disk, settings, limit, report) == 0
    assert f"the migration to layout {layout + 1} failed and was undone" in report.read_text()
    assert documents(settings) == kept and everything(settings) == tables
    assert migrate_home(settings)
    require_migrated(settings, before, index, layout)


def test_too_little_room_is_said_before_anything_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = stored_home(1, tmp_path)
    kept, size = documents(settings), settings.warehouse.stat().st_size
    monkeypatch.setattr(
        copies.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9 - size, size)
    )
    with pytest.raises(
        HomeError, match=r"MB left and the migration to layout 2 needs about \d+ MB\. Nothing"
    ):
        migrate_home(settings)
    assert documents(settings) == kept
