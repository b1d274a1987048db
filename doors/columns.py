"""What the columns of a result mean, as the publication itself says it.

In: a connection on a publication and a statement. Out: a `Column` for each column of the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from doors.statements import NotOneSelect, parse_select


@dataclass(frozen=True)
class Column:
    """One column; `unit`, `meaning` and `source` are empty where the statement computes it."""

    name: str
    type: str
    unit: str = ""
    meaning: str = ""
    source: str = ""


def described_columns(
    connection: duckdb.DuckDBPyConnection, statement: str, description: Sequence[tuple[object, ...]]
) -> list[Column]:
    """The columns of a result with their meaning, from the dictionary of the tables that the statement reads.

    Args:
        connection: on the publication.
        statement: that gave the result.
        description: of the cursor: name and type first.
    """
    try:
        relations = parse_select(connection, statement).relations
    except NotOneSelect:
        # `show`, `describe` and a pivot give rows too; their columns are nobody's.
        relations = set()
    read = {f"{found.schema or 'marts'}.{found.name}" for found in relations}
    known: dict[str, Column] = {}
    for schema, table, name, kind, unit, meaning, source in connection.execute(
        "select schema_name, table_name, column_name, type, unit, description, source"
        " from ops.data_dictionary order by all"
    ).fetchall():
        if {f"{schema}.{table}", f"latest.{table}"} & read and name not in known:
            known[name] = Column(name, kind, unit or "", meaning or "", source or "")
    result = []
    for entry in description:
        name = str(entry[0])
        found = known.get(name.lower(), Column(name, ""))
        result.append(Column(name, str(entry[1]), found.unit, found.meaning, found.source))
    return result
