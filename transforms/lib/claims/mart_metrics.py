"""Metrics of rankings, policy, rates, macro series, banks and regimes, as the marts hold them.

In: `Evidence`, the day that a statement refers to, and its parameters. Out: one `Finding` per metric.
"""

from __future__ import annotations

import datetime as dt

import numpy as np

from transforms.lib.claims.evidence import Evidence, Finding, NotComputable, Parameters
from transforms.lib.history import FloatArray, change_pct
from transforms.lib.session_grid import float_column


def bottom_places_held(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """How many of the bottom `places` of the size and style ranking the symbols hold."""
    if p["scores"] == "publisher":
        raise NotComputable("the publisher's ranking rests on proprietary scores")
    end = evidence.dates[evidence.session_at(day)]
    held, order = evidence.value(
        """
        select
            count(*) filter (where rank > members - ? and list_contains(?::varchar[], symbol)),
            string_agg(symbol, ' ' order by rank)
        from marts.size_style_rank_daily where session_date = ? and rank is not null
        """,
        [int(p["places"]), p["symbols"].split("+"), end],
        f"no ranking on {end}",
    )
    if order is None:
        raise NotComputable(f"no ranking on {end}")
    return Finding(
        f"of the bottom {p['places']} places of our open ranking on {end} (first to last: {order})",
        number=float(held),
    )


def improvement_rank(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """Rank of a group by the change of its score over 30 days (1 = most improved)."""
    if p["scores"] == "publisher":
        raise NotComputable("the publisher's ranking rests on proprietary scores")
    end = evidence.dates[evidence.session_at(day)]
    rank, change = evidence.value(
        """
        select improvement_rank, score_change_30_days
        from marts.group_score_daily where group_id = ? and session_date = ?
        """,
        [p["group"], end],
        f"no score of {p['group']} on {end}",
    )
    return Finding(
        f"rank of {p['group']} in our open score by its change over 30 days to {end} ({change:+.2f} of 6"
        " points)",
        number=float(rank),
    )


def meeting_probability_pct(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """Probability of an outcome of an FOMC meeting as futures price it, in %."""
    scope = p.get("scope", "cumulative")
    (value,) = evidence.value(
        """
        select case ?
            when 'cumulative cut' then cut_prob
            when 'cumulative hold' then hold_prob
            when 'cumulative hike' then hike_prob
            when 'meeting cut' then meeting_cut_prob
            when 'meeting hold' then meeting_hold_prob
            when 'meeting hike' then meeting_hike_prob
        end
        from marts.fomc_meetings_daily where as_of_date = ? and meeting_date = ?
        """,
        [f"{scope} {p['outcome']}", day, p["meeting"]],
        f"the meeting of {p['meeting']} could not be priced on {day}: no settlement prices of the fed funds"
        " futures it needs",
    )
    return Finding(
        f"probability of a {p['outcome']} {'by' if scope == 'cumulative' else 'at'} the meeting of"
        f" {p['meeting']} in the settlement prices of {day}",
        number=100 * float(value),
    )


def inversion_start(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """First session of the inversion (10-year below 2-year yield) in which the day lies."""
    at, start, inverted = evidence.value(
        """
        select session_date, inversion_start_date, inverted from marts.yield_curve_daily
        where session_date between ?::date - 7 and ? order by session_date desc limit 1
        """,
        [day, day],
        f"no yields at {day}",
    )
    if not inverted:
        return Finding(f"the curve of {at} was not inverted")
    return Finding(f"start of the unbroken inversion that {at} was part of", day=start)


def series_change_pct(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """Relative change of a FRED series between two observations, in %."""
    values = [
        evidence.value(
            """
            select value from marts.macro_daily
            where series_id = ? and observation_date = ? and available_at_utc < ?::date + 1
            """,
            [p["series"], when, day],
            f"{p['series']} has no observation of {when} that was out on {day}",
        )[0]
        for when in (p["from"], p["to"])
    ]
    return Finding(
        f"relative change of {p['series']} from {values[0]:g} ({p['from'][:7]}) to {values[1]:g}"
        f" ({p['to'][:7]}), today's vintage",
        number=100 * (values[1] / values[0] - 1),
    )


def rate_t_stat(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """t statistic of the effect of the 2-year yield on a symbol at a constant market and slope."""
    model, factor = p.get("model", "market_2y_slope"), p.get("factor", "y2")
    t_stat, beta, at = evidence.value(
        """
        select t_stat, beta, session_date from marts.bank_rate_betas
        where symbol = ? and model = ? and estimator = ? and factor = ?
            and session_date between ?::date - 7 and ?
        order by session_date desc limit 1
        """,
        [p["symbol"], model, p.get("estimator", "w252"), factor, day, day],
        f"no regression of {p['symbol']} at {day}",
    )
    return Finding(
        f"t statistic of the {factor} effect on {p['symbol']} ({beta:+.2f} % per +10 bp; {model},"
        f" {p.get('estimator', 'w252')}) at {at}",
        number=float(t_stat),
    )


def bond_rate_beta(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """Effect of +10 bp in the 10-year yield on the price of a bond fund over 252 sessions, in %."""
    end = evidence.session_at(day)
    rows = evidence.con.execute(
        """
        select calendar.session_number, curve.change_10y_bp
        from marts.yield_curve_daily as curve
        inner join ref.calendar as calendar on curve.session_date = calendar.calendar_date
        where calendar.session_number between ? and ? and curve.change_10y_bp is not null
        order by calendar.session_number
        """,
        [end - 251, end],
    ).fetchnumpy()
    numbers = np.asarray(rows["session_number"], dtype=np.int64)
    returns = change_pct(evidence.closes(p["symbol"], end), 1)[numbers]
    known = np.isfinite(returns)
    if known.sum() < 200:
        raise NotComputable(f"{p['symbol']} and the 10-year yield have fewer than 200 common sessions")
    return Finding(
        f"% of price of {p['symbol']} per +10 bp in the 10-year yield over the 252 sessions to"
        f" {evidence.dates[end]}",
        number=_slope(float_column(rows["change_10y_bp"])[known] / 10, returns[known]),
    )


def reported_loss_slope(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """Change of the banks' reported unrealised gains per +10 bp in the 10-year yield, quarter on quarter,
    in bn USD.
    """
    rows = evidence.con.execute(
        """
        with quarters as (
            select quarter_end, total_usd_bn
            from marts.bank_reported_losses
            where published_on <= ? and total_usd_bn is not null
        ),
        dated as (
            select quarters.quarter_end, quarters.total_usd_bn, curve.y10_pct
            from quarters
            asof left join marts.yield_curve_daily as curve on quarters.quarter_end >= curve.session_date
        )
        select
            now.total_usd_bn - before.total_usd_bn as change_usd_bn,
            10 * (now.y10_pct - before.y10_pct) as change_10bp
        from dated as now
        inner join dated as before
            on before.quarter_end = last_day(cast(now.quarter_end - interval 3 month as date))
        where now.y10_pct is not null and before.y10_pct is not null
        order by now.quarter_end
        """,
        [day],
    ).fetchnumpy()
    changes = float_column(rows["change_usd_bn"])
    if len(changes) < 6:
        raise NotComputable(f"fewer than six changes of reported losses had been published by {day}")
    return Finding(
        "change of all banks' reported unrealised gains in bn USD per +10 bp in the 10-year yield,"
        f" {len(changes)} quarters to {day}",
        number=_slope(float_column(rows["change_10bp"]), changes),
    )


def regime_mean_spread_pp(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """Mean forward spread of a pair after sessions in a regime, as known at the last such session."""
    mean, low, high, hits, count, apart, at = evidence.value(
        """
        select
            mean_forward_spread_pp, ci_low_pp, ci_high_pp,
            hit_rate, observations, n_nonoverlapping, session_date
        from marts.regimes_daily
        where pair_id = ? and regime = ? and horizon_sessions = ? and session_date <= ?
            and mean_forward_spread_pp is not null
        order by session_date desc limit 1
        """,
        [p["pair"], p["regime"], int(p["horizon"]), day],
        f"no session in the regime {p['regime']} with enough ended windows up to {day}",
    )
    return Finding(
        f"mean spread of {p['pair']} over the {p['horizon']} sessions after a session of {p['regime']} "
        f"({count} windows, of which {apart} do not overlap; {_interval(low, high)}positive in "
        f"{100 * hits:.0f} %; known at {at})",
        number=float(mean),
    )


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"90 % interval of the mean {low:+.2f} to {high:+.2f}; "


def _slope(x: FloatArray, y: FloatArray) -> float:
    """Least-squares slope of y on x."""
    away = x - x.mean()
    variance = float((away * away).sum())
    if variance == 0:
        raise NotComputable("the regressor does not vary")
    return float((away * (y - y.mean())).sum()) / variance
