"""What to trust: published statements with their verdicts, failed rules, quarantine, stale inputs.

In: the page. Out: blocks of three sections. Caveat: only the results of the publication's own run are shown.
"""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from brief.blocks import Page, Section, Table
from brief.cells import (
    Absent,
    Cell,
    Row,
    day,
    join,
    number,
    ordinal,
    text,
)
from brief.reader import Reader

VERDICTS = {
    "confirmed": ("✓", "confirmed"),
    "confirmed_on_other_basis": ("≈", "confirmed on another basis"),
    "contradicted": ("✗", "contradicted"),
    "not_computable": ("?", "not computable"),
}


def claims(page: Page, section: Section) -> None:
    """Published statements, each recomputed, with its verdict."""
    page.reader.require("marts.claim_checks")
    rows = page.reader.rows(
        "marts.claim_checks",
        [
            "as_of_date",
            "statement",
            "unit",
            "published",
            "recomputed",
            "published_date",
            "recomputed_date",
            "recomputed_other_basis",
            "recomputed_other_basis_date",
            "verdict",
            "basis",
            "why",
            "source",
        ],
        "as_of_date <= ?",
        [page.session],
        order=(
            "regexp_extract(claim_id, '[A-Z]+'), try_cast(regexp_extract(claim_id, '[0-9]+') as integer),"
            " part"
        ),
    )
    if not rows:
        raise Absent(f"marts.claim_checks: no statement dates from before {page.session}.")
    counts = [(name, sum(row["verdict"].value == name for row in rows)) for name in VERDICTS]
    where = f"from marts.claim_checks where as_of_date <= '{page.session}'"
    section.leads.append(
        Markup(
            "Statements from market commentary, recomputed from this warehouse as of their own day: {}."
        ).format(
            join(
                [
                    Markup("{} {}").format(
                        number(page.reader.old_scalar(f"select count(*) {where} and verdict = '{name}'"), 0),
                        VERDICTS[name][1],
                    )
                    for name, count in counts
                    if count
                ],
                ", ",
            )
        )
    )
    months = set()
    if "ref.claims" in page.reader.tables:
        months = set(
            page.reader.connection.execute(
                "select claim_id, part from ref.claims where regexp_full_match(figure, '[0-9]{4}-[0-9]{2}')"
            ).fetchall()
        )
    section.blocks.append(
        {"claims": [_claim(row, (row["claim_id"].value, row["part"].value) in months) for row in rows]}
    )


def _claim(row: Row, month: bool) -> dict[str, Any]:
    sign, words = VERDICTS[row["verdict"].value]

    def figure(name: str) -> Markup:
        if row[f"{name}_date"].known:
            return day(row[f"{name}_date"], month=month and name == "published")
        return (
            _plain(row[name], str(row["unit"].value), name == "published") if row[name].known else Markup("")
        )

    other = (
        figure("recomputed_other_basis") if row["verdict"].value == "confirmed_on_other_basis" else Markup("")
    )
    return {
        "id": f"{row['claim_id'].value}.{row['part'].value}",
        "verdict": row["verdict"].value,
        "sign": sign,
        "words": words,
        "statement": text(row["statement"], row["statement"].value),
        "published": figure("published"),
        "recomputed": figure("recomputed"),
        "other": other,
        "why": text(row["why"], row["why"].value),
        "source": row["source"].value,
        "day": day(row["as_of_date"]),
    }


def _plain(cell: Cell, unit: str, published: bool) -> Markup:
    decimals = len(repr(float(cell.value)).partition(".")[2].rstrip("0"))
    digits = min(decimals, 2) if published or not decimals else 2
    short_units = {
        "standard deviations": "σ",
        "count": "",
        "ratio": "",
        "date": "",
        "percentile": "th percentile",
    }
    if unit == "percentile":
        return Markup("{} percentile").format(ordinal(cell))
    return number(cell, digits, unit=short_units.get(unit, unit))


