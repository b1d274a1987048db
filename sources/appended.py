"""Text files that are an earlier one with lines appended: what is new of them, without reading the rest.

In: the bytes of a file, and hash, length and number of rows of the earlier one. Out: the days of all rows,
and the rows of the last lines: some before the new ones, and the new ones. Only the plainest layout is read
so, because there a cell means the same whatever stands in the rest of the file: commas, no quotes, the date
first and written as 2024-07-16, days strictly ascending, one row per line. Whatever is not so is `None`, and
the file is read whole. The new cells are read by the functions that read whole files, so a number has the
same bits either way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sources.table_text import SEPARATORS
from sources.tabular import Layout, column_key
from sources.text_dates import UnclearDates, read_dates
from sources.text_numbers import read_numbers

Days = NDArray[np.datetime64]
LINE_END, COMMA, DASH, ZERO = b"\n"[0], b","[0], b"-"[0], b"0"[0]
# A line begins with its day and a comma.
DAY_WIDTH = len("2024-07-16,")
DIGITS = {0: 10**7, 1: 10**6, 2: 10**5, 3: 10**4, 5: 10**3, 6: 10**2, 8: 10, 9: 1}


@dataclass(frozen=True)
class Earlier:
    """A file that was read whole, every line of it a row."""

    sha256: str
    byte_count: int
    rows: int


@dataclass(frozen=True)
class Appended:
    """A file that begins with an earlier one.

    Attributes:
        header: the names of the columns.
        days: of all rows.
        cells: of the last lines, blanks around them removed.
        new: how many of the lines are new.
    """

    header: tuple[str, ...]
    days: Days
    cells: tuple[tuple[str, ...], ...]
    new: int


def appended(content: bytes, earlier: Earlier, lines_before: int) -> Appended | None:
    """What is new of a file; None where it is not the earlier one with lines appended, or not so plain.

    Args:
        content: the file.
        earlier: what it may begin with.
        lines_before: how many lines before the new ones are wanted.
    """
    cut = earlier.byte_count
    if not 0 < cut < len(content) or b'"' in content:
        return None
    if not (content[:cut].endswith(b"\n") or content[cut : cut + 2].startswith((b"\n", b"\r\n"))):
        return None
    if hashlib.sha256(memoryview(content)[:cut]).hexdigest() != earlier.sha256:
        return None
    starts = _line_starts(content)
    days = _days(content, starts)
    new = len(starts) - earlier.rows
    if days is None or new <= 0 or not bool((np.diff(days) > np.timedelta64(0, "D")).all()):
        return None
    # The line end that the earlier file lacked, if it did, lies behind the cut.
    if not 0 <= starts[earlier.rows] - cut <= len(b"\r\n"):
        return None
    first = starts[max(earlier.rows - lines_before, 0)]
    try:
        header = content[: starts[0]].decode("utf-8-sig").rstrip("\r\n")
        lines = content[first:].decode("utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError:
        return None
    names = tuple(cell.strip() for cell in header.split(","))
    lines = [line.removesuffix("\r") for line in lines]
    cells = tuple(tuple(cell.strip() for cell in line.split(",")) for line in lines)
    plain = all(len(row) == len(names) for row in cells) and not any("\r" in line for line in lines)
    if not plain or "\x00" in header or any(mark in header for mark in SEPARATORS.replace(",", "")):
        return None
    return Appended(names, days, cells, new)


def _line_starts(content: bytes) -> NDArray[np.int64]:
    """Where the lines behind the header begin."""
    ends = np.flatnonzero(np.frombuffer(content, dtype=np.uint8) == LINE_END)
    starts = ends + 1
    return starts[starts < len(content)]


def _days(content: bytes, starts: NDArray[np.int64]) -> Days | None:
    """The days that the lines begin with; None where one does not begin with a day and a comma."""
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
    first = ((years - 1970) * 12 + months - 1).astype("datetime64[M]").astype("datetime64[D]")
    found: Days = first + (days - 1).astype("timedelta64[D]")
    return found


def read_appended(files: Mapping[str, tuple[Layout, Appended]]) -> pd.DataFrame:
    """The rows of the last lines of several files of one kind, in one table.

    Args:
        files: by input.

    Returns:
        The columns of the layout with its keys, `_input`, and `_is_new`. A file of which a line is not a row
        has none.
    """
    found = {name: (layout, file) for name, (layout, file) in files.items() if _is_laid_out(layout, file)}
    counts = [len(file.cells) for _, file in found.values()]
    if not counts:
        return pd.DataFrame({"_input": [], "_is_new": []})
    layouts = [layout for layout, _ in found.values()]
    columns: dict[str, pd.Series] = {}
    for target in layouts[0].numbers.values():
        texts: list[str] = []
        for layout, file in found.values():
            position = _position(file.header, layout, target)
            texts += [row[position] for row in file.cells]
        columns[target] = pd.Series(texts, dtype="str")
    numbers, wrong = read_numbers(columns, ",")
    stamps = _stamps([row[0] for _, file in found.values() for row in file.cells])
    keys = {name: np.repeat([layout.keys[name] for layout in layouts], counts) for name in layouts[0].keys}
    frame = pd.DataFrame({**keys, layouts[0].date_name: stamps, **numbers})
    frame["_input"] = pd.Series(np.repeat(list(found), counts), dtype="str")
    frame["_is_new"] = np.concatenate(
        [np.arange(len(file.cells)) >= len(file.cells) - file.new for _, file in found.values()]
    )
    bad = frame.loc[stamps.isna() | np.logical_or.reduce(list(wrong.values())), "_input"].unique()
    return frame[~frame["_input"].isin(bad)].reset_index(drop=True)


def _stamps(texts: Sequence[str]) -> pd.Series:
    try:
        return read_dates(pd.Series(texts, dtype="str"))
    except UnclearDates:
        return pd.Series(pd.NaT, index=range(len(texts)), dtype="datetime64[us]")


def _is_laid_out(layout: Layout, file: Appended) -> bool:
    """Whether the header has the date first and each number once, under the layout's own names."""
    header = [column_key(name) for name in file.header]
    dates = {column_key(name) for name in (layout.date_column, *layout.date_aliases)}
    if header[0] not in dates or len(dates & set(header)) > 1:
        return False
    return all(header.count(column_key(name)) == 1 for name in (*layout.numbers, file.header[0]))


def _position(header: Sequence[str], layout: Layout, target: str) -> int:
    [name] = [name for name, named in layout.numbers.items() if named == target]
    return [column_key(cell) for cell in header].index(column_key(name))
