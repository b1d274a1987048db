"""`make run` says at once that nothing is new only where every file that a run reads or left is the same."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from cli.up_to_date import inputs_now, remember, up_to_date
from warehouse.settings import Settings

SESSION = date(2024, 7, 16)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home that a run has just left: a publication, a database, input files."""
    market, folder = tmp_path / "market", tmp_path / "home"
    (market / "prices").mkdir(parents=True)
    (market / "prices" / "SPY.csv").write_text("date,close\n2024-07-16,564.86\n", encoding="utf-8")
    generation = folder / "published" / "generations" / "1"
    generation.mkdir(parents=True)
    (generation / "warehouse.duckdb").write_bytes(b"published")
    (folder / "published" / "current").symlink_to("generations/1")
    (folder / "warehouse.duckdb").write_bytes(b"raw")
    _write_status(folder, state="success")
    for name, value in (("SOURCE", "files"), ("FILES_DIR", market), ("HOME", folder)):
        monkeypatch.setenv(f"ROTATION_{name}", str(value))
    settings = Settings.from_environment()
    remember(settings, SESSION, inputs_now(settings))
    return settings


def _write_status(folder: Path, **fields: str) -> None:
    status = {"session_date": str(SESSION), "generation": 1, "written_at_utc": "2024-07-16T23:00:00"}
    (folder / "published" / "status.json").write_text(json.dumps(status | fields), encoding="utf-8")


def _other_input_of_the_same_size_and_time(home: Settings) -> None:
    assert home.files_dir is not None
    path = home.files_dir / "prices" / "SPY.csv"
    times = path.stat()
    path.write_text(path.read_text(encoding="utf-8").replace("564.86", "564.87"), encoding="utf-8")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def _one_more_input(home: Settings) -> None:
    assert home.files_dir is not None
    (home.files_dir / "events.csv").write_text("event_date\n", encoding="utf-8")


def _database_written(home: Settings) -> None:
    home.warehouse.write_bytes(b"raw and more")


def _damaged_publication(home: Settings) -> None:
    (home.published / "current" / "warehouse.duckdb").write_bytes(b"damaged!!")


def _another_publication(home: Settings) -> None:
    os.rename(home.published / "generations" / "1", home.published / "generations" / "2")
    (home.published / "current").unlink()
    (home.published / "current").symlink_to("generations/2")


def _failed_run(home: Settings) -> None:
    _write_status(home.home, state="failed")


def _repaired_session(home: Settings) -> None:
    _write_status(home.home, state="success", session_date="2024-07-17")


def _lost_stamp(home: Settings) -> None:
    (home.home / ".up-to-date").unlink()


def test_nothing_is_new_where_nothing_changed(home: Settings) -> None:
    found = up_to_date(home, SESSION, inputs_now(home))
    assert found is not None and found["generation"] == 1


@pytest.mark.parametrize(
    "change",
    [
        _other_input_of_the_same_size_and_time,
        _one_more_input,
        _database_written,
        _damaged_publication,
        _another_publication,
        _failed_run,
        _repaired_session,
        _lost_stamp,
    ],
)
def test_whatever_changed_is_looked_at(home: Settings, change: Callable[[Settings], None]) -> None:
    change(home)
    assert up_to_date(home, SESSION, inputs_now(home)) is None


def test_another_session_is_looked_at(home: Settings) -> None:
    assert up_to_date(home, date(2024, 7, 17), inputs_now(home)) is None


@pytest.mark.parametrize("name", ["ROTATION_HISTORY_START", "ROTATION_BANK_FINANCIALS_SOURCE"])
def test_other_settings_are_looked_at(home: Settings, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "2001-01-02" if "START" in name else "files")
    assert up_to_date(home, SESSION, inputs_now(home)) is None


def test_the_product_s_own_files_count(
    home: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    repository = tmp_path / "repository"
    (repository / "warehouse" / "reference").mkdir(parents=True)
    (repository / "pyproject.toml").write_text('[tool.importlinter]\nroot_packages = ["warehouse"]\n')
    (repository / "requirements.lock").write_text("duckdb==1\n")
    reference = repository / "warehouse" / "reference" / "events.csv"
    reference.write_text("event_date\n2024-07-11\n")
    monkeypatch.setattr("cli.up_to_date.REPOSITORY", repository)
    remember(home, SESSION, inputs_now(home))
    assert up_to_date(home, SESSION, inputs_now(home)) is not None
    reference.write_text("event_date\n2024-07-12\n")
    assert up_to_date(home, SESSION, inputs_now(home)) is None


@pytest.mark.parametrize(
    "other",
    [
        {"source": "live"},
        {"overrides": {"prices": "yahoo"}},
        {"check_sources": ("treasury",)},
    ],
)
def test_a_provider_that_must_be_asked_is_asked(home: Settings, other: dict[str, object]) -> None:
    asked = replace(home, **other)  # type: ignore[arg-type]
    assert inputs_now(asked) == ""
    remember(asked, SESSION, inputs_now(asked))
    assert up_to_date(asked, SESSION, inputs_now(asked)) is None


def test_an_input_that_cannot_be_read_is_for_the_run_to_say(home: Settings) -> None:
    assert home.files_dir is not None
    (home.files_dir / "prices" / "IWM.csv").symlink_to("nowhere.csv")
    assert up_to_date(home, SESSION, inputs_now(home)) is None
