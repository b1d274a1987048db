"""`make model M=marts.x` on a small home: the model and its ancestors, and one sentence per refusal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

import cli.model
from tests.shared_homes import HomeAfter, copied_home
from tests.small_market import published
from warehouse.settings import Settings

SESSION = "2024-07-16"
REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def home(home_after: HomeAfter, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home with one publication."""
    return copied_home(home_after(SESSION), tmp_path_factory.mktemp("model") / "home")


@pytest.fixture
def environment(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of the home, in the environment."""
    monkeypatch.setenv("ROTATION_SOURCE", "files")
    monkeypatch.setenv("ROTATION_FILES_DIR", str(home.files_dir))
    monkeypatch.setenv("ROTATION_HOME", str(home.home))


@pytest.mark.usefixtures("environment")
def test_a_mart_is_built_with_its_ancestors_alone(home: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.model.main(["marts.rotation_pair_daily"]) == 0
    shown = capsys.readouterr().out
    assert f"marts.rotation_pair_daily for session {SESSION} (files data): 3 of " in shown
    assert "  staging.equity_prices: " in shown and "instrument_daily" not in shown
    assert "The latest 10 of " in shown and f"{SESSION}" in shown
    path = home.home / "tmp" / "model.duckdb"
    assert f"Built in {path}" in shown
    query = "select * from marts.rotation_pair_daily order by all"
    with published(home) as made, duckdb.connect(str(path), read_only=True) as scratch:
        assert made.execute(query).fetchall() == scratch.execute(query).fetchall() != []
        tables = scratch.execute("select schema_name || '.' || table_name from duckdb_tables()").fetchall()
    assert {name for (name,) in tables if name.startswith(("staging", "marts"))} == {
        "staging.price_findings",
        "staging.equity_prices",
        "marts.rotation_pair_daily",
    }


@pytest.mark.usefixtures("environment")
def test_a_wide_table_is_shown_one_line_per_column(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.model.main(["marts.daily_summary"]) == 0
    lines = capsys.readouterr().out.splitlines()
    [shown] = [line for line in lines if line.startswith("session_date")]
    assert shown.split()[1] == SESSION
    assert max(len(line) for line in lines if not line.startswith("Built in")) <= 120
    assert any(line.startswith("iwm_spy_spread_5d_pp") for line in lines)


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "marts.rotation_pairs_daily",
            "M=marts.rotation_pairs_daily is not a model. Close to it: marts.rotation_pair_daily",
        ),
        ("instrument_daily", "Close to it: marts.instrument_daily"),
        ("raw.equity_prices", "Close to it: staging.equity_prices"),
        ("fomc", "marts.fomc_probabilities"),
        ("zzz", "M=zzz is not a model. There are marts."),
        ("", "M is missing. Name a model, for example make model M=marts.instrument_daily."),
    ],
)
def test_a_wrong_name_lists_close_ones(name: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.model.main([name]) == 2
    assert sentence in capsys.readouterr().err


def test_a_home_without_data_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROTATION_SOURCE", "simulated")
    monkeypatch.setenv("ROTATION_HOME", str(tmp_path / "home"))
    assert cli.model.main(["marts.instrument_daily"]) == 1
    assert capsys.readouterr().err == f"No data in {tmp_path / 'home'}; fetch some with `make run`.\n"


@pytest.mark.usefixtures("environment")
def test_a_run_that_writes_is_not_disturbed(home: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(home.warehouse)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout is not None and writer.stdout.readline() == "open\n"
        assert cli.model.main(["marts.macro_daily"]) == 1
        writer.communicate("")
    assert "Another process has it open" in capsys.readouterr().err


def test_the_target_hands_the_name_over_as_it_is_typed() -> None:
    told = subprocess.run(
        ["make", "-s", "model", "M=marts.$nix"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert told.returncode == 2
    assert "M=marts.$nix is not a model." in told.stderr


@pytest.mark.parametrize("target", ["model", "rebuild"])
def test_make_expands_nothing_in_what_is_typed(target: str, tmp_path: Path) -> None:
    made = tmp_path / "made"
    typed = f"$(shell touch {made})`touch {made}`"
    told = subprocess.run(
        ["make", "-n", target, f"M={typed}", f"FROM={typed}"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert str(made) not in told.stdout
    assert not made.exists()
