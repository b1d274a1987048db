"""The datasets of the dashboards: every mart and `latest` view, tables of `ref` and `ops`, and the queries.

In: the catalog and `dashboards/queries/*.sql` (a comment that says what a row is, one select; what several
need is a select in `shared/`, read there as `shared.<name>`). Out:
`dashboards/superset/datasets/**.yaml`, with labels, formats, meanings and metrics from the catalog, as
Superset exports them. `python -m dashboards.datasets` writes them; a test compares.
"""

from __future__ import annotations

import re
import sys
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb

from dashboards.bundle import BUNDLE, text_of
from warehouse import latest
from warehouse.catalog import Catalog, Column, Table, load_catalog, quoted

HERE = Path(__file__).resolve().parent
QUERIES = HERE / "queries"
COMMENT = re.compile(r"(?:--[^\n]*\n)+")
SHARED = re.compile(r"\bshared\.(\w+)")
DATABASE = "Rotation Warehouse"
FOLDER = BUNDLE / "datasets" / "Rotation_Warehouse"
VERSION = "1.0.0"
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "rotation-warehouse/dashboards")
# What a person looks at beside the marts.
OTHER_SCHEMAS = ("ref", "ops")
CERTIFIED = {"certification": {"certified_by": "Rotation Warehouse", "details": "Made from the catalog."}}
ONE_ROW = "The column's value; empty where a point of a chart has several rows."
# d3 formats by unit; any other number is shown as it is.
FORMATS = {
    "probability": ".1%", "ratio": ",.2f", "%": ",.2f", "pp": ",.2f", "bp": ",.1f", "years": ",.1f",
    "count": ",d", "rank": ",d", "sessions": ",d", "days": ",d", "USD": ",.2f", "bn USD": ",.1f",
}  # fmt: skip
NO_UNIT = ("text", "date", "flag", "ratio", "count", "rank", "probability", "timestamp", "")
NUMBERS = ("DOUBLE", "INTEGER", "BIGINT", "SMALLINT", "TINYINT", "HUGEINT", "FLOAT", "DECIMAL")


def identifier(name: str) -> str:
    """The UUID of a thing of the bundle: the same on every machine."""
    return str(uuid.uuid5(NAMESPACE, name))


def label(name: str, unit: str) -> str:
    """What a person reads for a column: its words and its unit, as `Spread (pp)`."""
    words = name
    for suffix in (
        "_pp",
        "_pct",
        "_bp",
        "_usd_bn",
        "_usd",
        "_years",
        "_days",
        "_sessions",
        "_months",
        "_contracts",
        "_utc",
        "_percentile",
    ):
        if words.endswith(suffix) and unit not in NO_UNIT:
            words = words.removesuffix(suffix)
            break
    text = words.replace("_", " ")
    shown = f"{text[:1].upper()}{text[1:]}"
    return shown if unit in NO_UNIT else f"{shown} ({unit})"


def dataset(
    catalog: Catalog,
    schema: str,
    name: str,
    columns: Iterable[tuple[str, str]],
    description: str,
    day: str,
    sql: str,
) -> dict[str, Any]:
    """One dataset as Superset exports it.

    Args:
        catalog: for what a column of a known name means.
        columns: names and DuckDB types.
        day: the column of time, empty where there is none.
        sql: of a query; empty for a table or view.
    """
    pairs = list(columns)
    known = {column: catalog.columns.get(column, Column(column, kind, "", "")) for column, kind in pairs}
    return {
        "table_name": name,
        "main_dttm_col": day or None,
        "currency_code_column": None,
        "description": description,
        "default_endpoint": None,
        "offset": 0,
        "cache_timeout": None,
        "catalog": None,
        "schema": schema,
        "sql": sql or None,
        "source_db_engine": None,
        "params": None,
        "template_params": None,
        "filter_select_enabled": True,
        "fetch_values_predicate": None,
        "extra": CERTIFIED,
        "normalize_columns": False,
        "always_filter_main_dttm": False,
        "folders": None,
        "uuid": identifier(name),
        "metrics": [*_metrics(known, dict(pairs))],
        "columns": [_column(known[column], kind, day) for column, kind in pairs],
        "version": VERSION,
        "database_uuid": identifier("database"),
    }


def _metrics(known: dict[str, Column], types: dict[str, str]) -> Iterator[dict[str, Any]]:
    yield _metric("count", "Rows", "count(*)", "Number of rows.", ",d")
    for name, column in known.items():
        if types[name].startswith(NUMBERS):
            # A chart that would mix several rows shows nothing rather than a number that nobody defined.
            expression = f"case when count({quoted(name)}) = 1 then max({quoted(name)}) end"
            shown = label(name, column.unit)
            yield _metric(f"{name}_value", shown, expression, ONE_ROW, FORMATS.get(column.unit))


