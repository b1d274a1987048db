"""The data contract of a publication in the Open Data Contract Standard: what a reader may rely on.

In: the catalog's tables that are published, their rules and the allowed ages. Out: a document with every
table and column (types, units, meanings), keys, rules with their severity and how old answers may be. It is
made from what the gate checks, so it cannot promise anything else; no row is read for it. Caveat: the views
of `latest` are not listed, they have the columns of their marts.

Source: https://bitol-io.github.io/open-data-contract-standard/v3.2.0/
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

import yaml

from expectations.ages import FAMILIES, Family
from expectations.rules import Item, Query, handwritten, rule_name
from warehouse.catalog import Column, Table, quoted

CONTRACT = "contract.odcs.yaml"
API_VERSION = "v3.2.0"
PUBLISHED_SCHEMAS = ("marts", "ref", "ops")
LOGICAL_TYPES = {
    "VARCHAR": "string",
    "DATE": "date",
    "TIMESTAMP": "timestamp",
    "DOUBLE": "number",
    "INTEGER": "integer",
    "BIGINT": "integer",
    "BOOLEAN": "boolean",
}
PURPOSE = (
    "Equity rotation, the Federal Reserve's expected path and the rate sensitivity of banks, once per NYSE"
    " session, for BI tools and analysts."
)
USAGE = (
    "Open warehouse.duckdb read-only, or read the Parquet files beside it. marts is what BI tools read, ref"
    " are facts kept by hand, ops says how the publication was made. The schema latest holds a view per daily"
    " mart with the rows of its newest day. A generation never changes; connect again through"
    " published/current for the next one (docs/connect.md)."
)
LIMITATIONS = (
    "Published figures describe the past and are no investment advice. Whether values may be passed on is"
    " decided by the terms of the providers that served them (docs/data-sources.md)."
)
SIMULATED = " This publication holds simulated data: none of its figures is of a real market."
Document = dict[str, Any]


@dataclass(frozen=True)
class Facts:
    """The publication that a contract is of.

    Attributes:
        generation: its number.
        session: the NYSE session that it is for.
        data_source: live, files or simulated.
        code_version: of the code that made it; the contract's own version.
    """

    generation: int
    session: date
    data_source: str
    code_version: str


def contract_text(tables: Iterable[Table], facts: Facts) -> str:
    """The contract as YAML."""
    return yaml.dump(
        data_contract(tables, facts),
        Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper),
        sort_keys=False,
        allow_unicode=True,
        width=160,
    )


def data_contract(tables: Iterable[Table], facts: Facts) -> Document:
    """The contract of a publication.

    Args:
        tables: those that it holds; staging is a working layer and no part of the contract.
        facts: of the publication.
    """
    promised = sorted(
        (table for table in tables if table.schema in PUBLISHED_SCHEMAS),
        key=lambda table: (PUBLISHED_SCHEMAS.index(table.schema), table.name),
    )
    names = {table.full_name for table in promised}
    return {
        "apiVersion": API_VERSION,
        "kind": "DataContract",
        "id": "rotation-warehouse",
        "name": "Rotation Warehouse",
        "version": facts.code_version,
        "status": "active",
        "domain": "markets",
        "description": {
            "purpose": PURPOSE,
            "usage": USAGE,
            "limitations": LIMITATIONS + (SIMULATED if facts.data_source == "simulated" else ""),
        },
        "tags": [facts.data_source],
        "servers": _servers(),
        "schema": [_object(table, names) for table in promised],
        "slaProperties": [
            entry for family in FAMILIES if family.found_in[0].table in names for entry in _freshness(family)
        ],
        "customProperties": _custom(
            dataSource=facts.data_source, sessionDate=str(facts.session), generation=facts.generation
        ),
    }


def _servers() -> list[Document]:
    return [
        {
            "server": "duckdb",
            "type": "duckdb",
            "description": "Read-only; DuckDB 1.4 or later. The path is relative to this file.",
            "database": "warehouse.duckdb",
        },
        {
            "server": "parquet",
            "type": "local",
            "description": (
                "The same tables; a large mart is a folder <table>/year=YYYY.parquet. Relative to this file."
            ),
            "path": "parquet/*/*.parquet",
            "format": "parquet",
        },
    ]


def _custom(**values: Any) -> list[Document]:
    return [{"property": name, "value": value} for name, value in values.items() if value not in ("", None)]


def _object(table: Table, promised: set[str]) -> Document:
    """A table."""
    grain = ", ".join(table.grain)
    found = {
        "id": table.full_name.replace(".", "_"),
        "name": table.full_name,
        "physicalName": table.full_name,
        "physicalType": "table",
        "logicalType": "object",
        "description": " ".join(filter(None, (table.description, table.calendar_sentence))),
        "dataGranularityDescription": f"One row per {grain}."
        if grain
        else "One row per entry, without a key.",
        "tags": [name for name in (table.schema, table.family) if name],
        "customProperties": _custom(source=table.source),
        "properties": [_property(table, column, promised) for column in table.columns],
    }
    quality = list(_quality(table)) if table.schema == "marts" else []
    return found | ({"quality": quality} if quality else {})


def _property(table: Table, column: Column, promised: set[str]) -> Document:
    """A column; what is false or empty is left out, as the standard's defaults have it."""
    found: Document = {
        "id": column.name,
        "name": column.name,
        "logicalType": LOGICAL_TYPES[column.type],
        "physicalType": column.type,
        "description": column.description,
    }
    if column.name in table.grain:
        found |= {"primaryKey": True, "primaryKeyPosition": table.grain.index(column.name) + 1}
    if column.name in table.required_columns:
        found["required"] = True
    if table.grain == (column.name,):
        found["unique"] = True
    limits = {"minimum": column.min, "maximum": column.max}
    if options := {name: value for name, value in limits.items() if value is not None}:
        found["logicalTypeOptions"] = options
    if column.values:
        found["enum"] = [{"value": value} for value in column.values]
    if column in table.foreign_keys and column.referenced_table in promised:
        target = column.referenced_table.replace(".", "_")
        to = f"schema/{target}/properties/{column.referenced_column}"
        found["relationships"] = [{"type": "foreignKey", "to": to}]
    return found | {"customProperties": _custom(unit=column.unit)}


