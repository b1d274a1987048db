"""Read the common layout of prices, futures and FRED series: CSV (plain or gzip) or Parquet.

In: the bytes of one file with the columns `date,open,high,low,close,adj_close,volume,dividend,split`
(prices), `date,settle` (futures) or `observation_date,<SERIES>` (FRED's own CSV download), in any order and
in capital or small letters, or a vendor's export (`sources.exports`); blank = not known. Out: `Parsed`. Text
that is not a number, or a number that is not finite, rejects its row and names the column; a header that
lacks a column, or names one twice, dates and numbers that can be read in two ways refuse the whole payload.
Caveat: `previous_adj_close` is the row before in this payload, also across a missing session.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from sources.exports import Converted, NotDaily, OtherInput, convert
from sources.plain_text import numbers_of, scan
from sources.protocol import Parsed, Unreadable
from sources.table_text import TextTable, name_of, read_table
from sources.text_dates import UnclearDates, read_dates
from sources.text_numbers import UNKNOWN, UnclearNumbers, read_numbers
from warehouse.payloads import Payload

PRICE_COLUMNS = ("open", "high", "low", "close", "adj_close", "volume", "dividend", "split")
CONTRACT_MONTHS = "FGHJKMNQUVXZ"


def delivery_month(contract: str) -> pd.Timestamp:
    """First day of the delivery month of a contract code such as ZQU24; years 60..99 are 1960 to
    1999.
    """
    if (
        len(contract) != 5
        or contract[:2] != "ZQ"
        or contract[2] not in CONTRACT_MONTHS
        or not contract[3:].isdigit()
    ):
        raise ValueError(f"{contract!r} is not a fed funds futures contract; write it as ZQU24")
    year = int(contract[3:])
    return pd.Timestamp(year + (1900 if year >= 60 else 2000), CONTRACT_MONTHS.index(contract[2]) + 1, 1)


# The farthest contract that was ever listed delivers five years ahead.
LONGEST_LIFE = pd.DateOffset(months=61)


@dataclass(frozen=True)
class Layout:
    """The columns of one kind of file: its dates, its numbers by the name that they get, and the columns of
    keys. `date_aliases` are further names of the dates; `exported` says that a vendor's export is read, too.
    """

    date_column: str
    date_name: str
    numbers: dict[str, str]
    keys: dict[str, Any]
    date_aliases: tuple[str, ...] = ()
    exported: bool = False


def parse_prices(payload: Payload) -> Parsed:
    """Read the prices of one symbol; a row without any price is left out."""
    parsed = _parse(payload, price_layout(payload.request.input))
    frame = priced(parsed.frame).reset_index(drop=True)
    return replace(parsed, frame=with_previous_adj_close(frame))


def price_layout(symbol: str) -> Layout:
    """The layout of a file of prices."""
    numbers = {name: name for name in PRICE_COLUMNS}
    return Layout("date", "session_date", numbers, {"symbol": symbol}, exported=True)


def priced(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows with a price: an index row without any (a holiday that a vendor fills in) says nothing."""
    return frame[frame[["open", "high", "low", "close"]].notna().any(axis=1)]


def with_previous_adj_close(frame: pd.DataFrame) -> pd.DataFrame:
    """Add to each row of one symbol the adjusted close of the row before in the same payload."""
    ordered = frame.sort_values("session_date", kind="stable")
    return frame.assign(previous_adj_close=ordered["adj_close"].shift(1).reindex(frame.index))


def with_previous_adj_close_of_each(frame: pd.DataFrame) -> pd.DataFrame:
    """The same for several symbols, each of them in the order of its days."""
    return frame.assign(previous_adj_close=frame.groupby("symbol", sort=False)["adj_close"].shift(1))


def parse_settlements(payload: Payload) -> Parsed:
    """Read the settlements of one fed funds futures contract.

    Raises:
        Unreadable: no row lies in the life of the contract.
    """
    contract = payload.request.input
    layout = settlement_layout(contract)
    month = layout.keys["delivery_month"]
    parsed = _parse(payload, layout)
    days = parsed.frame["settlement_date"]
    if len(days) and not in_life(month, days).any():
        raise Unreadable(
            f"{name_of(payload)}: its rows are of {days.min():%Y-%m-%d} to {days.max():%Y-%m-%d}, and the"
            f" contract delivers in {month:%Y-%m}; they are of another contract"
        )
    return parsed


def settlement_layout(contract: str) -> Layout:
    """The layout of a file of settlements."""
    keys = {"contract": contract, "delivery_month": delivery_month(contract)}
    return Layout("date", "settlement_date", {"settle": "settle"}, keys, exported=True)


def read_settlements(payload: Payload, keys: dict[str, Any]) -> Parsed:
    """Read a file of settlements whose contract is not known yet, or is given by `keys`."""
    return _parse(payload, Layout("date", "settlement_date", {"settle": "settle"}, keys, exported=True))


def in_life(month: pd.Timestamp, days: pd.Series) -> pd.Series:
    """Which days lie in the life of the contract that delivers in a month."""
    end = month + pd.offsets.MonthEnd(0)
    return (days <= end) & (days >= month - LONGEST_LIFE)


def parse_series(payload: Payload) -> Parsed:
    """Read one FRED series in FRED's own CSV layout, in which a dot means no observation."""
    return _parse(payload, series_layout(payload.request.input))


def series_layout(series: str) -> Layout:
    """The layout of a file of observations."""
    # FRED's download called the column DATE before it was observation_date.
    return Layout("observation_date", "observation_date", {series: "value"}, {"series_id": series}, ("date",))