def _metric(name: str, shown: str, expression: str, meaning: str, form: str | None) -> dict[str, Any]:
    return {
        "metric_name": name,
        "verbose_name": shown,
        "metric_type": None,
        "expression": expression,
        "description": meaning,
        "d3format": form,
        "currency": None,
        "extra": None,
        "warning_text": None,
    }


def _column(column: Column, kind: str, day: str) -> dict[str, Any]:
    return {
        "column_name": column.name,
        "verbose_name": label(column.name, column.unit),
        "is_dttm": kind in ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"),
        "is_active": True,
        # Superset has no literal for DuckDB's DATE, so a filter on a day would fail; a time compared with a
        # day is one.
        "type": "TIMESTAMP" if kind == "DATE" else kind,
        "advanced_data_type": None,
        "groupby": True,
        "filterable": True,
        "expression": None,
        "description": f"{column.description} Unit: {column.unit}." if column.unit else column.description,
        "python_date_format": None,
        "datetime_format": None,
        "extra": None,
    }


def tables(catalog: Catalog) -> Iterator[dict[str, Any]]:
    """The datasets of tables and views."""
    for table in catalog.in_schema("marts"):
        yield _of_table(catalog, table, table.name, table.description)
    # Superset's SQLite metadata allows a name once, whatever its schema: outside `marts` it is part of it.
    for schema in OTHER_SCHEMAS:
        for table in catalog.in_schema(schema):
            yield _of_table(
                catalog, table, table.full_name, table.description, f"select * from {table.full_name}"
            )
    for table in latest.daily_marts(catalog):
        name = f"{latest.SCHEMA}.{table.name}"
        yield _of_table(catalog, table, name, latest.described(table), f"select * from {name}")


def _of_table(catalog: Catalog, table: Table, name: str, description: str, sql: str = "") -> dict[str, Any]:
    columns = [(column.name, column.type) for column in table.columns]
    return dataset(catalog, table.schema, name, columns, description, table.day, sql)


def queries(catalog: Catalog) -> Iterator[dict[str, Any]]:
    """The datasets of `dashboards/queries`, their columns by DuckDB on empty tables.

    Raises:
        ValueError: a file does not begin with a comment, or is no query of the publication's tables.
    """
    with duckdb.connect() as connection:
        for schema in ("marts", *OTHER_SCHEMAS):
            connection.execute(f"create schema {schema}")
            for table in catalog.in_schema(schema):
                connection.execute(table.ddl())
        latest.create_latest_views(connection, catalog)
        for path in sorted(QUERIES.glob("*.sql")):
            yield _of_query(catalog, connection, path)


def _of_query(catalog: Catalog, connection: duckdb.DuckDBPyConnection, path: Path) -> dict[str, Any]:
    text = path.read_text(encoding="utf-8").strip().removesuffix(";")
    comment = COMMENT.match(text)
    if comment is None:
        raise ValueError(f"{path.name} has to begin with a comment that says what a row is.")
    description = " ".join(line.removeprefix("--").strip() for line in comment.group().splitlines())
    sql = expanded(text[comment.end() :].strip())
    try:
        described = connection.execute(f"describe {sql}").fetchall()
    except duckdb.Error as error:
        raise ValueError(f"{path.name}: {error}") from None
    columns = [(name, kind) for name, kind, *_ in described]
    days = [name for name, kind in columns if kind == "DATE"]
    day = next((name for name in days if name == "session_date"), next(iter(days), ""))
    return dataset(catalog, "marts", path.stem, columns, description, day, sql)


def expanded(sql: str) -> str:
    """A query with what it shares with others put in: `shared.x` is the select of `shared/x.sql`."""

    def select(name: re.Match[str]) -> str:
        text = (QUERIES / "shared" / f"{name[1]}.sql").read_text(encoding="utf-8").strip()
        return f"(\n{expanded(COMMENT.sub('', text, count=1).strip())}\n)"

    return SHARED.sub(select, sql)


def files() -> dict[Path, str]:
    """Every file of the datasets with its text."""
    catalog = load_catalog()
    return {
        FOLDER / f"{entry['table_name']}.yaml": text_of(entry)
        for entry in (*tables(catalog), *queries(catalog))
    }


def main() -> int:
    """Write the files; those of tables that are gone are removed."""
    made = files()
    for path in FOLDER.rglob("*.yaml"):
        if path not in made:
            path.unlink()
    for path, text in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    print(f"{len(made)} datasets in {FOLDER.relative_to(HERE.parent)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
