"""Plain text files are read at once and cell by cell with the same bits."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sources import tabular
from sources.protocol import Parsed, Unreadable
from sources.tabular import parse_prices, parse_series
from warehouse.payloads import Payload, Request

ODD_CELLS = (
    "|.|nan|NULL|NuLL|n/a|inf|1e400|1e-400| 5.5 |+5|5.|.5|-0|1_0|0x1A|1d5|true|1 000|1;5|５|a|#|1e5|00012|--5"
)
ODD_DAYS = "2024-02-30|2024-13-01|20240716|2024-07-16T00:00| 2024-07-16||0000-01-01"
CELLS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(10**20), 10**20).map(str),
    st.decimals(0, 10**6, places=6).map(str),
    st.sampled_from(ODD_CELLS.split("|")),
)
DAYS = st.one_of(st.dates(date(1990, 1, 1), date(2030, 1, 1)).map(str), st.sampled_from(ODD_DAYS.split("|")))
LINE_ENDS = st.sampled_from(["\n", "\n", "\r\n", "\n\n", "\r"])


def both(content: bytes, parse: Any, item: str) -> tuple[Any, Any, bool]:
    """What a file is read as, at once and cell by cell, and whether it was read at once."""
    payload = Payload(
        Request("fred", item, date(2000, 1, 1), date(2024, 1, 1)),
        "files",
        content,
        "csv",
        datetime(2024, 1, 2),
    )
    plain, found = tabular._read_plain, []

    def watched(*arguments: Any) -> pd.DataFrame | None:
        found.append(plain(*arguments))
        return found[-1]

    results = []
    with pytest.MonkeyPatch.context() as patch:
        for read in (watched, lambda *_: None):
            patch.setattr(tabular, "_read_plain", read)
            try:
                results.append(parse(payload))
            except Unreadable as error:
                results.append(str(error))
    return results[0], results[1], found[0] is not None


def assert_same(one: Parsed | str, other: Parsed | str) -> None:
    """Rows, rejected rows, doubts or the sentence of a refusal."""
    if isinstance(one, str) or isinstance(other, str):
        assert one == other
        return
    pd.testing.assert_frame_equal(one.frame, other.frame, check_exact=True)
    assert (one.rejected, one.doubts) == (other.rejected, other.doubts)


@settings(max_examples=300, deadline=None)
@given(
    rows=st.lists(st.tuples(DAYS, CELLS), max_size=4),
    line_end=LINE_ENDS,
    header=st.sampled_from(["observation_date,X", "DATE,x", " date , X ", "X,observation_date", "date,X,Y"]),
    mark=st.sampled_from([b"", b"", b"\xef\xbb\xbf"]),
    end=st.sampled_from([b"", b"", b"\n", b"\xff\n", b"\x00\n", b"1\n", b'"']),
)
def test_any_file_is_read_the_same(
    rows: list[tuple[str, str]], line_end: str, header: str, mark: bytes, end: bytes
) -> None:
    text = line_end.join([header, *(f"{day},{cell}" for day, cell in rows)])
    one, other, _ = both(mark + text.encode() + end, parse_series, "X")
    assert_same(one, other)


@settings(max_examples=60, deadline=None)
@given(values=st.lists(st.floats(1e-3, 1e6).map(repr), min_size=8, max_size=8), blank=st.integers(0, 7))
def test_every_number_has_the_same_bits(values: list[str], blank: int) -> None:
    cells = [*values[:blank], "", *values[blank + 1 :]]
    lines = [["date", *tabular.PRICE_COLUMNS], ["2024-07-15", *values], ["2024-07-16", *cells]]
    content = "".join(",".join(line) + "\n" for line in lines)
    one, other, at_once = both(content.encode(), parse_prices, "SPY")
    assert at_once
    assert_same(one, other)
    assert one.frame.loc[0, list(tabular.PRICE_COLUMNS)].tolist() == [float(value) for value in values]
