"""Append-only raw: the same data again, in other bytes too, gives no row; one changed value gives one row
and one line of `ops.revisions`.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tests.faults.home import RAW, LiveHome
from tests.small_market import END, SERIES, SYMBOLS, write_small_market
from warehouse.database import pipeline_database, prepare_home
from warehouse.reference_data import load_reference
from warehouse.settings import Settings
from warehouse.views import ensure_views

# One changed value of each kind: file, day, column, how it is changed; table, key and column of the revision.
CHANGES = [
    ("prices/IWM.csv", "2024-07-10", "close", 0.01, "raw.equity_prices", "IWM 2024-07-10", "close"),
    ("prices/SPY.csv", "2024-07-11", "volume", 100.0, "raw.equity_prices", "SPY 2024-07-11", "volume"),
    ("prices/KRE.csv", "2024-07-12", "dividend", 0.25, "raw.equity_prices", "KRE 2024-07-12", "dividend"),
    (
        "futures/ZQU24.csv",
        "2024-07-10",
        "settle",
        0.005,
        "raw.fed_funds_futures",
        "ZQU24 2024-07-10",
        "settle",
    ),
    ("fred/DGS2.csv", "2024-07-10", "DGS2", 0.01, "raw.fred_observations", "DGS2 2024-07-10", "value"),
]


def home_on(folder: Path, home: Path, start: date) -> LiveHome:
    """A home of the source `files` on a folder."""
    settings = Settings.from_environment(
        {
            "ROTATION_SOURCE": "files",
            "ROTATION_FILES_DIR": str(folder),
            "ROTATION_HOME": str(home),
            "ROTATION_HISTORY_START": str(start),
        }
    )
    prepare_home(settings)
    with pipeline_database(settings) as connection:
        ensure_views(connection)
        load_reference(connection)
    return LiveHome(settings)


def counts(home: LiveHome) -> dict[str, int]:
    return {name: home.rows(f"select count(*) from {name}")[0][0] for name in (*RAW, "ops.revisions")}


def changed(path: Path, day: str, column: str, by: float) -> tuple[float, float]:
    """Change one value of a file; returns the old and the new one."""
    header, *lines = path.read_text().splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith(day))
    cells, position = lines[place].split(","), header.split(",").index(column)
    old = float(cells[position] or 0)
    cells[position] = repr(round(old + by, 6))
    lines[place] = ",".join(cells)
    path.write_text("\n".join([header, *lines]) + "\n")
    return old, float(cells[position])


def in_other_bytes(path: Path) -> None:
    """The same rows with Windows line ends, a byte order mark and the columns in another order."""
    lines = [",".join(reversed(line.split(","))) for line in path.read_text().splitlines()]
    path.write_bytes(("\r\n".join(lines) + "\r\n").encode("utf-8-sig"))


def twice_and_one_change(home: LiveHome, folder: Path, inputs: list[tuple[str, str]], session: date) -> None:
    """Load; load again; load the same rows in other bytes; then change one value after the other."""
    home.run(inputs, session)
    assert not home.errors and home.stopped is None
    before, digest = counts(home), home.digest()
    assert all(before[name] > 0 for name in RAW)
    home.run(inputs, session)
    assert sum(entry["unchanged_payloads"] for entry in home.summary.values()) == len(inputs)
    assert counts(home) == before
    for dataset, name in inputs:
        in_other_bytes(folder / dataset / f"{name.replace('^', '_')}.csv")
    home.run(inputs, session)
    assert sum(entry["unchanged_payloads"] for entry in home.summary.values()) == 0, "these payloads are new"
    assert home.digest() == digest and counts(home) == before
    for file, day, column, by, table, key, name in CHANGES:
        dataset, item = file.removesuffix(".csv").split("/")
        if (dataset, item) not in inputs:
            continue
        seen = set(home.rows("select * from ops.revisions"))
        old, new = changed_in_any_order(folder / file, day, column, by)
        home.run([(dataset, item)], session)
        after = counts(home)
        assert {entry: after[entry] - before[entry] for entry in after} == {
            entry: int(entry in (table, "ops.revisions")) for entry in after
        }, file
        [revision] = set(home.rows("select * from ops.revisions")) - seen
        assert revision[:3] == (table, key, name)
        assert revision[3:5] == (pytest.approx(old), pytest.approx(new))
        before = after


def changed_in_any_order(path: Path, day: str, column: str, by: float) -> tuple[float, float]:
    """Undo `in_other_bytes`, then change one value."""
    text = path.read_bytes().decode("utf-8-sig").splitlines()
    path.write_text("\n".join(",".join(reversed(line.split(","))) for line in text) + "\n")
    return changed(path, day, column, by)


def test_the_small_market_twice_and_one_value_changed(tmp_path: Path) -> None:
    folder = write_small_market(tmp_path / "files", start=date(2024, 1, 3))
    inputs: list[tuple[str, str]] = [("prices", symbol) for symbol in SYMBOLS]
    inputs += [("futures", path.stem) for path in sorted((folder / "futures").glob("*.csv"))]
    inputs += [("fred", series) for series in SERIES]
    twice_and_one_change(home_on(folder, tmp_path / "home", date(2024, 1, 3)), folder, inputs, END)
