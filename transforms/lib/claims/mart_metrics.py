"""Metrics of rankings, policy, rates, macro series, banks and regimes, as the marts hold them.

In: `Evidence`, the day that a statement refers to, and its parameters. Out: one `Finding` per metric.
"""

from __future__ import annotations

import datetime as dt

import numpy as np

from transforms.lib.claims.evidence import (
    PROPRIETARY,
    Evidence,
    Finding,
    NotComputable,
    Parameters,
    bring_prices,
)
from transforms.lib.history import FloatArray, change_pct
from transforms.lib.session_grid import float_column

NEWEY_WEST_LAGS = 5
SLOPE_INTERVAL_PCT = 95
# As the marts publish them.
REGIME_INTERVAL_PCT = 90
TURN_INTERVAL_PCT = 90


def bottom_places_held(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """How many of the bottom `places` of the size and style ranking the symbols hold."""
    if p["scores"] == "publisher":
        raise NotComputable(PROPRIETARY)
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
        raise NotComputable(PROPRIETARY)
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
        " futures it needs (bring futures/ZQ*.csv with that day)",
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
            f"{p['series']} has no observation of {when} that was out on {day}"
            f" (bring fred/{p['series']}.csv, or a FRED key)",
        )[0]
        for when in (p["from"], p["to"])
    ]
    return Finding(
        f"relative change of {p['series']} from {values[0]:g} ({p['from'][:7]}) to {values[1]:g}"
        f" ({p['to'][:7]}), today's vintage",
        number=100 * (values[1] / values[0] - 1),
    )


