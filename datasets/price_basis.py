"""Whether served closes are on the same basis as the held ones. A split restates every close before it; a
symbol may be reused by another company.

In: a parsed price frame and the last closes held. Out: whether the whole history must be fetched again,
and the reason for a refusal where no split explains the change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import pandas as pd

# A served close that differs from the held one by more than this is on another basis, not a correction in
# the last cent.
RESTATED_SHARE = 0.005
# Splits are made of small whole numbers: 3:2, 5:4, 20:1, rarely more.
LARGEST_SPLIT = 50
# Two ratios that differ by less are the same factor: prices are served with four digits and more.
SAME_FACTOR = 0.0002


def has_new_split(frame: pd.DataFrame, known_until: date | None) -> bool:
    """Whether the frame holds a split after the last session that is held."""
    splits = frame[frame["split"].notna() & ~frame["split"].isin([0.0, 1.0])]
    return known_until is not None and bool((splits["session_date"] > pd.Timestamp(known_until)).any())


def is_restated(frame: pd.DataFrame, held: Mapping[date, float]) -> bool:
    """Whether held closes are served on another basis: a split whose event is late, or another company under
    the same symbol.
    """
    served = frame.drop_duplicates("session_date").set_index("session_date")["close"]
    before = pd.Series({pd.Timestamp(day): close for day, close in held.items()}, dtype="float64")
    return differs((served.reindex(before.index) / before).dropna())


@dataclass(frozen=True)
class HeldHistory:
    """What raw holds of a symbol: its first and last session, and whether its closes are adjusted for
    dividends.
    """

    first: date | None
    last: date | None
    fully_adjusted: bool = False


def broken_basis(symbol: str, frame: pd.DataFrame, ratios: pd.Series, held: HeldHistory) -> str | None:
    """Why the frame must not be loaded beside what is held; None when it may.

    A history may replace the held one when one factor, that of a split, converts one into the other and it
    covers every held session. Where closes are adjusted for dividends, each dividend restates all closes
    before it, so any factor will do and one step of it is allowed.

    Args:
        symbol: for the message.
        frame: the served rows of the symbol.
        ratios: served over held close by session, of the last sessions that both have; they differ.
        held: what is held of the symbol.
    """
    by_splits = ratios * 0 + 1
    for day, ratio in frame.loc[frame["split"] > 0, ["session_date", "split"]].itertuples(index=False):
        by_splits[by_splits.index < day] /= ratio
    explained = _near(ratios, 1) | _near(ratios / by_splits, 1)
    one_factor = _near(ratios / ratios.median(), 1).all()
    if not explained.all() and not one_factor and not (held.fully_adjusted and _has_one_step(ratios)):
        return (
            f"prices/{symbol}: the served closes differ from the held ones by factors from"
            f" {ratios.min():.4g} to {ratios.max():.4g}, which no split explains; the symbol may now belong"
            " to another company. The history held is kept; nothing new is loaded."
        )
    factor = float(ratios.median())
    if one_factor and not (explained.all() or held.fully_adjusted or _is_a_split(factor)):
        return (
            f"prices/{symbol}: the served closes are {factor:.4g} times the held ones, a factor that no split"
            " has; they may be in another unit or currency. The history held is kept; nothing new is loaded."
        )
    first, last = frame["session_date"].min().date(), frame["session_date"].max().date()
    covers = (held.first is None or first <= held.first) and (held.last is None or held.last <= last)
    if not covers and not _near(ratios, 1).all():
        return (
            f"prices/{symbol}: on the new basis the source serves {first} to {last} only, while the history"
            f" held reaches from {held.first} to {held.last}; loading it would leave a jump between the two."
            " The history held is kept; nothing new is loaded."
        )
    return None


def _is_a_split(factor: float) -> bool:
    """Whether a factor may be that of a split whose event is late, or of several: small whole numbers."""
    size = max(factor, 1 / factor)
    whole = [round(size * parts) / parts for parts in range(1, 5)]
    return size <= LARGEST_SPLIT and any(abs(size / other - 1) <= RESTATED_SHARE for other in whole)


def _has_one_step(ratios: pd.Series) -> bool:
    """Whether the ratio changes once at the most, as it does where one dividend lies between the two."""
    steps = (ratios / ratios.shift(1) - 1).abs() > SAME_FACTOR
    return int(steps.sum()) <= 1


def differs(ratios: pd.Series) -> bool:
    """One close that differs is a correction; two are another basis."""
    return bool((~_near(ratios, 1)).sum() > 1)


def _near(values: pd.Series, target: float) -> pd.Series:
    return (values / target - 1).abs() <= RESTATED_SHARE
