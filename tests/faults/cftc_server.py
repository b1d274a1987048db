"""A server on this machine that speaks the Socrata protocol of the CFTC's public reports, and can misbehave.

`CftcServer()` answers `/resource/gpe5-46if.json?$where&$order&$limit`: an array whose every value is a text,
with the field names of the data set (some end in `_all`, their neighbours do not), codes with blanks behind
them, oldest first where that is asked. A query that it cannot read gets Socrata's error with status 400, an
unknown data set its error with status 404. `rows` holds what is served, by code of the contract.
"""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from typing import Any

from tests.faults.feed import Feed
from tests.faults.server import Handler, Server

WHERE = re.compile(
    r"cftc_contract_market_code = '(?P<code>[^']+)' AND report_date_as_yyyy_mm_dd between"
    r" '(?P<first>[^']+)' and '(?P<last>[^']+)'"
)
# Canadian dollar at the CME, 7 March 2023, as the CFTC published it.
PUBLISHED = {
    "open_interest_all": 203_816,
    "dealer_positions_long_all": 61_428,
    "dealer_positions_short_all": 3_611,
    "dealer_positions_spread_all": 7_805,
    "asset_mgr_positions_long": 21_453,
    "asset_mgr_positions_short": 91_861,
    "asset_mgr_positions_spread": 5_702,
    "lev_money_positions_long": 56_438,
    "lev_money_positions_short": 44_182,
    "lev_money_positions_spread": 8_436,
    "other_rept_positions_long": 12_599,
    "other_rept_positions_short": 1_997,
    "other_rept_positions_spread": 0,
    "nonrept_positions_long_all": 29_955,
    "nonrept_positions_short_all": 40_222,
}


def report(day: date | str, code: str = "239742", **changes: Any) -> dict[str, Any]:
    """One row as served; `changes` replace fields, None leaves one out."""
    row: dict[str, Any] = {
        "id": f"{str(day).replace('-', '')[2:]}{code}F",
        "market_and_exchange_names": "RUSSELL E-MINI - CHICAGO MERCANTILE EXCHANGE",
        "report_date_as_yyyy_mm_dd": f"{day}T00:00:00.000",
        "yyyy_report_week_ww": "2024 Report Week 28",
        "contract_market_name": "RUSSELL E-MINI",
        "cftc_contract_market_code": code,
        "cftc_market_code": "CME ",
        "cftc_region_code": "CHI",
        "cftc_commodity_code": "239 ",
        "commodity_name": "RUSSELL 2000",
        **{name: str(value) for name, value in PUBLISHED.items()},
        "contract_units": "(RUSSELL 2000 INDEX X $50)",
        "futonly_or_combined": "FutOnly",
    } | changes
    return {name: cell for name, cell in row.items() if cell is not None}


def weekly(first: date, last: date, code: str = "239742") -> list[dict[str, Any]]:
    """A report a week, each with its own positions, which add up."""
    rows = []
    for week in range((last - first).days // 7 + 1):
        moved = week * 37
        changes = {
            "lev_money_positions_short": str(PUBLISHED["lev_money_positions_short"] + moved),
            "nonrept_positions_short_all": str(PUBLISHED["nonrept_positions_short_all"] - moved),
        }
        rows.append(report(first + timedelta(days=7 * week), code, **changes))
    return rows


class CftcServer(Server):
    """The server in a thread; a context manager."""

    def __init__(self, rows: dict[str, list[dict[str, Any]]] | None = None) -> None:
        super().__init__(Feed(date(2024, 7, 16)))
        self.rows = rows if rows is not None else {"239742": weekly(date(2024, 1, 2), date(2024, 7, 16))}
        self._http.RequestHandlerClass = CftcHandler


class CftcHandler(Handler):
    """Answers one request."""

    def _answer(self, path: str, query: dict[str, str]) -> tuple[int, str, bytes]:
        owner = self.owner
        assert isinstance(owner, CftcServer)
        if path != "/resource/gpe5-46if.json":
            return _error(404, "dataset.missing")
        found = WHERE.fullmatch(query.get("$where", ""))
        if found is None or query.get("$order") != "report_date_as_yyyy_mm_dd":
            return _error(400, "query.compiler.malformed")
        rows = [
            row
            for row in owner.rows.get(found["code"], [])
            if found["first"] <= str(row.get("report_date_as_yyyy_mm_dd", found["first"])) <= found["last"]
        ]
        body = json.dumps(rows[: int(query.get("$limit", "1000"))])
        return 200, "application/json;charset=utf-8", body.encode()


def _error(status: int, code: str) -> tuple[int, str, bytes]:
    body = {"code": code, "error": True, "message": "Error"}
    return status, "application/json;charset=utf-8", json.dumps(body).encode()
