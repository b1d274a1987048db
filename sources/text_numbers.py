"""Cells of text → numbers: decimal points or decimal commas, with or without separators of thousands.

In: the text columns of one file. Out: numbers, missing where a cell is blank or says so. A file has one way
of writing numbers, so the cells are judged together: `1,5` or `1.234,5` proves a decimal comma, `1.5` or
`1,234.5` a decimal point. Where all that there is can be read in two ways (`94,675`), the file is refused.
Caveat: a point is a decimal point in a file with commas between its columns unless a cell proves otherwise.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

# How writers spell a value that is not known.
UNKNOWN = frozenset({"", ".", "nan", "null"})
# So many times more cells of one kind make the few others mistakes, which lose their row.
CLEARLY_MORE = 10

_SIGN, _EXPONENT = r"[-+]?", r"(?:[eE][-+]?\d+)?"
_GROUPED = {
    ".": re.compile(rf"{_SIGN}\d{{1,3}}(?:,\d{{3}})+(?:\.\d*)?"),
    ",": re.compile(rf"{_SIGN}(?:\d+|\d{{1,3}}(?:\.\d{{3}})+)(?:,\d*)?{_EXPONENT}"),
}
_TWO_READINGS = re.compile(rf"{_SIGN}[1-9]\d{{0,2}}[.,]\d{{3}}")


# Beyond it a whole number of JSON cannot become a double.
_LARGEST = 1e300


def is_finite_number(value: object) -> bool:
    """Whether a value out of JSON is a number that a double can hold: no NaN, no infinity, no truth value and
    no whole number of hundreds of digits.
    """
    return isinstance(value, int | float) and not isinstance(value, bool) and -_LARGEST <= value <= _LARGEST


class UnclearNumbers(ValueError):
    """The numbers can be read in two ways; the message says which and what to do."""


def read_numbers(
    columns: dict[str, pd.Series], separator: str, unknown: frozenset[str] = UNKNOWN
) -> tuple[dict[str, pd.Series], dict[str, pd.Series]]:
    """The numbers of every column, and which cells are none.

    Args:
        columns: text by the name of its column.
        separator: what separates the file's columns.
        unknown: the words for a value that is not known, in lower case.

    Returns:
        Two mappings by column: the numbers, missing where a cell is blank or wrong; and where it is wrong.

    Raises:
        UnclearNumbers: the file can be read in two ways.
    """
    cells = pd.concat(columns.values(), ignore_index=True)
    mark = "."
    if separator not in (",", "|") or cells.str.contains(",", regex=False).any():
        mark = _decimal_mark(cells[~cells.str.lower().isin(unknown)], separator)
    numbers: dict[str, pd.Series] = {}
    wrong: dict[str, pd.Series] = {}
    for name, texts in columns.items():
        blank = texts.str.lower().isin(unknown)
        parsed = pd.to_numeric(_plain(texts, mark), errors="coerce").astype("float64")
        wrong[name] = ~blank & ~np.isfinite(parsed.to_numpy())
        numbers[name] = parsed.where(~blank & ~wrong[name])
    return numbers, wrong


def _plain(texts: pd.Series, mark: str) -> pd.Series:
    """The texts with a decimal point and without separators of thousands."""
    if mark == "." and not texts.str.contains(",", regex=False).any():
        return texts
    grouped = texts.str.fullmatch(_GROUPED[mark])
    thousands = "," if mark == "." else "."
    plain = texts.str.replace(thousands, "", regex=False).str.replace(",", ".", regex=False)
    if mark == ",":
        # What is not a number of this file is not one: a point in it is not a decimal point.
        return plain.where(grouped, "not a number")
    return plain.where(grouped, texts)


def _decimal_mark(cells: pd.Series, separator: str) -> str:
    """The character before the decimals, as the cells prove it."""
    marked = cells[cells.str.contains(r"[.,]")]
    proofs = marked.map(_proves)
    points, commas = int((proofs == ".").sum()), int((proofs == ",").sum())
    if points > CLEARLY_MORE * commas:
        return "."
    if commas > CLEARLY_MORE * points:
        return ","
    if points or commas:
        raise UnclearNumbers(
            "the numbers are written in two ways, with decimal points and with decimal commas; write them"
            " all with points"
        )
    open_cells = marked[marked.str.fullmatch(_TWO_READINGS)]
    if open_cells.empty or (separator == "\t" and not open_cells.str.contains(",", regex=False).any()):
        return "."
    raise UnclearNumbers(
        f"the numbers can be read in two ways ({open_cells.iloc[0]!r} with decimals or with thousands); write"
        " them with a decimal point, separate the columns by commas and leave out separators of thousands"
    )


def _proves(text: str) -> str:
    """The decimal mark that a number proves; empty where it proves none or is no number."""
    if _TWO_READINGS.fullmatch(text):
        return ""
    for mark, other in ((".", ","), (",", ".")):
        if re.fullmatch(rf"{_SIGN}\d*{re.escape(mark)}\d*{_EXPONENT}", text):
            return mark
        grouped = rf"{_SIGN}\d{{1,3}}(?:{re.escape(other)}\d{{3}})+{re.escape(mark)}\d*"
        several = rf"{_SIGN}\d{{1,3}}(?:{re.escape(other)}\d{{3}}){{2,}}"
        if re.fullmatch(grouped, text) or re.fullmatch(several, text):
            return mark
    return ""
