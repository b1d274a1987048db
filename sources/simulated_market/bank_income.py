"""Made-up net interest income of banks, as the SEC serves it: a company concept with facts by filing.

In: a bank's symbol and number, and the last day. Out: the JSON with what had been filed by then. Seeded by
the symbol alone: the same on every machine and every day. Quarters since 2009 in filings since May 2010: a
10-Q with the quarter, the year to date and both of the year before; a 10-K with three years. A few quarters
are restated by the filing that compares with them.
"""

from __future__ import annotations

import json
import random
from datetime import date, timedelta
from functools import cache
from typing import Any

FIRST_YEAR, FIRST_FILED, LAST_YEAR = 2009, date(2010, 4, 1), 2028
ENDS = ((3, 31), (6, 30), (9, 30), (12, 31))
# Days from the end of the period to the filing of a 10-Q and a 10-K.
QUARTER_DAYS, YEAR_DAYS = 34, 55
RESTATED = 0.03


def concept_json(symbol: str, cik: int, end: date) -> bytes:
    """Everything that a bank had filed by a day."""
    facts = [fact for fact in _facts(symbol, cik) if fact["filed"] <= str(end)]
    document = {
        "cik": cik,
        "taxonomy": "us-gaap",
        "tag": "InterestIncomeExpenseNet",
        "label": "Interest Income (Expense), Net",
        "description": "Made up.",
        "entityName": f"SIMULATED {symbol}",
        "units": {"USD": facts},
    }
    return json.dumps(document, separators=(",", ":")).encode()


@cache
def _facts(symbol: str, cik: int) -> list[dict[str, Any]]:
    draw = random.Random(f"net interest income of {symbol}")
    size = 10 ** draw.uniform(2.6, 4.0)
    first: dict[tuple[int, int], int] = {}
    later: dict[tuple[int, int], int] = {}
    growth = 0.0
    for year in range(FIRST_YEAR, LAST_YEAR + 1):
        for quarter in range(4):
            growth = 0.8 * growth + draw.gauss(0.002, 0.01)
            size *= 1.0 + growth
            first[year, quarter] = round(size) * 1_000_000
            restated = draw.random() < RESTATED
            later[year, quarter] = round(size * (1.02 if restated else 1.0)) * 1_000_000
    found: list[dict[str, Any]] = []
    for year in range(FIRST_YEAR + 1, LAST_YEAR + 1):
        for quarter, (month, day) in enumerate(ENDS):
            end = date(year, month, day)
            filed = end + timedelta(days=YEAR_DAYS if quarter == 3 else QUARTER_DAYS)
            if filed < FIRST_FILED:
                continue
            accession = f"{cik:010d}-{filed:%y}-{quarter + 1:06d}"
            about = {"accn": accession, "fy": year, "fp": f"Q{quarter + 1}" if quarter < 3 else "FY"}
            about |= {"form": "10-K" if quarter == 3 else "10-Q", "filed": str(filed)}
            for back, known in ((1, later), (0, first)):
                then = year - back
                if quarter == 3:
                    spans = [(0, 3)]
                else:
                    spans = [(quarter, quarter), (0, quarter)] if quarter else [(0, 0)]
                for since, until in spans:
                    begins = date(then, ENDS[since][0] - 2, 1)
                    ends = date(then, *ENDS[until])
                    amount = sum(known[then, number] for number in range(since, until + 1))
                    found.append({"start": str(begins), "end": str(ends), "val": amount} | about)
    return found
