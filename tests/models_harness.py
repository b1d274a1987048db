"""Cases of models as files: given rows, expected rows, nothing else.

In: one folder a case, `tests/models/<schema>/<table>/<case>/`:

    case.yml                    what the case shows and how its figures were computed (keys below)
    given/<schema>.<table>.csv  rows of an input; only the columns that matter, blank = NULL
    expect.csv                  the rows of the table in the order of its grain: the grain, and the columns
                                that are compared; blank = NULL

Keys of case.yml: `description` (what the case shows), `computed` (how the expected figures were computed:
not by the model), `session`; optional: `cutoff` (UTC; by default the pipeline's own for the session),
`data_source` (files), `reference` (ref tables that are filled with the project's own rows), `empty` (models
that are not built but empty), `hold` (given tables whose rows stand on every NYSE session until the next row
of the same key, so that a long history is a few lines; a row without any value ends it), `where` (SQL: the
rows that expect.csv lists; by default all of the table), `tolerance` (relative, of DOUBLE; by default 1e-9).

The model is built by the pipeline's runner with those of its ancestors that lead to a given table; every
other table is empty. A cell of expect.csv that starts with `=` is arithmetic, so that a figure can show its
working: `=100*(110/100-1)`. DuckDB computes it in DOUBLE, as a desk calculator would.

Out: `check_case`, which fails with the rows that differ.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import yaml

from tests.model_fixture import create, empty_warehouse, fill, fill_reference, project_reference
from transforms.runner import build_models, models_to_build
from warehouse.catalog import Table, load_catalog, quoted

FOLDER = Path(__file__).resolve().parent / "models"
REQUIRED_KEYS = {"description", "computed", "session"}
OPTIONAL_KEYS = {"cutoff", "data_source", "reference", "empty", "hold", "where", "tolerance"}
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.])")
# Differences of equal floats leave dust beside an expected 0.
ABSOLUTE_TOLERANCE = 1e-11
SHOWN_ROWS = 15


class CaseError(ValueError):
    """A case is not written as this module describes; the message names the file."""


@dataclass(frozen=True)
class Case:
    """One case: a folder and what its case.yml says."""

    folder: Path
    table: Table
    session: str
    cutoff: dt.datetime | None = None
    data_source: str = "files"
    reference: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    hold: tuple[str, ...] = ()
    where: str = "true"
    tolerance: float = 1e-9
    given: dict[str, Path] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """`schema.table/case`."""
        return f"{self.table.full_name}/{self.folder.name}"


def find_cases(folder: Path = FOLDER) -> list[Case]:
    """Every case below a folder, by name."""
    return [read_case(path) for path in sorted(folder.glob("*/*/*/")) if path.is_dir()]


def read_case(folder: Path) -> Case:
    """Read case.yml and list what is given.

    Raises:
        CaseError: A file or a key is missing or unknown.
    """
    catalog = load_catalog()
    full_name = f"{folder.parent.parent.name}.{folder.parent.name}"
    if full_name not in catalog.tables or catalog[full_name].model is None:
        raise CaseError(f"{folder}: {full_name} is not a model of the catalog")
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    given = {
        path.stem: path for path in sorted((folder / "given").glob("*.csv")) if path.stem in catalog.tables
    }
    expected = {"case.yml", "expect.csv", *(f"given/{name}.csv" for name in given)}
    if files != expected:
        raise CaseError(f"{folder}: missing or unknown files: {sorted(files ^ expected)}")
    entry: dict[str, Any] = yaml.safe_load((folder / "case.yml").read_text(encoding="utf-8"))
    unknown, missing = set(entry) - REQUIRED_KEYS - OPTIONAL_KEYS, REQUIRED_KEYS - set(entry)
    if unknown or missing:
        raise CaseError(f"{folder}/case.yml: unknown keys {sorted(unknown)}, missing keys {sorted(missing)}")
    options = {key: entry[key] for key in ("data_source", "where") if key in entry}
    return Case(
        folder,
        catalog[full_name],
        session=str(entry["session"]),
        cutoff=dt.datetime.fromisoformat(str(entry["cutoff"])) if "cutoff" in entry else None,
        reference=tuple(entry.get("reference", ())),
        empty=tuple(entry.get("empty", ())),
        hold=tuple(entry.get("hold", ())),
        tolerance=float(entry.get("tolerance", 1e-9)),
        given=given,
        **options,
    )


def check_case(case: Case) -> None:
    """Build the table from the given rows and compare it with the expected ones.

    Raises:
        AssertionError: Rows differ; the message shows them.
    """
    con = empty_warehouse(case.session, cutoff=case.cutoff, data_source=case.data_source)
    try:
        build_case(con, case)
        expected, columns = _expected_rows(con, case)
        got = con.execute(f"select {columns} from {case.table.full_name} where {case.where}").fetchall()
        names = [name for name in case.table.column_names if quoted(name) in columns.split(", ")]
        differences = _differences(case, names, expected, got)
        assert not differences, _message(case, differences, len(expected), len(got))
    finally:
        con.close()


def build_case(con: duckdb.DuckDBPyConnection, case: Case) -> None:
    """Fill the given tables and build the model with those of its ancestors that lead to a given table."""
    for name, path in case.given.items():
        rows = _text_rows(path)
        fill(con, name, _on_every_session(rows, load_catalog()[name], case) if name in case.hold else rows)
    fill_reference_of(con, case)
    for name in case.empty:
        create(con, name)
    given = {name for name in (*case.given, *case.empty) if load_catalog()[name].model is not None}
    for table in models_to_build(case.table.full_name, given):
        if table is not case.table and not _leads_to(table, case, given):
            create(con, table.full_name)
            given.add(table.full_name)
    row = con.execute("select getvariable('session_date'), getvariable('cutoff_utc')").fetchone()
    assert row is not None
    build_models(
        con,
        session=row[0],
        cutoff_utc=row[1],
        data_source=case.data_source,
        only=case.table.full_name,
        given=given,
    )


def fill_reference_of(con: duckdb.DuckDBPyConnection, case: Case) -> None:
    """The project's own reference rows that the case asks for."""
    twice = [name for name in case.reference if f"ref.{name}" in case.given]
    if twice:
        raise CaseError(f"{case.folder}: both given and taken from the project: {twice}")
    if case.reference:
        fill_reference(con, *case.reference)


