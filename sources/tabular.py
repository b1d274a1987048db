"""Read the common layout of prices, futures and FRED series: CSV (plain or gzip) or Parquet.

In: the bytes of one file with the columns `date,open,high,low,close,adj_close,volume,dividend,split`
(prices), `date,settle` (futures) or `observation_date,<SERIES>` (FRED's own CSV download); blank = not
known. Out: `Parsed`. Text that is not a number, or a number that is not finite, rejects its row and names the
column; a header that lacks a column, or names one twice, refuses the whole payload. A last line without a
line end is rejected: `94.6` may be the start of `94.675`. Caveat: `previous_adj_close` is the row before in
this payload, also across a missing session.
"""

from __future__ import annotations

import csv
import gzip
import io
import tempfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from sources.protocol import Parsed, Unreadable
from warehouse.catalog import quoted
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


@dataclass(frozen=True)
class Layout:
    """The columns of one kind of file: its dates, its numbers by the name that they get, and what means "not
    known" besides a blank.
    """

    date_column: str
    date_name: str
    numbers: dict[str, str]
    keys: dict[str, Any]
    unknown: str = ""


def parse_prices(payload: Payload) -> Parsed:
    """Read the prices of one symbol; a row without any price is left out."""
    layout = Layout(
        "date", "session_date", {name: name for name in PRICE_COLUMNS}, {"symbol": payload.request.input}
    )
    parsed = _parse(payload, layout)
    # An index row without any price (a holiday that a vendor fills in) carries no information.
    priced = parsed.frame[["open", "high", "low", "close"]].notna().any(axis=1)
    frame = parsed.frame[priced].reset_index(drop=True)
    return replace(parsed, frame=with_previous_adj_close(frame))


def with_previous_adj_close(frame: pd.DataFrame) -> pd.DataFrame:
    """Add to each row of one symbol the adjusted close of the row before in the same payload."""
    ordered = frame.sort_values("session_date", kind="stable")
    return frame.assign(previous_adj_close=ordered["adj_close"].shift(1).reindex(frame.index))


def parse_settlements(payload: Payload) -> Parsed:
    """Read the settlements of one fed funds futures contract."""
    contract = payload.request.input
    keys = {"contract": contract, "delivery_month": delivery_month(contract)}
    return _parse(payload, Layout("date", "settlement_date", {"settle": "settle"}, keys))


def parse_series(payload: Payload) -> Parsed:
    """Read one FRED series in FRED's own CSV layout, in which a dot means no observation."""
    series = payload.request.input
    layout = Layout("observation_date", "observation_date", {series: "value"}, {"series_id": series}, ".")
    return _parse(payload, layout)


def _parse(payload: Payload, layout: Layout) -> Parsed:
    text, unread = _as_text_frame(payload)
    _require_columns(payload, text, (layout.date_column, *layout.numbers))
    rejected: list[tuple[str, dict[str, Any]]] = [
        (rule, {**_plain(layout.keys), "line": line}) for rule, line in unread
    ]
    # A cell that a writer left blank is unknown; pandas' own list of such words ("NA", "NaN", ...) is not:
    # those rows are rejected below.
    text = text.apply(lambda column: column.str.strip())
    stamps = pd.to_datetime(text[layout.date_column], format="%Y-%m-%d", errors="coerce")
    bad = pd.Series(stamps.isna().to_numpy(), index=text.index)
    rules = pd.Series(np.where(bad, f"{layout.date_name}_is_a_date", ""), index=text.index, dtype=object)
    columns: dict[str, Any] = {layout.date_name: stamps}
    for name, target in layout.numbers.items():
        parsed = pd.to_numeric(text[name], errors="coerce").astype("float64")
        blank = (text[name] == "") | (text[name] == layout.unknown)
        wrong = ~blank & ~np.isfinite(parsed.to_numpy())
        rules[wrong & (rules == "")] = f"{target}_is_a_finite_number"
        bad |= wrong
        columns[target] = parsed.where(~blank)
    for index in text.index[bad]:
        rejected.append((str(rules[index]), {**_plain(layout.keys), **text.loc[index].to_dict()}))
    frame = pd.DataFrame(columns)[~bad].reset_index(drop=True)
    for position, (name, value) in enumerate(layout.keys.items()):
        frame.insert(position, name, value)
    return Parsed(frame, rejected)


def _require_columns(payload: Payload, text: pd.DataFrame, names: tuple[str, ...]) -> None:
    missing = [name for name in names if name not in text.columns]
    duplicates = [name for name in names if list(text.columns).count(name) > 1]
    if missing or duplicates:
        fault = f"{', '.join(missing)} is missing" if missing else f"{', '.join(duplicates)} is duplicated"
        raise Unreadable(
            f"{payload.source}: {payload.request.dataset}/{payload.request.input}: column {fault}; the"
            f" header reads {', '.join(map(str, text.columns))[:200]!r}"
        )


def _plain(keys: dict[str, Any]) -> dict[str, Any]:
    return {
        name: str(value.date()) if isinstance(value, pd.Timestamp) else value for name, value in keys.items()
    }


def _as_text_frame(payload: Payload) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """The payload with every cell as text, and the lines that are not rows, with their rule: ragged, or cut
    short at the end.
    """
    name = f"{payload.source}: {payload.request.dataset}/{payload.request.input}"
    try:
        if payload.extension == "parquet":
            return _parquet_as_text(payload.content), []
        content = gzip.decompress(payload.content) if payload.extension.endswith("gz") else payload.content
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(
            f"{name}: the file is not UTF-8 text (byte {error.start}); save it as UTF-8 CSV"
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        raise Unreadable(
            f"{name}: the file cannot be decompressed ({error}); it may be half written"
        ) from None
    if "\x00" in text:
        raise Unreadable(f"{name}: the file holds NUL bytes; it may be half written or binary")
    try:
        lines = [line for line in csv.reader(io.StringIO(text, newline="")) if line]
    except csv.Error as error:
        raise Unreadable(f"{name}: the file is not readable CSV ({error})") from None
    if not lines:
        raise Unreadable(f"{name}: the file is empty")
    header, lines = [cell.strip() for cell in lines[0]], lines[1:]
    unread = []
    if lines and not text.endswith(("\n", "\r")):
        # Half a number still parses as a number; the complete file will contain the whole line.
        unread.append(("last_line_is_complete", ",".join(lines.pop())[:500]))
    good = [line for line in lines if len(line) == len(header)]
    unread += [
        ("row_has_as_many_fields_as_the_header", ",".join(line)[:500])
        for line in lines
        if len(line) != len(header)
    ]
    return pd.DataFrame(good, columns=header, dtype="str"), unread


def _parquet_as_text(content: bytes) -> pd.DataFrame:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "payload.parquet"
        path.write_bytes(content)
        with duckdb.connect() as connection:
            try:
                described = connection.execute(
                    "describe select * from read_parquet(?)", [str(path)]
                ).fetchall()
                # A frame's dates come as timestamps at midnight; as text they are dates again.
                cells = ", ".join(
                    f"coalesce({'cast(' if kind.startswith('TIMESTAMP') else '('}{quoted(column)}"
                    f"{' as date)' if kind.startswith('TIMESTAMP') else ')'}::varchar, '')"
                    for column, kind, *_ in described
                )
                names = [column for column, *_ in described]
                rows = connection.execute(f"select {cells} from read_parquet(?)", [str(path)]).fetchall()
            except duckdb.Error as error:
                raise OSError(f"not a Parquet file: {str(error).splitlines()[0]}") from None
    return pd.DataFrame(rows, columns=names, dtype="str")
