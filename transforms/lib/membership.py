"""Who belonged to a group on which day: `member_from` and `member_to` of ref.group_members."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd


def member_days(
    days: npt.NDArray[Any], begins: Sequence[date | None], ends: Sequence[date | None]
) -> npt.NDArray[np.bool_]:
    """Whether each member belongs to its group on each day: (days, members).

    Args:
        days: the days, of any datetime64 unit.
        begins: first day of each membership; None (or NaT): as far back as the data go.
        ends: last day of each membership, that day included; None (or NaT): as far as the data go.
    """
    at = np.asarray(days).astype("datetime64[D]")[:, np.newaxis]
    first, last = (
        pd.to_datetime(pd.Series(list(dates), dtype="object")).to_numpy().astype("datetime64[D]")
        for dates in (begins, ends)
    )
    # A comparison with NaT is false.
    inside: npt.NDArray[np.bool_] = ~(at < first) & ~(at > last)
    return inside
