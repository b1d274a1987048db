"""The catalog: every column once (type, unit, meaning, limits), every table once (grain, order, inputs).

In: `columns/*.yml` (one entry per column name of the whole warehouse), `tables/*.yml` (raw, ref and ops
tables) and `transforms/<schema>/<name>.yml` beside each model. Out: `Catalog`, from which come the DDL, the
comments that BI tools show, the derived validation rules and `ops.data_dictionary`. A name means one thing
everywhere; a second definition is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from market_calendar.calendar_file import LAST_DAY

HERE = Path(__file__).resolve().parent
TRANSFORMS = HERE.parent.parent / "transforms"
MODEL_SCHEMAS = ("staging", "marts")
# The value of `max` for a column whose dates cannot lie after the end of the market calendar.
CALENDAR_END = "calendar_end"
ALL, LAST_ROW, WHOLE_KEY = "all", "last_row", "whole_key"
REACHES = (ALL, LAST_ROW, WHOLE_KEY)
# The date dimension: columns that lead to it, directly or through another table, join to it.
CALENDAR = "marts.calendar"
# A mart with one of these in its grain has rows of every day.
DAYS = ("session_date", "as_of_date", "observation_date")


class CatalogError(ValueError):
    """The catalog contradicts itself; the message names the file and the entry."""


@dataclass(frozen=True)
class Column:
    """One column name: the same type, unit and meaning in every table that has it.

    Attributes:
        references: the column whose values this one takes, as `schema.table.column`; empty where there is
            none.
        joins_calendar: whether the references lead to the calendar.
    """

    name: str
    type: str
    unit: str
    description: str
    min: float | str | None = None
    max: float | str | None = None
    values: tuple[str, ...] = ()
    references: str = ""
    joins_calendar: bool = False

    @property
    def referenced_table(self) -> str:
        """The table of `references`."""
        return self.references.rpartition(".")[0]

    @property
    def referenced_column(self) -> str:
        """The column of `references`."""
        return self.references.rpartition(".")[2]


@dataclass(frozen=True)
class Increment:
    """How a table grows, and how far a change of an input reaches into it (docs/adr/0014).

    Attributes:
        day: the column by which it grows.
        key: rows of one key depend, in the inputs that grow by the same key, on rows of that key alone; empty
            where they depend on all.
        reads: by input, which of its rows those of a day are made of: a number of days before it, `all`
            earlier ones, or from the key's `last_row` in the table itself on; a change of a day reaches rows
            of that day and later ones. `whole_key`: a change reaches every row of its key. An input that is
            not named reaches everything.
        yearly: whether its Parquet is a folder with a file a year.
    """

    day: str
    key: str = ""
    # A table is a key of caches.
    reads: Mapping[str, int | str] = field(default_factory=dict, hash=False)
    yearly: bool = False


@dataclass(frozen=True)
class Table:
    """One table: what a row is, in which order its columns come, and what it is made from."""

    schema: str
    name: str
    description: str
    source: str
    grain: tuple[str, ...]
    columns: tuple[Column, ...]
    not_null: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    model: Path | None = None
    row_count: tuple[int, int | None] = (0, None)
    compared: tuple[str, ...] = field(default=())
    family: str = ""
    increment: Increment | None = None
    # Of a daily mart the columns whose newest day each has its own; None where there is no view of the newest
    # day.
    latest: tuple[str, ...] | None = None

    @property
    def day(self) -> str:
        """The day of a row of a daily mart; empty for any other table."""
        found = [name for name in self.grain if name in DAYS] if self.schema == "marts" else []
        return found[0] if len(found) == 1 else ""

    @property
    def foreign_keys(self) -> tuple[Column, ...]:
        """The columns whose values are those of another table's key."""
        return tuple(
            column
            for column in self.columns
            if column.references and column.referenced_table != self.full_name
        )

    @property
    def calendar_sentence(self) -> str:
        """Which columns of a mart join to the calendar."""
        if self.schema != "marts" or self.full_name == CALENDAR:
            return ""
        names = [column.name for column in self.columns if column.joins_calendar]
        if not names:
            return f"No column joins to {CALENDAR}: a row is of no single day."
        return f"Joins to {CALENDAR}.calendar_date by {', '.join(names)}."

    @property
    def full_name(self) -> str:
        """`schema.name`."""
        return f"{self.schema}.{self.name}"

    @property
    def column_names(self) -> list[str]:
        """The columns in table order."""
        return [column.name for column in self.columns]

    @property
    def required_columns(self) -> tuple[str, ...]:
        """The columns that are never NULL: the grain and what `not_null` adds."""
        return tuple(dict.fromkeys((*self.grain, *self.not_null)))

    def ddl(self, *, catalog: str | None = None, if_not_exists: bool = False) -> str:
        """`create table` with the columns in order, types from the catalog."""
        prefix = f"{catalog}." if catalog else ""
        guard = "if not exists " if if_not_exists else ""
        columns = ", ".join(
            f"{quoted(column.name)}"
            f" {column.type}{' not null' if column.name in self.required_columns else ''}"
            for column in self.columns
        )
        return f"create table {guard}{prefix}{self.schema}.{self.name} ({columns})"

    def comments(self, *, catalog: str | None = None) -> list[str]:
        """`comment on` statements: meaning and source of the table, meaning and unit of each column."""
        target = f"{catalog}.{self.full_name}" if catalog else self.full_name
        table = f"{self.description} Grain: {', '.join(self.grain) or 'one row'}. Source: {self.source}."
        table = f"{table} {self.calendar_sentence}".rstrip()
        statements = [f"comment on table {target} is {literal(table)}"]
        return statements + self.column_comments(target)

    def column_comments(self, target: str) -> list[str]:
        """`comment on column` statements for a table or view that has these columns."""
        return [
            f"comment on column {target}.{quoted(column.name)} is"
            f" {literal(f'{column.description} Unit: {column.unit}.')}"
            for column in self.columns
        ]


