"""What a language model may ask: one SELECT over the publication's own tables.

In: a statement. Out: nothing, or a `Refused` with a sentence for the model. This is the first of three walls;
the others are the connection (read-only, without files, network and settings) and the process that runs it
(no environment, bounded memory and time, no file can be written): `doors.answering`. What is not known to be
harmless is refused, so that a later DuckDB does not open a hole.
"""

from __future__ import annotations

from collections.abc import Set

import duckdb

from doors.statements import NotOneSelect, Parsed, Relation, parse_select, quoted

SEARCHED = "marts"
# Table functions that read nothing: no file, no setting, no other statement in a text.
TABLE_FUNCTIONS = {"range", "generate_series", "unnest", "json_each", "json_tree"}
# Functions that tell of this machine or change something; everything else computes from its arguments.
FORBIDDEN_FUNCTIONS = {
    "current_query",
    "current_setting",
    "getenv",
    "getvariable",
    "json_deserialize_sql",
    "json_serialize_plan",
    "nextval",
    "parse_duckdb_log_message",
    "pg_sleep",
    "sleep_ms",
    "write_log",
}
TABLES_HINT = (
    "The tool list_tables names the tables; write them with their schema, such as marts.daily_summary."
)


class Refused(ValueError):
    """The statement is not run; the message says why, without any path."""


def require_harmless(connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    """Refuse everything but one SELECT over the publication's own tables.

    Raises:
        Refused: with the reason and what to do.
    """
    try:
        parsed = parse_select(connection, statement)
    except NotOneSelect as error:
        raise Refused(str(error)) from None
    if parsed.shows:
        raise Refused("SHOW is not answered here. Use the tools list_tables and describe_table.")
    if found := sorted(parsed.table_functions - TABLE_FUNCTIONS):
        raise Refused(f"The table function {found[0]} is not allowed here. {TABLES_HINT}")
    if found := sorted(parsed.functions & FORBIDDEN_FUNCTIONS):
        raise Refused(f"The function {found[0]} is not allowed here; it does not read the publication.")
    _require_own_tables(connection, parsed)


def published_relations(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """The tables and views of the publication, `schema.name` in lower case."""
    rows = connection.execute(
        "select lower(schema_name || '.' || table_name) from duckdb_tables()"
        " where not internal and database_name = current_database() union all"
        " select lower(schema_name || '.' || view_name) from duckdb_views()"
        " where not internal and database_name = current_database()"
    ).fetchall()
    return {name for (name,) in rows}


def _require_own_tables(connection: duckdb.DuckDBPyConnection, parsed: Parsed) -> None:
    held = published_relations(connection)
    (database,) = connection.execute("select lower(current_database())").fetchone() or ("",)
    for name in sorted({found.name for found in parsed.relations if not found.schema} & parsed.defined):
        if f"{SEARCHED}.{name}" not in held and _means_something(connection, name):
            # It could mean either, depending on where in the statement it stands.
            raise Refused(
                f"The name {name} belongs to the database itself. Give the expression another name."
            )
    for relation in sorted(parsed.relations, key=lambda found: (found.schema, found.name)):
        if not _is_own(relation, parsed.defined, held, database):
            raise Refused(f"The statement reads something that is no table of the publication. {TABLES_HINT}")


def _means_something(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    """Whether a name is that of a table or view where no expression defines it, DuckDB's own among them."""
    try:
        connection.execute(f"explain from {quoted(name)}")
    except duckdb.Error:
        return False
    return True


def _is_own(relation: Relation, defined: Set[str], held: Set[str], database: str) -> bool:
    if relation.catalog not in ("", database):
        return False
    if not relation.schema and relation.name in defined:
        return True
    return f"{relation.schema or SEARCHED}.{relation.name}" in held