def _quality(table: Table) -> Iterable[Document]:
    """The rules that no property says: key, finite numbers, rows, and those written by hand."""
    if table.grain:
        yield _rule("grain_is_unique", "critical", "The columns of the key together name one row.") | {
            "dimension": "uniqueness",
            "type": "library",
            "metric": "duplicateValues",
            "arguments": {"properties": list(table.grain)},
            "mustBe": 0,
            "unit": "rows",
        }
    low, high = table.row_count
    if low:
        yield _rule("table_row_count", "critical", "The table is never empty or implausibly long.") | {
            "dimension": "completeness",
            "type": "library",
            "metric": "rowCount",
            **({"mustBeGreaterOrEqualTo": low} if high is None else {"mustBeBetween": [low, high]}),
            "unit": "rows",
        }
    floats = [quoted(column.name) for column in table.columns if column.type == "DOUBLE"]
    if floats:
        infinite = " or ".join(f"not isfinite({name})" for name in floats)
        yield _sql_rule(
            "numbers_are_finite",
            "critical",
            "A missing number is NULL, never NaN or infinity.",
            f"select 1 from {table.full_name} where {infinite}",
        )
    rules = handwritten(table)
    for item in rules["expectations"]:
        yield _native_rule(item)
    for query in rules["queries"]:
        yield _query_rule(query)


def _rule(name: str, severity: str, why: str) -> Document:
    return {"id": name, "name": name, "description": why, "severity": severity}


def _sql_rule(name: str, severity: str, why: str, offenders: str) -> Document:
    return _rule(name, severity, why) | {
        "type": "sql",
        "query": f"select count(*) from ({offenders}) as offenders",
        "mustBe": 0,
        "unit": "rows",
    }


def _native_rule(item: Item) -> Document:
    name = rule_name(item)
    return _rule(name, item["severity"], item["meta"]["why"] if "meta" in item else name) | {
        "type": "custom",
        "engine": "great-expectations",
        "implementation": {"type": item["type"], "kwargs": item["kwargs"]},
    }


def _query_rule(query: Query) -> Document:
    """A query for offending rows; one that asks for the session or an age needs variables of the run, which
    only the gate sets.
    """
    if "getvariable(" not in query["sql"]:
        return _sql_rule(query["name"], query["severity"], query["why"], query["sql"])
    return _rule(query["name"], query["severity"], query["why"]) | {
        "type": "custom",
        "engine": "rotation-warehouse",
        "implementation": query["sql"],
    }


def _freshness(family: Family) -> Iterable[Document]:
    """How old a family's newest answer may be at the session of the publication."""
    place, unit = family.found_in[0], family.unit.name
    yield {
        "id": f"freshness_{family.name}",
        "property": "freshness",
        "value": family.allowed,
        "unit": unit,
        "element": f"{place.table}.{place.day}",
        "driver": "analytics",
        "description": (
            f"{family.title}: the newest {place.day} ({place.counts}) is at most {family.allowed} {unit}s"
            " older than the session of the publication; an older one fails a rule and shows its date."
        ),
    }
