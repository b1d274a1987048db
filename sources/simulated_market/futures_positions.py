"""Made-up positions in futures, as the CFTC serves them: JSON of data set gpe5-46if, every value a text.

In: a code of a contract and a range of dates. Out: the array with a row per weekly report that had come out
by the end of the range. Seeded by the code alone: the same on every machine and every day. The share of the
leveraged funds follows a mean-reverting walk, asset managers stand mostly against it. The Russell contract of
ICE hands over to that of the CME in the summer of 2017, with ten weeks in which both are reported.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

import numpy as np
import pandas as pd

from market_calendar.sessions import fed_business_days_between
from sources.simulated_market.grid import UnknownInputError
from warehouse.reference_data import reference_frame

FIRST, LAST = date(2010, 1, 5), date(2028, 12, 29)
HANDED_OVER_FROM, HANDED_OVER_TO = date(2017, 7, 11), date(2017, 9, 12)
# A report comes on the third federal business day after its own.
RELEASE_DAYS = 3
TRADERS = ("dealer", "asset_mgr", "lev_money", "other_rept")


@dataclass(frozen=True)
class _Market:
    """A contract: its names, its usual open interest and the usual share of the leveraged funds."""

    name: str
    exchange: str
    short_exchange: str
    commodity: str
    open_interest: int
    share: float


SIMULATED_CODES: Mapping[str, _Market] = {
    "239742": _Market("RUSSELL E-MINI", "CHICAGO MERCANTILE EXCHANGE", "CME ", "239", 450_000, -0.08),
    "23977A": _Market("RUSSELL 2000 MINI INDEX FUTURE", "ICE FUTURES U.S.", "ICUS", "239", 400_000, -0.08),
    "13874A": _Market("E-MINI S&P 500", "CHICAGO MERCANTILE EXCHANGE", "CME ", "138", 2_400_000, -0.05),
    "209742": _Market("NASDAQ MINI", "CHICAGO MERCANTILE EXCHANGE", "CME ", "209", 260_000, 0.02),
    "045601": _Market("FED FUNDS", "CHICAGO BOARD OF TRADE", "CBT ", "045", 1_500_000, 0.0),
}


def positions_json(code: str, start: date, end: date) -> bytes:
    """The reports on one contract in a range, as far as they had come out by its end.

    Raises:
        UnknownInputError: the contract is not among those that are made.
    """
    if code not in SIMULATED_CODES:
        raise UnknownInputError(code)
    out = [row for day, released, row in _reports(code) if start <= day and released <= end]
    return json.dumps(out, separators=(",", ":")).encode()


@cache
def _reports(code: str) -> list[tuple[date, date, dict[str, str]]]:
    """Day, day of release and row of every report."""
    market = SIMULATED_CODES[code]
    # The two lives of one market are one walk.
    draw = random.Random(f"positions of {market.commodity}")
    tuesdays = [FIRST + timedelta(days=7 * week) for week in range((LAST - FIRST).days // 7 + 1)]
    business = np.array(fed_business_days_between(FIRST, LAST), dtype="datetime64[D]")
    # Before a holiday on Tuesday positions are taken on Monday.
    days = [day if np.isin(np.datetime64(day), business) else day - timedelta(days=1) for day in tuesdays]
    late = reference_frame("position_releases").set_index("report_date")["released_on"]
    level, share, crowd = 0.0, 0.0, 0.0
    found = []
    for day in days:
        level = 0.97 * level + draw.gauss(0, 0.05)
        share = 0.85 * share + draw.gauss(0, 0.03)
        crowd = 0.9 * crowd + draw.gauss(0, 0.02)
        part = _part(code, day)
        if part <= 0:
            continue
        total = round(market.open_interest * part * math.exp(level))
        # The calendar ends before the last report of it came out.
        position = int(np.searchsorted(business, np.datetime64(day), side="right")) + RELEASE_DAYS - 1
        if position >= len(business):
            break
        row = _row(code, market, day, total, market.share + share, crowd)
        released = late.get(pd.Timestamp(day))
        usual: date = business[position].astype(object)
        found.append((day, usual if released is None else released.date(), row))
    return found


def _part(code: str, day: date) -> float:
    """Which part of the market a contract has on a day: only the Russell ones share theirs."""
    if code not in ("239742", "23977A"):
        return 1.0
    weeks = (HANDED_OVER_TO - HANDED_OVER_FROM).days / 7 + 1
    moved = min(1.0, max(0.0, ((day - HANDED_OVER_FROM).days / 7 + 1) / (weeks + 1)))
    moved = 1.0 if day > HANDED_OVER_TO else moved
    return moved if code == "239742" else 1.0 - moved


def _row(code: str, market: _Market, day: date, total: int, share: float, crowd: float) -> dict[str, str]:
    """One report; long and short add up to the open interest on both sides."""
    spreads = {
        trader: round(total * part) for trader, part in zip(TRADERS, (0.01, 0.02, 0.04, 0.005), strict=True)
    }
    rest = total - sum(spreads.values())
    long_share = {"lev_money": 0.2 + share / 2, "asset_mgr": 0.4 - share / 2 + crowd, "other_rept": 0.05}
    short_share = {"lev_money": 0.2 - share / 2, "asset_mgr": 0.2 + share / 2, "other_rept": 0.06}
    sides = {}
    for side, shares in (("long", long_share), ("short", short_share)):
        held = {trader: round(rest * min(0.45, max(0.01, part))) for trader, part in shares.items()}
        left = rest - sum(held.values())
        held["dealer"] = max(0, round(left * (0.35 if side == "long" else 0.6)))
        held["nonrept"] = rest - sum(held.values())
        sides[side] = held
    row = {
        "id": f"{day:%y%m%d}{code}F",
        "market_and_exchange_names": f"{market.name} - {market.exchange}",
        "report_date_as_yyyy_mm_dd": f"{day}T00:00:00.000",
        "yyyy_report_week_ww": f"{day:%Y} Report Week {day:%V}",
        "contract_market_name": market.name,
        "cftc_contract_market_code": code,
        "cftc_market_code": market.short_exchange,
        "cftc_commodity_code": f"{market.commodity} ",
        "open_interest_all": str(total),
    }
    for trader in TRADERS:
        ending = "_all" if trader == "dealer" else ""
        row[f"{trader}_positions_long{ending}"] = str(sides["long"][trader])
        row[f"{trader}_positions_short{ending}"] = str(sides["short"][trader])
        row[f"{trader}_positions_spread{ending}"] = str(spreads[trader])
    row["nonrept_positions_long_all"] = str(sides["long"]["nonrept"])
    row["nonrept_positions_short_all"] = str(sides["short"]["nonrept"])
    row["futonly_or_combined"] = "FutOnly"
    return row
