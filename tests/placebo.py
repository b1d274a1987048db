"""A placebo: yields that have nothing to do with the returns beside them, as they are shifted in a circle.

In: complete observations of some symbols. Out: the share of windows in which the beta on the 2-year yield
differs from zero at the 5 % level. Yields keep their own course (volatility that comes and goes, days without
a change), returns keep theirs with the market, and what a regression finds between them is chance: a test
with the errors that it claims rejects in 5 % of windows.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from transforms.lib.rolling_ols import Floats, Panel, fit_panel

YIELDS = ["y2_change_10bp", "slope_change_10bp"]


def placebo_t(rows: pd.DataFrame, window: int, lags: int, shifts: int, seed: int) -> Floats:
    """t statistics of y2 in market_2y_slope for yields moved by `shifts` random numbers of rows, by at least
    two windows.

    The windows of one history overlap: one in five is looked at, which changes no share and saves time.
    """
    rng = np.random.default_rng(seed)
    responses, factors = [], []
    for _, own in rows.groupby("symbol", sort=True):
        if len(own) < 6 * window:
            continue
        market, yields = own["market_total_return_pct"].to_numpy(), own[YIELDS].to_numpy()
        for shift in rng.integers(2 * window, len(own) - 2 * window, shifts):
            responses.append(own["total_return_pct"].to_numpy())
            factors.append(np.column_stack([market, np.roll(yields, shift, axis=0)]))
    lengths = [len(response) for response in responses]
    panel = Panel(
        response=np.concatenate(responses),
        factors=np.concatenate(factors),
        begins=np.cumsum([0, *lengths[:-1]]),
        wanted=np.concatenate([np.arange(length) % 5 == 0 for length in lengths]),
    )
    t_stat = fit_panel(panel, window, lags=lags).t_stat[:, 1]
    found: Floats = t_stat[np.isfinite(t_stat)]
    return found


def rejected(t_stat: Floats, critical: float) -> float:
    """The share beyond a critical value."""
    return float((np.abs(t_stat) > critical).mean())
