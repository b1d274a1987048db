"""Read Databento's statistics: from DBN bytes to the settlement that counts on each day; pure.

In: a payload with one contract's records, compressed or not. Out: rows in the columns of
`raw.fed_funds_futures`. A day has several settlement records: preliminary, final, actual, theoretical,
corrected. Caveat: a day that has no final settlement (yet) gives its preliminary one; the final one then
comes as a revision.
"""

from __future__ import annotations

import importlib.util
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from sources.protocol import Parsed, SourceError, Unreadable
from sources.tabular import delivery_month
from sources.transport import MAX_BYTES
from warehouse.payloads import Payload, Request
from warehouse.settings import SettingsError

DATASET, SCHEMA = "GLBX.MDP3", "statistics"
FIRST_DAY = date(2010, 6, 6)
# CME lists a contract five years before its delivery.
LISTED_MONTHS = 60
# Bits of stat_flags, as CME's tag 731 has them.
FINAL, ACTUAL, TRADING_TICK, INTRADAY, NOT_SET = 1, 2, 4, 8, 128
SETTLEMENT_PRICE, DELETED = 3, 2
NO_PRICE = 2**63 - 1
NS_PER_DAY, NS_PER_MINUTE, PRICE_SCALE = 86_400 * 10**9, 60 * 10**9, 1e9
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
CLIENT = "databento"  # the package, not this one: imports are absolute
INSTALL = ".venv/bin/uv pip install --python .venv/bin/python --require-hashes -r requirements-databento.lock"
FIELDS = {
    "ts_ref": "uint64",
    "ts_recv": "uint64",
    "price": "int64",
    "sequence": "int64",
    "stat_flags": "int64",
    "update_action": "int64",
}


def require_client() -> None:
    """Raise SettingsError, with how to install it, when the client is missing."""
    if importlib.util.find_spec(CLIENT) is None:
        raise SettingsError(
            f"The source 'databento' needs its client, which is an extra. Install it: {INSTALL}"
        )


def request_range(request: Request) -> tuple[str, date, date]:
    """Raw symbol, and the first and last day of the range on which the contract can have settled.

    `ZQU4` is September 2014 as well as 2024: within the five years before a delivery it is one contract.
    """
    wrong = ""
    try:
        delivery = delivery_month(request.input)
    except ValueError as error:
        wrong = str(error)
    if wrong:
        raise SourceError(f"Databento: {wrong}")
    listed = (delivery - pd.DateOffset(months=LISTED_MONTHS)).date()
    expires = (delivery + pd.offsets.MonthEnd(0)).date()
    symbol = f"{request.input[:3]}{delivery.year % 10}"
    return symbol, max(request.start, listed, FIRST_DAY), min(request.end, expires)


def parse_statistics(payload: Payload) -> Parsed:
    """Read DBN: one row a day, from the settlement that counts.

    Raises:
        Unreadable: the bytes are not DBN, are cut short, or are of something else than was asked.
    """
    request = payload.request
    what = f"Databento: {request.dataset}/{request.input}"
    symbol, _, _ = request_range(request)
    metadata, records = _decode(what, payload.content)
    instruments = _check_metadata(what, metadata, symbol)
    settlements = [record for record in records if int(record.stat_type) == SETTLEMENT_PRICE]
    unknown = {record.instrument_id for record in settlements} - instruments
    if unknown:
        raise Unreadable(f"{what}: field instrument_id reads {min(unknown)}, which is not that of {symbol}")
    frame = pd.DataFrame(
        {
            name: pd.Series([int(getattr(record, name)) for record in settlements], dtype=kind)
            for name, kind in FIELDS.items()
        }
    )
    undated = (frame["ts_ref"] % NS_PER_DAY != 0) | (frame["ts_ref"] > NO_PRICE)
    unpriced = (frame["price"] == NO_PRICE) & (frame["update_action"] != DELETED)
    rules = np.where(
        undated, "settlement_date_is_a_date", np.where(unpriced, "settle_is_a_finite_number", "")
    )
    rejected: list[tuple[str, dict[str, Any]]] = [
        (
            str(rules[index]),
            {"contract": request.input} | {name: int(frame[name].to_numpy()[index]) for name in FIELDS},
        )
        for index in np.flatnonzero(rules != "")
    ]
    last = _final_settlements(frame[rules == ""])
    days = pd.to_datetime(last["ts_ref"].astype("int64"), unit="ns").astype("datetime64[us]")
    rows = pd.DataFrame(
        {
            "contract": request.input,
            "delivery_month": delivery_month(request.input),
            "settlement_date": days,
            "settle": last["price"] / PRICE_SCALE,
        }
    )
    asked = rows["settlement_date"].between(pd.Timestamp(request.start), pd.Timestamp(request.end))
    return Parsed(rows[asked].reset_index(drop=True), rejected)