@dataclass(frozen=True)
class Catalog:
    """All columns and tables by name."""

    columns: dict[str, Column]
    tables: dict[str, Table]

    def __getitem__(self, full_name: str) -> Table:
        return self.tables[full_name]

    def in_schema(self, schema: str) -> list[Table]:
        """The tables of one schema, by name."""
        return sorted(
            (table for table in self.tables.values() if table.schema == schema), key=lambda table: table.name
        )

    def models(self) -> list[Table]:
        """The models in an order in which every input comes before its user."""
        models = {table.full_name: table for table in self.tables.values() if table.model is not None}
        ordered: list[Table] = []
        state: dict[str, bool] = {}

        def visit(name: str, path: tuple[str, ...]) -> None:
            if name in path:
                raise CatalogError(f"models depend on each other in a circle: {' -> '.join((*path, name))}")
            if name not in models or state.get(name):
                return
            for item in models[name].inputs:
                visit(item, (*path, name))
            state[name] = True
            ordered.append(models[name])

        for name in sorted(models):
            visit(name, ())
        return ordered

    def ancestors(self, name: str) -> dict[str, int]:
        """What a table is made from, with the least number of steps to it; itself with 0."""
        found = {name: 0}
        ahead = [name]
        for item in ahead:  # grows while it is read: the nearest first
            new = [source for source in self.tables[item].inputs if source not in found]
            found |= dict.fromkeys(new, found[item] + 1)
            ahead += new
        return found


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """An SQL text literal."""
    return "'" + text.replace("'", "''") + "'"


@cache
def load_catalog() -> Catalog:
    """Read and check the whole catalog."""
    columns: dict[str, Column] = {}
    for path in sorted((HERE / "columns").glob("*.yml")):
        for name, entry in _mapping(path).items():
            if name in columns:
                raise CatalogError(f"{path.name}: column {name} is defined a second time")
            columns[name] = _column(path, name, entry)
    columns = _with_calendar(columns)
    tables: dict[str, Table] = {}
    for path in sorted((HERE / "tables").glob("*.yml")):
        for full_name, entry in _mapping(path).items():
            schema, name = full_name.split(".")
            tables[full_name] = _table(path, schema, name, entry, columns, None)
    for schema in MODEL_SCHEMAS:
        for path in sorted((TRANSFORMS / schema).glob("*.yml")):
            models = [
                path.with_suffix(suffix) for suffix in (".sql", ".py") if path.with_suffix(suffix).exists()
            ]
            if len(models) != 1:
                raise CatalogError(f"transforms/{schema}/{path.name} needs exactly one .sql or .py beside it")
            table = _table(path, schema, path.stem, _mapping(path), columns, models[0])
            tables[table.full_name] = table
    for table in tables.values():
        for item in table.inputs:
            if item not in tables:
                raise CatalogError(f"{table.full_name}: input {item} is not a table of the catalog")
    _refuse_wrong_references(columns, tables)
    return Catalog(columns, tables)


def _refuse_wrong_references(columns: Mapping[str, Column], tables: Mapping[str, Table]) -> None:
    """A reference leads to the whole key of a table, of the same type."""
    for column in columns.values():
        if not column.references:
            continue
        table = tables.get(column.referenced_table)
        if table is None or table.grain != (column.referenced_column,):
            raise CatalogError(f"column {column.name}: {column.references} is not the key of a table")
        if columns[column.referenced_column].type != column.type:
            raise CatalogError(f"column {column.name}: {column.references} is of another type")


def _with_calendar(columns: Mapping[str, Column]) -> dict[str, Column]:
    """The columns, each with whether its references lead to the calendar."""

    def leads_there(column: Column, path: tuple[str, ...] = ()) -> bool:
        if not column.references or column.name in path:
            return False
        if column.referenced_table == CALENDAR:
            return True
        target = columns.get(column.referenced_column)
        return target is not None and leads_there(target, (*path, column.name))

    return {name: replace(column, joins_calendar=leads_there(column)) for name, column in columns.items()}


