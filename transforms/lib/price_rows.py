"""Rows of staging.equity_prices as columns, and grids of sessions x symbols of a few symbols at a time.

In: staging.equity_prices, ref.calendar. Out: the rows sorted by symbol and day, and blocks of whole symbols
small enough that a grid of one stays in the processor's cache: a market of any size takes the memory of its
rows, not that of a dense grid of everything.

Caveat: a block's grid begins with the first session of any row, so k rows back are k sessions back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from transforms.lib.history import FloatArray, IntArray
from transforms.lib.session_grid import DateArray, float_column

# Cells of a block's grid: a megabyte.
BLOCK_CELLS = 131_072


@dataclass(frozen=True)
class PriceRows:
    """Price rows sorted by symbol and day.

    Attributes:
        names: the symbols, rising.
        symbol: place of each row's symbol in `names`.
        session: place of each row's session in `dates`.
        dates: every session from the first row's to the last row's.
        first_number: the session number of the first of them.
        columns: what else was asked for, NaN where it is NULL.
    """

    names: NDArray[np.object_]
    symbol: IntArray
    session: IntArray
    dates: DateArray
    first_number: int
    columns: dict[str, FloatArray]

    def blocks(self) -> Iterator[Block]:
        """Whole symbols, a few at a time, in order; without any symbol one block without a row."""
        each = max(BLOCK_CELLS // max(len(self.dates), 1), 1)
        for first in range(0, max(len(self.names), 1), each):
            last = min(first + each, len(self.names))
            start, end = np.searchsorted(self.symbol, [first, last])
            yield Block(
                symbols=slice(first, last),
                rows=slice(int(start), int(end)),
                session=self.session[start:end],
                column=self.symbol[start:end] - first,
                shape=(len(self.dates), last - first),
            )

    def keys(self, rows: slice | IntArray = slice(None)) -> dict[str, Any]:
        """The columns symbol and session_date of rows."""
        return {
            "symbol": pd.Categorical.from_codes(self.symbol[rows], categories=pd.Index(self.names)),
            "session_date": self.dates[self.session[rows]],
        }


@dataclass(frozen=True)
class Block:
    """The rows of some symbols, and where each lies in a grid of sessions x symbols."""

    symbols: slice
    rows: slice
    session: IntArray
    column: IntArray
    shape: tuple[int, int]

    def grid(self, values: FloatArray) -> FloatArray:
        """Values of all rows as the block's grid, NaN where a symbol has no row."""
        out = np.full(self.shape, np.nan)
        out[self.session, self.column] = values[self.rows]
        return out


def load_price_rows(
    con: duckdb.DuckDBPyConnection, columns: Sequence[str], *, since: date | None = None
) -> PriceRows:
    """The rows of staging.equity_prices, with some of its columns of numbers.

    Args:
        con: the publication.
        columns: numbers, which may be NULL.
        since: the first day of the rows; None: all rows.
    """
    names = con.execute("select distinct symbol from staging.equity_prices order by symbol").fetchnumpy()
    rows = con.execute(
        f"""
        with symbols as (
            select symbol, row_number() over (order by symbol) - 1 as code
            from (select distinct symbol from staging.equity_prices)
        )
        select symbols.code, prices.session_number, {", ".join(f"prices.{name}" for name in columns)}
        from staging.equity_prices as prices
        inner join symbols on prices.symbol = symbols.symbol
        where ?::date is null or prices.session_date >= ?
        """,
        [since, since],
    ).fetchnumpy()
    symbol = np.asarray(rows["code"], dtype=np.int64)
    number = np.asarray(rows["session_number"], dtype=np.int64)
    order = np.lexsort((number, symbol))
    first, last = (int(number.min()), int(number.max())) if len(number) else (1, 0)
    dates = con.execute(
        "select calendar_date from ref.calendar where session_number between ? and ? order by session_number",
        [first, last],
    ).fetchnumpy()
    return PriceRows(
        names=np.asarray(names["symbol"], dtype=object),
        symbol=symbol[order],
        session=number[order] - first,
        dates=np.asarray(dates["calendar_date"], dtype="datetime64[s]"),
        first_number=first,
        columns={name: float_column(rows[name])[order] for name in columns},
    )
