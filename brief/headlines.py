"""The day's headlines: plain sentences with their numbers and dates, each one query on the marts.

In: a connection to a publication and its session. Out: sentences; one whose numbers are missing says so or
is left out. Caveat: rank and "since" speak of the history that the warehouse holds, which each sentence
names.
"""

from __future__ import annotations

from datetime import date

import duckdb

# "The widest since" is news near the ends of the history only; in between every other day is the widest
# since last week.
NOTABLE_SHARE = 0.10


def headlines(connection: duckdb.DuckDBPyConnection, session: date) -> list[str]:
    """Sentences on rotation, the Fed, the curve and the banks."""
    makers = (_rotation, _small_caps, _fed, _curve, _banks)
    return [sentence for maker in makers for sentence in maker(connection, session)]


def _rotation(connection: duckdb.DuckDBPyConnection, session: date) -> list[str]:
    row = connection.execute(
        """
        select spread_pp, spread_rank, history_sessions, history_start_date, last_exceeded_date, last_undercut_date, is_record_high, is_record_low
        from marts.rotation_pair_daily
        where pair_id = 'IWM/QQQ' and window_sessions = 5 and session_date = ?
        """,
        [session],
    ).fetchone()
    if row is None or row[0] is None:
        return [f"Rotation: no 5-session spread of IWM over QQQ for {session}: a price is missing."]
    spread, rank, count, start, above, below, record_high, record_low = row
    direction = "beat" if spread >= 0 else "trailed"
    text = f"Rotation: IWM {direction} QQQ by {abs(spread):.2f} points over the five sessions to {session}"
    if rank is None:
        return [text + "; its history is too short for a rank."]
    place = f"rank {rank:,} of {count:,} since {start}, closes"
    if NOTABLE_SHARE < rank / count < 1 - NOTABLE_SHARE:
        return [f"{text}, nothing out of the ordinary ({place})."]
    if spread >= 0:
        since = "the widest on record" if record_high else f"the widest since {above}"
    else:
        since = "the weakest on record" if record_low else f"the weakest since {below}"
    return [f"{text}, {since} ({place})."]


def _small_caps(connection: duckdb.DuckDBPyConnection, session: date) -> list[str]:
    rows = connection.execute(
        """
        select symbol, return_1d_pct, return_5d_pct
        from marts.instrument_daily
        where session_date = ? and symbol in ('^RUT', 'IWM', 'SPY') and return_1d_pct is not null and return_5d_pct is not null
        order by symbol
        """,
        [session],
    ).fetchall()
    parts = [
        f"{symbol} {one_day:+.2f} % on the day and {five_days:+.2f} % in five sessions"
        for symbol, one_day, five_days in rows
    ]
    return [f"Prices at {session}: {'; '.join(parts)}."] if parts else []


def _fed(connection: duckdb.DuckDBPyConnection, session: date) -> list[str]:
    rows = connection.execute(
        """
        with latest as (select max(as_of_date) as as_of_date from marts.fomc_meetings_daily where as_of_date <= ?)
        select as_of_date, meeting_date, cut_prob, hold_prob, hike_prob, reason
        from marts.fomc_meetings_daily
        where as_of_date = (select as_of_date from latest) and meeting_date >= as_of_date
        order by meeting_date
        limit 2
        """,
        [session],
    ).fetchall()
    if not rows:
        return ["Fed: no fed funds futures have been loaded, so no meeting is priced."]
    sentences = []
    for as_of, meeting, cut, hold, hike, reason in rows:
        if cut is None:
            sentences.append(f"Fed: the meeting of {meeting} could not be priced on {as_of}: {reason}.")
            continue
        late = "" if as_of == session else f" (the last settlement held; {session} is missing)"
        sentences.append(
            f"Fed: by the meeting of {meeting} futures of {as_of} price a rate below today's range at"
            f" {100 * cut:.1f} %, the same range at {100 * hold:.1f} %, a higher one at {100 * hike:.1f}"
            f" %{late}."
        )
    return sentences


def _curve(connection: duckdb.DuckDBPyConnection, session: date) -> list[str]:
    row = connection.execute(
        """
        select session_date, y2_pct, y10_pct, slope_2s10s_bp, inverted, inversion_start_date
        from marts.yield_curve_daily where session_date <= ? order by session_date desc limit 1
        """,
        [session],
    ).fetchone()
    if row is None:
        return []
    day, y2, y10, slope, inverted, since = row
    state = f"inverted since {since}" if inverted else "not inverted"
    return [
        f"Curve: on {day} the 2-year yielded {y2:.2f} % and the 10-year {y10:.2f} %; the slope is"
        f" {slope:+.0f} bp, {state}."
    ]


def _banks(connection: duckdb.DuckDBPyConnection, session: date) -> list[str]:
    row = connection.execute(
        """
        select sensitivity.session_date, sensitivity.beta_y2, betas.std_error, sensitivity.t_y2, sensitivity.regime, sensitivity.regime_start_date
        from marts.bank_sensitivity_daily as sensitivity
        inner join marts.bank_rate_betas as betas
            on sensitivity.entity_id = betas.symbol
            and sensitivity.session_date = betas.session_date
            and betas.model = 'market_2y_slope' and betas.estimator = 'w252' and betas.factor = 'y2'
        where sensitivity.entity_id = 'KRE' and sensitivity.session_date <= ? and sensitivity.beta_y2 is not null
        order by sensitivity.session_date desc limit 1
        """,
        [session],
    ).fetchone()
    if row is None:
        return []
    day, beta, error, t_stat, regime, since = row
    low, high = beta - 1.645 * error, beta + 1.645 * error
    return [
        f"Banks: at a constant market KRE moved {beta:+.2f} % per +10 bp parallel shift of yields over the"
        f" 252 complete observations to {day} (90 % interval {low:+.2f} to {high:+.2f}, t = {t_stat:.2f});"
        f" regime: {regime.replace('_', ' ')}{f' since {since}' if since else ''}."
    ]
