"""A server on this machine that speaks Databento's historical HTTP protocol and can misbehave.

`DatabentoServer(feed, key)` answers `POST /v0/timeseries.get_range` (a form; DBN compressed by zstd comes
back) and `GET /v0/metadata.get_dataset_range`, with the key as user name of basic authentication. Each
settlement of the feed is sent as CME sends it: a preliminary one in the afternoon, among other statistics,
and the final one in the evening. A raw symbol (`ZQU4`) stands for the contract that was listed in the range.
Refusals have the shape `{"detail": {"case", "message", "status_code", "docs", "payload"}}`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from urllib.parse import parse_qs

import databento_dbn
import pandas as pd
import zstandard

from sources.tabular import CONTRACT_MONTHS
from tests.faults.feed import Feed
from tests.faults.server import Handler, Server

FINAL_ACTUAL, PRELIMINARY_ACTUAL = 3, 2
LISTED_MONTHS = 60
DOCS = "https://databento.com/docs/api-reference-historical"


@dataclass(frozen=True)
class Interval:
    """The days on which an instrument id stands for a raw symbol."""

    start_date: date
    end_date: date
    symbol: str


@dataclass(frozen=True)
class Mapping:
    """A raw symbol and its instruments."""

    raw_symbol: str
    intervals: list[Interval]


class DatabentoServer(Server):
    """The server in a thread; a context manager.

    `records` may change the records of an answer, `metadata` its metadata, `compress` how it is packed.
    """

    def __init__(
        self, feed: Feed, key: str | None = None, certificate: tuple[str, str] | None = None
    ) -> None:
        super().__init__(feed, key, certificate)
        self._http.RequestHandlerClass = DatabentoHandler
        self.forms: list[dict[str, str]] = []
        self.records: Callable[[list[Any]], list[Any]] = list
        self.metadata: dict[str, Any] = {}
        self.compress: Callable[[bytes], bytes] = zstandard.compress

    @property
    def available_until(self) -> pd.Timestamp:
        """Where the data of the dataset ends, for this key."""
        return pd.Timestamp(self.feed.as_of) + pd.Timedelta(days=2)


class DatabentoHandler(Handler):
    """Answers one request."""

    form: dict[str, str]

    @property
    def owner(self) -> DatabentoServer:
        """The server that this handler belongs to."""
        owner: DatabentoServer = self.server.owner  # type: ignore[attr-defined]
        return owner

    def do_POST(self) -> None:  # noqa: N802 (the name that the base class calls)
        """Read the form, then answer as to a GET."""
        text = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        self.form = {name: values[0] for name, values in parse_qs(text, keep_blank_values=True).items()}
        self.owner.forms.append(self.form)
        self.do_GET()

    def _answer(self, path: str, query: dict[str, str]) -> tuple[int, str, bytes]:
        expected = "Basic " + base64.b64encode(f"{self.owner.key}:".encode()).decode()
        if self.owner.key is not None and self.headers.get("Authorization") != expected:
            return refusal(401, "auth_authentication_failed", "Authentication failed.")
        if path == "/v0/metadata.get_dataset_range" and self.command == "GET":
            return self._dataset_range(query)
        if path == "/v0/timeseries.get_range" and self.command == "POST":
            return self._get_range(self.form)
        return 404, "application/json", b'{"detail":"Not Found"}'

    def _dataset_range(self, query: dict[str, str]) -> tuple[int, str, bytes]:
        if query.get("dataset") != "GLBX.MDP3":
            return refusal(422, "dataset_unknown", f"Unknown dataset {query.get('dataset')}.")
        start, end = "2010-06-06T00:00:00.000000000Z", self.owner.available_until.isoformat() + ".000000000Z"
        body = {"start": start, "end": end, "schema": {"statistics": {"start": start, "end": end}}}
        return 200, "application/json", json.dumps(body).encode()

    def _get_range(self, form: dict[str, str]) -> tuple[int, str, bytes]:
        asked = {
            name: form.get(name) for name in ("dataset", "schema", "stype_in", "encoding", "compression")
        }
        wanted = ("GLBX.MDP3", "statistics", "raw_symbol", "dbn", "zstd")
        if tuple(asked.values()) != wanted:
            return refusal(422, "unsupported", f"This server has {wanted}, asked was {asked}.")
        start, end = pd.Timestamp(form["start"]), pd.Timestamp(form["end"])
        if end > self.owner.available_until:
            until = f"{self.owner.available_until}+00:00"
            text = (
                f"The dataset GLBX.MDP3 has data available up to '{until}'. The `end` in the query"
                f" ('{end}+00:00') is after the available range. Try requesting with an earlier `end`."
            )
            return refusal(422, "data_end_after_available_end", text)
        found = listed_contract(form["symbols"], start, end)
        frame = None if found is None else self.owner.feed.frame("futures", found)
        if found is None or frame is None:
            return refusal(422, "symbology_invalid_request", "None of the symbols could be resolved.")
        number = instrument_id(found)
        records = [
            record for record in statistics(frame, number) if start.value <= record.ts_recv < end.value
        ]
        metadata = {
            "dataset": "GLBX.MDP3",
            "start": start.value,
            "end": end.value,
            "stype_in": databento_dbn.SType.RAW_SYMBOL,
            "stype_out": databento_dbn.SType.INSTRUMENT_ID,
            "schema": databento_dbn.Schema.STATISTICS,
            "symbols": [form["symbols"]],
            "partial": [form["symbols"]],
            "mappings": [Mapping(form["symbols"], [Interval(start.date(), end.date(), str(number))])],
            **self.owner.metadata,
        }
        body = bytes(databento_dbn.Metadata(**metadata))
        body += b"".join(bytes(record) for record in self.owner.records(records))
        # The symbol is not there on every day of the range.
        return 206, "application/octet-stream", self.owner.compress(body)


def listed_contract(symbol: str, start: pd.Timestamp, end: pd.Timestamp) -> str | None:
    """The contract that a raw symbol stood for in a range: the one whose listing overlaps it."""
    for year in range(2010, 2035):
        delivery = pd.Timestamp(year, CONTRACT_MONTHS.index(symbol[2]) + 1, 1)
        first, last = delivery - pd.DateOffset(months=LISTED_MONTHS), delivery + pd.offsets.MonthEnd(0)
        if year % 10 == int(symbol[3]) and first < end and start <= last:
            return f"ZQ{symbol[2]}{year % 100:02d}"
    return None


def instrument_id(contract: str) -> int:
    """A number for a contract."""
    return 10_000 + 100 * int(contract[3:]) + CONTRACT_MONTHS.index(contract[2])


def statistics(frame: pd.DataFrame, number: int) -> Iterator[Any]:
    """The records of a contract in the order in which they were received."""
    kinds = databento_dbn.StatType
    for row in frame.sort_values("date").itertuples():
        price, day = round(row.settle * 1e9), row.date
        yield statistic(
            number, day, day + timedelta(hours=19, minutes=1), price + 5_000_000, PRELIMINARY_ACTUAL
        )
        yield statistic(
            number, day, day + timedelta(hours=21), 2**63 - 1, 0, kind=kinds.CLEARED_VOLUME, quantity=1
        )
        yield statistic(number, day, day + timedelta(hours=22), price, FINAL_ACTUAL)


def statistic(
    number: int, day: Any, received: Any, price: int, flags: int, *, kind: Any = None, **other: Any
) -> Any:
    """One record; a settlement unless another kind is named."""
    return databento_dbn.StatMsg(
        publisher_id=1,
        instrument_id=number,
        ts_event=pd.Timestamp(received).value,
        ts_recv=pd.Timestamp(received).value,
        ts_ref=pd.Timestamp(day).value,
        price=price,
        quantity=other.pop("quantity", 2**63 - 1),
        stat_type=kind or databento_dbn.StatType.SETTLEMENT_PRICE,
        update_action=other.pop("action", databento_dbn.StatUpdateAction.NEW),
        stat_flags=flags,
        **other,
    )


def refusal(status: int, case: str, message: str) -> tuple[int, str, bytes]:
    """Databento's error document."""
    detail = {"case": case, "message": message, "status_code": status, "docs": DOCS, "payload": {}}
    return status, "application/json", json.dumps({"detail": detail}).encode()
