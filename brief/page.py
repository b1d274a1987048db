"""`brief.html` and `validation.html` of a publication: two self-contained pages, no script, no network.

In: a connection whose main database is the publication (read-only will do). Out: the two files in a folder
and the headline as plain text. A table that is missing or empty costs its section one line; any other
failure is a `DrawingFailed` that names the part, and the run stops before it publishes, with the last
publication in place (docs/adr/0006). By hand: `python -m brief.page
data/<source>/published/current/warehouse.duckdb /tmp/pages`.
"""

from __future__ import annotations

import datetime as dt
import re
import sys
from pathlib import Path
from typing import Any

import duckdb

from brief.blocks import Figure, Page, Table
from brief.headline import headline, short
from brief.reader import Reader
from brief.rendering import environment, plain_text
from brief.sections import all_sections


class DrawingFailed(RuntimeError):
    """The brief could not be drawn; says where."""


def write_pages(connection: duckdb.DuckDBPyConnection, folder: Path) -> str:
    """Write both pages; the headline as plain text."""
    try:
        page = _opened(connection)
        brief, sentence = build_brief(page)
        (folder / "brief.html").write_text(brief, encoding="utf-8")
        (folder / "validation.html").write_text(build_validation(page), encoding="utf-8")
    except Exception as error:
        raise DrawingFailed(
            f"The morning brief could not be drawn: {type(error).__name__}: {error}"
        ) from error
    return sentence


def _opened(connection: duckdb.DuckDBPyConnection) -> Page:
    row = connection.execute(
        "select session_date, data_source from ops.publication order by generation desc limit 1"
    ).fetchone()
    if row is None:
        raise ValueError("ops.publication is empty")
    return Page(Reader(connection), row[0], row[1] == "simulated")


def build_brief(page: Page) -> tuple[str, str]:
    """The page and its headline as plain text."""
    top = headline(page)
    sections = all_sections(page)
    rendered = (
        environment()
        .get_template("brief.html")
        .render(
            publication=_publication(page),
            page=page,
            headline=top,
            short=short(page),
            sections=sections,
            state=_state(page),
            sources=_sources(page, rendered_text=_texts(sections)),
            is_table=lambda block: isinstance(block, Table),
            is_figure=lambda block: isinstance(block, Figure),
        )
    )
    return rendered, plain_text(top)


def build_validation(page: Page) -> str:
    """Every validation result of the run, failed first."""
    run = _publication(page)["run_id"]
    results = (
        page.reader.old_points("select * from ops.validation_results")
        if "ops.validation_results" in page.reader.tables
        else []
    )
    severity = {"critical": 0, "warning": 1, "info": 2}
    own = [row for row in results if row["run_id"] == run]
    own.sort(
        key=lambda row: (
            row["passed"],
            severity.get(row["severity"], 3),
            row["table_name"],
            row["rule"],
            row["column_name"] or "",
        )
    )
    tables: dict[str, dict[str, int]] = {}
    for row in own:
        count = tables.setdefault(row["table_name"], {"rules": 0, "failed": 0})
        count["rules"] += 1
        count["failed"] += not row["passed"]
    return (
        environment()
        .get_template("validation.html")
        .render(
            publication=_publication(page),
            page=page,
            failed=[row for row in own if not row["passed"]],
            passed=[row for row in own if row["passed"]],
            tables=sorted(tables.items()),
        )
    )


def _publication(page: Page) -> dict[str, Any]:
    row: dict[str, Any] = page.reader.old_points(
        "select generation, session_date, data_source, published_at_utc, code_version, run_id from"
        " ops.publication order by generation desc limit 1"
    )[0]
    return row


def _state(page: Page) -> dict[str, int]:
    """How many rules failed and how many inputs are stale, for the line at the top."""
    run = str(_publication(page)["run_id"]).replace("'", "''")
    counts = {"rules": 0, "failed": 0, "critical": 0, "stale": 0, "required": 0}
    if "ops.validation_results" in page.reader.tables:
        row = page.reader.old_points(
            "select count(*) as rules, count(*) filter (not passed) as failed, count(*) filter (not passed"
            f" and severity = 'critical') as critical from ops.validation_results where run_id = '{run}'"
        )[0]
        counts |= row
    if "ops.freshness" in page.reader.tables:
        counts |= page.reader.old_points(
            "select count(*) filter (stale) as stale, count(*) filter (stale and required) as required from"
            " ops.freshness"
        )[0]
    return counts


def _texts(sections: list[Any]) -> dict[str, str]:
    """All markup of a section as one text, to find the tables that it reads."""
    return {
        section.title: repr((section.leads, section.lists, section.blocks, section.notes))
        for section in sections
    }


def _sources(page: Page, *, rendered_text: dict[str, str]) -> list[dict[str, Any]]:
    """The tables behind each section with their last date and source, from the catalog."""
    rows = []
    for title, words in rendered_text.items():
        for name in sorted(set(re.findall(r"\b(?:marts|ops)\.[a-z0-9_]+", words))):
            table = page.reader.catalog.tables.get(name)
            if table is None or name not in page.reader.tables:
                continue
            if name.startswith("marts.") and "ops." in words and title.startswith("What failed"):
                continue  # named as the table that a rule was about, not as a source
            dates = [
                column.name
                for column in table.columns
                if column.type == "DATE" and column.name in table.grain
            ]
            last: dt.date | None = None
            if dates:
                found = page.reader.connection.execute(f"select max({dates[0]}) from {name}").fetchone()
                last = found[0] if found else None
            rows.append(
                {
                    "section": title,
                    "table": name,
                    "source": table.source,
                    "inputs": ", ".join(table.inputs),
                    "last": last,
                }
            )
    return rows


def main() -> int:
    """Draw the pages of a publication again."""
    if len(sys.argv) != 3:
        print("usage: python -m brief.page <warehouse.duckdb> <folder>", file=sys.stderr)
        return 2
    folder = Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(sys.argv[1], read_only=True) as connection:
        print(write_pages(connection, folder))
    print(folder / "brief.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