def _final_settlements(frame: pd.DataFrame) -> pd.DataFrame:
    """The settlement of each day that counts.

    A final one overrides a preliminary one, an actual one a theoretical one; of equals the last counts, and
    of two of the same minute the one that is not rounded to the trading tick. What was sent before a deletion
    is void; an intraday value is not a settlement.
    """
    frame = frame.sort_values(["ts_ref", "ts_recv", "sequence"], kind="stable")
    deleted_at = (
        frame["ts_recv"].where(frame["update_action"] == DELETED, 0).groupby(frame["ts_ref"]).transform("max")
    )
    flags = frame["stat_flags"].where(frame["stat_flags"] & NOT_SET == 0, 0)
    frame = frame.assign(
        final=flags & FINAL,
        actual=flags & ACTUAL,
        minute=frame["ts_recv"] // NS_PER_MINUTE,
        exact=(flags & TRADING_TICK == 0).astype("int64"),
    )[(frame["ts_recv"] > deleted_at) & (flags & INTRADAY == 0)]
    order = ["ts_ref", "final", "actual", "minute", "exact", "ts_recv", "sequence"]
    return frame.sort_values(order, kind="stable").drop_duplicates("ts_ref", keep="last")


def _check_metadata(what: str, metadata: Any, symbol: str) -> set[int]:
    """The instrument ids of the symbol; the answer must match the request."""
    expectations = {
        "dataset": DATASET,
        "schema": SCHEMA,
        "stype_in": "raw_symbol",
        "stype_out": "instrument_id",
    }
    for name, expected in expectations.items():
        value = str(getattr(metadata, name))
        if value != expected:
            raise Unreadable(f"{what}: field {name} reads {value[:40]!r}, expected {expected!r}")
    if list(metadata.symbols) != [symbol]:
        raise Unreadable(f"{what}: field symbols reads {metadata.symbols[:3]}, expected {symbol}")
    if metadata.limit is not None:
        raise Unreadable(f"{what}: field limit reads {metadata.limit}; rows may be missing")
    intervals = metadata.mappings.get(symbol, [])
    return {int(entry["symbol"]) for entry in intervals if str(entry["symbol"]).isdigit()}


def _decode(what: str, content: bytes) -> tuple[Any, list[Any]]:
    """Metadata and statistics of DBN bytes."""
    require_client()
    import databento_dbn

    data = _decompressed(what, content)
    policy: Any = databento_dbn.VersionUpgradePolicy.UPGRADE_TO_V3
    decoder = databento_dbn.DBNDecoder(upgrade_policy=policy)
    found: list[Any] = []
    trouble = ""
    try:
        found = [*decoder.write_and_decode(data), *decoder.decode()]
    except databento_dbn.DBNError as error:
        trouble = str(error)[:120]
    if trouble or not found or not isinstance(found[0], databento_dbn.Metadata):
        raise Unreadable(f"{what}: the answer is not readable DBN ({trouble or 'no metadata'})")
    if len(decoder.buffer()) > 0:
        raise Unreadable(f"{what}: the answer ends within a record; it is cut short")
    unexpected = [record for record in found[1:] if not isinstance(record, databento_dbn.StatMsg)]
    if unexpected:
        raise Unreadable(
            f"{what}: the answer holds a record of type {type(unexpected[0]).__name__}, not statistics"
        )
    return found[0], found[1:]


def _decompressed(what: str, content: bytes) -> bytes:
    if not content.startswith(ZSTD_MAGIC):
        return content
    import zstandard

    parts: list[bytes] = []
    frame = zstandard.ZstdDecompressor().decompressobj()
    size, position, trouble = 0, 0, ""
    try:
        # In small steps: a few bytes may decompress to a hundred thousand.
        while position < len(content) and size <= MAX_BYTES:
            if frame.eof:
                frame = zstandard.ZstdDecompressor().decompressobj()
            parts.append(frame.decompress(content[position : position + 512]))
            size += len(parts[-1])
            position = min(position + 512, len(content)) - len(frame.unused_data)
    except zstandard.ZstdError as error:
        trouble = str(error)[:80]
    if size > MAX_BYTES:
        raise Unreadable(f"{what}: the answer is larger than {MAX_BYTES / 1e6:.0f} MB after decompression")
    if trouble or not frame.eof:
        raise Unreadable(f"{what}: the answer cannot be decompressed ({trouble or 'it is cut short'})")
    return b"".join(parts)
