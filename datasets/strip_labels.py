"""Whether served settlements belong to the contracts under whose names they come.

In: served rows of a strip of contracts, and the settlements held of the same contracts. Out: contracts that
are refused whole, with the sentence. Two signs are read:

* A contract settles for the last time on the last settlement day of its month. Where those that have ended
  did so on that of an earlier or later month, by the same number of months, the strip is relabelled.
* A settlement is made once. Where most of a contract's held days come with another one, it is another
  contract.

Caveat: contracts that have the same settlements (rates near zero, nothing expected) cannot be told apart.
"""

from __future__ import annotations

import pandas as pd

# One contract may end at a month's end because it was last downloaded then; a few lack their last day.
LEAST_ENDED, MOST_OF_THEM = 2, 0.8
# The newest common days that are compared, and by how much more than half of them must differ: closes that
# are taken as settlements differ from them by a tick or two of 0.005.
COMPARED_DAYS, LEAST_DAYS, OTHER_SETTLEMENT = 10, 5, 0.0125


def relabelled_strip(rows: pd.DataFrame, last_days: pd.Series, newest: pd.Timestamp) -> dict[str, str]:
    """All contracts, with the sentence, where those that have ended show that the strip is relabelled.

    Args:
        rows: served rows.
        last_days: the last settlement day of each month, by the month's first day.
        newest: the newest settlement day that is served or held of any contract.
    """
    ends = rows.groupby("contract").agg(month=("delivery_month", "first"), last=("settlement_date", "max"))
    ended = ends[ends["last"] < newest]
    closed = ended["last"].dt.to_period("M").dt.to_timestamp()
    off = (closed.dt.year - ended["month"].dt.year) * 12 + closed.dt.month - ended["month"].dt.month
    at_month_end = ended[closed.map(last_days) == ended["last"]]
    months = int(off[at_month_end.index].mode().min()) if len(at_month_end) else 0
    fitting = at_month_end[off[at_month_end.index] == months]
    if months == 0 or len(fitting) < max(LEAST_ENDED, MOST_OF_THEM * len(ended)):
        return {}
    name, last = str(fitting["last"].idxmax()), fitting["last"].max()
    side = "before" if months < 0 else "after"
    reason = (
        f"{len(fitting)} of the {len(ended)} contracts that have ended did so {abs(months)} month"
        f"{'s' if abs(months) > 1 else ''} {side} their own ({name} on {last.date()}, the last settlement day"
        f" of {last:%B %Y}): the strip is under the names of other months. Nothing of it is loaded."
    )
    return {str(contract): f"futures/{contract}: {reason}" for contract in ends.index}


def other_settlements(served: pd.DataFrame, held: pd.DataFrame) -> dict[str, str]:
    """Contracts of which most held days come with another settlement, with the sentence.

    Args:
        served: contract, settlement_date, settle.
        held: the same columns, the latest version of each day.
    """
    common = served.merge(held, on=["contract", "settlement_date"], suffixes=("", "_held"))
    common = common.sort_values(["contract", "settlement_date"], kind="stable")
    found = {}
    for contract, part in common.groupby("contract").tail(COMPARED_DAYS).groupby("contract"):
        far = (part["settle"] - part["settle_held"]).abs() > OTHER_SETTLEMENT
        if len(part) < LEAST_DAYS or far.mean() <= 0.5:
            continue
        newest = part[far].iloc[-1]
        found[str(contract)] = (
            f"futures/{contract}: {int(far.sum())} of the {len(part)} newest days that are held come with"
            f" another settlement ({newest['settlement_date'].date()}: {newest['settle']:g} against"
            f" {newest['settle_held']:g}): it is another contract. What is held is kept; nothing new is"
            " loaded."
        )
    return found
