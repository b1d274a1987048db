"""Everything can be loaded again from landing: the same rows, the same marts, and the history is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from operations.from_landing import put_back, set_aside
from tests.small_market import published_digests, run_unaudited, small_settings, write_small_market
from warehouse.catalog import load_catalog, quoted
from warehouse.database import HomeError, pipeline_database
from warehouse.settings import Settings

Rows = list[tuple[Any, ...]]


def rows_of(settings: Settings, schema: str) -> dict[str, Rows]:
    """Every row of a schema; of raw without the run that loaded it."""
    with pipeline_database(settings, read_only=True) as connection:
        return {
            table.full_name: connection.execute(
                f"select {', '.join(quoted(name) for name in table.column_names if name != 'run_id')}"
                f" from {table.full_name} order by all"
            ).fetchall()
            for table in load_catalog().in_schema(schema)
        }


def replace_in(path: Path, day: str, change: float) -> None:
    """Change the close of one day."""
    lines = path.read_text(encoding="utf-8").splitlines()
    [number] = [number for number, line in enumerate(lines) if line.startswith(day)]
    fields = lines[number].split(",")
    fields[4] = f"{float(fields[4]) + change:.4f}"
    lines[number] = ",".join(fields)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.slow
def test_a_home_loaded_again_from_landing_is_the_same(tmp_path: Path) -> None:
    market = write_small_market(tmp_path / "market", whole=True)
    replace_in(market / "prices" / "JPM.csv", "2024-03-01", 1000.0)
    settings = small_settings(market, tmp_path / "home")
    run_unaudited(settings, "2024-07-16")
    # A revision, and a row that broke a rule and is corrected.
    replace_in(market / "prices" / "IWM.csv", "2024-07-10", 0.01)
    replace_in(market / "prices" / "JPM.csv", "2024-03-01", -1000.0)
    run_unaudited(settings, "2024-07-17")
    raw, ops, digests = rows_of(settings, "raw"), rows_of(settings, "ops"), published_digests(settings)
    assert len(ops["ops.publication"]) == 2

    kept = set_aside(settings)
    assert kept is not None and kept.exists()
    emptied = rows_of(settings, "ops")
    assert not any(rows_of(settings, "raw").values())
    assert emptied["ops.publication"] == ops["ops.publication"]
    assert emptied["ops.runs"] == ops["ops.runs"]
    assert not emptied["ops.payloads"] and not emptied["ops.quarantine"]

    published = run_unaudited(settings, "2024-07-17", "from-landing", rebuild=True)
    assert published.generation == 3
    assert rows_of(settings, "raw") == raw
    again = rows_of(settings, "ops")
    for name in ("ops.payloads", "ops.quarantine", "ops.series_metadata"):
        assert again[name] == ops[name], name
    assert len(again["ops.publication"]) == 3
    assert published_digests(settings) == digests

    put_back(settings, kept)
    assert rows_of(settings, "ops")["ops.publication"] == ops["ops.publication"]


def test_without_landing_nothing_is_set_aside(tmp_path: Path) -> None:
    settings = small_settings(write_small_market(tmp_path / "market"), tmp_path / "home")
    with pytest.raises(HomeError, match="holds nothing to load from; nothing was changed"):
        set_aside(settings)
