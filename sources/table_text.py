"""The bytes of one file as a table of text: CSV in the spellings that programs write, gzip, or Parquet.

In: a `Payload`. Out: a `TextTable`, every cell as text and every column under its own name. The separator is
read from the header (comma, semicolon, tab or bar; Excel's first line `sep=;` is obeyed); a byte order mark,
any line ends and lines without any content do not matter. A moment with a time zone in Parquet becomes text
in UTC with its offset, whatever zone this machine is in. Caveat: DuckDB converts such a moment to a date
only with an extension and in the zone of the machine, so it is never asked to.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import tempfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pandas as pd

from sources.protocol import Unreadable
from warehouse.catalog import quoted
from warehouse.payloads import Payload

SEPARATORS = ",;\t|"
_SEP_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
# What a vendor writes under the table; it is text, not a row.
_FOOTER = re.compile(r"Downloaded from Barchart\.com", re.IGNORECASE)
_ZONED = "TIMESTAMP WITH TIME ZONE"


@dataclass(frozen=True)
class TextTable:
    """A table of text; `unread` are the lines that are not rows, with the rule that they broke.

    `zones` holds the time zone that a Parquet file states of a column.
    """

    frame: pd.DataFrame
    unread: list[tuple[str, str]] = field(default_factory=list)
    separator: str = ","
    zones: dict[str, str] = field(default_factory=dict)


def name_of(payload: Payload) -> str:
    """Source and input, as messages begin."""
    return f"{payload.source}: {payload.request.dataset}/{payload.request.input}"


def read_table(payload: Payload) -> TextTable:
    """The payload as a table of text.

    Raises:
        Unreadable: it is not such a file; says what is wrong.
    """
    if payload.extension == "parquet":
        return _read_parquet(payload)
    return _read_csv(payload, _decoded(payload))


def _decoded(payload: Payload) -> str:
    name = name_of(payload)
    try:
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
    return text


def _read_csv(payload: Payload, text: str) -> TextTable:
    name = name_of(payload)
    first, _, rest = text.lstrip("\r\n").partition("\n")
    if stated := _SEP_LINE.fullmatch(first.strip()):
        separator, text = stated.group(1), rest
    else:
        # A header has no quoted separators; the one that it uses most is the file's.
        separator = max(SEPARATORS, key=lambda mark: (first.count(mark), -SEPARATORS.index(mark)))
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        lines = [line for line in reader if any(map(str.strip, line))]
    except csv.Error as error:
        raise Unreadable(f"{name}: the file is not readable CSV ({error})") from None
    if not lines:
        raise Unreadable(f"{name}: the file is empty")
    header, lines = [cell.strip() for cell in lines[0]], lines[1:]
    if lines and len(lines[-1]) < len(header) and _FOOTER.match(lines[-1][0].strip()):
        lines.pop()
    good = [line for line in lines if len(line) == len(header)]
    unread = [
        ("row_has_as_many_fields_as_the_header", separator.join(line)[:500])
        for line in lines
        if len(line) != len(header)
    ]
    frame = pd.DataFrame(good, columns=header, dtype="str")
    # A cell that a writer left blank is unknown; pandas' own list of such words is not asked.
    return TextTable(frame.apply(lambda column: column.str.strip()), unread, separator)


def _read_parquet(payload: Payload) -> TextTable:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "payload.parquet"
        path.write_bytes(payload.content)
        with duckdb.connect() as connection:
            try:
                described = connection.execute(
                    "describe select * from read_parquet(?)", [str(path)]
                ).fetchall()
                cells = ", ".join(_as_text(quoted(column), kind) for column, kind, *_ in described)
                rows = connection.execute(f"select {cells} from read_parquet(?)", [str(path)]).fetchall()
                stated = connection.execute(
                    "select value from parquet_kv_metadata(?) where key::varchar = 'pandas'", [str(path)]
                ).fetchall()
            except duckdb.Error:
                raise Unreadable(
                    f"{name_of(payload)}: the file is not readable Parquet; it may be half written"
                ) from None
    frame = pd.DataFrame(rows, columns=[column for column, *_ in described], dtype="str")
    frame = frame.apply(lambda column: column.str.strip())
    return TextTable(frame, zones=_stated_zones(stated[0][0]) if stated else {})


def _as_text(column: str, kind: str) -> str:
    if kind == _ZONED:
        return f"coalesce(make_timestamp(epoch_us({column}))::varchar || '+00:00', '')"
    return f"coalesce({column}::varchar, '')"


def _stated_zones(metadata: bytes) -> dict[str, str]:
    """The zones in which pandas held its columns; empty where its note cannot be read."""
    try:
        columns = json.loads(metadata)["columns"]
        return {
            str(column["name"]): str(column["metadata"]["timezone"])
            for column in columns
            if column.get("metadata") and "timezone" in column["metadata"]
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
