"""What does not fit into memory at once is loaded in groups, with the same rows and one result per rule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import pipeline.load
from pipeline import steps
from tests.small_market import END, context, fetch_all, small_settings, write_small_market
from warehouse.database import pipeline_database
from warehouse.settings import Settings

Rows = list[tuple[Any, ...]]


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A market of which two files have a row to quarantine and one is unreadable."""
    folder = write_small_market(tmp_path_factory.mktemp("market"))
    for name in ("SPY", "JPM"):
        path = folder / "prices" / f"{name}.csv"
        lines = path.read_text(encoding="utf-8").splitlines()
        day, *_, split = lines[100].split(",")
        lines[100] = ",".join([day, "5", "4", "6", "5", "5", "100", "0", split])
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "prices" / "XLK.csv").write_text("broken\n", encoding="utf-8")
    return folder


def loaded(settings: Settings) -> tuple[Rows, Rows, Rows, dict[str, Any]]:
    """Rows of raw, results, quarantine and the summary after one load."""
    run = context(settings, str(END))
    fetch_all(run)
    summary = steps.load(run)
    with pipeline_database(settings, read_only=True) as connection:
        raw = connection.execute(
            "select symbol, session_date, close, volume, source from raw.equity_prices order by all"
        ).fetchall()
        results = connection.execute(
            "select table_name, rule, severity, passed, checked_rows, failed_rows"
            " from ops.validation_results order by all"
        ).fetchall()
        refused = connection.execute("select rule, row from ops.quarantine order by all").fetchall()
    counts = {
        name: (entry.served_rows, entry.new_rows, entry.quarantined)
        for name, entry in summary.datasets.items()
    }
    return raw, results, refused, counts


def test_groups_load_the_same_as_one(market: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = loaded(small_settings(market, tmp_path / "whole"))
    size = (market / "prices" / "SPY.csv").stat().st_size
    monkeypatch.setattr(pipeline.load, "BYTES_AT_ONCE", 2 * size)
    calls: list[int] = []
    load_dataset = pipeline.load.load_dataset

    def counted(connection: Any, settings: Any, dataset: Any, landed: list[Any], run_id: str) -> Any:
        calls.append(len(landed))
        return load_dataset(connection, settings, dataset, landed, run_id)

    monkeypatch.setattr(pipeline.load, "load_dataset", counted)
    grouped = loaded(small_settings(market, tmp_path / "grouped"))
    assert len(calls) > 6 and max(calls) < sum(calls) / 2
    assert grouped == whole
    assert len(whole[2]) == 2
    rules = [(table, rule) for table, rule, *_ in grouped[1]]
    assert len(rules) == len(set(rules))


def test_a_payload_larger_than_a_group_is_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.load, "BYTES_AT_ONCE", 10)

    class Sized:
        def __init__(self, byte_count: int) -> None:
            self.byte_count = byte_count

    sizes = [
        [entry.byte_count for entry in group]
        for group in pipeline.load._in_memory(map(Sized, [4, 6, 1, 30, 2]))
    ]  # type: ignore[arg-type]
    assert sizes == [[4, 6], [1], [30], [2]]
    assert list(pipeline.load._in_memory([])) == [[]]