def rate_effect_pct(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """Effect of +10 bp in a rate on a symbol in %, with the interval of its row."""
    model, factor = p.get("model", "market_2y_slope"), p.get("factor", "y2")
    estimator = p.get("estimator", "w252")
    beta, error, critical, t_stat, at = evidence.value(
        """
        select beta, std_error, critical_t, t_stat, session_date from marts.bank_rate_betas
        where symbol = ? and model = ? and estimator = ? and factor = ?
            and session_date between ?::date - 7 and ?
        order by session_date desc limit 1
        """,
        [p["symbol"], model, estimator, factor, day, day],
        f"no regression of {p['symbol']} at {day}",
    )
    return Finding(
        f"effect of +10 bp in {factor} on {p['symbol']} at {at} ({model}, {estimator};"
        f" t {t_stat:+.2f}, needed {critical:.2f})",
        number=float(beta),
        low=float(beta - critical * error),
        high=float(beta + critical * error),
        interval_pct=95,
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
        raise NotComputable(
            f"{p['symbol']} and the 10-year yield have {known.sum()} of the 200 common sessions that are"
            f" needed ({bring_prices(p['symbol'])})"
        )
    slope, low, high = slope_with_interval(
        float_column(rows["change_10y_bp"])[known] / 10, returns[known], lags=NEWEY_WEST_LAGS
    )
    return Finding(
        f"% of price of {p['symbol']} per +10 bp in the 10-year yield over the 252 sessions to"
        f" {evidence.dates[end]} (Newey-West)",
        *(slope, None, low, high),
        interval_pct=SLOPE_INTERVAL_PCT,
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
    slope, low, high = slope_with_interval(float_column(rows["change_10bp"]), changes)
    return Finding(
        "change of all banks' reported unrealised gains in bn USD per +10 bp in the 10-year yield,"
        f" {len(changes)} quarters to {day} (HC3)",
        *(slope, None, low, high),
        interval_pct=SLOPE_INTERVAL_PCT,
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
    if low is None or high is None:
        raise NotComputable(
            f"the mean of {count} windows after {p['regime']} ({mean:+.2f} pp), of which {apart} do not"
            " overlap, has no interval: too few"
        )
    return Finding(
        f"mean spread of {p['pair']} over the {p['horizon']} sessions after a session of {p['regime']} "
        f"({count} windows, of which {apart} do not overlap; positive in {100 * hits:.0f} %; known at {at})",
        number=float(mean),
        low=float(low),
        high=float(high),
        interval_pct=REGIME_INTERVAL_PCT,
    )


def turn_mean_return_pct(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """Mean return of a symbol after the turns of policy whose window had ended by the day, in %."""
    return _turn_mean(evidence, day, p, "return", "return of {symbol}")


def turn_mean_over_market_pp(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """Mean return of a symbol less that of its benchmark after the turns of policy, in points."""
    return _turn_mean(evidence, day, p, "over_market", "return of {symbol} less that of its benchmark")


def _turn_mean(evidence: Evidence, day: dt.date, p: Parameters, measure: str, words: str) -> Finding:
    rows = evidence.con.execute(
        """
        select
            event_date,
            if($5 = 'return', turn_return_pct, over_market_pp) as own,
            if($5 = 'return', mean_turn_return_pct, mean_over_market_pp) as mean,
            if($5 = 'return', mean_turn_return_low_pct, mean_over_market_low_pp) as low,
            if($5 = 'return', mean_turn_return_high_pct, mean_over_market_high_pp) as high
        from marts.policy_turn_returns
        where
            event_type = $1 and symbol = $2 and horizon_sessions = $3 and window_end_date <= $4
            and if($5 = 'return', turn_return_pct, over_market_pp) is not null
        order by event_date
        """,
        [p["event"], p["symbol"], int(p["horizon"]), day, measure],
    ).fetchall()
    kind = p["event"].replace("_", " ")
    what = f"{words.format(symbol=p['symbol'])} over the {p['horizon']} sessions from a {kind}"
    listed = ", ".join(f"{date} {own:+.1f}" for date, own, *_ in rows)
    if not rows:
        raise NotComputable(f"no {kind} with prices of {p['symbol']} and an ended window up to {day}")
    _, _, mean, low, high = rows[-1]
    if mean is None:
        raise NotComputable(f"{what}: {len(rows)} turns ({listed}) are too few for a mean with its interval")
    return Finding(
        f"mean {what}, {len(rows)} turns ({listed})",
        number=float(mean),
        low=float(low),
        high=float(high),
        interval_pct=TURN_INTERVAL_PCT,
    )


def group_score(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """Score of a group, 0 to 6."""
    score, _, end = _group_row(evidence, day, p)
    return Finding(f"our open score of {p['group']} on {end} (0 to 6)", number=score)


def group_score_change(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """Change of the score of a group over 30 days."""
    _, change, end = _group_row(evidence, day, p)
    if change is None:
        raise NotComputable(f"no score of {p['group']} 30 days before {end}")
    return Finding(f"change of our open score of {p['group']} over 30 days to {end}", number=change)


def _group_row(evidence: Evidence, day: dt.date, p: Parameters) -> tuple[float, float | None, dt.date]:
    """Score, its change over 30 days, and the session."""
    if p["scores"] == "publisher":
        raise NotComputable(PROPRIETARY)
    end = evidence.dates[evidence.session_at(day)]
    score, change = evidence.value(
        """
        select score, score_change_30_days from marts.group_score_daily
        where group_id = ? and session_date = ?
        """,
        [p["group"], end],
        f"no score of {p['group']} on {end}",
    )
    return float(score), None if change is None else float(change), end


def last_policy_move(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """Decision day of the last cut or hike that had been announced by the day."""
    (date,) = evidence.value(
        """
        select max(decision_date) from staging.fomc_decisions
        where
            decision_date <= $2
            and sign(round(lower_after + upper_after - lower_before - upper_before, 4))
            = if($1 = 'cut', -1, 1)
        """,
        [p["direction"], day],
        f"no {p['direction']} of the target range is known up to {day}",
    )
    return Finding(f"last {p['direction']} of the target range up to {day}", day=date)


def priced_change_bp(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """Change on the day of the policy rate that futures price (`measure`: for the year's end, or in twelve
    months) or of the 2-year yield, in basis points.
    """
    if p["measure"] == "two_year":
        (change,) = evidence.value(
            "select change_2y_bp from marts.yield_curve_daily where session_date = ?",
            [day],
            f"no change of the 2-year yield on {day}",
        )
        return Finding(f"change of the 2-year yield on {day}", number=float(change))
    (change,) = evidence.value(
        "select change_bp from marts.policy_repricing where as_of_date = ? and horizon = ?",
        [day, p["measure"]],
        f"no change of the rate priced for {p['measure'].replace('_', ' ')} on {day}: no settlement prices"
        " of the fed funds futures it needs (bring futures/ZQ*.csv with that day and the one before)",
    )
    return Finding(
        f"change of the rate priced for {p['measure'].replace('_', ' ')} on {day}", number=float(change)
    )


def series_trend_pct(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """Mean of the newest `average` observations of a series known on the day against that of as many `back`
    observations before, in %.
    """
    average, back = int(p["average"]), int(p["back"])
    rows = evidence.con.execute(
        """
        select observation_date, value from marts.macro_daily
        where series_id = ? and available_at_utc < ?::date + 1
        order by observation_date desc limit ?
        """,
        [p["series"], day, average + back],
    ).fetchall()
    if len(rows) < average + back:
        raise NotComputable(
            f"{p['series']} has {len(rows)} of the {average + back} observations that are needed up to {day}"
            f" (bring fred/{p['series']}.csv, or a FRED key)"
        )
    # Newest first, as the query orders them.
    new = float(np.mean([value for _, value in rows[:average]]))
    old = float(np.mean([value for _, value in rows[back : back + average]]))
    if old <= 0:
        raise NotComputable(f"{p['series']} is not above 0, so its change in % means nothing")
    of = f"mean of {average} observations" if average > 1 else "last observation"
    return Finding(
        f"{of} of {p['series']} to {rows[0][0]} ({new:,.6g}) against {back} observations before"
        f" ({old:,.6g}), today's vintage",
        number=100 * (new / old - 1),
    )


def series_percentile(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """Percentile of the newest observation known on the day in the history of its series to date."""
    percentile, value, at, count, start = evidence.value(
        """
        select percentile, value, observation_date, observations, history_start_date from marts.macro_daily
        where series_id = ? and available_at_utc < ?::date + 1
        order by observation_date desc limit 1
        """,
        [p["series"], day],
        f"{p['series']} has no observation with a percentile up to {day} (bring"
        f" fred/{p['series']}.csv, or a FRED key)",
    )
    return Finding(
        f"percentile of {p['series']} on {at} ({value:g}) among {count:,} observations since {start}",
        number=float(percentile),
    )


def slope_with_interval(x: FloatArray, y: FloatArray, lags: int | None = None) -> tuple[float, float, float]:
    """Least-squares slope of y on x and the limits of its 95 % interval by Student's t.

    Args:
        x: the regressor.
        y: what is explained.
        lags: of Newey-West errors with the small-sample correction; without it HC3.
    """
    from statsmodels.regression.linear_model import OLS  # 0.5 s to import, which DAG parsing must not pay

    if float(np.ptp(x)) == 0:
        raise NotComputable("the regressor does not vary")
    model = OLS(y, np.column_stack([np.ones(len(x)), x]))
    if lags is None:
        fit = model.fit(cov_type="HC3", use_t=True)
    else:
        fit = model.fit(cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": True}, use_t=True)
    low, high = fit.conf_int(alpha=1 - SLOPE_INTERVAL_PCT / 100)[1]
    return float(fit.params[1]), float(low), float(high)
