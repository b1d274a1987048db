"""Made-up reports of sixty banks by quarter, in the format of the FDIC's API.

In: quarter averages of the simulated funds rate. Out: JSON as `sources.fdic` is served it. Each bank pays on
its domestic deposits a share of the funds rate that is known by its size (`BETAS`), spread over four quarters
(`PASSED_ON`), so that a deposit beta that is estimated from the reports can be compared with the true one.
Banks whose deposits are cheaper earn more when rates are high. A few banks begin late or end early, and a few
outgrow their size group. The same on every machine and every day: a bank's numbers come from its own number
and the quarter's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from functools import cache, lru_cache

import numpy as np
import pandas as pd

FIRST_QUARTER = date(1999, 12, 31)
# Share of a change of the funds rate that reaches the rate on all domestic deposits, by the bank's size.
BETAS: Mapping[str, float] = {
    "over_250bn": 0.45,
    "10bn_250bn": 0.40,
    "1bn_10bn": 0.35,
    "100mn_1bn": 0.30,
    "under_100mn": 0.25,
}
# How it is spread over the quarter of the change and the three after it.
PASSED_ON = (0.4, 0.3, 0.2, 0.1)
# Number of banks, and assets of the smallest and the largest at the start, in thousands of dollars.
SIZES: Mapping[str, tuple[int, float, float]] = {
    "over_250bn": (6, 4.5e8, 1.4e9),
    "10bn_250bn": (12, 1.2e7, 9.0e7),
    "1bn_10bn": (14, 1.2e6, 4.5e6),
    "100mn_1bn": (16, 1.2e5, 4.5e5),
    "under_100mn": (12, 2.5e4, 6.0e4),
}
INTEREST_BEARING = 0.75
# Standard deviation of a bank's deposit cost about what its beta says, smaller than the least premium.
NOISE_PCT = 0.01
# More than the simulated market has.
QUARTERS = 160
EARNING = 0.9
GROWTH = 1.008
SEED = 20_000_331


def bank_margins_json(rates: Mapping[date, float], quarter: str, start: date, end: date) -> bytes:
    """The answer of one quarter, its last day as 2024-06-30.

    Raises:
        KeyError: it is no quarter of the simulated market.
    """
    position = quarter_number(date.fromisoformat(quarter))
    first = min(rates)
    path = [rates[max(_quarter(step), first)] for step in range(position + 1)]
    rows = [row for bank in _banks() if (row := _report(bank, position, path, quarter)) is not None]
    meta = {
        "total": len(rows),
        "parameters": {"filters": f"REPDTE:{quarter.replace('-', '')}", "limit": "10000", "offset": "0"},
        "index": {"name": "simulated"},
    }
    document = {"meta": meta, "data": rows, "totals": {"count": len(rows)}}
    return json.dumps(document, separators=(",", ":")).encode()


def quarter_number(day: date) -> int:
    """How many quarters after the first one.

    Raises:
        KeyError: before it, or not the end of a quarter.
    """
    number = (day.year - FIRST_QUARTER.year) * 4 + (day.month - FIRST_QUARTER.month) // 3
    if number < 0 or _quarter(number) != day:
        raise KeyError(str(day))
    return number


class _Bank:
    """What does not change of a bank."""

    def __init__(self, certificate: int, size: str, assets: float, draws: np.random.Generator) -> None:
        self.certificate = certificate
        self.size = size
        self.assets = assets
        self.wobble = draws.uniform(-0.004, 0.004)
        # Who pays more when rates are low pays more of their rise, too.
        self.premium_pct = draws.uniform(0.08, 0.12) + 0.5 * (BETAS[size] - min(BETAS.values()))
        self.margin_pct = draws.uniform(2.9, 3.5)
        self.deposit_share = draws.uniform(0.68, 0.8)
        # What its competitors do in a quarter, beyond the rule.
        self.noise_pct = draws.normal(0.0, NOISE_PCT, size=QUARTERS)
        # One in ten begins late, another ends early.
        self.first = int(draws.integers(8, 60)) if certificate % 10 == 3 else 0
        self.last = int(draws.integers(30, 90)) if certificate % 10 == 7 else 10_000


@lru_cache(maxsize=1)
def _banks() -> tuple[_Bank, ...]:
    banks: list[_Bank] = []
    for size, (count, smallest, largest) in SIZES.items():
        for assets in np.geomspace(smallest, largest, count):
            certificate = 1001 + len(banks)
            banks.append(_Bank(certificate, size, float(assets), np.random.default_rng((SEED, certificate))))
    return tuple(banks)


def _balance(bank: _Bank, position: int) -> tuple[int, int, int, int]:
    """Assets, earning assets, domestic deposits and those that bear interest at the end of a quarter."""
    assets = bank.assets * (GROWTH + bank.wobble) ** position
    deposits = round(assets * bank.deposit_share)
    return round(assets), round(assets * EARNING), deposits, round(deposits * INTEREST_BEARING)


def _paid_pct(bank: _Bank, position: int, path: list[float]) -> float:
    """The rate on domestic deposits in a quarter."""
    passed_on = sum(share * path[max(position - lag, 0)] for lag, share in enumerate(PASSED_ON))
    return bank.premium_pct + BETAS[bank.size] * passed_on + float(bank.noise_pct[position])


def _flows(bank: _Bank, position: int, path: list[float]) -> tuple[float, float]:
    """Net interest income and interest on domestic deposits of one quarter."""
    before, now = _balance(bank, position - 1), _balance(bank, position)
    cost = _paid_pct(bank, position, path)
    deposits, earning = (before[2] + now[2]) / 2, (before[1] + now[1]) / 2
    margin = bank.margin_pct + 0.3 * path[position] - 0.6 * (cost - bank.premium_pct)
    return margin / 400 * earning, cost / 400 * deposits


def _report(bank: _Bank, position: int, path: list[float], quarter: str) -> dict[str, object] | None:
    if not bank.first <= position <= bank.last:
        return None
    of_year = range(max(position - position_in_year(position), bank.first), position + 1)
    flows = [_flows(bank, step, path) for step in of_year]
    assets, earning, deposits, bearing = _balance(bank, position)
    day = quarter.replace("-", "")
    row = {
        "CERT": bank.certificate,
        "REPDTE": day,
        "ASSET": assets,
        "ERNAST": earning,
        "DEPDOM": deposits,
        "DEPIDOM": bearing,
        "NIM": round(sum(flow[0] for flow in flows)),
        "EDEPDOM": round(sum(flow[1] for flow in flows)),
        "IBA": 0,
        "ID": f"{bank.certificate}_{day}",
    }
    return {"data": row, "score": 0}


def position_in_year(position: int) -> int:
    """0 in the quarter that ends in March; the first quarter of all ends in December."""
    return (position + 3) % 4


@cache
def _quarter(number: int) -> date:
    return (pd.Timestamp(FIRST_QUARTER) + pd.offsets.QuarterEnd(number)).date()
