"""Text files of the plainest layout, read at once: commas, no quotes, the date first and written as
2024-07-16, one row per line, and no cell that is neither a number nor blank.

In: the bytes of a file. Out: the days, and numbers by column; None for any other file, which is read cell by
cell (`sources.table_text`), with the same result where both can read it. Most files are so, and this is what
makes a first load quick.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Days = NDArray[np.datetime64]
LINE_END, COMMA, DASH, ZERO = b"\n"[0], b","[0], b"-"[0], b"0"[0]
# A line begins with its day and a comma.
DAY_WIDTH = len("2024-07-16,")
DIGITS = {0: 10**7, 1: 10**6, 2: 10**5, 3: 10**4, 5: 10**3, 6: 10**2, 8: 10, 9: 1}
# The usual spellings of `sources.text_numbers.UNKNOWN`.
BLANK = ["", ".", "nan", "NaN", "NAN", "null", "NULL", "Null"]
OTHER_SEPARATORS = ";\t|"


@dataclass(frozen=True)
class PlainText:
    """Header, where the lines behind it begin, and the days that they begin with."""

    header: tuple[str, ...]
    starts: NDArray[np.int64]
    days: Days


def scan(content: bytes) -> PlainText | None:
    """The lines of a file; None where it is not so plain."""
    if b'"' in content or b"\x00" in content:
        return None
    starts = _line_starts(content)
    days = _days(content, starts)
    if days is None:
        return None
    try:
        header = content[: starts[0]].decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        return None
    if any(mark in header for mark in OTHER_SEPARATORS):
        return None
    return PlainText(tuple(cell.strip() for cell in header.split(",")), starts, days)


def numbers_of(content: bytes, text: PlainText, positions: Sequence[int]) -> list[NDArray[np.float64]] | None:
    """The numbers of some columns, missing where a cell is blank; None where a line is not a row, or a cell
    neither a number nor blank.

    Args:
        content: the file.
        text: from `scan`.
        positions: of the columns in the header.
    """
    rows, columns = len(text.starts), len(text.header)
    if content.count(b",", int(text.starts[0])) != rows * (columns - 1):
        return None
    try:
        content.decode()
        frame = pd.read_csv(
            io.BytesIO(content),
            header=None,
            skiprows=1,
            usecols=list(positions),
            dtype=dict.fromkeys(positions, np.float64),
            na_values=BLANK,
            keep_default_na=False,
            quoting=csv.QUOTE_NONE,
            float_precision="round_trip",
        )
    except (UnicodeDecodeError, ValueError):
        return None
    found = [frame[position].to_numpy() for position in positions]
    if len(frame) != rows or any(np.isinf(values).any() for values in found):
        return None
    return found


def _line_starts(content: bytes) -> NDArray[np.int64]:
    """Where the lines behind the header begin."""
    ends = np.flatnonzero(np.frombuffer(content, dtype=np.uint8) == LINE_END)
    starts = ends + 1
    return starts[starts < len(content)]


def _days(content: bytes, starts: NDArray[np.int64]) -> Days | None:
    """The days that the lines begin with; None where one does not begin with a day that
    there is and a comma."""
    if not len(starts) or starts[-1] + DAY_WIDTH > len(content):
        return None
    every = np.frombuffer(content, dtype=np.uint8)
    if not (every[starts + 4] == DASH).all() or not (every[starts + 7] == DASH).all():
        return None
    if not (every[starts + DAY_WIDTH - 1] == COMMA).all():
        return None
    numbers = np.zeros(len(starts), dtype=np.int64)
    for position, weight in DIGITS.items():
        digits = every[starts + position].astype(np.int64) - ZERO
        if digits.min() < 0 or digits.max() > 9:
            return None
        numbers += weight * digits
    years, months, days = numbers // 10000, numbers // 100 % 100, numbers % 100
    first = ((years - 1970) * 12 + months - 1).astype("datetime64[M]")
    found: Days = first.astype("datetime64[D]") + (days - 1).astype("timedelta64[D]")
    real = (years > 0) & (months > 0) & (months <= 12) & (found.astype("datetime64[M]") == first)
    return found if real.all() else None
