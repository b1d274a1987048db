"""The files of the dashboards without a Superset: as generated, and all that they name is there."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from dashboards import datasets
from tests.dashboards.bundle_read import (
    PROVENANCE,
    Bundle,
    Entry,
    column_sql,
    filter_sql,
    metric_sql,
    relation,
    rows_by_sql,
)
from warehouse import latest
from warehouse.catalog import load_catalog

BUNDLE = Bundle.read()
DASHBOARDS = sorted(BUNDLE.dashboards.values(), key=lambda entry: entry["slug"])
CHARTS = sorted(BUNDLE.charts.values(), key=lambda entry: entry["slice_name"])
QUERIES = sorted(datasets.QUERIES.glob("*.sql"))
COLUMNS = ("groupby", "groupby_b", "columns", "all_columns", "groupbyRows", "groupbyColumns")
METRICS = ("metrics", "metrics_b", "percent_metrics")
ONE_COLUMN = ("x_axis", "entity", "series")
ONE_METRIC = ("metric", "x", "y", "size", "secondary_metric")
by_slug = pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda entry: entry["slug"])
by_title = pytest.mark.parametrize("chart", CHARTS, ids=lambda entry: entry["slice_name"])


@pytest.fixture(scope="module")
def empty() -> Iterator[duckdb.DuckDBPyConnection]:
    """A publication whose tables have no rows."""
    catalog = load_catalog()
    with duckdb.connect() as connection:
        for schema in ("marts", *datasets.OTHER_SCHEMAS):
            connection.execute(f"create schema {schema}")
            for table in catalog.in_schema(schema):
                connection.execute(table.ddl())
        latest.create_latest_views(connection, catalog)
        yield connection


def some(value: Any) -> list[Any]:
    """A parameter as a list; a dashboard's file leaves out what is not set."""
    return [value] if isinstance(value, str | dict) else list(value or [])


def columns_of(params: Entry) -> list[Any]:
    """All columns that a chart names."""
    named = [column for key in (*COLUMNS, *ONE_COLUMN) for column in some(params.get(key))]
    # A metric and no column can be what sorts an axis.
    return [column for column in named if column]


def metrics_of(params: Entry) -> list[Any]:
    """All metrics that a chart names."""
    return [metric for key in (*METRICS, *ONE_METRIC) for metric in some(params.get(key)) if metric]


def filters_of(params: Entry) -> list[Entry]:
    """A chart's own filters."""
    return [*some(params.get("adhoc_filters")), *some(params.get("adhoc_filters_b"))]


def test_datasets_are_as_generated() -> None:
    made = datasets.files()
    assert {path.name for path in datasets.FOLDER.rglob("*.yaml")} == {path.name for path in made}
    for path, text in made.items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run python -m dashboards.datasets"


@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.stem)
def test_a_query_says_what_a_row_is_and_runs_on_an_empty_publication(
    empty: duckdb.DuckDBPyConnection, path: Any
) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("-- ") and len(text.splitlines()[0]) > 10
    empty.execute(datasets.expanded(text.strip().removesuffix(";"))).fetchall()


@by_title
def test_a_chart_names_columns_and_metrics_that_its_dataset_has(
    empty: duckdb.DuckDBPyConnection, chart: Entry
) -> None:
    dataset, params = BUNDLE.dataset_of(chart), chart["params"]
    columns = {column["column_name"] for column in dataset["columns"]}
    metrics = {metric["metric_name"] for metric in dataset["metrics"]}
    labels = {metric_sql(metric)[0] for metric in metrics_of(params)}
    assert columns_of(params) or metrics_of(params)
    assert {column for column in columns_of(params) if isinstance(column, str)} <= columns
    assert {metric for metric in metrics_of(params) if isinstance(metric, str)} <= metrics
    shown = {column_sql(column)[0] for column in columns_of(params)} | labels
    assert set(params.get("column_config", {})) <= shown
    assert {rule["column"] for rule in params.get("conditional_formatting", [])} <= shown
    ordered = {json.loads(entry)[0] for entry in params.get("order_by_cols", [])}
    assert ordered <= columns, "rows are ordered by a column of the dataset"
    for one in filters_of(params):
        if one["expressionType"] == "SIMPLE":
            assert one["subject"] in columns
    raw = params.get("query_mode") == "raw"
    question = {
        "columns": columns_of(params),
        "metrics": None if raw else metrics_of(params),
        "filters": [
            {"col": one["subject"], "op": one["operator"], "val": one.get("comparator")}
            for one in filters_of(params)
            if one["expressionType"] == "SIMPLE"
        ],
        "extras": {
            "where": " and ".join(
                f"({one['sqlExpression']})" for one in filters_of(params) if one["expressionType"] == "SQL"
            )
        },
    }
    rows_by_sql(empty, dataset, question)


