"""By how much each settlement day moved the expected policy rate, and which scheduled news came out since
the day before.

In: settlements, final averages and decisions (transforms/lib/policy_inputs.py), ref.events,
ref.fomc_meetings. Out: per settlement day the change since the settlement day before of the expected rate
after the last meeting of the year, after the next meeting, and twelve months ahead. Both days are solved
from the contracts that both have, for the same meeting and the same date ahead: neither New Year, nor a new
month, nor a contract that appears or drops out makes a jump. An event belongs to the first settlement made
after its release. Caveat: a day's change has more causes than the releases listed beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import pandas as pd

from transforms.increment import first_day
from transforms.lib import fomc, policy_inputs, policy_path

COLUMNS = [
    "as_of_date",
    "horizon",
    "change_bp",
    "event_types",
    "previous_as_of_date",
    "reason",
    "missing_contract",
]
HORIZONS = ("12m", "next_meeting", "year_end")

# FOMC decisions are rows of ref.fomc_meetings; they may also be in ref.events. A release without a clock
# time counts for its day.
EVENTS = """
select
    event_type,
    event_date,
    released_at_utc
from ref.events
union
select
    'fomc' as event_type,
    decision_date as event_date,
    announced_at_utc as released_at_utc
from ref.fomc_meetings
where not coalesce(cancelled, false)
order by event_date, event_type
"""


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per as_of_date and horizon."""
    market = policy_inputs.load_market(con, first_day(con))
    if market is None:
        return pd.DataFrame(columns=COLUMNS)
    days = market.as_of_date.size
    changes = compute_changes(market)
    events = con.execute(EVENTS).df()
    event_types = compute_event_types(market.as_of_date, market.previous_date, events)
    frame = pd.DataFrame(
        {
            "as_of_date": np.tile(market.as_of_date, len(HORIZONS)),
            "horizon": np.repeat(HORIZONS, days),
            "change_bp": np.concatenate([changes[name].change_bp for name in HORIZONS]),
            "event_types": np.tile(event_types, len(HORIZONS)),
            "previous_as_of_date": np.tile(market.previous_date, len(HORIZONS)),
            "reason": np.concatenate([changes[name].reason for name in HORIZONS]),
            "missing_contract": np.concatenate([changes[name].missing_contract for name in HORIZONS]),
        },
        columns=COLUMNS,
    )
    return frame


@dataclass(frozen=True)
class Changes:
    """Changes since the settlement day before, one entry per settlement day."""

    change_bp: fomc.FloatArray
    reason: fomc.TextArray
    missing_contract: fomc.TextArray


def compute_changes(market: policy_inputs.Market) -> dict[str, Changes]:
    """Change since the settlement day before by horizon, why it is missing or what to know about it."""
    days = market.as_of_date.size
    now = np.flatnonzero(market.previous >= 0)
    before = market.previous[now]
    table_now, table_before = _tables(market, now, before)

    _, first = policy_path.compute_start(table_now)
    never = np.datetime64("1900-01-01", "D")
    next_meeting = np.where(first >= 0, market.decision_date[np.maximum(first, 0)], never)
    year_end = (market.as_of_date[now].astype("datetime64[Y]") + 1).astype("datetime64[D]") - 1
    changes = {
        name: Changes(
            np.full(days, np.nan),
            np.full(days, "previous_day_missing", dtype=object),
            np.full(days, None, dtype=object),
        )
        for name in HORIZONS
    }
    for name, on in (("next_meeting", next_meeting), ("year_end", year_end)):
        later = policy_path.compute_rate_on(table_now, market.decision_date, on)
        earlier = policy_path.compute_rate_on(table_before, market.decision_date, on)
        change = 100.0 * (later.rate_pct - earlier.rate_pct)
        contract = np.where(pd.isna(later.missing_contract), earlier.missing_contract, later.missing_contract)
        missing = np.where(np.isnan(later.rate_pct), later.reason, earlier.reason)
        # a change is degraded where one of its days is
        flag = np.where(pd.isna(later.missing_contract), earlier.reason, later.reason)
        flag = np.where(pd.isna(contract), policy_inputs.NO_TEXT, flag)
        changes[name].change_bp[now] = change
        changes[name].reason[now] = np.where(np.isfinite(change), flag, missing)
        changes[name].missing_contract[now] = contract
    changes["12m"].change_bp[now], changes["12m"].reason[now] = _far_changes(market, now, before)
    return changes


