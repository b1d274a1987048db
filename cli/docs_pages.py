"""The pages of the documentation site that the catalog makes: a page per table, one per schema, the whole
lineage, the example queries.

In: the catalog, `expectations/<schema>/<table>.yml` and `docs/queries/`. Out: Markdown texts by path inside
the site. Caveat: lineage is what the models declare as inputs; the runner enforces the order, not the
absence of others.
"""

from __future__ import annotations

import re
from html import escape

from cli.dictionary import SCHEMAS, example_queries, queries, question_files, used_by
from cli.docs_graph import Edge, lineage_svg
from expectations.rules import handwritten
from warehouse.catalog import Catalog, Column, Table
from warehouse.settings import REPOSITORY

LAYERS = ("raw", "ref", "staging", "marts")


def generated_pages(catalog: Catalog) -> dict[str, str]:
    """All generated pages: path inside the site and text."""
    users = used_by(catalog)
    pages = {
        "docs/data-dictionary.md": _dictionary_page(catalog),
        "docs/queries/index.md": _queries_page(catalog),
        "lineage.md": _lineage_page(catalog),
    }
    for schema in SCHEMAS:
        pages[f"tables/{schema}/index.md"] = _schema_page(catalog, schema)
    for table in catalog.tables.values():
        pages[page_of(table.full_name)] = table_page(table, users.get(table.full_name, []))
    return pages


def page_of(full_name: str) -> str:
    """The path of a table's page inside the site."""
    return f"tables/{full_name.replace('.', '/')}.md"


def lineage_of(catalog: Catalog) -> tuple[list[str], list[Edge]]:
    """The tables of the whole graph and its arrows: raw, ref, staging, marts, and whatever else has an
    arrow.
    """
    edges = [(item, table.full_name) for table in catalog.tables.values() for item in table.inputs]
    ends = {name for edge in edges for name in edge}
    return [name for name, table in catalog.tables.items() if table.schema in LAYERS or name in ends], edges


def table_page(table: Table, users: list[str]) -> str:
    """Meaning, grain, source, lineage, columns, rules, queries and the model's code."""
    facts = [
        f"| Grain | {', '.join(f'`{name}`' for name in table.grain) or 'one row per entry'} |",
        f"| Source | {_cell(table.source)} |",
        f"| Made from | {_table_links(table.inputs) or 'loaded by the pipeline'} |",
        f"| Used by | {_table_links(users) or 'no other table'} |",
    ]
    if table.model:
        facts.append(f"| Model | [`{_model_path(table)}`](#the-model) |")
    parts = [f"# {table.full_name}", _text(table.description), "\n".join(["| | |", "| --- | --- |", *facts])]
    if table.inputs or users:
        edges = [(item, table.full_name) for item in table.inputs]
        edges += [(table.full_name, user) for user in users]
        names = {table.full_name, *table.inputs, *users}
        picture = lineage_svg(
            names, edges, lambda name: f"../{name.replace('.', '/')}.html", f"Inputs and users of {table}"
        )
        whole = f'<a href="../../lineage.html#{table.full_name}">Show it in the whole graph</a>'
        parts.append(
            f'<div class="lineage-frame" data-focus="{table.full_name}">\n{picture}\n</div>\n<p>{whole}</p>'
        )
    parts += [
        "## Columns",
        "**Bold** columns are the grain: together they name one row.",
        "\n".join(
            [
                "| column | type | unit | meaning |",
                "| --- | --- | --- | --- |",
                *(_column(table, column) for column in table.columns),
            ]
        ),
        *_rules(table),
    ]
    asked = queries(table)
    if asked:
        parts.append("## Queries")
        parts += [f"{_text(question)}\n\n```sql\n{statement}\n```" for question, statement in asked]
    if table.model:
        language = "sql" if table.model.suffix == ".sql" else "python"
        code = table.model.read_text(encoding="utf-8").rstrip()
        parts += ["## The model", f"`{_model_path(table)}`", f"````{language}\n{code}\n````"]
    return "\n\n".join(parts) + "\n"


def _rules(table: Table) -> list[str]:
    """What the gate checks: from the catalog in one sentence, the handwritten rules as a table and as
    written.
    """
    derived = ["types, limits and permitted values as above"]
    if table.grain:
        derived.append("a unique grain")
    low, high = table.row_count
    if low:
        derived.append(f"at least {low} rows" if low > 1 else "at least one row")
    if high is not None:
        derived.append(f"at most {high} rows")
    parts = ["## Rules", f"From the catalog: {', '.join(derived)}."]
    written = handwritten(table)
    rows = [
        f"| `{item['meta']['name']}` | {item['severity']} | {_cell(item['meta']['why'])} |"
        for item in written["expectations"]
    ]
    rows += [
        f"| `{item['name']}` | {item['severity']} | {_cell(item['why'])} |" for item in written["queries"]
    ]
    if rows:
        path = REPOSITORY / "expectations" / table.schema / f"{table.name}.yml"
        parts += [
            "\n".join(["| rule | severity | why |", "| --- | --- | --- |", *rows]),
            f"<details>\n<summary>expectations/{table.schema}/{table.name}.yml</summary>",
            f"````yaml\n{path.read_text(encoding='utf-8').rstrip()}\n````",
            "</details>",
        ]
    return parts