def test_titles_are_unique_and_every_chart_is_on_a_dashboard() -> None:
    titles = Counter(chart["slice_name"] for chart in CHARTS)
    assert [title for title, times in titles.items() if times > 1] == []
    shown = {chart["uuid"] for one in DASHBOARDS for row in BUNDLE.rows_of(one).values() for chart in row}
    assert [chart["slice_name"] for chart in CHARTS if chart["uuid"] not in shown] == []


def test_there_are_four_dashboards() -> None:
    assert [entry["slug"] for entry in DASHBOARDS] == ["banks", "fed", "rotation", "trust"]
    assert all(entry["published"] for entry in DASHBOARDS)


@by_slug
def test_a_dashboard_begins_with_where_its_numbers_come_from(dashboard: Entry) -> None:
    first, *_ = BUNDLE.rows_of(dashboard).values()
    assert [chart["slice_name"] for chart in first] == [PROVENANCE]


@by_slug
def test_a_dashboard_says_itself_what_its_charts_are_called(dashboard: Entry) -> None:
    for item in dashboard["position"].values():
        if isinstance(item, dict) and item.get("type") == "CHART":
            assert BUNDLE.charts[item["meta"]["uuid"]]["slice_name"] == item["meta"]["sliceName"]


@by_slug
def test_a_filter_has_a_target_and_acts_on_charts_that_know_its_column(
    empty: duckdb.DuckDBPyConnection, dashboard: Entry
) -> None:
    rows = BUNDLE.rows_of(dashboard)
    filters = dashboard["metadata"]["native_filter_configuration"]
    assert filters, "a dashboard has filters"
    assert len({one["name"] for one in filters}) == len(filters)
    for one in filters:
        assert one["scope"]["rootPath"], one["name"]
        assert set(one["scope"]["rootPath"]) <= {*rows, "ROOT_ID"}
        whole = "ROOT_ID" in one["scope"]["rootPath"]
        reached = [chart for row in rows if whole or row in one["scope"]["rootPath"] for chart in rows[row]]
        assert reached
        if one["filterType"] == "filter_time":
            deaf = [chart for chart in reached if not BUNDLE.dataset_of(chart)["main_dttm_col"]]
        else:
            column = one["targets"][0]["column"]["name"]
            require_target(empty, one, column)
            deaf = [chart for chart in reached if column not in names_of(BUNDLE.dataset_of(chart))]
        titles = [chart["slice_name"] for chart in deaf]
        assert titles == [], f"the filter {one['name']} does nothing to them"


def require_target(connection: duckdb.DuckDBPyConnection, one: Entry, column: str) -> None:
    """A filter's values come from a column that is there, and its default is a value for that column."""
    source = BUNDLE.datasets[one["targets"][0]["datasetUuid"]]
    assert column in names_of(source)
    for value in (one["defaultDataMask"].get("extraFormData") or {}).get("filters", []):
        assert value["col"] == column
        connection.execute(f"select 1 from {relation(source)} where {filter_sql(value, set())}")


def names_of(dataset: Entry) -> set[str]:
    """The columns of a dataset."""
    return {column["column_name"] for column in dataset["columns"]}