def _tables(
    market: policy_inputs.Market, now: fomc.IntArray, before: fomc.IntArray
) -> tuple[policy_path.Table, policy_path.Table]:
    """Both days of each pair solved from the contracts that both have."""
    today, yesterday = market.averages_pct[now], market.averages_pct[before]
    # An expired month of the later day is not required twice: its final average is the same on both
    # days, or the current month's price on the earlier one.
    current = fomc.compute_month_number(market.as_of_date[now]) - market.first_month
    shared = np.isfinite(today) & np.isfinite(yesterday)
    shared |= np.arange(today.shape[1])[None, :] < current[:, None]
    today, yesterday = np.where(shared, today, np.nan), np.where(shared, yesterday, np.nan)

    # A scheduled meeting that became known overnight counts on both days, else the same
    # contracts would be read in two ways.
    known_now = market.known[now]
    known_before = market.known[before] | (
        known_now
        & market.scheduled[None, :]
        & (market.known_from_date[None, :] > market.as_of_date[before][:, None])
    )
    return (
        _solve(market, now, today, known_now),
        _solve(market, before, yesterday, known_before),
    )


def _far_changes(
    market: policy_inputs.Market, now: fomc.IntArray, before: fomc.IntArray
) -> tuple[fomc.FloatArray, fomc.TextArray]:
    """Change of the rate twelve months ahead in bp, and why it is missing."""
    nearer, weight = policy_path.compute_maturity_weights(
        policy_path.shift_months(market.as_of_date[now], 12)
    )
    far = policy_path.compute_far_averages(market.as_of_date, market.averages_pct, market.first_month)
    change = 100.0 * (
        policy_path.compute_maturity_rate(far[now], market.first_month, nearer, weight)
        - policy_path.compute_maturity_rate(far[before], market.first_month, nearer, weight)
    )
    refused = (market.averages_pct != far) & np.isfinite(market.averages_pct) | market.refused
    refused_near = policy_path.compute_either_month(
        refused[now] | refused[before], market.first_month, nearer
    )
    why_far = np.where(refused_near, "price_refused", "price_missing").astype(object)
    return change, np.where(np.isfinite(change), policy_inputs.NO_TEXT, why_far)


def _solve(
    market: policy_inputs.Market, day: fomc.IntArray, averages: fomc.FloatArray, known: fomc.BoolArray
) -> policy_path.Table:
    as_of_date = market.as_of_date[day]
    moves = fomc.compute_moves(
        as_of_date,
        averages,
        market.final_averages_pct,
        market.first_month,
        market.decision_date,
        market.effective_date,
        known,
        refused_prices=market.refused[day],
    )
    return policy_path.compute_table(moves, as_of_date.size, market.decision_date.size)


def compute_event_types(
    as_of_date: fomc.DateArray, previous_date: fomc.DateArray, events: pd.DataFrame
) -> fomc.TextArray:
    """Sorted kinds of events ('cpi+fomc') after the settlement of the day before and up to this day's; None
    without any.
    """
    responded = policy_inputs.compute_first_priced(events["event_date"], events["released_at_utc"])
    texts = np.full(as_of_date.size, None, dtype=object)
    place = np.searchsorted(as_of_date, responded)
    inside = place < as_of_date.size
    # an event inside a gap of the settlements belongs to no day
    inside &= responded > previous_date[np.minimum(place, as_of_date.size - 1)]
    kinds: dict[int, set[str]] = {}
    for position, kind in zip(place[inside], events["event_type"].to_numpy()[inside], strict=True):
        kinds.setdefault(int(position), set()).add(str(kind))
    for position, names in kinds.items():
        texts[position] = "+".join(sorted(names))
    return texts