def _leads_to(table: Table, case: Case, given: set[str]) -> bool:
    """Whether a given file is among the inputs of a model, directly or through models that are not given."""
    needed = {name for model in models_to_build(table.full_name, given) for name in model.inputs}
    return bool(needed & set(case.given))


def _text_rows(path: Path) -> pd.DataFrame:
    """Rows of a CSV file as text, blank = NULL."""
    frame = pd.read_csv(path, dtype="object", keep_default_na=False, encoding="utf-8")
    if frame.empty:  # a header alone: the types of the columns are those of the table
        return frame.astype("object")
    return frame.where(frame != "", None)


def _on_every_session(rows: pd.DataFrame, table: Table, case: Case) -> pd.DataFrame:
    """Each row on every NYSE session until the next row of its key, the last until the case's session."""
    [date] = [column.name for column in table.columns if column.name in table.grain and column.type == "DATE"]
    keys = [name for name in table.grain if name in rows.columns and name != date]
    values = [name for name in rows.columns if name not in (*keys, date)]
    calendar = project_reference("calendar")
    sessions = calendar.loc[calendar["is_nyse_session"], "calendar_date"].dt.strftime("%Y-%m-%d")
    parts = []
    for _, own in rows.groupby(keys, sort=False) if keys else [((), rows)]:
        days = sessions[(sessions >= own[date].min()) & (sessions <= case.session)]
        place = np.searchsorted(own[date].to_numpy(dtype=str), days.to_numpy(dtype=str), side="right") - 1
        parts.append(own.iloc[place].assign(**{date: days.to_numpy()}))
    return pd.concat(parts, ignore_index=True).dropna(subset=values, how="all")