def checks(page: Page, section: Section) -> None:
    """Failed rules of this publication's run, and the quarantine by rule."""
    reader = page.reader
    run = run_id(reader)
    results = f"from ops.validation_results where run_id = '{run}'"
    total, failed, critical = (
        reader.old_scalar(f"select count(*) {results}{extra}")
        for extra in ("", " and not passed", " and not passed and severity = 'critical'")
    )
    if not total.value:
        raise Absent("ops.validation_results has no result of this run.")
    section.leads.append(
        Markup(
            "{} rules were checked, {} failed, {} of them critical. All of them: <a"
            ' href="validation.html">validation.html</a>.'
        ).format(number(total, 0), number(failed, 0), number(critical, 0))
    )
    rows = reader.rows(
        "ops.validation_results",
        ["severity", "failed_rows", "checked_rows", "sample"],
        "run_id = ? and not passed",
        [run],
        order="case severity when 'critical' then 0 when 'warning' then 1 else 2 end, table_name, rule",
    )
    if rows:
        section.blocks.append(
            Table(
                Markup("Failed rules"),
                ["Table and rule", "Severity", "Rows", "For example"],
                [
                    [
                        Markup("{} <small>{}</small>").format(
                            str(row["rule"].value).replace("_", " "), row["table_name"].value
                        ),
                        text(row["severity"]),
                        Markup("{} of {}").format(
                            number(row["failed_rows"], 0), number(row["checked_rows"], 0)
                        ),
                        _sample(row["sample"]),
                    ]
                    for row in rows[:20]
                ],
                Markup(
                    "A critical failure stops the publication; a warning before load puts the rows into"
                    " quarantine, so that they are in no figure of this page."
                ),
                kind="prose",
            )
        )
    quarantine = reader.old_points(
        f"select table_name, rule, count(*) as rows from ops.quarantine where run_id = '{run}' group by all"
        " order by all"
    )
    if quarantine:
        section.blocks.append(
            Table(
                Markup("Rows put into quarantine by this run"),
                ["Rule", "Table", "Rows"],
                [
                    [
                        str(p["rule"]).replace("_", " "),
                        p["table_name"],
                        number(
                            Cell(
                                p["rows"],
                                f"select count(*) from ops.quarantine where run_id = '{run}' and table_name ="
                                f" '{p['table_name']}' and rule = '{p['rule']}'",
                                "",
                            ),
                            0,
                        ),
                    ]
                    for p in quarantine
                ],
            )
        )


def _sample(cell: Cell, length: int = 110) -> Markup:
    if not cell.known:
        return Markup("")
    words = str(cell.value)
    return text(cell, words if len(words) <= length else words[:length].rsplit(" ", 1)[0] + " …")


def run_id(reader: Reader) -> str:
    reader.require("ops.publication", "ops.validation_results")
    row = reader.connection.execute(
        "select run_id from ops.publication order by generation desc limit 1"
    ).fetchone()
    assert row is not None
    return str(row[0]).replace("'", "''")


def stale(page: Page, section: Section) -> None:
    """Inputs that end before their own schedule says."""
    page.reader.require("ops.freshness")
    rows = page.reader.rows(
        "ops.freshness",
        ["required", "last_date", "expected_date"],
        "stale",
        order="required desc, dataset, input",
    )
    total = page.reader.old_scalar("select count(*) from ops.freshness")
    late = page.reader.old_scalar("select count(*) from ops.freshness where stale")
    if not rows:
        section.leads.append(
            Markup("None of {} inputs ends before its own schedule says.").format(number(total, 0))
        )
        return
    needed = [row for row in rows if row["required"].value]
    section.leads.append(
        Markup("{} of {} inputs end before their own schedule says{}.").format(
            number(late, 0),
            number(total, 0),
            (
                Markup(", <strong>among them required ones: {}</strong>").format(
                    ", ".join(row["input"].value for row in needed)
                )
                if needed
                else Markup(", none of them required")
            ),
        )
    )
    stopped = [row for row in rows if row["last_date"].known or row["required"].value]
    silent = [row["input"].value for row in rows if row not in stopped]
    if stopped:
        section.blocks.append(
            Table(
                Markup("Inputs that stopped or are required"),
                ["Input", "Kind", "Last date", "Expected", "Required"],
                [
                    [
                        row["input"].value,
                        text(row["dataset"]),
                        day(row["last_date"]) if row["last_date"].known else Markup("never served"),
                        day(row["expected_date"]),
                        "yes" if row["required"].value else "no",
                    ]
                    for row in stopped
                ],
            )
        )
    if silent:
        section.notes.append(
            Markup("Never served by this source, and not required: {}.").format(", ".join(silent))
        )
