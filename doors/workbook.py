"""A workbook for Excel: the rows, and a second sheet that says what the columns mean and where they are from.

Dates are dates, numbers are numbers with a format by the unit in the column's name, NULL is an empty cell,
text is never a formula. Caveat: Excel keeps fifteen digits and no day before 1900; whatever it cannot keep is
written as text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any

import xlsxwriter

from doors.columns import Column
from doors.opened import Facts

MOST_ROWS, MOST_COLUMNS, LONGEST_TEXT = 1_048_576, 16_384, 32_767
ROWS_SHEET, MEANINGS_SHEET = "rows", "columns"
FIRST_DAY, DIGITS = date(1900, 3, 1), 15
LAST_EXACT, LARGEST = 10**15, 9.99e307
# By the last unit in the column's name. A probability is 0..1 and shown in per cent; the rest is shown as it
# is.
FORMATS = {
    "pct": '0.00" %"',
    "pp": '0.00" pp"',
    "bp": '0.0" bp"',
    "prob": "0.0%",
    "percentile": "0.0",
    "z": "0.00",
    "usd": "#,##0.00",
    "bn": "#,##0.0",
    "sessions": "#,##0",
    "days": "#,##0",
}
WIDEST = 40


class TooLargeForExcel(ValueError):
    """The result does not fit; the message names the limit and what to do."""


class Workbook:
    """Writes one workbook; a context manager that saves it at the end."""

    def __init__(self, path: Path, columns: Sequence[Column], facts: Facts, statement: str) -> None:
        """Refuses more columns than a sheet has."""
        if len(columns) > MOST_COLUMNS:
            raise TooLargeForExcel(
                f"The result has {len(columns):,} columns and a sheet {MOST_COLUMNS:,}. Select fewer, or"
                " write .csv."
            )
        options = {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
            "tmpdir": str(path.parent),
        }
        self.book = xlsxwriter.Workbook(str(path), options)
        self.columns, self.facts, self.statement = columns, facts, statement
        self.bold = self.book.add_format({"bold": True})
        self.wrapped = self.book.add_format({"text_wrap": True, "valign": "top"})
        self.day = self.book.add_format({"num_format": "yyyy-mm-dd"})
        self.moment = self.book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self.formats = [
            self.book.add_format({"num_format": found}) if (found := number_format(column)) else None
            for column in columns
        ]
        self.sheet = self.book.add_worksheet(ROWS_SHEET)

    def __enter__(self) -> Workbook:
        """The workbook, to be written once."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Save it; what was begun is closed after an error too, and the caller removes it."""
        self.book.close()

    def write(self, rows: Iterator[tuple[Any, ...]]) -> int:
        """Both sheets; the number of rows.

        Raises:
            TooLargeForExcel: too many rows, or a text that is too long.
        """
        for place, column in enumerate(self.columns):
            self.sheet.set_column(place, place, min(max(len(column.name) + 2, 11), WIDEST))
        self.sheet.freeze_panes(1, 0)
        for place, column in enumerate(self.columns):
            self.sheet.write_string(0, place, column.name, self.bold)
        count = 0
        for count, row in enumerate(rows, start=1):
            if count >= MOST_ROWS:
                raise TooLargeForExcel(
                    f"The result has more than {MOST_ROWS - 1:,} rows, which is all that a sheet holds"
                    " below its"
                    " header. Select fewer, or write .csv."
                )
            for place, value in enumerate(row):
                if value is not None:
                    self._write(count, place, value)
        self.sheet.autofilter(0, 0, count, max(len(self.columns) - 1, 0))
        self._write_meanings()
        return count

    def _write(self, row: int, place: int, value: Any) -> None:
        sheet, form = self.sheet, self.formats[place]
        if isinstance(value, bool):
            sheet.write_boolean(row, place, value)
        elif isinstance(value, datetime) and value.tzinfo is None and value.date() >= FIRST_DAY:
            sheet.write_datetime(row, place, value, self.moment)
        elif isinstance(value, date) and not isinstance(value, datetime) and value >= FIRST_DAY:
            sheet.write_datetime(row, place, datetime(value.year, value.month, value.day), self.day)
        elif _is_number(value):
            sheet.write_number(row, place, float(value), form)
        else:
            sheet.write_string(row, place, self._text(row, place, value))

    def _text(self, row: int, place: int, value: Any) -> str:
        nested = isinstance(value, list | dict | tuple)
        text = json.dumps(value, default=str, ensure_ascii=False) if nested else str(value)
        # Excel counts by UTF-16: most emoji are two.
        if (length := len(text.encode("utf-16-le", "surrogatepass")) // 2) > LONGEST_TEXT:
            raise TooLargeForExcel(
                f"Row {row}, column {self.columns[place].name}: the text has {length:,} characters and a"
                " cell"
                f" {LONGEST_TEXT:,}. Shorten it with left(…), or write .csv."
            )
        return text

    def _write_meanings(self) -> None:
        sheet = self.book.add_worksheet(MEANINGS_SHEET)
        sheet.set_column(0, 2, 24)
        sheet.set_column(3, 4, 80)
        facts = {
            "session": str(self.facts.session),
            "generation": str(self.facts.generation),
            "data source": self.facts.data_source,
            "statement": self.statement[:LONGEST_TEXT],
        }
        if self.facts.simulated:
            facts = {"SIMULATED": "Every number in this file is made up; it is no market data.", **facts}
        for line, (name, text) in enumerate(facts.items()):
            sheet.write_string(line, 0, name, self.bold)
            sheet.write_string(line, 1, text)
        top = len(facts) + 1
        for place, title in enumerate(("column", "type", "unit", "meaning", "source")):
            sheet.write_string(top, place, title, self.bold)
        for line, column in enumerate(self.columns, start=top + 1):
            texts = (column.name, column.type, column.unit, column.meaning, column.source)
            for place, text in enumerate(texts):
                if text:
                    sheet.write_string(line, place, text, self.wrapped)


def _is_number(value: Any) -> bool:
    """Whether Excel keeps it as a number: not infinity nor close to it, no whole or decimal number with more
    digits than it has.
    """
    if isinstance(value, int):
        return -LAST_EXACT < value < LAST_EXACT
    if isinstance(value, Decimal):
        return bool(value.is_finite() and len(value.normalize().as_tuple().digits) <= DIGITS)
    return isinstance(value, float) and math.isfinite(value) and abs(value) <= LARGEST


def number_format(column: Column) -> str | None:
    """The format of a column of numbers, by the unit that its name ends with."""
    return FORMATS.get(column.name.lower().rpartition("_")[2])
