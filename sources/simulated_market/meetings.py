"""The FOMC's decisions as arrays.

In: the meeting list, one row per decision. Out: `Meetings`. An unknown outcome, or a cancelled meeting,
leaves the target range as it was.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sources.simulated_market.arrays import Bools, Days, Floats, filled, to_days, to_flags
from sources.simulated_market.grid import HORIZON_END, HORIZON_START

EFFR_ABOVE_LOWER_PCT = 0.08  # where the funds rate trades inside a target range
NO_DAY = np.datetime64("NaT", "D")
NEVER = np.datetime64("2100-01-01")


@dataclass(frozen=True)
class Meetings:
    """Decisions from the horizon on, in order; rates are where the funds rate trades, in %."""

    decision: Days
    effective: Days
    scheduled: Bools
    cancelled_on: Days  # far in the future when it was held
    cancelled_on_or_nat: Days
    change: Floats
    lower: Floats
    upper: Floats
    lower_at_start: float
    upper_at_start: float
    rate_at_start: float


@dataclass(frozen=True)
class _List:
    """The columns of the meeting list in the order of the decisions; a column may be absent."""

    frame: pd.DataFrame

    def numbers(self, name: str) -> Floats:
        return pd.to_numeric(self.frame[name], errors="coerce").to_numpy(dtype=np.float64)

    def flags(self, name: str, missing: bool) -> Bools:
        return to_flags(self.frame[name]) if name in self.frame else np.full(len(self.frame), missing)

    def days(self, name: str) -> Days:
        return to_days(self.frame[name]) if name in self.frame else np.full(len(self.frame), NO_DAY)


def read_meetings(frame: pd.DataFrame) -> Meetings:
    """The meeting list as arrays.

    Raises:
        ValueError: the list has no target range at all.
    """
    decision = to_days(frame["decision_date"])
    order = np.argsort(decision, kind="stable")
    decision = decision[order]
    listed = _List(frame.iloc[order])
    cancelled = listed.flags("cancelled", False)
    cancelled_on = np.where(cancelled, listed.days("cancelled_on"), NO_DAY)
    effective = listed.days("effective_date")
    effective = np.where(np.isnat(effective), decision + 1, effective)
    past = effective < HORIZON_START
    kept = ~past & (decision <= HORIZON_END)
    lower = np.where(cancelled, np.nan, listed.numbers("lower_after"))
    upper = np.where(cancelled, np.nan, listed.numbers("upper_after"))
    lower_start, upper_start = _range_at_start(listed, lower, upper, past, kept)
    lower, upper = filled(lower[kept], lower_start), filled(upper[kept], upper_start)
    level = lower + np.where(upper > lower, EFFR_ABOVE_LOWER_PCT, 0.0)
    start = lower_start + (EFFR_ABOVE_LOWER_PCT if upper_start > lower_start else 0.0)
    cancelled_on = cancelled_on[kept]
    return Meetings(
        decision=decision[kept],
        effective=effective[kept],
        scheduled=listed.flags("scheduled", True)[kept],
        cancelled_on=np.where(np.isnat(cancelled_on), NEVER, cancelled_on),
        cancelled_on_or_nat=cancelled_on,
        change=np.diff(level, prepend=start),
        lower=lower,
        upper=upper,
        lower_at_start=lower_start,
        upper_at_start=upper_start,
        rate_at_start=start,
    )


def _range_at_start(
    listed: _List, lower: Floats, upper: Floats, past: Bools, kept: Bools
) -> tuple[float, float]:
    """Target range when the horizon begins: after the last known decision before it, or the first known."""
    before_lower = np.concatenate([lower[past], listed.numbers("lower_before")[kept]])
    before_upper = np.concatenate([upper[past], listed.numbers("upper_before")[kept]])
    known = np.flatnonzero(~np.isnan(before_lower))
    if known.size == 0:
        raise ValueError("simulated: fomc_meetings has no target range at all")
    usable = known[known < past.sum()]
    at = int(usable[-1]) if usable.size else int(known[0])
    return float(before_lower[at]), float(before_upper[at])
