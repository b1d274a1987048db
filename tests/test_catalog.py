"""Contract of the catalog: everything named once, every unit said, every model true to its description."""

from __future__ import annotations

import ast
import re
import shutil
from pathlib import Path

import duckdb
import pytest
import yaml

import warehouse.catalog as catalog_module
from transforms.runner import build_model
from warehouse.catalog import CatalogError, load_catalog
from warehouse.reference_data import load_reference

REPOSITORY = Path(__file__).resolve().parent.parent
UNIT_OF_SUFFIX = {
    "_pct": "%",
    "_pp": "pp",
    "_bp": "bp",
    "_prob": "probability",
    "_percentile": "percentile",
    "_usd": "USD",
    "_sessions": "sessions",
    "_days": "calendar days",
    "_z": "standard deviations",
    "_utc": "UTC",
    "_date": "date",
}
CONTRACT = {
    "instrument_daily": {
        "symbol",
        "session_date",
        "close",
        "total_return_index",
        "return_5d_pct",
        "return_5d_last_exceeded_date",
        "history_start_date",
    },
    "rotation_pair_daily": {
        "pair_id",
        "window_sessions",
        "session_date",
        "spread_pp",
        "ratio_return_pct",
        "spread_z",
        "spread_percentile",
        "spread_rank",
        "history_sessions",
        "history_start_date",
        "last_exceeded_date",
        "is_record_high",
        "last_undercut_date",
        "is_record_low",
        "n_effective",
        "spread_vol_scaled",
        "spread_vol_scaled_percentile",
        "spread_beta_adjusted_pp",
    },
    "yield_curve_daily": {
        "session_date",
        "y3m_pct",
        "y1_pct",
        "y2_pct",
        "y5_pct",
        "y10_pct",
        "y30_pct",
        "slope_2s10s_bp",
        "change_2y_bp",
        "change_10y_bp",
        "inverted",
        "inversion_start_date",
    },
    "fomc_probabilities": {
        "as_of_date",
        "meeting_date",
        "target_lower_pct",
        "target_upper_pct",
        "prob",
        "moves",
        "method_version",
    },
    "fomc_meetings_daily": {
        "as_of_date",
        "meeting_date",
        "expected_rate_pct",
        "implied_change_bp",
        "cut_prob",
        "hold_prob",
        "hike_prob",
        "meeting_cut_prob",
        "meeting_hold_prob",
        "meeting_hike_prob",
        "entropy_bits",
        "amplification",
        "solved",
        "reason",
    },
    "bank_rate_betas": {
        "symbol",
        "session_date",
        "model",
        "estimator",
        "factor",
        "beta",
        "std_error",
        "t_stat",
        "r_squared",
        "observations",
    },
    "bank_sensitivity_daily": {
        "entity_id",
        "session_date",
        "entity_type",
        "beta_y2",
        "t_y2",
        "beta_slope",
        "t_slope",
        "beta_market",
        "beta_y2_only",
        "t_y2_only",
        "regime",
        "regime_start_date",
        "t_y2_without_top5",
        "regime_rests_on_few_days",
        "empirical_duration_market_hedged_years",
        "empirical_duration_unconditional_years",
        "empirical_duration_unconditional_low_years",
        "empirical_duration_unconditional_high_years",
        "move_if_yields_down_25bp_pct",
        "move_low_pct",
        "move_high_pct",
        "unconditional_move_if_2y_down_25bp_pct",
        "sensitivity_rank",
        "rank_low",
        "rank_high",
        "ranked_members",
    },
}


def test_catalog_loads_and_orders_models() -> None:
    models = load_catalog().models()
    names = [table.full_name for table in models]
    for table in models:
        for item in table.inputs:
            if item in names:
                assert names.index(item) < names.index(table.full_name)


@pytest.mark.parametrize("mart", sorted(CONTRACT))
def test_mart_has_the_columns_that_users_rely_on(mart: str) -> None:
    table = load_catalog()[f"marts.{mart}"]
    assert CONTRACT[mart] | {"data_source"} <= set(table.column_names)


def test_every_column_is_used() -> None:
    catalog = load_catalog()
    used = {column.name for table in catalog.tables.values() for column in table.columns}
    assert set(catalog.columns) - used == set()


