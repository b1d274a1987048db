"""A symbol that comes to mean another company is refused, whichever provider served it; a split is not.

Finding A6 and its siblings: other symbol, other factor, a reverse split, files and live (the live cases
with real clients are in `test_live_sources.py`).
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from pipeline import steps
from pipeline.endings import StepFailed
from pipeline.state import LoadSummary
from tests.small_market import context, fetch_all, small_settings, write_small_market
from warehouse.database import pipeline_database
from warehouse.settings import Settings

START = date(2024, 5, 1)
Rows = list[dict[str, str]]
PRICES = ("open", "high", "low", "close", "adj_close")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder of files and a home that loaded the session of 2024-07-16 from it."""
    root = tmp_path_factory.mktemp("continuity")
    folder = write_small_market(root / "files", start=START)
    run = context(home_of(folder, root / "home"), "2024-07-16", "first")
    fetch_all(run)
    steps.load(run)
    return folder, root / "home"


@pytest.fixture
def settings(loaded: tuple[Path, Path], tmp_path: Path) -> Settings:
    """A copy of both, for a test to break."""
    shutil.copytree(loaded[0], tmp_path / "files")
    shutil.copytree(loaded[1], tmp_path / "home", symlinks=True)
    return home_of(tmp_path / "files", tmp_path / "home")


def home_of(folder: Path, home: Path) -> Settings:
    return small_settings(folder, home, ROTATION_HISTORY_START=str(START))


def load_again(settings: Settings) -> LoadSummary:
    run = context(settings, "2024-07-17", "second")
    fetch_all(run)
    return steps.load(run)


def what_load_says(settings: Settings, symbol: str) -> str:
    """The sentence on a symbol: of the failed step where it is required, else of the refused inputs."""
    try:
        missing = load_again(settings).refused
    except StepFailed as error:
        missing = (str(error),)
    return " ".join(text for text in missing if f"prices/{symbol}" in text)


def rows_of(settings: Settings, symbol: str) -> Rows:
    assert settings.files_dir is not None
    with (settings.files_dir / "prices" / f"{symbol}.csv").open(newline="") as handle:
        return list(csv.DictReader(handle))


