"""The one-shot service `dashboards-init`: Superset's database in the stack's PostgreSQL, and what is in it.

In: the secret files of the compose stack. Out: the role and the database `superset`, which see nothing of
Airflow's, then what dashboards.prepare makes. Every step can be repeated: this runs at each
`docker compose up`, and a changed password is set here.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psycopg2
from psycopg2 import sql

from dashboards import prepare

NAME = "superset"


def main() -> int:
    """Role, database, then the metadata; the exit code."""
    secrets = Path(os.environ["ROTATION_DASHBOARDS_SECRETS"])

    def secret(name: str) -> str:
        return (secrets / name).read_text(encoding="utf-8").strip()

    connection = psycopg2.connect(
        host="postgres", dbname="airflow", user="airflow", password=secret("postgres_password")
    )
    # A database cannot be created inside a transaction.
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            make_database(cursor, secret("superset_postgres_password"))
    finally:
        connection.close()
    print(f"▸ role and database {NAME}", flush=True)
    return prepare.main()


def make_database(cursor: psycopg2.extensions.cursor, password: str) -> None:
    """The role with this password, and its database; nobody else's database is open to it."""
    role = sql.Identifier(NAME)
    cursor.execute("select 1 from pg_roles where rolname = %s", (NAME,))
    verb = sql.SQL("create" if cursor.fetchone() is None else "alter")
    cursor.execute(
        sql.SQL("{} role {} login nosuperuser nocreatedb nocreaterole password {}").format(
            verb, role, sql.Literal(password)
        )
    )
    cursor.execute("select 1 from pg_database where datname = %s", (NAME,))
    if cursor.fetchone() is None:
        cursor.execute(sql.SQL("create database {} owner {}").format(role, role))
    for database in ("airflow", NAME, "postgres"):
        cursor.execute(sql.SQL("revoke connect on database {} from public").format(sql.Identifier(database)))


if __name__ == "__main__":
    sys.exit(main())
