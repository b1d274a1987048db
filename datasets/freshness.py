"""How far each input reaches against what its own schedule promises at a session.

In: a publication with `staging` and `ref`. Out: rows of `ops.freshness`, one per symbol and series, one for
the futures strip. Caveat: an input that never was served has no last_date and counts as stale.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import duckdb
import pandas as pd

from market_calendar.release_rules import available_at_utc
from market_calendar.sessions import cutoff_utc, fed_business_days_between, settlement_days_between

# How far back a series' next observation is looked for, by frequency.
LOOK_BACK_DAYS = {"daily": 30, "weekly": 60, "monthly": 200, "quarterly": 500}


def input_freshness(connection: duckdb.DuckDBPyConnection, session: date) -> list[dict[str, Any]]:
    """`ops.freshness` as seen on the evening of the session."""
    rows = []
    for symbol, required, active_to, last in connection.execute(
        """
        select instruments.symbol, instruments.required, instruments.active_to, max(prices.session_date)
        from ref.instruments as instruments
        left join staging.equity_prices as prices on instruments.symbol = prices.symbol
        where coalesce(instruments.active_from, date '1900-01-01') <= $1
        group by all order by 1
        """,
        [session],
    ).fetchall():
        rows.append(_row("prices", symbol, required, last, min(session, active_to or session)))
    for series_id, frequency, rule, required, active_to, last in connection.execute(
        """
        select series.series_id, series.frequency, series.release_rule, series.required, series.active_to, max(observations.observation_date)
        from ref.fred_series as series
        left join staging.fred_observations as observations on series.series_id = observations.series_id
        where coalesce(series.active_from, date '1900-01-01') <= $1
        group by all order by 1
        """,
        [session],
    ).fetchall():
        expected = _expected_observation(rule, frequency, session, last)
        rows.append(
            _row(
                "fred", series_id, required, last, min(expected, active_to or expected) if expected else None
            )
        )
    strip = connection.execute("select max(settlement_date) from staging.fed_funds_futures").fetchone()
    days = settlement_days_between(session - timedelta(days=10), session)
    rows.append(_row("futures", "strip", False, strip[0] if strip else None, days[-1]))
    return rows


def _expected_observation(rule: str, frequency: str, session: date, last: date | None) -> date | None:
    """The latest observation date that the release rule promises by the session's cut-off."""
    first = session - timedelta(days=LOOK_BACK_DAYS[frequency])
    if frequency == "daily":
        candidates = fed_business_days_between(first, session)
    elif frequency == "weekly":
        if last is None:
            return None
        weeks = (session - last).days // 7
        candidates = [last + timedelta(days=7 * week) for week in range(weeks + 1)]
    else:
        starts = pd.date_range(first, session, freq="MS" if frequency == "monthly" else "QS")
        candidates = [stamp.date() for stamp in starts]
    days = pd.Series(pd.to_datetime(pd.Series(candidates, dtype=object)))
    promised = days[available_at_utc(rule, frequency, days) <= pd.Timestamp(cutoff_utc(session))]
    return None if promised.empty else promised.max().date()


def _row(dataset: str, item: str, required: bool, last: date | None, expected: date | None) -> dict[str, Any]:
    stale = last is None or (expected is not None and last < expected)
    return {
        "dataset": dataset,
        "input": item,
        "required": required,
        "last_date": last,
        "expected_date": expected,
        "stale": stale,
    }