def _dictionary_page(catalog: Catalog) -> str:
    """The tables by schema; it replaces docs/data-dictionary.md."""
    parts = [
        "# Tables",
        (
            "Every table of the warehouse with what a row is. The same is in `ops.data_dictionary` and in the"
            " comments of every table and column. The [lineage](../lineage.md) shows what is made from what."
        ),
        (
            "A name means one thing everywhere. Units are in the names: `_pct` per cent (1.5 = 1.5 %), `_pp`"
            " percentage points, `_bp` basis points, `_prob` 0 to 1, `_percentile` 0 to 100, `_usd`,"
            " `_sessions`, `_days` (calendar), `_z`, `_utc`. Missing is NULL."
        ),
    ]
    for schema, words in SCHEMAS.items():
        parts += [f"## {schema}", _text(words), _table_list(catalog, schema, "../tables/")]
    toctree = "\n".join(f"../tables/{schema}/index" for schema in SCHEMAS)
    return "\n\n".join([*parts, f"```{{toctree}}\n:hidden:\n\n{toctree}\n```"]) + "\n"


def _schema_page(catalog: Catalog, schema: str) -> str:
    names = "\n".join(f"{table.name} <{table.name}>" for table in catalog.in_schema(schema))
    return (
        f"# {schema}\n\n{_text(SCHEMAS[schema])}\n\n{_table_list(catalog, schema, '../')}\n\n"
        f"```{{toctree}}\n:hidden:\n\n{names}\n```\n"
    )


def _table_list(catalog: Catalog, schema: str, prefix: str) -> str:
    rows = [
        f"| [{table.name}]({prefix}{schema}/{table.name}.md) | {_cell(_first_sentence(table.description))} |"
        for table in catalog.in_schema(schema)
    ]
    return "\n".join(["| table | what it holds |", "| --- | --- |", *rows])


def _first_sentence(words: str) -> str:
    return re.split(r"(?<=[.)]) (?=[A-Z])", words)[0]


def _queries_page(catalog: Catalog) -> str:
    """The analysts' questions with their queries, then every question of `docs/queries/` with its table."""
    asked = []
    for path in question_files():
        [(question, statement)] = example_queries(path)
        asked.append(f"### {question}\n\n`docs/queries/questions/{path.name}`\n\n```sql\n{statement}\n```\n")
    rows = []
    for table in catalog.in_schema("marts"):
        path = REPOSITORY / "docs" / "queries" / f"{table.name}.sql"
        if path.exists():
            link = f"[{table.name}](../../{page_of(table.full_name)}#queries)"
            rows += [f"| {_cell(question)} | {link} |" for question, _ in example_queries(path)]
    return "\n".join(
        [
            "# Questions and queries",
            "",
            "## What analysts ask",
            "",
            "Each of these is one short query, without a window function or a sub-query in its filter:"
            " `make sql Q=q03_spreads_to_date` asks it.",
            "",
            *asked,
            "## By table",
            "",
            "Each question has its query on the page of the table that answers it.",
            "",
            "| question | table |",
            "| --- | --- |",
            *rows,
            "",
        ]
    )


def _lineage_page(catalog: Catalog) -> str:
    tables, edges = lineage_of(catalog)
    picture = lineage_svg(
        tables, edges, lambda name: f"tables/{name.replace('.', '/')}.html", "Lineage of all tables"
    )
    key = "".join(f'<span class="{schema}">{schema}</span>' for schema in LAYERS)
    return "\n\n".join(
        [
            "---\nhide-toc: true\n---",
            "# Lineage",
            (
                f"{len(tables)} tables and {len(set(edges))} arrows, from the inputs that the models declare."
                " Point at a table to see what it is made from and what is made from it; click it for its"
                " page."
            ),
            f'<p class="lineage-key">{key}</p>\n<div class="lineage-frame" tabindex="0">\n{picture}\n</div>',
        ]
    )


def _column(table: Table, column: Column) -> str:
    name = f"**`{column.name}`**" if column.name in table.grain else f"`{column.name}`"
    words = [_cell(column.description)]
    if column.values:
        words.append(f"One of {', '.join(f'`{value}`' for value in column.values)}.")
    if column.min is not None or column.max is not None:
        words.append(f"Limits: {_limits(column)}.")
    if column.name in table.required_columns and column.name not in table.grain:
        words.append("Never NULL.")
    return f"| {name} | {column.type} | {_cell(column.unit)} | {' '.join(words)} |"


def _limits(column: Column) -> str:
    if column.max is None:
        return f"at least {column.min}"
    return f"at most {column.max}" if column.min is None else f"{column.min} to {column.max}"


def _table_links(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(f"[{name}](../{name.replace('.', '/')}.md)" for name in names)


def _model_path(table: Table) -> str:
    assert table.model is not None
    return table.model.relative_to(REPOSITORY).as_posix()


def _text(words: str) -> str:
    """Words of the catalog on one line; outside of code a `<` does not open a tag."""
    pieces = " ".join(words.split()).split("`")
    return "`".join(piece if index % 2 else escape(piece, quote=False) for index, piece in enumerate(pieces))


def _cell(words: str) -> str:
    return _text(words).replace("|", "\\|")
