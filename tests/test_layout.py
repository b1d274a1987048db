"""A home is what its layout says: no column or document changes without a new number, and a home whose tables
differ is refused by name before anything is inserted.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

import cli.backup
import cli.digest
import cli.layout
import cli.model
import cli.restore
import cli.run
import cli.status
from alerts.checks import check_publication
from cli.layout import changes, described
from operations.backup import make_backup
from operations.housekeeping import HousekeepingFailed, clean_home
from pipeline import steps
from tests.small_market import context
from warehouse.database import LAYOUT, HomeError, home_marker, pipeline_database, prepare_home
from warehouse.migrations import STEPS, migrate_home
from warehouse.migrations.stored import FOLDER, layout_description
from warehouse.publication import attached_pipeline
from warehouse.settings import Settings


def settings_of(folder: Path, **changes: str) -> Settings:
    environ = {
        "ROTATION_SOURCE": "files",
        "ROTATION_FILES_DIR": str(folder),
        "ROTATION_HOME": str(folder / "home"),
        **changes,
    }
    return Settings.from_environment(environ)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a new home."""
    folder = tmp_path_factory.mktemp("made")
    prepare_home(settings_of(folder))
    with pipeline_database(settings_of(folder)):
        pass
    return folder


@pytest.fixture
def settings(made: Path, tmp_path: Path) -> Settings:
    """A new home of its own."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return settings_of(tmp_path)


def test_no_table_or_document_changes_without_a_new_layout() -> None:
    found = changes(layout_description(LAYOUT), described())
    assert found == [], f"{'; '.join(found)}. {cli.layout.ADVICE}"


def test_every_layout_has_a_file_and_a_step_that_says_what_it_changes() -> None:
    assert [step.layout for step in STEPS] == list(range(2, LAYOUT + 1))
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(f"{n}.yml" for n in range(1, LAYOUT + 1))
    assert all(len(step.says) > 20 for step in STEPS)


@pytest.mark.parametrize(
    ("part", "name", "edit", "expected"),
    [
        ("tables", "ops.runs", lambda text: text + ", host VARCHAR", "table ops.runs has got host VARCHAR"),
        (
            "tables",
            "ops.runs",
            lambda text: text.replace("rows BIGINT", "rows INTEGER"),
            "table ops.runs no longer has rows BIGINT",
        ),
        (
            "tables",
            "ops.runs",
            lambda text: text.replace(
                "rows BIGINT, outcome VARCHAR not null", "outcome VARCHAR not null, rows BIGINT"
            ),
            "table ops.runs has another order",
        ),
        ("tables", "raw.new", lambda _: "a DATE", "table raw.new is new"),
        (
            "documents",
            "landing",
            lambda text: text + ", note: str = default",
            "document landing has got note",
        ),
        (
            "documents",
            "runs/state.json",
            lambda text: text.replace("unserved", "absent"),
            "document runs/state.json no longer has unserved",
        ),
        (
            "documents",
            "runs/*/RunPlan",
            lambda text: text + ", host: str",
            "document runs/*/RunPlan has got host: str",
        ),
    ],
)
def test_what_changes_is_named(part: str, name: str, edit: Callable[[str], str], expected: str) -> None:
    now = described()
    now[part][name] = edit(now[part].get(name, ""))
    assert changes(layout_description(LAYOUT), now)[0].startswith(expected)


def test_a_table_that_goes_is_named_and_a_new_default_of_a_run_is_no_change() -> None:
    now = described()
    now["documents"]["runs/*/LoadSummary"] += ", host: str = default"
    now["documents"]["runs/*/New"] = "host: str"
    assert changes(layout_description(LAYOUT), now) == []
    del now["tables"]["ops.freshness"]
    assert changes(layout_description(LAYOUT), now) == ["table ops.freshness is gone"]


def test_the_file_of_a_layout_is_not_written_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli.layout, "FOLDER", tmp_path)
    assert cli.layout.main() == 0
    written = (tmp_path / f"{LAYOUT}.yml").read_text()
    assert written == (FOLDER / f"{LAYOUT}.yml").read_text()
    changed = described()
    changed["tables"]["ops.runs"] += ", host VARCHAR"
    monkeypatch.setattr(cli.layout, "described", lambda: changed)
    assert cli.layout.main() == 1
    assert "table ops.runs has got host VARCHAR" in capsys.readouterr().err
    assert (tmp_path / f"{LAYOUT}.yml").read_text() == written


DIFFERENCES = {
    "column missing": (
        "alter table ops.freshness drop column source",
        "ops.freshness has no column source (VARCHAR)",
    ),
    "column too many": (
        "alter table ops.runs add column host varchar",
        "ops.runs has a column too many: host",
    ),
    "other type": (
        "alter table raw.equity_prices alter volume type varchar",
        "raw.equity_prices.volume is VARCHAR and must be ",
    ),
    "may be NULL": (
        "alter table ops.runs alter outcome drop not null",
        "ops.runs.outcome may be NULL there and must not be by the catalog",
    ),
    "must not be NULL": (
        "alter table ops.runs alter message set not null",
        "ops.runs.message must not be NULL there and may be by the catalog",
    ),
    "other order": (
        "drop table ref.pairs; create table ref.pairs (base_symbol varchar not null,"
        " pair_id varchar not null, quote_symbol varchar not null, theme varchar not null,"
        " chosen_after_the_fact boolean not null, why_chosen varchar not null)",
        "the columns of ref.pairs are in another order, from pair_id on",
    ),
    "table missing": ("drop table ref.claims", "the table ref.claims is missing"),
    "table of raw missing": ("drop table raw.equity_prices", "the table raw.equity_prices is missing"),
    "schema missing": ("drop schema raw cascade", "the table raw.bank_financials is missing"),
    "view in place of a table": (
        "drop table ops.freshness; create view ops.freshness as select 1 as dataset",
        "ops.freshness is a view and must be a table",
    ),
}


@pytest.mark.parametrize(("sql", "expected"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_a_home_that_differs_is_refused_by_name(settings: Settings, sql: str, expected: str) -> None:
    with duckdb.connect(str(settings.warehouse)) as connection:
        connection.execute(sql)
    for read_only in (False, True):
        with (
            pytest.raises(HomeError) as refused,
            pipeline_database(settings, read_only=read_only),
        ):
            pass
        assert expected in str(refused.value) and "Restore the last backup" in str(refused.value)
    with (
        duckdb.connect() as connection,
        pytest.raises(HomeError, match="does not have the tables of layout"),
        attached_pipeline(connection, settings),
    ):
        pass


def test_a_run_in_a_home_that_differs_fails_once_with_the_sentence(settings: Settings) -> None:
    """It was a BinderException in mid-run, tried again for minutes, with the status at running."""
    with duckdb.connect(str(settings.warehouse)) as connection:
        connection.execute("alter table ops.runs add column host varchar")
    with pytest.raises(HomeError, match=r"ops\.runs has a column too many: host"):
        steps.plan(context(settings, "2024-07-15"))
    status = json.loads((settings.published / "status.json").read_text())
    assert status["state"] == "failed"
    assert "ops.runs has a column too many: host" in status["message"]


@pytest.mark.parametrize(
    "marker", ['{"kind": "real", "layout": "5"}', '{"kind": "real", "layout": 99}', "{}"]
)
def test_a_run_in_a_home_that_is_refused_says_so_in_the_status(settings: Settings, marker: str) -> None:
    (settings.home / "home.json").write_text(marker)
    with pytest.raises(HomeError) as refused:
        steps.plan(context(settings, "2024-07-15"))
    status = json.loads((settings.published / "status.json").read_text())
    assert (status["state"], status["step"], status["message"]) == ("failed", "plan", str(refused.value))


def test_a_table_that_nobody_asked_for_is_left_alone(settings: Settings) -> None:
    with duckdb.connect(str(settings.warehouse)) as connection:
        connection.execute("create table ops.notes (text varchar)")
    with pipeline_database(settings) as connection:
        assert connection.execute("select count(*) from ops.notes").fetchone() == (0,)


@pytest.mark.parametrize("layout", ["5", "text", -1, 0, 4.0, 1.5, True, None, [4]])
def test_a_layout_that_is_no_number_is_refused(settings: Settings, layout: object) -> None:
    (settings.home / "home.json").write_text(json.dumps({"kind": "real", "layout": layout}))
    for open_home in (migrate_home, home_marker):
        with pytest.raises(
            HomeError, match=r"home\.json: layout is .*; it must be a whole number of 1 or more"
        ):
            open_home(settings)


@pytest.mark.parametrize("text", ["", "{", "[]", "5", '{"layout": 4}', '{"kind": "other"}', '{"kind": 1}'])
def test_a_home_file_without_a_kind_is_refused(settings: Settings, text: str) -> None:
    (settings.home / "home.json").write_text(text)
    with pytest.raises(HomeError, match="it must hold"):
        migrate_home(settings)


def test_a_log_without_its_database_is_not_thrown_away(settings: Settings) -> None:
    """DuckDB deletes it silently when it makes a new file beside it."""
    log = settings.warehouse.with_name("warehouse.duckdb.wal")
    settings.warehouse.rename(log)
    with pytest.raises(HomeError, match="Put the file back beside its log"), pipeline_database(settings):
        pass
    assert log.exists()


@pytest.mark.parametrize("content", [b"", b"no database" * 500])
def test_a_file_that_is_no_database_is_named(settings: Settings, content: bytes) -> None:
    settings.warehouse.write_bytes(content)
    with pytest.raises(HomeError, match=r"warehouse\.duckdb cannot be opened"):
        migrate_home(settings)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("where", ["home.json", "database"])
def test_every_command_refuses_a_home_of_a_later_version(
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    where: str,
) -> None:
    if where == "home.json":
        (settings.home / "home.json").write_text(json.dumps({"kind": "real", "layout": LAYOUT + 1}))
    else:
        with duckdb.connect(str(settings.warehouse)) as connection:
            connection.execute(
                f"insert into ops.migrations values ({LAYOUT + 1}, {LAYOUT}, now()::timestamp)"
            )
    sentence = f"was written by a later version (layout {LAYOUT + 1}, this one knows {LAYOUT}). Run that"
    for name, value in {
        "ROTATION_SOURCE": "files",
        "ROTATION_FILES_DIR": str(tmp_path),
        "ROTATION_HOME": str(settings.home),
        "ROTATION_BACKUP_DIR": str(tmp_path / "backups"),
    }.items():
        monkeypatch.setenv(name, value)
    before = files(settings.home)
    commands: dict[str, Callable[[], Any]] = {
        "backup": cli.backup.main,
        "model": lambda: cli.model.main(["marts.instrument_daily"]),
    }
    if where == "home.json":
        commands |= {"run": cli.run.main, "digest": cli.digest.main, "status": cli.status.main}
        assert check_publication(settings, datetime.now(UTC)).problems[0].count(sentence) == 1
        with pytest.raises(HousekeepingFailed, match="was written by a later version"):
            clean_home(settings)
    for name, command in commands.items():
        assert command() != 0, name
        printed = capsys.readouterr()
        assert sentence in printed.out + printed.err, name
    after = {
        path: content
        for path, content in files(settings.home).items()
        # Made while the database is looked at: nothing that anybody reads.
        if not path.endswith(("/tmp/model.duckdb", "/.run.lock"))
    }
    assert after == before
    for refused in (
        lambda: migrate_home(settings),
        lambda: steps.plan(context(settings, "2024-07-15")),
        lambda: pipeline_database(settings).__enter__(),
    ):
        with pytest.raises(HomeError) as error:
            refused()
        assert sentence in str(error.value)


def test_a_backup_of_a_later_version_is_not_restored(settings: Settings, tmp_path: Path) -> None:
    from operations import backup

    made = make_backup(settings, tmp_path / "backups").folder
    marker, sums, description = (made / name for name in ("home.json", "SHA256SUMS", "backup.json"))
    for path in (marker, sums, description):
        path.chmod(0o644)
    marker.write_text(json.dumps({"kind": "real", "layout": LAYOUT + 1}))
    lines = [line for line in sums.read_text().splitlines() if not line.endswith("home.json")]
    sums.write_text("\n".join([*lines, f"{backup._digest(marker)}  home.json"]) + "\n")
    entry = json.loads(description.read_text()) | {"sums_sha256": backup._digest(sums)}
    description.write_text(json.dumps(entry))
    empty = settings_of(tmp_path, ROTATION_HOME=str(tmp_path / "empty"))
    with pytest.raises(HomeError, match="was written by a later version"):
        backup.restore(empty, made)
    assert not empty.home.exists()


def test_a_step_after_the_plan_does_not_work_in_a_home_that_was_not_migrated(settings: Settings) -> None:
    (settings.home / "home.json").write_text(json.dumps({"kind": "real", "layout": LAYOUT - 1}))
    with (
        pytest.raises(HomeError, match=r"made by an earlier version \(layout \d+, this one works with \d+\)"),
        pipeline_database(settings),
    ):
        pass
