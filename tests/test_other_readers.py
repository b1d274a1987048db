"""The publication opens in older and newer DuckDB, each wheel in an environment of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.shared_homes import HomeAfter
from tests.small_market import published
from warehouse.publication import current_generation, digests

READERS = Path(__file__).resolve().parent / "readers"
CODE = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
names = [row[0] for row in connection.execute(
    "select table_name from duckdb_tables() where schema_name = 'marts' order by 1"
).fetchall()]
for name in names:
    columns = [row[0] for row in connection.execute(
        "select column_name from duckdb_columns()"
        " where schema_name = 'marts' and table_name = ? order by column_index", [name]
    ).fetchall()]
    text = " || '|' || ".join(f"coalesce(\\"{column}\\"::varchar, '∅')" for column in columns)
    rows, total = connection.execute(
        f"select count(*), sum(md5_number_lower({text})::hugeint) from marts.{name}"
    ).fetchone()
    print(duckdb.__version__, f"marts.{name}", rows, f"{int(total or 0) % 2**64:016x}")
connection.execute("select comment from duckdb_columns() where schema_name = 'marts'").fetchall()
"""
# The views, in a file that is attached under another name, with the two settings of docs/connect.md.
LATEST = """
import sys, duckdb
connection = duckdb.connect()
connection.execute(f"attach '{sys.argv[1]}' as elsewhere (read_only)")
connection.execute("set enable_external_access = false")
connection.execute("set lock_configuration = true")
for name, comment in connection.execute(
    "select view_name, comment from duckdb_views() where schema_name = 'latest' order by 1"
).fetchall():
    [(rows,)] = connection.execute(f"select count(*) from elsewhere.latest.{name}").fetchall()
    columns = connection.execute(
        "select count(*), count(comment) from duckdb_columns()"
        " where schema_name = 'latest' and table_name = ?", [name]
    ).fetchone()
    print(name, rows, comment is not None, *columns)
"""


def printed(python: str, code: str, file: str) -> list[list[str]]:
    """What a piece of code prints about a publication, as words."""
    result = subprocess.run(
        [python, "-c", code, file], capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    return [line.split() for line in result.stdout.splitlines()]


@pytest.mark.full
@pytest.mark.parametrize("version", ["1.4", "2.0"])
def test_another_duckdb_reads_the_same(version: str, home_after: HomeAfter, tmp_path: Path) -> None:
    settings = home_after("2024-07-16")
    uv = str(Path(sys.executable).with_name("uv"))
    subprocess.run(
        [uv, "venv", "-q", "-p", sys.executable, str(tmp_path / "reader")], check=True, timeout=120
    )
    python = str(tmp_path / "reader" / "bin" / "python")
    subprocess.run(
        [
            uv,
            "pip",
            "install",
            "-q",
            "-p",
            python,
            "--require-hashes",
            "-r",
            str(READERS / f"duckdb-{version}.lock"),
        ],
        check=True,
        timeout=300,
    )
    file = f"{current_generation(settings)}/warehouse.duckdb"
    lines = printed(python, CODE, file)
    assert {line[0].rsplit(".", 1)[0] for line in lines} == {version}
    with published(settings) as connection:
        expected = [[name, str(rows), digest] for name, rows, digest in digests(connection)]
    assert [line[1:] for line in lines] == expected
    views = printed(python, LATEST, file)
    assert views == printed(sys.executable, LATEST, file)
    assert len(views) > 20
    # The view itself and each of its columns have a comment.
    assert all(line[2] == "True" and line[3] == line[4] != "0" for line in views)