def _parse(payload: Payload, layout: Layout) -> Parsed:
    frame = _read_plain(payload, layout)
    return _read_cells(payload, layout) if frame is None else Parsed(frame)


def _read_plain(payload: Payload, layout: Layout) -> pd.DataFrame | None:
    """The rows of a plain text file in the common layout; None for any other."""
    text = scan(payload.content) if payload.extension == "csv" else None
    positions = columns_of_layout(layout, text.header) if text else None
    numbers = numbers_of(payload.content, text, positions) if text and positions else None
    if text is None or numbers is None:
        return None
    columns = dict(zip(layout.numbers.values(), numbers, strict=True))
    return _with_keys(pd.DataFrame({layout.date_name: text.days.astype("datetime64[us]"), **columns}), layout)


def columns_of_layout(layout: Layout, header: Sequence[str]) -> list[int] | None:
    """The positions of the numbers in a header that has the date first and each column of the layout once."""
    keys = [column_key(name) for name in header]
    dates = {column_key(name) for name in (layout.date_column, *layout.date_aliases)}
    names = [column_key(name) for name in layout.numbers]
    if keys[0] not in dates or len(dates & set(keys)) > 1:
        return None
    if any(keys.count(name) != 1 for name in (keys[0], *names)):
        return None
    return [keys.index(name) for name in names]


def _with_keys(frame: pd.DataFrame, layout: Layout) -> pd.DataFrame:
    for position, (name, value) in enumerate(layout.keys.items()):
        frame.insert(position, name, value)
    return frame


def _read_cells(payload: Payload, layout: Layout) -> Parsed:
    table = read_table(payload)
    text, export = _columns(payload, table, layout)
    if table.unread and text.empty:
        raise Unreadable(
            f"{name_of(payload)}: no line has as many fields as the header; use one separator throughout, a"
            " number with a comma in it must be quoted"
        )
    keys = _plain(layout.keys)
    rejected: list[tuple[str, dict[str, Any]]] = [
        (rule, {**keys, "line": line}) for rule, line in table.unread
    ]
    stamps = _stamps(payload, table, text, layout, export)
    bad = stamps.isna()
    rules = pd.Series(np.where(bad, f"{layout.date_name}_is_a_date", ""), index=text.index, dtype=object)
    columns: dict[str, Any] = {layout.date_name: stamps}
    try:
        numbers, wrong = read_numbers(
            {name: text[name] for name in layout.numbers},
            table.separator,
            UNKNOWN | (export.export.unknown if export else frozenset()),
        )
    except UnclearNumbers as error:
        raise Unreadable(f"{name_of(payload)}: {error}") from None
    for name, target in layout.numbers.items():
        rules[wrong[name] & (rules == "")] = f"{target}_is_a_finite_number"
        bad |= wrong[name]
        columns[target] = numbers[name]
    for index in text.index[bad]:
        rejected.append((str(rules[index]), {**keys, **text.loc[index].to_dict()}))
    frame = _with_keys(pd.DataFrame(columns)[~bad].reset_index(drop=True), layout)
    doubts = (
        (f"{payload.request.dataset}/{payload.request.input}: {export.doubt}",)
        if export and export.doubt
        else ()
    )
    return Parsed(frame, rejected, doubts=doubts)


def _columns(payload: Payload, table: TextTable, layout: Layout) -> tuple[pd.DataFrame, Converted | None]:
    """The needed columns under the layout's names, from the common layout or from a vendor's export."""
    names = (layout.date_column, *layout.numbers)
    header = [column_key(name) for name in table.frame.columns]
    aliases = {column_key(name): column_key(layout.date_column) for name in layout.date_aliases}
    if column_key(layout.date_column) not in header:
        header = [aliases.get(name, name) for name in header]
    missing = [name for name in names if column_key(name) not in header]
    duplicates = [name for name in names if header.count(column_key(name)) > 1]
    export = None
    if missing and not duplicates and layout.exported:
        try:
            export = convert(payload.request.input, table, as_settlements="settle" in layout.numbers)
        except (OtherInput, NotDaily) as error:
            raise Unreadable(f"{name_of(payload)}: {error}") from None
    if export is not None:
        return export.frame, export
    if missing or duplicates:
        fault = f"{', '.join(missing)} is missing" if missing else f"{', '.join(duplicates)} is duplicated"
        raise Unreadable(
            f"{name_of(payload)}: column {fault}; the header reads {_shown(table.frame.columns)!r}"
        )
    found = table.frame.set_axis(header, axis="columns")
    chosen = found[[column_key(name) for name in names]]
    return chosen.set_axis(list(names), axis="columns"), None


def column_key(name: str) -> str:
    """A column's name without regard to capitals and to what separates its words."""
    return re.sub(r"[\s_-]+", "_", name.strip().lower())


def _shown(header: Iterable[Any]) -> str:
    return ", ".join(map(str, header))[:200]


def _stamps(
    payload: Payload, table: TextTable, text: pd.DataFrame, layout: Layout, export: Converted | None
) -> pd.Series:
    """The days of the rows."""
    zone = next(
        (zone for name, zone in table.zones.items() if column_key(name) == column_key(layout.date_column)),
        None,
    )
    try:
        return read_dates(text[layout.date_column], zone, export.export.date_order if export else None)
    except UnclearDates as error:
        raise Unreadable(f"{name_of(payload)}: column {layout.date_column}: {error}") from None


def _plain(keys: dict[str, Any]) -> dict[str, Any]:
    return {
        name: str(value.date()) if isinstance(value, pd.Timestamp) else value for name, value in keys.items()
    }
