"""A FRED series whose file comes in another unit is refused, on the first load and on a later day."""

from __future__ import annotations

import csv
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipeline import steps
from pipeline.endings import StepFailed
from tests.small_market import context, fetch_all, small_settings, write_small_market
from warehouse.database import pipeline_database
from warehouse.settings import Settings

START = date(2024, 3, 1)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder of files and a home that loaded the session of 2024-07-16 from it."""
    root = tmp_path_factory.mktemp("units")
    folder = write_small_market(root / "files", start=START)
    said(home_of(folder, root / "home"), "2024-07-16")
    return folder, root / "home"


@pytest.fixture
def settings(loaded: tuple[Path, Path], tmp_path: Path) -> Settings:
    """A copy of both, for a test to break."""
    shutil.copytree(loaded[0], tmp_path / "files")
    shutil.copytree(loaded[1], tmp_path / "home", symlinks=True)
    return home_of(tmp_path / "files", tmp_path / "home")


def home_of(folder: Path, home: Path) -> Settings:
    return small_settings(folder, home, ROTATION_HISTORY_START=str(START))


def said(settings: Settings, session: str) -> str:
    """What the load of a session says of inputs that it did not take."""
    run = context(settings, session)
    fetch_all(run)
    try:
        return " ".join(steps.load(run).missing)
    except StepFailed as error:
        return str(error)


def scale(settings: Settings, series: str, factor: float, since: str) -> None:
    """Multiply a file's values from a day on."""
    assert settings.files_dir is not None
    path = settings.files_dir / "fred" / f"{series}.csv"
    with path.open(newline="") as handle:
        header, *rows = csv.reader(handle)
    with path.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(header)
        writer.writerows(
            (day, f"{float(value) * factor:.8g}" if value and day >= since else value) for day, value in rows
        )


def held(settings: Settings, series: str) -> tuple[float, float]:
    return of_series(settings, series, "min(value), max(value)")


def of_series(settings: Settings, series: str, columns: str) -> tuple[Any, Any]:
    with pipeline_database(settings, read_only=True) as connection:
        row = connection.execute(
            f"select {columns} from raw.fred_observations where series_id = ?", [series]
        ).fetchone()
    assert row is not None
    return row


@pytest.mark.parametrize(
    ("series", "factor", "since", "text"),
    [
        ("DGS2", 0.01, "2024-07-16", "a step by a power of ten"),
        ("DGS10", 10.0, "2024-07-16", "a step by a power of ten"),
        ("DGS10", 0.1, "2024-07-18", "a step by a power of ten"),
        ("DFF", 0.01, "2024-03-01", "0.01 times the held ones"),
        ("DGS2", 100.0, "2024-03-01", "lie outside 0.07 to 20"),
        ("ICSA", 0.001, "2024-03-01", "lie outside 100000"),
    ],
)
def test_on_a_later_day(settings: Settings, series: str, factor: float, since: str, text: str) -> None:
    before = held(settings, series)
    scale(settings, series, factor, since)
    sentence = said(settings, "2024-07-18")
    assert f"fred/{series}: " in sentence and text in sentence
    assert f"ROTATION_ACCEPT_UNITS={series}" in sentence
    assert held(settings, series) == before


def test_what_a_person_accepts_is_loaded(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    scale(settings, "DFF", 0.01, "2024-07-16")
    monkeypatch.setenv("ROTATION_ACCEPT_UNITS", "DFF")
    assert "fred/DFF: " not in said(settings, "2024-07-18")
    assert held(settings, "DFF")[0] < 0.1


def test_on_the_first_load(settings: Settings) -> None:
    shutil.rmtree(settings.home)
    for series in ("DGS2", "DGS10", "DGS3MO"):
        scale(settings, series, 0.01, "2024-03-01")
    sentence = said(settings, "2024-07-16")
    assert "fred/DGS2: " in sentence and "fred/DGS10: " in sentence
    assert held(settings, "DGS3MO") == (None, None)


def test_one_row_is_quarantined_and_the_others_are_loaded(settings: Settings) -> None:
    shutil.rmtree(settings.home)
    assert settings.files_dir is not None
    path = settings.files_dir / "fred" / "DGS2.csv"
    lines = path.read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("2024-05-07"))
    day, value = lines[at].split(",")
    lines[at] = f"{day},{float(value) * 10:g}"
    path.write_text("\n".join(lines) + "\n")
    assert "fred/DGS2: " not in said(settings, "2024-07-16")
    with pipeline_database(settings, read_only=True) as connection:
        quarantined = connection.execute(
            "select row from ops.quarantine where table_name = 'raw.fred_observations' and row like '%DGS2%'"
        ).fetchall()
    assert len(quarantined) == 1 and '"2024-05-07"' in quarantined[0][0]
    assert 3 < held(settings, "DGS2")[0] <= held(settings, "DGS2")[1] < 6


def blank(settings: Settings, series: str, since: str) -> None:
    """Leave a file's values blank from a day on."""
    assert settings.files_dir is not None
    path = settings.files_dir / "fred" / f"{series}.csv"
    header, *lines = path.read_text().splitlines()
    rows = (f"{line.split(',')[0]}," if line[:10] >= since else line for line in lines)
    path.write_text("\n".join([header, *rows]) + "\n")


@pytest.mark.parametrize("series", ["ICSA", "DGS10"])
def test_a_column_that_was_lost_is_no_withdrawal(settings: Settings, series: str) -> None:
    before = versions(settings, series)
    blank(settings, series, "2000")
    assert f"fred/{series}: none of " in said(settings, "2024-07-17")
    assert versions(settings, series) == before


def versions(settings: Settings, series: str) -> tuple[int, int]:
    """How many versions of observations are held, and how many of them have a value."""
    return of_series(settings, series, "count(*), count(value)")


def test_the_last_observations_may_be_withdrawn(settings: Settings) -> None:
    blank(settings, "ICSA", "2024-08-01")
    assert "ICSA" not in said(settings, "2024-07-17").replace("fred/ICSA has no file", "")
