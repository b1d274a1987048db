"""Reference data: the CSV files of `warehouse/reference/` as typed frames and as the `ref` tables.

In: one CSV per ref table, columns as in `warehouse/catalog/tables/ref.yml`. Out: pandas frames (cached,
read-only by convention) and the filled ref tables. A row that breaks the catalog (unknown column, wrong
type, unknown symbol) is refused with file and line named.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import duckdb
import pandas as pd

from market_calendar.calendar_file import CalendarError, calendar_rows
from market_calendar.fomc_schedule import compute_known_dates
from warehouse.catalog import Table, load_catalog, quoted

LOG = logging.getLogger(__name__)
FOLDER = Path(__file__).resolve().parent / "reference"
# Columns of a ref table that are in no CSV: their values depend on the provider of the data.
DEFAULTS = {"instruments": {"price_basis": "split_adjusted"}}
# Columns of ref.fomc_meetings that are computed from the list itself and from ref.fomc_schedules.
KNOWN_DATES = ("announced_on", "announced_on_assumed", "listed_from", "known_from_date", "known_from_assumed")
COMPUTED: dict[str, tuple[str, ...]] = {"fomc_meetings": KNOWN_DATES}


class ReferenceDataError(ValueError):
    """A row of the reference data is wrong; names the file, the line and the column."""


@cache
def reference_frame(name: str, *, announced: bool = True) -> pd.DataFrame:
    """`ref.<name>` as a frame: DATE and TIMESTAMP as datetime64, BOOLEAN as bool, blank as missing;
    `announced`: the calendar with its closures.
    """
    table = load_catalog()[f"ref.{name}"]
    path = FOLDER / f"{name}.csv"
    if name == "calendar":
        try:
            # With the closures that were announced since the file was generated.
            text = pd.DataFrame(calendar_rows(announced=announced), columns=table.column_names, dtype="str")
        except CalendarError as error:
            raise ReferenceDataError(str(error)) from None
    else:
        text = _read(path)
    defaults = DEFAULTS.get(name, {})
    absent = {*defaults, *COMPUTED.get(name, ())}
    expected = [column for column in table.column_names if column not in absent]
    if list(text.columns) != expected:
        raise ReferenceDataError(f"reference/{path.name}: the header must read {','.join(expected)}")
    return typed_reference(table, path.name, text.assign(**defaults))


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, dtype="str", keep_default_na=False, encoding="utf-8")
    except pd.errors.EmptyDataError:
        reason = "the file is empty; its header is missing"
    except pd.errors.ParserError as error:
        reason = f"not readable as CSV: {str(error).removeprefix('Error tokenizing data. C error: ').strip()}"
    except UnicodeDecodeError:
        reason = "not UTF-8; save it in that encoding"
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
    raise ReferenceDataError(f"reference/{path.name}: {reason}")


def typed_reference(table: Table, file: str, text: pd.DataFrame) -> pd.DataFrame:
    """The texts of a table of `ref` in its types, with the columns that are computed from them.

    Raises:
        ReferenceDataError: a cell is of another type, empty where it must not be, or a key is there twice.
    """
    computed = COMPUTED.get(table.name, ())
    frame = pd.DataFrame(
        {
            column.name: _typed(file, text[column.name], column.type)
            for column in table.columns
            if column.name not in computed
        }
    )
    _refuse_empty(file, frame, [name for name in table.required_columns if name not in computed])
    duplicates = frame.index[frame.duplicated(list(table.grain))] if table.grain else frame.index[:0]
    if len(duplicates):
        raise ReferenceDataError(
            f"reference/{file} line {duplicates[0] + 2}: duplicate {', '.join(table.grain)}"
        )
    if computed:
        frame = frame.join(compute_known_dates(frame, reference_frame("fomc_schedules")))
        frame = frame[table.column_names]
        unnamed = frame.index[frame["announced_on"].isna()]
        if len(unnamed):
            day = frame.loc[unnamed[0], "decision_date"]
            raise ReferenceDataError(
                f"reference/{file} line {unnamed[0] + 2}: no announcement names the meeting of"
                f" {day:%Y-%m-%d}. Add the day on which the schedule of {day.year} was announced to"
                f" fomc_schedules.csv."
            )
        _refuse_empty(file, frame, table.required_columns)
    return frame


def _refuse_empty(file: str, frame: pd.DataFrame, names: Sequence[str]) -> None:
    for name in names:
        empty = frame.index[frame[name].isna()]
        if len(empty):
            raise ReferenceDataError(f"reference/{file} line {empty[0] + 2}: {name} is empty")


def _typed(file: str, text: pd.Series, type_name: str) -> pd.Series:
    blank = text == ""
    values: pd.Series
    if type_name in ("DATE", "TIMESTAMP"):
        # A month alone, or a day with a time, is no date.
        form = "%Y-%m-%d" if type_name == "DATE" else "ISO8601"
        values = pd.to_datetime(text.where(~blank), format=form, errors="coerce")
    elif type_name in ("DOUBLE", "INTEGER", "BIGINT"):
        values = pd.to_numeric(text.where(~blank), errors="coerce")
        if type_name != "DOUBLE":
            values = values.where(values % 1 == 0)
    elif type_name == "BOOLEAN":
        values = text.map({"1": True, "0": False, "true": True, "false": False}).astype("boolean")
    else:
        return text.where(~blank)
    wrong = text.index[values.isna() & ~blank]
    if len(wrong):
        raise ReferenceDataError(
            f"reference/{file} line {wrong[0] + 2}: {text.name} = {text[wrong[0]]!r} is not of"
            f" type {type_name.lower()}"
        )
    return values


def load_reference(
    connection: duckdb.DuckDBPyConnection, fully_adjusted: frozenset[str] = frozenset()
) -> list[str]:
    """Bring the ref tables of the pipeline's database in line with the CSV files.

    Args:
        connection: the pipeline's database.
        fully_adjusted: symbols whose close is adjusted for dividends too, as the provider of the prices says.

    Returns:
        The tables that changed.
    """
    unknown = sorted(fully_adjusted - set(reference_frame("instruments")["symbol"]))
    if unknown:
        LOG.warning("manifest: no instrument is called %s; it has no effect", ", ".join(unknown))
    changed = []
    for table in load_catalog().in_schema("ref"):
        frame = reference_frame(table.name)
        if table.name == "instruments" and fully_adjusted:
            other = frame["price_basis"].where(~frame["symbol"].isin(fully_adjusted), "fully_adjusted")
            frame = frame.assign(price_basis=other)
        if table.name == "events":
            frame = pd.concat([frame, _fomc_events(table)], ignore_index=True)
        if _replace(connection, table, frame):
            changed.append(table.full_name)
    return changed


def _fomc_events(table: Table) -> pd.DataFrame:
    """The decisions of ref.fomc_meetings as events of type `fomc`, so that they are written down once."""
    meetings = reference_frame("fomc_meetings")
    held = meetings[~meetings["cancelled"].astype(bool)]
    events = pd.DataFrame(
        {
            "event_type": "fomc",
            "event_date": held["decision_date"],
            "released_at_utc": held["announced_at_utc"],
            "reference_month": pd.NaT,
            "source_url": held["source_url"],
            "status": held["lower_after"].notna().map({True: "actual", False: "scheduled"}),
            "time_assumed": held["announced_assumed"],
        }
    )
    return events[table.column_names]


def _replace(connection: duckdb.DuckDBPyConnection, table: Table, frame: pd.DataFrame) -> bool:
    columns = ", ".join(
        f"{quoted(column.name)}::{column.type} as {quoted(column.name)}" for column in table.columns
    )
    names = ", ".join(quoted(column.name) for column in table.columns)
    connection.register("reference_rows", frame)
    try:
        new, old = f"select {columns} from reference_rows", f"select {names} from {table.full_name}"
        differs = connection.execute(
            f"select exists((({new}) except all ({old})) union all (({old}) except all ({new})))"
        ).fetchone()
        if not differs or not differs[0]:
            return False
        connection.execute(f"delete from {table.full_name}")
        connection.execute(f"insert into {table.full_name} ({names}) {new} order by all")
        return True
    finally:
        connection.unregister("reference_rows")