def test_unit_follows_from_the_name() -> None:
    wrong = []
    for column in load_catalog().columns.values():
        for suffix, unit in UNIT_OF_SUFFIX.items():
            window = re.search(
                r"_\d+_days$", column.name
            )  # score_change_30_days: the days are the window, not the unit
            # A flag's name is a statement (regime_rests_on_few_days) and has no unit.
            measured = not window and column.unit != "flag"
            if column.name.endswith(suffix) and measured and column.unit != unit:
                wrong.append(f"{column.name}: {column.unit!r}, the suffix says {unit!r}")
    assert wrong == []


def test_every_description_is_a_sentence() -> None:
    catalog = load_catalog()
    texts = [column.description for column in catalog.columns.values()] + [
        table.description for table in catalog.tables.values()
    ]
    assert [text for text in texts if len(text) < 10 or not text.rstrip().endswith((".", ")"))] == []


def test_only_staging_reads_raw() -> None:
    for path in (REPOSITORY / "transforms").rglob("*.sql"):
        if "raw." in re.sub(r"--.*", "", path.read_text(encoding="utf-8")):
            assert path.parent.name == "staging", path


def test_python_models_do_not_look_at_the_clock() -> None:
    for path in (REPOSITORY / "transforms").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                assert node.attr not in ("now", "utcnow", "today"), f"{path}: {node.attr}"


@pytest.fixture(scope="module")
def empty_publication() -> duckdb.DuckDBPyConnection:
    """All tables of the catalog, reference data filled and nothing else: a warehouse before its first
    price.
    """
    connection = duckdb.connect()
    connection.execute("attach ':memory:' as pipeline")
    catalog = load_catalog()
    for schema in ("raw", "ref", "ops", "staging", "marts"):
        connection.execute(f"create schema if not exists {schema}")
        connection.execute(f"create schema if not exists pipeline.{schema}")
    for table in catalog.tables.values():
        if table.model is None:
            connection.execute(table.ddl())
            connection.execute(table.ddl(catalog="pipeline"))
    load_reference(connection)
    for name, value in (
        ("session_date", "date '2024-07-16'"),
        ("cutoff_utc", "timestamp '2024-07-17 03:59:00'"),
        ("data_source", "'files'"),
    ):
        connection.execute(f"set variable {name} = {value}")
    return connection


def test_models_yield_exactly_their_columns_and_survive_a_warehouse_without_prices(
    empty_publication: duckdb.DuckDBPyConnection,
) -> None:
    for table in load_catalog().models():
        rows = build_model(empty_publication, table)
        if table.model is not None and table.model.suffix == ".sql":
            described = empty_publication.execute(
                f"describe {table.model.read_text(encoding='utf-8')}"
            ).fetchall()
            own = [
                (column.name, column.type)
                for column in table.columns
                if not (table.schema == "marts" and column.name == "data_source")
            ]
            assert [(row[0], row[1]) for row in described] == own, table.full_name
        from_prices = not all(item.startswith("ref.") for item in table.inputs)
        if from_prices and any(column.name == "symbol" for column in table.columns):
            assert rows == 0, f"{table.full_name} makes rows out of nothing"


def test_comments_reach_the_bi_tool(empty_publication: duckdb.DuckDBPyConnection) -> None:
    silent = empty_publication.execute(
        "select schema_name, table_name, column_name from duckdb_columns() where schema_name in ('marts',"
        " 'staging') and comment is null"
    ).fetchall()
    assert silent == []


@pytest.fixture
def catalog_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the catalog that a test may break."""
    folder = tmp_path / "catalog"
    shutil.copytree(catalog_module.HERE, folder)
    monkeypatch.setattr(catalog_module, "HERE", folder)
    return folder


def test_second_definition_of_a_column_is_refused(catalog_copy: Path) -> None:
    (catalog_copy / "columns" / "zz.yml").write_text(
        'symbol: {type: VARCHAR, unit: text, description: "Again."}\n'
    )
    with pytest.raises(CatalogError, match=r"zz\.yml: column symbol is defined a second time"):
        load_catalog.__wrapped__()


def test_column_without_an_entry_is_refused(catalog_copy: Path) -> None:
    path = catalog_copy / "tables" / "raw.yml"
    content = yaml.safe_load(path.read_text())
    content["raw.equity_prices"]["columns"].append("colour")
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(CatalogError, match="colour"):
        load_catalog.__wrapped__()
