"""Change of a score over 30 calendar days, on a grid of sessions.

In: scores, one row per NYSE session (oldest first) and one column per fund or group, NaN = not scored. Out: a
grid of the same shape: score less that of the last session at or before the same day 30 calendar days ago.
"""

from __future__ import annotations

import numpy as np

from transforms.lib.history import FloatArray
from transforms.lib.session_grid import DateArray

CHANGE_DAYS = 30


def compute_changes(scores: FloatArray, session_dates: DateArray) -> FloatArray:
    """NaN where there is no session so far back, or no score on it.

    Args:
        scores: sessions x columns.
        session_dates: every NYSE session of the rows, without a gap.
    """
    dates = session_dates.astype("datetime64[D]")
    # the last session at or before the same day 30 calendar days ago
    back = np.searchsorted(dates, dates - np.timedelta64(CHANGE_DAYS, "D"), side="right") - 1
    before = np.where((back >= 0)[:, np.newaxis], scores[np.maximum(back, 0)], np.nan)
    change: FloatArray = np.round(scores - before, 9) + 0.0  # so that equal changes tie
    return change
