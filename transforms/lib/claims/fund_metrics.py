"""Metrics of funds and of what is held: scores, weights of sectors, positions in futures, a century of
portfolios by size.

In: `Evidence`, the day that a statement refers to, and its parameters. Out: one `Finding` per metric.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from transforms.lib.claims.evidence import (
    PROPRIETARY,
    Evidence,
    Finding,
    NotComputable,
    Parameters,
    bring_prices,
)

# As marts.spread_attribution_daily: an older report says little of the day.
HOLDINGS_DAYS = 100
TRADERS = {"leveraged_funds": "leveraged funds", "asset_managers": "asset managers"}
PLACES = {
    "windows": "among all windows",
    "stretches": "among stretches that share no month",
    "ratio": "among all windows, by the ratio of growth",
}


def fund_score(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """Score of a fund, 0 to 6."""
    score, end = _score(evidence, day, p["symbol"], p["scores"])
    return Finding(f"our open score of {p['symbol']} on {end} (0 to 6)", number=score)


def funds_above_count(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """How many of the funds have a score above `score`."""
    found = [(symbol, *_score(evidence, day, symbol, p["scores"])) for symbol in p["symbols"].split("+")]
    listed = ", ".join(f"{symbol} {score:.2f}" for symbol, score, _ in found)
    return Finding(
        f"funds with an open score above {p['score']} on {found[0][2]} ({listed})",
        number=float(sum(score > float(p["score"]) for _, score, _ in found)),
    )


def _score(evidence: Evidence, day: dt.date, symbol: str, scores: str) -> tuple[float, dt.date]:
    """Score of one fund and its session."""
    if scores == "publisher":
        raise NotComputable(PROPRIETARY)
    end = evidence.dates[evidence.session_at(day)]
    (score,) = evidence.value(
        "select score from marts.fund_score_daily where symbol = ? and session_date = ?",
        [symbol, end],
        f"no score of {symbol} on {end}, which needs 200 closes of it and of its benchmark"
        f" ({bring_prices(symbol)})",
    )
    return float(score), end


def sector_weight_pct(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """Weight of one or several sectors in a fund by the newest report known on the day, in %."""
    weights, report = _sector_weights(evidence, day, p)
    sectors = p["sectors"].split("+")
    return Finding(
        f"weight of {' and '.join(sectors)} in {p['symbol']} by the report of {report}",
        number=sum(weights[sector] for sector in sectors),
    )


def sector_rank(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """Place of one sector, or of several together, among the sectors of a fund by weight (1 = largest)."""
    weights, report = _sector_weights(evidence, day, p)
    sectors = p["sectors"].split("+")
    own = sum(weights[sector] for sector in sectors)
    others = {name: weight for name, weight in weights.items() if name not in sectors}
    first = max(others, key=lambda name: others[name], default=None)
    beside = f"; the largest other sector is {first} with {others[first]:.2f} %" if first else ""
    return Finding(
        f"place of {' and '.join(sectors)} among the sectors of {p['symbol']} by the report of {report}"
        f" ({own:.2f} %{beside})",
        number=1.0 + sum(weight > own for weight in others.values()),
    )


def _sector_weights(evidence: Evidence, day: dt.date, p: Parameters) -> tuple[dict[str, float], dt.date]:
    """Weights of all sectors in % and the day of the report: the newest that was known, or, with
    `reports_back`, one before it.
    """
    symbol, back = p["symbol"], int(p.get("reports_back", 0))
    reports = evidence.con.execute(
        """
        select distinct report_date from marts.fund_sector_weights
        where symbol = ? and report_known_date <= ? order by report_date desc
        """,
        [symbol, day],
    ).fetchall()
    if not reports or reports[0][0] < day - dt.timedelta(days=HOLDINGS_DAYS):
        (file,) = evidence.value(
            "select file_symbol from ref.fund_holdings_files where symbol = ?",
            [symbol],
            f"no holdings file is listed for {symbol}; add it to fund_holdings_files.csv",
        )
        raise NotComputable(
            f"no holdings of {symbol} that were known on {day} and at most {HOLDINGS_DAYS} days old (bring"
            f" fund_holdings/{file}_{_quarter_session(evidence, day):%Y%m%d}.csv, the issuer's file of that"
            " day, or one of a later day that was out by then)"
        )
    if back >= len(reports):
        raise NotComputable(f"there are no {back} reports of {symbol} before that of {reports[0][0]}")
    (report,) = reports[back]
    weights: dict[str, float] = dict(
        evidence.con.execute(
            """
            select sector, sector_weight_pct from marts.fund_sector_weights
            where symbol = ? and report_date = ? order by sector
            """,
            [symbol, report],
        ).fetchall()
    )
    missing = [sector for sector in p["sectors"].split("+") if sector not in weights]
    if missing:
        raise NotComputable(f"the report of {symbol} of {report} has no sector {missing[0]}")
    return weights, report


def _quarter_session(evidence: Evidence, day: dt.date) -> dt.date:
    """The last session of the last quarter that ended before the day."""
    first = dt.date(day.year, 3 * ((day.month - 1) // 3) + 1, 1)
    return evidence.dates[evidence.session_at(first - dt.timedelta(days=1))]


def positions_share_pct(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """Net position of a group of traders in % of the open interest; below 0 is net short."""
    traders = p.get("traders", "leveraged_funds")
    row = _positions(evidence, day, p["market"], p["report"])
    share = row["net_share_of_open_interest_pct" if traders == "leveraged_funds" else "asset_manager_share"]
    net = row["leveraged_net_contracts" if traders == "leveraged_funds" else "asset_manager_net"]
    if share is None or net is None:
        raise NotComputable(f"the report of {p['report']} leaves out {TRADERS[traders]} in {p['market']}")
    return Finding(
        f"net position of {TRADERS[traders]} in {p['market']} futures by the report of {p['report']}, out on"
        f" {row['released_on']} ({net:+,d} contracts), in % of the open interest",
        number=float(share),
    )


def positions_change_contracts(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """Change of the leveraged funds' net position between two reports, or how many of the contracts that they
    were short are gone (`measure=shorts_closed`).
    """
    before, after = (_positions(evidence, day, p["market"], p[key]) for key in ("since", "report"))
    if before["ranked_since"] != after["ranked_since"]:
        raise NotComputable(f"{p['since']} and {p['report']} have different contracts of {p['market']}")
    closed = p.get("measure") == "shorts_closed"
    column = "leveraged_short_contracts" if closed else "leveraged_net_contracts"
    if before[column] is None or after[column] is None:
        raise NotComputable(f"a report of {p['market']} leaves out leveraged funds")
    change = after[column] - before[column]
    what = "short contracts closed" if closed else "change of the net position"
    return Finding(
        f"{what} of leveraged funds in {p['market']} futures from the report of {p['since']}"
        f" ({before[column]:,d}) to that of {p['report']} ({after[column]:,d}), out on"
        f" {after['released_on']}",
        number=float(-change if closed else change),
    )


def _positions(evidence: Evidence, day: dt.date, market: str, report: str) -> dict[str, Any]:
    """One report, where it was out on the day."""
    (codes,) = evidence.value(
        """
        select string_agg('futures_positions/' || contract_market_code || '.json', ' and '
            order by contract_market_code)
        from ref.positioned_contracts
        where market_id = $1 and $2 between coalesce(positions_from, $2) and coalesce(positions_to, $2)
        """,
        [market, dt.date.fromisoformat(report)],
        f"no contract of {market} was reported on {report}",
    )
    result = evidence.con.execute(
        """
        select
            released_on, ranked_since, leveraged_net_contracts, leveraged_short_contracts,
            net_share_of_open_interest_pct, asset_manager_net_contracts as asset_manager_net,
            asset_manager_net_share_pct as asset_manager_share
        from marts.futures_positioning
        where market_id = ? and report_date = ? and released_on <= ?
        """,
        [market, report, day],
    )
    row = result.fetchone()
    if row is None:
        raise NotComputable(
            f"no report of {report} on {market} futures that was out on {day} (bring {codes}, or a live"
            " source)"
        )
    return dict(zip([entry[0] for entry in result.description], row, strict=True))


def size_premium_rank(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """Place from below of the premium of small over large shares in the years that end with a month, among
    all such windows to it (1 = smallest); `place` says among what.
    """
    pair, weighting = p.get("portfolios", "lo_30/hi_30"), p.get("weighting", "value")
    place = p.get("place", "windows")
    rank, premium, ratio, windows, apart, first = evidence.value(
        """
        with known as (
            select * from marts.size_premium_monthly
            where size_pair = ? and weighting = ? and window_months = 12 * ? and month_end <= ?
                and available_at_utc < ?::date + 1
        )

        select
            case ?
                when 'windows' then own.premium_rank_from_below
                when 'stretches' then own.premium_stretch_rank_from_below
                when 'ratio' then if(own.premium_rank_from_below is not null, 1 + (
                    select count(*) from known
                    where known.premium_ratio_return_pct < own.premium_ratio_return_pct
                ), null)
            end,
            own.premium_pp, own.premium_ratio_return_pct, own.windows_so_far, own.n_nonoverlapping,
            own.first_window_month_end
        from known as own
        where own.month_end = ?
        """,
        [pair, weighting, int(p["years"]), p["month"], day, place, p["month"]],
        f"no rank of {p['years']} years of portfolios by size to {p['month']} that was known on {day} (bring"
        f" size_portfolios/Portfolios_Formed_on_ME_CSV.zip, or a live source)",
    )
    shown = f"{ratio:.1f} % by the ratio" if place == "ratio" else f"{premium:.1f} pp"
    return Finding(
        f"place from below of {pair} ({weighting} weighted, {shown}) over {p['years']} years to {p['month']}"
        f" {PLACES[place]}: {windows} windows since {first}, of which {apart} share no month",
        number=float(rank),
    )