def write_rows(settings: Settings, symbol: str, rows: Rows) -> None:
    assert settings.files_dir is not None
    with (settings.files_dir / "prices" / f"{symbol}.csv").open("w", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def scaled(rows: Rows, factor: Callable[[str], float]) -> Rows:
    return [
        {**row, **{name: f"{float(row[name]) * factor(row['date']):.6f}" for name in PRICES}} for row in rows
    ]


def versions(settings: Settings, symbol: str) -> int:
    """How many sessions have more than one version."""
    with pipeline_database(settings, read_only=True) as connection:
        row = connection.execute(
            "select count(*) from (select 1 from raw.equity_prices where symbol = ? group by session_date"
            " having count(*) > 1)",
            [symbol],
        ).fetchone()
    return int(row[0]) if row else 0


@pytest.mark.parametrize(
    ("symbol", "other", "factor"), [("JPM", "IWM", 0.31), ("KRE", "SPY", 0.1), ("JPM", "QQQ", 1.0)]
)
def test_another_company_under_the_name_is_refused(
    settings: Settings, symbol: str, other: str, factor: float
) -> None:
    write_rows(settings, symbol, scaled(rows_of(settings, other), lambda day: factor))
    assert "which no split explains; the symbol may now belong to another company" in what_load_says(
        settings, symbol
    )
    assert versions(settings, symbol) == 0


@pytest.mark.parametrize(("ratio", "text"), [(2.0, "2.0"), (1.5, "1.5"), (0.1, "0.1")])
def test_a_restated_history_with_its_split_is_taken_whole(
    settings: Settings, ratio: float, text: str
) -> None:
    rows = scaled(rows_of(settings, "JPM"), lambda day: 1 / ratio)
    for row in rows:
        row["split"] = text if row["date"] == "2024-07-17" else row["split"]
    write_rows(settings, "JPM", rows)
    summary = load_again(settings)
    assert not [text for text in summary.missing if "prices/JPM" in text]
    assert versions(settings, "JPM") == len([row for row in rows if row["date"] >= str(START)]) - len(
        [row for row in rows if row["date"] > "2024-08-30"]
    )


@pytest.mark.parametrize("factor", [100.0, 0.01, 1.08, 0.9])
def test_a_history_times_a_factor_that_no_split_has_is_refused(settings: Settings, factor: float) -> None:
    write_rows(settings, "JPM", scaled(rows_of(settings, "JPM"), lambda day: factor))
    assert "a factor that no split has" in what_load_says(settings, "JPM")
    assert versions(settings, "JPM") == 0


def test_one_corrected_close_is_a_revision_and_no_other_company(settings: Settings) -> None:
    rows = rows_of(settings, "JPM")
    for row in rows:
        if row["date"] == "2024-07-12":
            row.update({name: f"{float(row[name]) * 1.02:.6f}" for name in PRICES})
    write_rows(settings, "JPM", rows)
    summary = load_again(settings)
    assert not [text for text in summary.missing if "prices/JPM" in text]
    assert versions(settings, "JPM") == 1


def test_a_refused_file_is_refused_again_and_taken_when_it_is_mended(settings: Settings) -> None:
    good = rows_of(settings, "JPM")
    write_rows(settings, "JPM", scaled(rows_of(settings, "IWM"), lambda day: 0.31))
    for run_id in ("bad", "still-bad"):
        run = context(settings, "2024-07-17", run_id)
        fetch_all(run)
        assert [text for text in steps.load(run).missing if "another company" in text]
    write_rows(settings, "JPM", good)
    assert not [text for text in load_again(settings).missing if "prices/JPM" in text]
    assert versions(settings, "JPM") == 0


def test_two_right_corrections_are_taken_when_they_are_accepted(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = rows_of(settings, "JPM")
    for row, factor in zip(
        [row for row in rows if row["date"] in ("2024-08-28", "2024-08-29")], (1.02, 1.03), strict=True
    ):
        row.update({name: f"{float(row[name]) * factor:.6f}" for name in PRICES})
    write_rows(settings, "JPM", rows)
    assert "run once with ROTATION_ACCEPT_PRICES=JPM" in what_load_says(settings, "JPM")
    assert versions(settings, "JPM") == 0
    monkeypatch.setenv("ROTATION_ACCEPT_PRICES", "KRE,JPM")
    assert what_load_says(settings, "JPM") == ""
    assert versions(settings, "JPM") == 2


def test_a_dividend_restates_closes_that_are_adjusted_for_it(settings: Settings) -> None:
    """A vendor applies the dividend some days after the ex-date: the ratio has one step."""
    assert settings.files_dir is not None
    (settings.files_dir / "manifest.yml").write_text("fully_adjusted: [JPM]\n")
    rows = scaled(rows_of(settings, "JPM"), lambda day: 0.99 if day < "2024-08-28" else 1.0)
    write_rows(settings, "JPM", rows)
    assert what_load_says(settings, "JPM") == ""
    assert versions(settings, "JPM") > 40
    write_rows(settings, "JPM", scaled(rows_of(settings, "IWM"), lambda day: 0.31))
    assert "another company" in what_load_says(settings, "JPM")


def test_closes_that_a_rule_refuses_do_not_refuse_the_symbol(settings: Settings) -> None:
    rows = rows_of(settings, "JPM")
    for row in rows:
        if row["date"] in ("2024-08-28", "2024-08-29"):
            row.update({name: "0" for name in PRICES})
    write_rows(settings, "JPM", rows)
    assert what_load_says(settings, "JPM") == ""
    with pipeline_database(settings, read_only=True) as connection:
        found = connection.execute(
            "select distinct regexp_extract(\"row\", '2024-08-[0-9]+') from ops.quarantine"
            " where run_id = 'second' and \"row\" like '%JPM%2024-08-%'"
        ).fetchall()
    assert {"2024-08-28", "2024-08-29"} <= {day for (day,) in found}


def test_a_new_basis_that_ends_too_early_is_refused(settings: Settings) -> None:
    rows = scaled(rows_of(settings, "JPM"), lambda day: 0.5)
    write_rows(settings, "JPM", [row for row in rows if row["date"] <= "2024-07-12"])
    assert "would leave a jump" in what_load_says(settings, "JPM")
    assert versions(settings, "JPM") == 0