def _expected_rows(con: duckdb.DuckDBPyConnection, case: Case) -> tuple[list[tuple[Any, ...]], str]:
    """The rows of expect.csv in the table's types, and the columns compared as SQL."""
    path = case.folder / "expect.csv"
    text = _text_rows(path)
    table = case.table
    unknown = [name for name in text.columns if name not in table.column_names]
    missing = [name for name in table.grain if name not in text.columns]
    if unknown or missing:
        raise CaseError(f"{path}: unknown columns {unknown}, missing columns of the grain {missing}")
    compared = [column for column in table.columns if column.name in text.columns]
    for column in compared:
        text[column.name] = [_calculated(con, path, cell) for cell in text[column.name]]
    con.register("expected_rows", text.astype("object"))
    casts = ", ".join(f"cast({quoted(column.name)} as {column.type})" for column in compared)
    rows = con.execute(f"select {casts} from expected_rows").fetchall() if len(text) else []
    con.unregister("expected_rows")
    return rows, ", ".join(quoted(column.name) for column in compared)


def _calculated(con: duckdb.DuckDBPyConnection, path: Path, cell: str | None) -> str | None:
    if cell is None or not cell.startswith("="):
        return cell
    try:
        row = con.execute("select " + NUMBER.sub(r"(\g<0>)::double", cell[1:])).fetchone()
    except duckdb.Error as error:
        raise CaseError(f"{path}: {cell} cannot be computed: {error}") from error
    return repr(row[0]) if row else None


def _differences(
    case: Case, names: list[str], expected: list[tuple[Any, ...]], got: list[tuple[Any, ...]]
) -> list[dict[str, str]]:
    """One entry per row that is missing, unexpected or different, in words; one for a wrong order."""
    places = [names.index(name) for name in case.table.grain]

    def key(row: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(row[place] for place in places)

    wanted, found = {key(row): row for row in expected}, {key(row): row for row in got}
    if len(wanted) != len(expected):
        raise CaseError(f"{case.folder}/expect.csv: a row of the same grain is there twice")
    out: list[dict[str, str]] = []
    for each in dict.fromkeys((*wanted, *found)):
        row = {name: str(value) for name, value in zip(case.table.grain, each, strict=True)}
        if each not in found:
            out.append(row | {"difference": "expected, but the model has no such row"})
        elif each not in wanted:
            out.append(row | {"difference": "not expected"})
        else:
            wrong = [
                f"{name}: expected {want!s}, got {have!s}"
                for name, want, have in zip(names, wanted[each], found[each], strict=True)
                if not equal(want, have, case.tolerance)
            ]
            if wrong:
                out.append(row | {"difference": "; ".join(wrong)})
    if not out and [key(row) for row in expected] != [key(row) for row in got]:
        out.append({"difference": "the rows are the same, but not in the order of the grain"})
    if not out and len(found) != len(got):
        out.append({"difference": "the model has several rows of the same grain"})
    return out


def equal(want: Any, have: Any, tolerance: float) -> bool:
    """Exact, but for floats: those within a relative tolerance."""
    if isinstance(want, float) and isinstance(have, float):
        return math.isclose(want, have, rel_tol=tolerance, abs_tol=ABSOLUTE_TOLERANCE)
    return bool(want == have)


def _message(case: Case, differences: list[dict[str, str]], expected: int, got: int) -> str:
    shown = pd.DataFrame(differences[:SHOWN_ROWS])
    with pd.option_context("display.max_colwidth", None, "display.width", None):
        table = shown.to_string(index=False, na_rep="")
    more = f"\n... and {len(differences) - SHOWN_ROWS} more" if len(differences) > SHOWN_ROWS else ""
    return f"{case.name}: {len(differences)} rows differ (expected {expected} rows, got {got})\n{table}{more}"