def _mapping(path: Path) -> dict[str, Any]:
    with path.open(encoding="utf-8") as stream:
        content = yaml.load(stream, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    if not isinstance(content, dict):
        raise CatalogError(f"{path}: a mapping is expected")
    return content


def _column(path: Path, name: str, entry: dict[str, Any]) -> Column:
    unknown = set(entry) - {"type", "unit", "description", "min", "max", "values", "references"}
    missing = {"type", "unit", "description"} - set(entry)
    if unknown or missing:
        raise CatalogError(
            f"{path.name}: column {name}: unknown keys {sorted(unknown)}, missing keys {sorted(missing)}"
        )
    limits = {key: _limit(entry["type"], entry[key]) for key in ("min", "max") if key in entry}
    return Column(
        name,
        entry["type"],
        str(entry["unit"]),
        entry["description"].strip(),
        min=limits.get("min"),
        max=limits.get("max"),
        values=tuple(str(value) for value in entry.get("values", ())),
        references=str(entry.get("references", "")),
    )


def _limit(type_name: str, value: Any) -> Any:
    """A limit as it is compared: a date as text, the end of the calendar by its name."""
    if value == CALENDAR_END:
        return str(LAST_DAY)
    return str(value) if type_name in ("DATE", "TIMESTAMP") else value


def _table(
    path: Path, schema: str, name: str, entry: dict[str, Any], columns: dict[str, Column], model: Path | None
) -> Table:
    known = {"description", "source", "grain", "columns", "not_null", "inputs", "row_count", "compared"}
    known |= {"increment"}
    required = {"description", "source", "grain", "columns"}
    if schema == "marts":
        # Airflow has an asset for each family of marts.
        known, required = known | {"family", "latest"}, required | {"family"}
    unknown = set(entry) - known
    missing = required - set(entry)
    if unknown or missing:
        raise CatalogError(
            f"{path}: {schema}.{name}: unknown keys {sorted(unknown)}, missing keys {sorted(missing)}"
        )
    names: list[str] = list(entry["columns"])
    if schema == "marts":
        names.append("data_source")
    undefined = [column for column in (*names, *entry.get("not_null", ())) if column not in columns]
    if undefined:
        raise CatalogError(f"{path}: {schema}.{name}: columns without an entry in the catalog: {undefined}")
    unlisted = (set(entry["grain"]) | set(entry.get("not_null", ())) | set(entry.get("compared", ()))) - set(
        names
    )
    if unlisted or len(set(names)) != len(names):
        raise CatalogError(
            f"{path}: {schema}.{name}: duplicate columns, or not among the columns: {sorted(unlisted)}"
        )
    low, high = entry.get("row_count", (0, None))
    increment = _increment(path, f"{schema}.{name}", entry) if "increment" in entry else None
    table = Table(
        schema,
        name,
        " ".join(entry["description"].split()),
        str(entry["source"]).strip().rstrip("."),
        tuple(entry["grain"]),
        tuple(columns[column] for column in names),
        not_null=tuple(entry.get("not_null", ())),
        inputs=tuple(entry.get("inputs", ())),
        model=model,
        row_count=(low, high),
        compared=tuple(entry.get("compared", ())),
        family=str(entry.get("family", "")),
        increment=increment,
    )
    return replace(table, latest=_latest(path, table, entry))


def _latest(path: Path, table: Table, entry: dict[str, Any]) -> tuple[str, ...] | None:
    """Whose newest day the view of a daily mart shows: that of the table, or of each key that `latest`
    names; `latest: false` for one of whose rows no day is the newest.
    """
    given = entry.get("latest", [])
    if given is False or (not table.day and not given):
        return None
    if not table.day or not set(given) <= set(table.grain) - {table.day}:
        raise CatalogError(
            f"{path}: {table.full_name}: latest: must be false, or columns of the grain of a mart with a day"
            f" ({', '.join(DAYS)}) in it"
        )
    return tuple(given)


def _increment(path: Path, full_name: str, entry: dict[str, Any]) -> Increment:
    given = dict(entry["increment"])
    never_null = {*entry["grain"], *entry.get("not_null", ())}
    found = Increment(
        str(given.pop("day", "")),
        str(given.pop("key", "")),
        given.pop("reads", None) or {},
        yearly=given.pop("yearly", False) is True,
    )
    if given:
        raise CatalogError(f"{path}: {full_name}: increment: unknown keys {sorted(given)}")
    if not {found.day, found.key or found.day} <= never_null:
        raise CatalogError(f"{path}: {full_name}: increment: day and key must be columns that are never NULL")
    for item, reach in found.reads.items():
        if item not in entry.get("inputs", ()):
            raise CatalogError(f"{path}: {full_name}: increment: reads {item}, which is not among the inputs")
        if not (type(reach) is int and reach >= 0) and reach not in REACHES:
            raise CatalogError(
                f"{path}: {full_name}: increment: {item}: {reach!r} must be a number of days or one of"
                f" {', '.join(REACHES)}"
            )
    return found
