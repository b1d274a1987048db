"""A server on this machine that speaks the SEC's company concepts, and can misbehave.

`SecServer()` answers `/api/xbrl/companyconcept/CIK##########/us-gaap/<Concept>.json`; 404 (an XML document,
as the SEC's store answers) for a concept that the company does not use; 403 with a web page for a request
whose User-Agent names no contact. `concepts` holds the facts by number and concept.
"""

from __future__ import annotations

import json
import re
from datetime import date
from typing import Any

from tests.faults.feed import Feed
from tests.faults.server import Handler, Server

PATH = re.compile(r"/api/xbrl/companyconcept/CIK(\d{10})/us-gaap/(\w+)\.json")
CONCEPT = "InterestIncomeExpenseNet"
BAC, WFC = 70858, 72971
Facts = list[dict[str, Any]]


def fact(
    start: str | None, end: str, million: float, accession: str, filed: str, form: str = "10-Q", **more: Any
) -> dict[str, Any]:
    """One fact as served; an amount in millions of dollars."""
    entry = {"start": start, "end": end, "val": round(million * 1_000_000), "accn": accession}
    entry |= {
        "fy": int(end[:4]),
        "fp": "FY" if form.startswith("10-K") else "Q2",
        "form": form,
        "filed": filed,
    }
    entry |= more
    return {name: cell for name, cell in entry.items() if cell is not None}


# As the 10-Q of June 2024 state them; the day and number of Wells Fargo's filing are made up.
PUBLISHED: dict[tuple[int, str], Facts] = {
    (BAC, CONCEPT): [
        fact("2023-01-01", "2023-06-30", 28_606, "0000070858-24-000208", "2024-07-30"),
        fact("2023-04-01", "2023-06-30", 14_158, "0000070858-24-000208", "2024-07-30", frame="CY2023Q2"),
        fact("2024-01-01", "2024-06-30", 27_734, "0000070858-24-000208", "2024-07-30"),
        fact("2024-04-01", "2024-06-30", 13_702, "0000070858-24-000208", "2024-07-30", frame="CY2024Q2"),
    ],
    (WFC, CONCEPT): [
        fact("2023-04-01", "2023-06-30", 13_163, "0000072971-24-000185", "2024-08-01"),
        fact("2024-04-01", "2024-06-30", 11_923, "0000072971-24-000185", "2024-08-01", frame="CY2024Q2"),
    ],
}


def document(number: int, facts: Facts, tag: str = CONCEPT, **changes: Any) -> dict[str, Any]:
    """A company concept as served."""
    return {
        "cik": number,
        "taxonomy": "us-gaap",
        "tag": tag,
        "label": "Interest Income (Expense), Net",
        "description": "Amount of interest income (expense) classified as operating.",
        "entityName": "BANK OF AMERICA CORP /DE/",
        "units": {"USD": facts},
    } | changes


class SecServer(Server):
    """The server in a thread; a context manager."""

    def __init__(self, concepts: dict[tuple[int, str], Facts] | None = None) -> None:
        super().__init__(Feed(date(2024, 7, 16)))
        self.concepts = PUBLISHED if concepts is None else concepts
        self.agents: list[str] = []
        self._http.RequestHandlerClass = SecHandler


class SecHandler(Handler):
    """Answers one request."""

    def _answer(self, path: str, query: dict[str, str]) -> tuple[int, str, bytes]:
        owner = self.owner
        assert isinstance(owner, SecServer)
        agent = self.headers.get("User-Agent", "")
        owner.agents.append(agent)
        if "@" not in agent:
            page = b"<html><head><title>SEC.gov | Your Request Originates from an Undeclared Automated Tool"
            return 403, "text/html", page + b"</title></head></html>"
        found = PATH.fullmatch(path)
        facts = owner.concepts.get((int(found[1]), found[2])) if found else None
        if found is None or facts is None:
            missing = b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>"
            return 404, "application/xml", missing
        return 200, "application/json", json.dumps(document(int(found[1]), facts, found[2])).encode()
