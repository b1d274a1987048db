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

from sources.plain_text import Days, scan
from sources.tabular import Layout, columns_of_layout
from sources.text_dates import UnclearDates, read_dates
from sources.text_numbers import read_numbers


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
    if not 0 < cut < len(content):
        return None
    if not (content[:cut].endswith(b"\n") or content[cut : cut + 2].startswith((b"\n", b"\r\n"))):
        return None
    if hashlib.sha256(memoryview(content)[:cut]).hexdigest() != earlier.sha256:
        return None
    text = scan(content)
    new = len(text.days) - earlier.rows if text else 0
    if text is None or new <= 0 or not bool((np.diff(text.days) > np.timedelta64(0, "D")).all()):
        return None
    starts = text.starts
    # The line end that the earlier file lacked, if it did, lies behind the cut.
    if not 0 <= starts[earlier.rows] - cut <= len(b"\r\n"):
        return None
    first = starts[max(earlier.rows - lines_before, 0)]
    try:
        lines = content[first:].decode("utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError:
        return None
    cells = tuple(tuple(cell.strip() for cell in line.removesuffix("\r").split(",")) for line in lines)
    if not all(len(row) == len(text.header) and "\r" not in "".join(row) for row in cells):
        return None
    return Appended(text.header, text.days, cells, new)


def read_appended(files: Mapping[str, tuple[Layout, Appended]]) -> pd.DataFrame:
    """The rows of the last lines of several files of one kind, in one table.

    Args:
        files: by input.

    Returns:
        The columns of the layout with its keys, `_input`, and `_is_new`. A file of which a line is not a row
        has none.
    """
    found = {
        name: (layout, file, positions)
        for name, (layout, file) in files.items()
        if (positions := columns_of_layout(layout, file.header)) is not None
    }
    counts = [len(file.cells) for _, file, _ in found.values()]
    if not counts:
        return pd.DataFrame({"_input": [], "_is_new": []})
    layouts = [layout for layout, _, _ in found.values()]
    columns = {
        target: pd.Series(
            [row[positions[number]] for _, file, positions in found.values() for row in file.cells],
            dtype="str",
        )
        for number, target in enumerate(layouts[0].numbers.values())
    }
    numbers, wrong = read_numbers(columns, ",")
    stamps = _stamps([row[0] for _, file, _ in found.values() for row in file.cells])
    keys = {name: np.repeat([layout.keys[name] for layout in layouts], counts) for name in layouts[0].keys}
    frame = pd.DataFrame({**keys, layouts[0].date_name: stamps, **numbers})
    frame["_input"] = pd.Series(np.repeat(list(found), counts), dtype="str")
    frame["_is_new"] = np.concatenate(
        [np.arange(len(file.cells)) >= len(file.cells) - file.new for _, file, _ in found.values()]
    )
    bad = frame.loc[stamps.isna() | np.logical_or.reduce(list(wrong.values())), "_input"].unique()
    return frame[~frame["_input"].isin(bad)].reset_index(drop=True)


def _stamps(texts: Sequence[str]) -> pd.Series:
    try:
        return read_dates(pd.Series(texts, dtype="str"))
    except UnclearDates:
        return pd.Series(pd.NaT, index=range(len(texts)), dtype="datetime64[us]")
