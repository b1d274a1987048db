"""Holdings of funds in the simulated market, in the layout of the issuer's files.

In: a fund, its name and a range of days. Out: a report for the last session of every month since
`FIRST_REPORT`, one after another, in one text. Weights by sector begin near those of real funds of 2025
(small value holds financials, large growth technology) and wander by a few per cent a year, each fund's from
a stream of its own; a sector has a few made-up lines, and cash, a money market fund and a future stand beside
them. The same on every machine and day: a report depends on the fund and its month alone.
"""

from __future__ import annotations

import hashlib
from datetime import date
from functools import cache
from itertools import pairwise

import numpy as np

from market_calendar.sessions import first_and_last_day, sessions_between
from sources.simulated_market.grid import UnknownInputError

FIRST_REPORT = date(2022, 1, 1)
SECTORS = (
    "Financials",
    "Health Care",
    "Industrials",
    "Information Technology",
    "Consumer Discretionary",
    "Real Estate",
    "Energy",
    "Materials",
    "Consumer Staples",
    "Utilities",
    "Communication",
)
# Net assets in billions of dollars, then weights in the order of SECTORS; they need not add up to 100.
FUNDS = {
    "IWM": (65, (18.5, 16, 18, 15, 10, 6.5, 5, 4.5, 2.2, 3, 2.8)),
    "IWN": (12, (27, 9, 13, 8, 10, 10.5, 7, 5, 2.3, 5.5, 3.2)),
    "IWO": (11, (9.5, 23, 22.5, 21, 9.5, 2, 3, 4.5, 2.5, 0.6, 2.2)),
    "IWC": (0.9, (23, 24, 13, 14, 7, 5, 5, 3, 1.6, 1.2, 3)),
    "IWB": (40, (14, 9.5, 9.5, 31, 10.5, 2.4, 3, 2.1, 5.3, 2.4, 10)),
    "IWD": (60, (22.5, 11.7, 13, 10.5, 7.8, 4.2, 6, 4.2, 7.7, 4.5, 8)),
    "IWF": (110, (6.5, 7, 6, 51, 13.3, 0.5, 0.4, 0.3, 2.6, 0.3, 12.5)),
    "IJH": (95, (17.5, 9, 23.5, 12.5, 12.5, 7, 4, 6, 4.8, 3, 1.2)),
    "IJR": (85, (19, 10.5, 18, 12.5, 13, 7.5, 4.3, 5.5, 3, 2, 3.2)),
    "IVE": (40, (16.5, 11.5, 11, 21, 8.8, 4, 5.8, 4.1, 8.9, 4.5, 3.5)),
    "IVW": (60, (11.5, 6.3, 6.8, 41, 11.8, 0.7, 0.8, 0.8, 2.8, 0.7, 16.5)),
    "IVV": (600, (14, 9, 8.4, 33, 10.5, 2, 2.9, 1.9, 5.2, 2.4, 10.3)),
}
CASH_PCT = 0.25
WANDER_PER_MONTH = 0.015
LINES = (0.5, 0.3, 0.2)
HEADER = (
    "Ticker,Name,Sector,Asset Class,Market Value,Weight (%),Notional Value,Quantity,Price,Location,Exchange,"
    "Currency,FX Rate,Market Currency,Accrual Date"
)
LEGAL = '"Made up: this is the holdings file of a simulated fund, in the layout of the issuer\'s files."'
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def holdings_csv(symbol: str, name: str, start: date, end: date) -> bytes:
    """The reports of a fund whose day is in the range.

    Raises:
        UnknownInputError: there is no such fund.
    """
    if symbol not in FUNDS:
        raise UnknownInputError(symbol)
    reports = [
        _report(symbol, name, month, day) for month, day in enumerate(_month_ends()) if start <= day <= end
    ]
    return "\n".join(reports).encode()


@cache
def _month_ends() -> tuple[date, ...]:
    """The last session of every month; the calendar's end may cut a month short, which is left out."""
    sessions = sessions_between(FIRST_REPORT, first_and_last_day()[1])
    return tuple(day for day, after in pairwise(sessions) if day.month != after.month)


@cache
def _weights(symbol: str) -> np.ndarray:
    """Weights of the sectors by month, in per cent; the rest is cash."""
    seed = int.from_bytes(hashlib.sha256(f"holdings {symbol}".encode()).digest()[:8])
    months = len(_month_ends())
    steps = np.random.default_rng(seed).standard_normal((months, len(SECTORS))) * WANDER_PER_MONTH
    weights = np.array(FUNDS[symbol][1]) * np.exp(np.cumsum(steps, axis=0))
    scaled: np.ndarray = weights / weights.sum(axis=1, keepdims=True) * (100 - CASH_PCT)
    return scaled


def _report(symbol: str, name: str, month: int, day: date) -> str:
    assets = FUNDS[symbol][0] * 1e9 * 1.005**month
    lines = []
    for sector, weight in zip(SECTORS, _weights(symbol)[month].tolist(), strict=True):
        for number, share in enumerate(LINES, start=1):
            short = "".join(word[0] for word in sector.split()) + sector[1].upper()
            title = f"SIMULATED {sector.upper()} {number}"
            lines.append(
                _line(f"{short}{number}", title, sector, "Equity", assets, weight * share, 25.0 * number)
            )
    cash = "Cash and/or Derivatives"
    lines.sort(key=lambda line: -line[0])
    lines.append(_line("XTSLA", "SIMULATED CASH FUND", cash, "Money Market", assets, CASH_PCT * 0.8, 1.0))
    lines.append(_line("USD", "USD CASH", cash, "Cash", assets, CASH_PCT * 0.2, 100.0))
    future = (
        f'"-","SIMULATED EMINI FUTURE","{cash}","Futures","0.00","0.00","1,000,000.00","10.00","2,000.00"'
    )
    lines.append((0.0, future + ',"-","Index And Options Market","USD","1.00","USD","-"'))
    preamble = [
        name,
        f'Fund Holdings as of,"{MONTHS[day.month - 1]} {day.day:02}, {day.year}"',
        'Inception Date,"May 22, 2000"',
        f'Shares Outstanding,"{assets / 200:,.2f}"',
        'Stock,"-"',
        'Bond,"-"',
        'Cash,"-"',
        'Other,"-"',
        "\xa0",
    ]
    return "\n".join([*preamble, HEADER, *(text for _, text in lines), "\xa0", LEGAL, ""])


def _line(
    ticker: str, title: str, sector: str, asset_class: str, assets: float, weight: float, price: float
) -> tuple[float, str]:
    """The market value and the line."""
    value = assets * weight / 100
    cells = [ticker, title, sector, asset_class, f"{value:,.2f}", f"{weight:.2f}", f"{value:,.2f}"]
    cells += [f"{value / price:,.2f}", f"{price:,.2f}", "United States", "NASDAQ", "USD", "1.00", "USD", "-"]
    return value, ",".join(f'"{cell}"' for cell in cells)
