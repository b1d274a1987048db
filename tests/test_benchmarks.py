"""The parts of `make bench`: peers compute what the models compute, differences are seen, and the page says
what the figures say. The peers need the packages of requirements-bench.lock.
"""

from __future__ import annotations

import csv
from pathlib import Path

import duckdb
import pytest

from benchmarks import page
from benchmarks.checkout import INSTRUMENTS, copy_checkout, many_symbols
from benchmarks.measured import Meter, in_own_process, medians, peak_memory_mb
from benchmarks.moved_day import COMPUTED
from benchmarks.peers import betas, instruments, models, with_duckdb
from benchmarks.peers.bars import write_bars
from tests.small_market import SYMBOLS


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three symbols with 500 sessions, and the models' table."""
    folder = tmp_path_factory.mktemp("bars")
    write_bars(folder, 3, 500)
    models.prepare()
    models.run(folder)
    return folder


def test_plain_sql_agrees_with_the_models_and_a_difference_is_seen(bars: Path) -> None:
    """All 32 figures of 1,500 rows; then one of them is changed, and one is taken away."""
    with_duckdb.run(bars)
    found = instruments.compare(bars, "with_duckdb")
    assert found.rows == 1_500
    found.require("plain SQL")
    for change in ("rsi_14 = rsi_14 + 1e-6", "rsi_14 = null", "record_close_date = record_close_date + 1"):
        with duckdb.connect(str(bars / "duckdb.duckdb")) as con:
            con.execute(
                f"update instrument_daily set {change}"
                " where rsi_14 = (select max(rsi_14) from instrument_daily)"
            )
        with pytest.raises(SystemExit, match="differs"):
            instruments.compare(bars, "with_duckdb").require("plain SQL")
        with_duckdb.run(bars)
    with duckdb.connect(str(bars / "duckdb.duckdb")) as con:
        con.execute("delete from instrument_daily where symbol = 'S0001'")
    assert instruments.compare(bars, "with_duckdb").differing == 500


@pytest.mark.parametrize(("package", "peer"), [("polars", "with_polars"), ("numba", "with_numba")])
def test_a_peer_agrees_with_the_models(bars: Path, package: str, peer: str) -> None:
    """In a process of its own, as it is measured."""
    pytest.importorskip(package, reason="make bench installs it")
    found = instruments.measure(bars, peer, 1)
    assert found["cpu_s"] > 0 and found["memory_mb"] > 50
    agreement = instruments.compare(bars, peer)
    assert agreement.rows == 1_500
    agreement.require(peer)


def test_betas_agree_with_statsmodels_and_a_difference_is_seen(tmp_path: Path) -> None:
    """Every model and estimator; then one slope is changed by a part in a million."""
    betas.write_observations(tmp_path, 1, 620)
    betas.run_own(tmp_path)
    betas.run_statsmodels(tmp_path, windows=2)
    rows, largest = betas.compare(tmp_path, "statsmodels")
    # Two windows of four estimators: three factors, one, one and two; of w252 alone three, two and one.
    assert rows == 2 * (4 * (3 + 1 + 1 + 2) + 3 + 2 + 1) and largest < 1e-9
    with duckdb.connect(str(tmp_path / "statsmodels.duckdb")) as con:
        con.execute("update betas set beta = beta * (1 + 1e-6) where estimator = 'ewm60'")
    with pytest.raises(SystemExit, match="differ"):
        betas.compare(tmp_path, "statsmodels")


def test_betas_agree_with_a_loop(tmp_path: Path) -> None:
    """Every window of every model and estimator."""
    pytest.importorskip("numba", reason="make bench installs it")
    betas.write_observations(tmp_path, 1, 300)
    betas.run_own(tmp_path)
    betas.run_numba(tmp_path)
    rows, largest = betas.compare(tmp_path, "numba")
    assert rows == 7 * (241 + 175 + 49 + 181) + (3 + 2) * 49 + 47 and largest < 1e-8


def test_a_team_with_more_symbols_edits_one_file(tmp_path: Path) -> None:
    """The copy knows them; what a run needs comes first; no data is copied."""
    symbols = many_symbols(100)
    assert len(set(symbols)) == 100 and tuple(symbols[: len(SYMBOLS)]) == SYMBOLS
    copy = copy_checkout(tmp_path / "copy", symbols)
    with (copy / INSTRUMENTS).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 100 and {row["symbol"] for row in rows} == set(symbols)
    assert not any((copy / name).exists() for name in (".venv", ".git", "data", "build"))


def test_a_measured_process_reports_its_own_figures(tmp_path: Path) -> None:
    """Memory is that of the process, not of its parent; a failure shows the end of its errors."""
    meter = Meter()
    sum(range(10**6))
    assert meter.read()["cpu_s"] > 0
    ballast = bytearray(300_000_000)
    assert peak_memory_mb() > 286
    (tmp_path / "small_one.py").write_text(
        "import json\nfrom benchmarks.measured import peak_memory_mb\nprint(json.dumps(peak_memory_mb()))\n"
    )
    repository = str(Path(__file__).parents[1])
    found = in_own_process("small_one", [], {"PYTHONPATH": f"{tmp_path}:{repository}"})
    assert isinstance(found, float) and found < 200, len(ballast)
    with pytest.raises(SystemExit, match="No module named"):
        in_own_process("no_such_module", [])


def test_medians_are_taken_of_every_number() -> None:
    """Texts and figures that one run lacks are left out."""
    runs = [{"a": 1.0, "b": "x"}, {"a": 5.0, "c": 1.0}, {"a": 2.0}]
    assert medians(runs) == {"a": 2.0}


def figures(day: float, rebuild: float) -> dict[str, dict[str, object]]:
    """The part `day` as its benchmark gives it."""
    disk = {"memory_mb": 500.0, "generation_mb": 100.0, "home_mb": 300.0, "written_mb": 5.0}
    disk["database_mb"] = 60.0
    row = {name: day / len(COMPUTED) for name in COMPUTED} | disk
    whole = {name: rebuild / len(COMPUTED) for name in COMPUTED} | disk
    world = {"symbols": 64, "sessions": 6_172, "days": 5, "cost_ratio": rebuild / day}
    return {"first load": whole, "rebuild": whole, "one more session (median of 5)": row, "world": world}


@pytest.mark.parametrize(
    ("day", "rebuild", "outcome"),
    [(2.0, 40.0, "met"), (4.0, 40.0, "**missed**"), (5.5, 110.0, "**missed**")],
)
def test_the_page_says_whether_a_goal_is_met(day: float, rebuild: float, outcome: str) -> None:
    """Both limits of the moved day count; what was not run is not measured."""
    text = page.page({"day": figures(day, rebuild)})
    [line] = [line for line in text.splitlines() if line.startswith("| one more session, every input")]
    assert line.endswith(f"| {outcome} |") and f"{day:.2f} s, 1/{rebuild / day:.1f}" in line
    assert sum(line.endswith("| not measured |") for line in text.splitlines()) == len(page.GOALS) - 2
    assert "One more session writes 5.0 MB" in text
