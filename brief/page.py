"""`brief.html` and `validation.html` of a publication: two self-contained pages without the network.

One small inline script sorts, searches and reads out; the pages are complete without it.

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
from dataclasses import dataclass
from pathlib import Path

import duckdb

from brief.blocks import Links, Page, Publication, Section
from brief.changed import rule_changes
from brief.headlines import headline, short
from brief.reader import Reader
from brief.rendering import environment, plain_text
from brief.sections import all_sections, first_sections
from expectations.ages import old_answers

TABLE_NAME = re.compile(r"\b(?:marts|ops)\.[a-z0-9_]+")


class DrawingFailed(RuntimeError):
    """The brief could not be drawn; says where."""


@dataclass(frozen=True)
class Rules:
    """How many rules the run checked, and how many of them failed."""

    checked: int = 0
    failed: int = 0
    critical: int = 0


@dataclass(frozen=True)
class Inputs:
    """How many inputs are stale, and how many of those are required."""

    stale: int = 0
    required: int = 0


@dataclass(frozen=True)
class TableOfSection:
    """A table from which a section takes its numbers."""

    section: str
    table: str
    last: dt.date | None
    source: str


@dataclass(frozen=True)
class Result:
    """The result of one rule."""

    table_name: str
    rule: str
    column_name: str | None
    severity: str
    passed: bool
    checked_rows: int | None
    failed_rows: int | None
    sample: str | None


@dataclass(frozen=True)
class Tally:
    """The rules of one table."""

    table_name: str
    rules: int
    failed: int


def write_pages(connection: duckdb.DuckDBPyConnection, folder: Path, links: Links | None = None) -> str:
    """Write both pages.

    Args:
        connection: on a publication; nothing is written to it.
        folder: where `brief.html` and `validation.html` are put.
        links: the other pages that the brief leads to; by default the validation page alone.

    Returns:
        The headline as plain text.

    Raises:
        DrawingFailed: any failure other than a table that is missing or empty.
    """
    try:
        page = _opened(connection, links or Links())
        brief, sentence = build_brief(page)
        (folder / "brief.html").write_text(brief, encoding="utf-8")
        (folder / "validation.html").write_text(build_validation(page), encoding="utf-8")
    except Exception as error:
        raise DrawingFailed(
            f"The morning brief could not be drawn: {type(error).__name__}: {error}"
        ) from error
    return sentence


def _opened(connection: duckdb.DuckDBPyConnection, links: Links) -> Page:
    reader = Reader(connection)
    found = reader.records(Publication, "page/publication")
    if not found:
        raise ValueError("ops.publication is empty")
    return Page(reader, found[0].session_date, found[0].data_source == "simulated", links)


def build_brief(page: Page) -> tuple[str, str]:
    """The page and its headline as plain text."""
    top = headline(page)
    first, sections = first_sections(page), all_sections(page)
    rendered = (
        environment()
        .get_template("brief.html")
        .render(
            publication=page.publication,
            simulated=page.simulated,
            links=page.links,
            headline=top,
            short=short(page),
            first=first,
            sections=sections,
            rules=_rules(page),
            inputs=_inputs(page),
            old=old_answers(page.reader.connection, page.session),
            sources=_sources(page, [*first, *sections]),
        )
    )
    return rendered, plain_text(top)


def build_validation(page: Page) -> str:
    """Every validation result of the run: what failed, new failures first, then what passed."""
    run = page.publication.run_id
    held = "ops.validation_results" in page.reader.tables
    results = page.reader.records(Result, "validation/results", run=run) if held else []
    changes = rule_changes(page) if held else None
    new = {(row["table_name"].value, row["rule"].value) for row in changes.began} if changes else set()
    failed = [result for result in results if not result.passed]
    return (
        environment()
        .get_template("validation.html")
        .render(
            publication=page.publication,
            simulated=page.simulated,
            brief=page.links.brief,
            failed=sorted(failed, key=lambda result: (result.table_name, result.rule) not in new),
            passed=[result for result in results if result.passed],
            changes=changes,
            new=new,
            tables=page.reader.records(Tally, "validation/tables", run=run) if held else [],
        )
    )


def _rules(page: Page) -> Rules:
    if "ops.validation_results" not in page.reader.tables:
        return Rules()
    return page.reader.records(Rules, "page/rules", run=page.publication.run_id)[0]


def _inputs(page: Page) -> Inputs:
    if "ops.freshness" not in page.reader.tables:
        return Inputs()
    return page.reader.records(Inputs, "page/inputs")[0]


def _sources(page: Page, sections: list[Section]) -> list[TableOfSection]:
    """The tables that a section shows, with their last date and source, from the catalog."""
    rows = []
    for section in sections:
        named = set(TABLE_NAME.findall(section.markup()))
        # Among the failed rules a mart is what a rule was about, not a source.
        of_rules = section.id == "checks" and any(name.startswith("ops.") for name in named)
        for name in sorted(named):
            table = page.reader.catalog.tables.get(name)
            if table is None or name not in page.reader.tables or (of_rules and name.startswith("marts.")):
                continue
            rows.append(TableOfSection(section.title, name, page.reader.last_date(table), table.source))
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
