"""A server on this machine that speaks the document service behind the download links of iShares' product
pages, and can misbehave.

`ISharesServer(today)` answers `/get-fund-document?portfolioId&component=holdings[&asOfDate]` as the real one
did when others recorded it: the newest report without a day; with one, the report of that session; of any
other day status 200 with `Fund Holdings as of,"-"` and a table without lines. Files have a preamble,
thousands in quotes, lines for cash, collateral, futures without a market value and a share that is worth
nothing; funds on S&P indices have two columns of weights and swaps without one. `reports` replaces the text
of a fund's report.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from market_calendar.sessions import is_session, previous_session
from tests.faults.feed import Feed
from tests.faults.server import Handler, Server

FIRST = date(2006, 9, 29)
NAMES = {
    "239710": "iShares Russell 2000 ETF",
    "239712": "iShares Russell 2000 Value ETF",
    "239709": "iShares Russell 2000 Growth ETF",
    "239707": "iShares Russell 1000 ETF",
    "239708": "iShares Russell 1000 Value ETF",
    "239706": "iShares Russell 1000 Growth ETF",
    "239763": "iShares Core S&P Mid-Cap ETF",
    "239774": "iShares Core S&P Small-Cap ETF",
    "239728": "iShares S&P 500 Value ETF",
    "239725": "iShares S&P 500 Growth ETF",
    "239716": "iShares Micro-Cap ETF",
    "239726": "iShares Core S&P 500 ETF",
}
TWO_WEIGHTS = ("239763", "239774", "239728", "239725")
# Per cent of net assets by line; the sectors as the issuer writes them.
LINES: tuple[tuple[str, str, str, str, float], ...] = (
    ("JPM", "JPMORGAN CHASE & CO", "Financials", "Equity", 18.6),
    ("SF", "STIFEL FINANCIAL CORP", "Financials", "Equity", 7.4),
    ("INSM", "INSMED INC", "Health Care", "Equity", 14.0),
    ("FIX", "COMFORT SYSTEMS USA INC", "Industrials", "Equity", 12.9),
    ("MOG A", "MOOG INC CLASS A", "Industrials", "Equity", 4.1),
    ("CRDO", "CREDO TECHNOLOGY", "Information Technology", "Equity", 14.0),
    ("BLDR", "BUILDERS FIRSTSOURCE INC", "Consumer Discretionary", "Equity", 9.5),
    ("TRNO", "TERRENO REALTY REIT CORP", "Real Estate", "Equity", 6.0),
    ("SM", "SM ENERGY", "Energy", "Equity", 4.5),
    ("HL", "HECLA MINING", "Materials", "Equity", 4.0),
    ("SFM", "SPROUTS FARMERS MARKET INC", "Consumer Staples", "Equity", 2.0),
    ("ORA", "ORMAT TECH INC", "Utilities", "Equity", 1.5),
    ("ECHO", "ECHOSTAR CLASS A", "Communication", "Equity", 1.2),
    ("XTSLA", "BLK CSH FND TREASURY SL AGENCY", "Cash and/or Derivatives", "Money Market", 0.25),
    ("SGAFT", "CASH COLLATERAL USD SGAFT", "Cash and/or Derivatives", "Cash Collateral and Margins", 0.08),
    ("USD", "USD CASH", "Cash and/or Derivatives", "Cash", -0.03),
)
SHARES_OF_NOTHING = ("-", "OMNIAB INC $15.00 VESTING PRVT", "Health Care", "Equity", 0.0)
PLAIN = (
    "Ticker,Name,Sector,Asset Class,Market Value,Weight (%),Notional Value,Quantity,Price,Location,Exchange,"
    "Currency,FX Rate,Market Currency,Accrual Date"
)
DOUBLE = (
    "Ticker,Name,Type,Sector,Asset Class,Market Value,Notional Value,Quantity,Price,Location,Exchange,"
    "Currency,FX Rate,Market Currency,Accrual Date,Notional Weight,Market Weight"
)
LEGAL = (
    '"The content contained herein is owned or licensed by BlackRock and/or its third-party information'
    ' providers, ""as is"", and is protected by applicable copyright."' + "\n" + "x" * 4000
)
Weights = Mapping[str, float]


class ISharesServer(Server):
    """The server in a thread; a context manager. `today` is the day on which it is asked."""

    def __init__(self, today: date) -> None:
        super().__init__(Feed(today))
        self.reports: dict[str, str] = {}
        self._http.RequestHandlerClass = ISharesHandler


class ISharesHandler(Handler):
    """Answers one request."""

    def _answer(self, path: str, query: dict[str, str]) -> tuple[int, str, bytes]:
        owner = self.owner
        assert isinstance(owner, ISharesServer)
        fund = query.get("portfolioId", "")
        if path != "/get-fund-document" or fund not in NAMES or query.get("component") != "holdings":
            return 404, "text/html", b"<!DOCTYPE html><html><body>Not found</body></html>"
        if fund in owner.reports:
            return 200, "text/csv;charset=UTF-8", owner.reports[fund].encode()
        today, asked = owner.feed.as_of, query.get("asOfDate", "")
        day = date.fromisoformat(asked) if asked else previous_session(today)
        there = FIRST <= day < today and is_session(day)
        return 200, "text/csv;charset=UTF-8", report(fund, day if there else None).encode()


def report(fund: str, day: date | None, weights: Weights | None = None, assets: float = 6e10) -> str:
    """The file of a fund as the service sends it; without a day that of no report.

    Args:
        fund: its number.
        day: of the report.
        weights: factors by sector on the usual weights, for a fund that differs.
        assets: in dollars.
    """
    text = f"{day:%b} {day.day:02}, {day.year}" if day else "-"
    preamble = [NAMES[fund], f'Fund Holdings as of,"{text}"', 'Inception Date,"May 22, 2000"']
    preamble += [f'Shares Outstanding,"{assets / 220:,.2f}"' if day else 'Shares Outstanding,"-"']
    preamble += [*(f'{name},"-"' for name in ("Stock", "Bond", "Cash", "Other")), "\xa0"]
    double = fund in TWO_WEIGHTS
    lines = [DOUBLE if double else PLAIN]
    if day:
        lines += [line(*cells, assets, double, weights or {}) for cells in (*LINES, SHARES_OF_NOTHING)]
        future = ("RTYZ6", "RUSSELL 2000 EMINI DEC 26", "Cash and/or Derivatives", "Futures", 0.0)
        lines.append(line(*future, assets, double, {}))
        if double:
            lines.append(
                '"HOG","HARLEY DAVIDSON","SWAP","Consumer Discretionary","Equity","0.00","4,284,537.95",'
                '"158,981.00","26.95","United States","NYSE","USD","1.00","USD","-","-","-"'
            )
    return "\n".join([*preamble, *lines, "\xa0", LEGAL, ""])


def line(
    ticker: str,
    name: str,
    sector: str,
    asset_class: str,
    weight: float,
    assets: float,
    double: bool,
    weights: Weights,
) -> str:
    """A line of the table."""
    weight = weight * weights.get(sector, 1.0)
    value = f"{assets * weight / 100:,.2f}"
    head, tail = [ticker, name], ["United States", "NASDAQ", "USD", "1.00", "USD", "-"]
    if double:
        cells = [*head, "EQUITY", sector, asset_class, value, value, "1,000.00", "10.00", *tail]
        cells += [f"{weight:.2f}", f"{weight:.2f}"]
    else:
        cells = [*head, sector, asset_class, value, f"{weight:.2f}", value, "1,000.00", "10.00", *tail]
    return ",".join(f'"{cell}"' for cell in cells)
