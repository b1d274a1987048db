"""Look for secrets in everything that a run leaves behind: plain files, gzip, DuckDB, SQLite and Parquet,
whose texts are compressed.
"""

from __future__ import annotations

import gzip
import sqlite3
from collections.abc import Iterable
from pathlib import Path

import duckdb


def hits(folders: Iterable[Path], secrets: Iterable[str]) -> list[str]:
    """`file: secret` for every file below the folders that holds one of the secrets."""
    needles = {secret: secret.encode() for secret in secrets}
    found = []
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_symlink() or not path.is_file():
                continue
            content = b"".join(_contents(path))
            found += [f"{path}: {secret}" for secret, needle in needles.items() if needle in content]
    return found


def _contents(path: Path) -> Iterable[bytes]:
    yield path.read_bytes()
    if path.suffix == ".gz":
        yield gzip.decompress(path.read_bytes())
    elif path.suffix == ".duckdb":
        with duckdb.connect(str(path), read_only=True) as connection:
            tables = connection.execute(
                "select schema_name, table_name, database_name from duckdb_tables()"
            ).fetchall()
            for schema, table, _ in tables:
                yield from _texts(connection, f'"{schema}"."{table}"')
    elif path.suffix == ".parquet":
        with duckdb.connect() as connection:
            yield from _texts(connection, f"read_parquet('{path}')")
    elif path.suffix == ".db":
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            yield "\n".join(database.iterdump()).encode()


def _texts(connection: duckdb.DuckDBPyConnection, relation: str) -> Iterable[bytes]:
    columns = connection.execute(f"describe select * from {relation}").fetchall()
    for name, kind, *_ in columns:
        if kind == "VARCHAR":
            for (text,) in connection.execute(
                f'select distinct "{name}" from {relation} where "{name}" is not null'
            ).fetchall():
                yield str(text).encode()
