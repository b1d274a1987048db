"""The whole simulated market, as `make run` without settings loads it: nothing of it is quarantined, and no
rule on what was loaded and no comparison of two inputs fails. It is the first thing that a newcomer reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import pytest

from datasets.registry import DATASETS
from expectations.cross_checks import compare
from expectations.gate import check_table
from market_calendar.sessions import cutoff_utc
from pipeline import steps
from tests.small_market import context, fetch_all
from transforms.runner import build_models
from warehouse.catalog import load_catalog
from warehouse.database import pipeline_database
from warehouse.publication import attached_pipeline, copy_tables
from warehouse.settings import Settings

pytestmark = pytest.mark.slow

SESSION = date(2026, 11, 25)
STAGED = ("staging.equity_prices", "staging.fred_observations", "staging.fed_funds_futures")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home that loaded the market from 2000 on."""
    folder = tmp_path_factory.mktemp("simulated")
    settings = Settings.from_environment(
        {"ROTATION_SOURCE": "simulated", "ROTATION_HOME": str(folder / "home")}
    )
    run = context(settings, str(SESSION))
    fetch_all(run)
    summary = steps.load(run)
    assert not summary.missing
    return settings


@pytest.fixture(scope="module")
def staged(home: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """Its staging tables, with the reference data beside them."""
    path: Path = tmp_path_factory.mktemp("staged") / "staged.duckdb"
    with duckdb.connect(str(path)) as connection, attached_pipeline(connection, home):
        for schema in ("ref", "ops"):
            copy_tables(connection, load_catalog(), schema)
        built: set[str] = set()
        for name in STAGED:
            built |= set(
                build_models(
                    connection,
                    session=SESSION,
                    cutoff_utc=cutoff_utc(SESSION),
                    data_source="simulated",
                    only=name,
                    given=built,
                )
            )
        connection.execute("set variable session_date = ?::date", [SESSION])
        yield connection


def test_every_row_is_loaded_and_every_rule_before_the_load_passes(home: Settings) -> None:
    with pipeline_database(home, read_only=True) as connection:
        assert connection.execute("select count(*) from raw.equity_prices").fetchone() > (400_000,)
        assert connection.execute("select rule, count(*) from ops.quarantine group by all").fetchall() == []
        failed = connection.execute(
            "select table_name, rule, sample from ops.validation_results where not passed"
        ).fetchall()
    assert failed == []


def test_what_was_served_does_not_contradict_itself(staged: duckdb.DuckDBPyConnection) -> None:
    assert staged.execute("select symbol, finding from staging.price_findings").fetchall() == []
    for name in STAGED:
        results = check_table(staged, load_catalog()[name]).results
        assert [(x["rule"], x["sample"]) for x in results if not x["passed"]] == []


def test_two_inputs_that_should_agree_do(staged: duckdb.DuckDBPyConnection) -> None:
    required = frozenset(
        f"{dataset.name}/{name}"
        for dataset in DATASETS.values()
        for name in dataset.required(staged, SESSION)
    )
    found = compare(staged, required)
    assert [(result["rule"], result["sample"]) for result in found.results if not result["passed"]] == []
    compared = {row["check_id"] for row in found.rows}
    assert {"iwm_follows_rut", "qqq_follows_ndx", "slope_is_ten_years_minus_two"} <= compared
