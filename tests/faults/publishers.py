"""The publishers of five kinds of input at once: CFTC, SEC, iShares, Kenneth French and the FDIC, each with
its own server on this machine, whose numbers continue from one session to the next.

`Publishers(session, today)` is a context manager. `environ()` points a live home at them; `to(session)` lets
a session pass; `asked()` counts the requests of each since the last call.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from datetime import date, timedelta
from types import TracebackType

from datasets.bank_financials import quarter_inputs
from sources.sec import filers
from sources.simulated_market.bank_income import concept_json
from tests.bank_margin_world import reports
from tests.faults.cftc_server import CftcServer, weekly
from tests.faults.fdic_server import FdicServer, Report
from tests.faults.french_server import FrenchServer
from tests.faults.ishares_server import ISharesServer
from tests.faults.sec_server import CONCEPT, Facts, SecServer
from tests.faults.server import Server
from warehouse.reference_data import reference_frame

FIRST = date(2021, 12, 31)
CONTACT = "Jane Doe jane@example.org"
KINDS = {
    "cftc": "futures_positions",
    "sec": "bank_income",
    "ishares": "fund_holdings",
    "french": "size_portfolios",
    "fdic": "bank_margins",
}


class Publishers:
    """The five servers; `today` is the day on which the issuer of the funds is asked, by its own clock."""

    def __init__(self, session: date, today: date) -> None:
        self.servers: dict[str, Server] = {
            "cftc": CftcServer({}),
            "sec": SecServer({}),
            "ishares": ISharesServer(today),
            "french": FrenchServer(session),
            "fdic": FdicServer({}),
        }
        self._open = contextlib.ExitStack()
        self.to(session)

    def to(self, session: date) -> None:
        """What is out on the evening of a session."""
        cftc, sec, french, fdic = (self.servers[name] for name in ("cftc", "sec", "french", "fdic"))
        assert isinstance(cftc, CftcServer) and isinstance(sec, SecServer)
        assert isinstance(french, FrenchServer) and isinstance(fdic, FdicServer)
        codes = reference_frame("positioned_contracts")
        # On Friday the report of Tuesday.
        newest = session - timedelta(days=3)
        cftc.rows = {
            str(code): weekly(date(2022, 1, 4), newest, str(code))
            for code in codes.loc[codes["positions_to"].isna(), "contract_market_code"]
        }
        sec.concepts = {
            (number, CONCEPT): _facts(symbol, number, session) for symbol, (number, _) in filers().items()
        }
        french.as_of = session
        fdic.reports = {
            quarter.replace("-", ""): with_securities(quarter)
            for quarter in quarter_inputs(FIRST, session - timedelta(days=55))
        }

    def environ(self) -> dict[str, str]:
        """The settings of a home that takes all five kinds from here."""
        return {
            "ROTATION_CFTC_URL": self.servers["cftc"].url,
            "ROTATION_SEC_URL": self.servers["sec"].url,
            "ROTATION_SEC_CONTACT": CONTACT,
            "ROTATION_ISHARES_URL": self.servers["ishares"].url,
            "ROTATION_FRENCH_URL": self.servers["french"].url,
            "ROTATION_FDIC_URL": f"{self.servers['fdic'].url}/banks",
            "ROTATION_FUTURES_POSITIONS_SOURCE": "cftc",
            "ROTATION_BANK_INCOME_SOURCE": "sec",
            "ROTATION_FUND_HOLDINGS_SOURCE": "ishares",
            "ROTATION_SIZE_PORTFOLIOS_SOURCE": "french",
            "ROTATION_BANK_MARGINS_SOURCE": "fdic",
        }

    def asked(self) -> dict[str, int]:
        """Requests of each since the last call."""
        counts = {name: len(server.requests) for name, server in self.servers.items()}
        for server in self.servers.values():
            server.requests.clear()
        return counts

    def __enter__(self) -> Publishers:
        for server in self.servers.values():
            self._open.enter_context(server)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()


def _facts(symbol: str, number: int, session: date) -> Facts:
    facts: Facts = json.loads(concept_json(symbol, number, session))["units"]["USD"]
    return facts


def with_securities(quarter: str) -> list[Report]:
    """Reports of a quarter with the securities of all banks, and their loss as it was published."""
    rows = reports(quarter)
    published = reference_frame("bank_reported_losses").set_index("quarter_end")["total_usd_bn"]
    loss_bn = published.get(quarter)
    loss = 0 if loss_bn is None or loss_bn != loss_bn else round(float(loss_bn) * 1e6)
    for row in rows:
        row |= {"SCAF": 0, "SCAA": 0, "SCHF": 0, "SCHA": 0}
    rows[-1] |= {
        "SCAA": 3_000_000_000,
        "SCAF": 3_000_000_000,
        "SCHA": 2_300_000_000,
        "SCHF": 2_300_000_000 + loss,
    }
    return rows


# ---- another unit, as a function from body to body


def _times(names: str, factor: float) -> Callable[[bytes], bytes]:
    pattern = re.compile(rf'("(?:{names})": ?"?)(-?\d+)'.encode())

    def change(body: bytes) -> bytes:
        return pattern.sub(lambda found: found[1] + str(round(int(found[2]) * factor)).encode(), body)

    return change


def _weights_as_fractions(body: bytes) -> bytes:
    """Of the funds with one weight, behind the market value, and of those with two, at the end of a line."""

    def hundredth(found: re.Match[bytes]) -> bytes:
        return re.sub(rb"-?\d+\.\d\d$", lambda cell: b"%.4f" % (float(cell[0]) / 100), found[0])

    one = re.sub(rb'(?m)"[\d,]+\.\d\d","-?\d{1,2}\.\d\d(?=",)', hundredth, body)
    return re.sub(rb'(?m)"-?\d{1,2}\.\d\d","-?\d{1,2}\.\d\d(?="$)', hundredth, one)


# Contracts of the CFTC and thousands of the FDIC a thousandfold, dollars of the SEC in thousands, the funds'
# weights as fractions. French's zip is changed by `FrenchServer.served`.
OTHER_UNIT: dict[str, Callable[[bytes], bytes]] = {
    "cftc": _times(r"open_interest_all|\w+_positions_\w+", 1000),
    "sec": _times("val", 0.001),
    "fdic": _times("ASSET|ERNAST|DEPDOM|DEPIDOM|NIM|EDEPDOM|SCAF|SCAA|SCHF|SCHA", 1000),
    "ishares": _weights_as_fractions,
}
