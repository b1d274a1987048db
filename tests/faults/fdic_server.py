"""A server on this machine that speaks the FDIC's BankFind API as recorded, and can misbehave.

`FdicServer(reports)` answers `/banks/financials?filters=REPDTE:20240630&fields=...&limit&offset&format=json`
from reports by quarter. As the real one it drops a field whose name it does not know without a word, leaves a
key out where its value is null, adds `ID`, serves at most 10,000 reports at once, says in `meta` what it was
asked (limit and offset as text) and how many there are, and repeats the number in `totals`. The former host
(`/api/financials`) answers 301.
"""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from tests.faults.feed import Feed
from tests.faults.server import Handler, Server

MOST_ROWS = 10_000
INDEX = {"name": "risview_20260819185831", "createTimestamp": "2026-08-19T18:58:33Z"}
Report = dict[str, Any]


class FdicServer(Server):
    """The server in a thread; a context manager. `reports` maps a date as REPDTE writes it to its reports."""

    def __init__(self, reports: dict[str, list[Report]]) -> None:
        super().__init__(Feed(date(2024, 7, 16)))
        self.reports = reports
        self._http.RequestHandlerClass = FdicHandler


class FdicHandler(Handler):
    """Answers one request."""

    def _answer(self, path: str, query: dict[str, str]) -> tuple[int, str, bytes]:
        owner = self.owner
        assert isinstance(owner, FdicServer)
        if path != "/banks/financials":
            return 404, "application/json", b'{"errors":[{"title":"Not Found"}]}'
        name, _, day = query["filters"].partition(":")
        if name != "REPDTE" or query.get("sort_by") != "CERT":
            return 400, "application/json", b'{"errors":[{"title":"Bad Request"}]}'
        found = sorted(owner.reports.get(day, []), key=lambda row: int(row["CERT"]))
        limit, offset = min(int(query.get("limit", 10)), MOST_ROWS), int(query.get("offset", 0))
        fields = query["fields"].split(",")
        body = answer(found[offset : offset + limit], len(found), fields, query)
        return 200, "application/json; charset=utf-8", body


def answer(
    rows: list[Report], total: int, fields: list[str] | None = None, query: dict[str, str] | None = None
) -> bytes:
    """One page as the API writes it."""
    data = []
    for row in rows:
        names = [name for name in (fields or row) if row.get(name) is not None]
        day = row.get("REPDTE", "")
        data.append(
            {"data": {name: row[name] for name in names} | {"ID": f"{row['CERT']}_{day}"}, "score": 0}
        )
    parameters = {name: query[name] for name in ("filters", "fields", "limit", "offset")} if query else {}
    meta = {"total": total, "parameters": parameters, "index": INDEX}
    return json.dumps({"meta": meta, "data": data, "totals": {"count": total}}).encode()
