"""How leveraged funds and asset managers stand in futures, by market and weekly report.

In: staging.futures_positions (contract, report, positions, day of release). Out: one row per market and
report: net = long - short without spreading, its share of the open interest, the change on the week, and
where the share stands among the last 156 reports and among all so far.

Contracts of one market are summed while several are reported: a market that moves from one exchange to
another is one series then. Where a report and the one before it have no contract in common, nothing shows
how the two compare, and the ranking begins anew (`ranked_since`).

A position lasts for months, so reports are not independent. With r the correlation of each share with the one
of the report before (about one mean, as in the sample autocorrelation), n reports are worth
n (1 - r) / (1 + r) independent ones (Bartlett 1946), at most n; below ten there is no percentile. Below 104
reports there is none either.
"""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import pandas as pd

from transforms.lib.history import FloatArray

WINDOW, LEAST_REPORTS, LEAST_EFFECTIVE = 156, 104, 10.0
# Days between two reports of consecutive weeks; a holiday moves a report by a day.
A_WEEK = (5, 9)
POSITIONS = """
select
    market_id,
    report_date,
    max(released_on) as released_on,
    bool_or(release_assumed) as release_assumed,
    list(contract_market_code order by contract_market_code) as codes,
    list(distinct exchange order by exchange) as exchanges,
    sum(open_interest_contracts)::bigint as open_interest,
    if(count(leveraged_long_contracts) = count(*), sum(leveraged_long_contracts), null)::bigint as long_,
    if(count(leveraged_short_contracts) = count(*), sum(leveraged_short_contracts), null)::bigint as short_,
    if(
        count(asset_manager_long_contracts + asset_manager_short_contracts) = count(*),
        sum(asset_manager_long_contracts - asset_manager_short_contracts), null
    )::bigint as asset_manager_net
from staging.futures_positions
group by market_id, report_date
order by market_id, report_date
"""
COLUMNS = [
    "market_id",
    "report_date",
    "released_on",
    "release_assumed",
    "contract_market_codes",
    "exchange",
    "at_exchange_seam",
    "open_interest_contracts",
    "leveraged_long_contracts",
    "leveraged_short_contracts",
    "leveraged_net_contracts",
    "leveraged_net_change_contracts",
    "net_share_of_open_interest_pct",
    "asset_manager_net_contracts",
    "asset_manager_net_share_pct",
    "ranked_since",
    "reports_in_window",
    "net_share_156_percentile",
    "n_effective_156",
    "percentile_156_reason",
    "reports_so_far",
    "net_share_expanding_percentile",
    "n_effective_expanding",
    "percentile_expanding_reason",
]


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per market_id and report_date, in that order."""
    rows = con.execute(POSITIONS).fetchall()
    names = [entry[0] for entry in con.description or []]
    markets: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        entry = dict(zip(names, row, strict=True))
        markets.setdefault(str(entry["market_id"]), []).append(entry)
    answers = [answer for reports in markets.values() for answer in market_rows(reports)]
    frame = pd.DataFrame(answers, columns=COLUMNS, dtype=object)
    whole = [name for name in COLUMNS if name.endswith("_contracts") or name.startswith("reports_")]
    numbers = [name for name in COLUMNS if name.endswith(("_pct", "_percentile")) or name.startswith("n_eff")]
    frame = frame.astype(dict.fromkeys(whole, "Int64") | dict.fromkeys(numbers, "float64"))
    for name in ("report_date", "released_on", "ranked_since"):
        frame[name] = pd.to_datetime(frame[name])
    for name in ("release_assumed", "at_exchange_seam"):
        frame[name] = frame[name].astype(bool)
    return frame


def market_rows(reports: list[dict[str, Any]]) -> list[list[Any]]:
    """The rows of one market, whose reports come in the order of their dates."""
    out: list[list[Any]] = []
    history: list[float] = []
    since = before = net_before = None
    for report in reports:
        codes = list(report["codes"])
        shared = before is not None and set(codes) & set(before["codes"])
        if since is None or not shared:
            since, history = report["report_date"], []
        net = _difference(report["long_"], report["short_"])
        share = _share(net, report["open_interest"])
        if share is not None:
            history.append(share)
        values = np.array(history, dtype=np.float64)
        window = standing(values[-WINDOW:], known=share is not None)
        to_date = standing(values, known=share is not None)
        apart = (report["report_date"] - before["report_date"]).days if before is not None else 0
        one_week = bool(shared) and A_WEEK[0] <= apart <= A_WEEK[1]
        out.append(
            [
                report["market_id"],
                report["report_date"],
                report["released_on"],
                report["release_assumed"],
                "+".join(codes),
                "+".join(report["exchanges"]),
                before is not None and codes != list(before["codes"]),
                report["open_interest"],
                report["long_"],
                report["short_"],
                net,
                _difference(net, net_before) if one_week else None,
                share,
                report["asset_manager_net"],
                _share(report["asset_manager_net"], report["open_interest"]),
                since,
                max(1, min(len(history), WINDOW)),
                *window,
                max(1, len(history)),
                *to_date,
            ]
        )
        before, net_before = report, net
    return out


def standing(values: FloatArray, *, known: bool) -> tuple[float | None, float | None, str | None]:
    """Percentile of the last value among all, what they are worth in independent ones, and why there is no
    percentile.

    Args:
        values: shares, oldest first.
        known: whether the last one is of the report that is asked about.
    """
    worth = effective_number(values)
    if not known:
        return None, worth, "share_missing"
    if len(values) < LEAST_REPORTS:
        return None, worth, "reports_below_104"
    if worth is None:
        return None, None, "share_constant"
    if worth < LEAST_EFFECTIVE:
        return None, worth, "effective_reports_below_10"
    return 100.0 * int((values <= values[-1]).sum()) / len(values), worth, None


def effective_number(values: FloatArray) -> float | None:
    """n (1 - r) / (1 + r), at most n; None where r is not defined."""
    n = len(values)
    if n < 3:
        return None
    apart = values - values.mean()
    total = float((apart * apart).sum())
    # A constant share leaves only the rounding of its mean.
    if total <= n * (1e-12 * max(1.0, float(np.abs(values).max()))) ** 2:
        return None
    r = float((apart[1:] * apart[:-1]).sum()) / total
    return float(min(n, max(0.0, n * (1.0 - r) / (1.0 + r))))


def _difference(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one - other


def _share(net: int | None, open_interest: int) -> float | None:
    return None if net is None or open_interest <= 0 else 100.0 * net / open_interest
