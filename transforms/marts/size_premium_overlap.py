"""How far the premium of the size portfolios goes together with the spread of indices and funds: the seam
between a century of portfolios and what is traded today.

In: marts.size_premium_monthly (windows of one month) and marts.monthly_spreads (`^RUT/^GSPC`, without
dividends, and `IWM/SPY`, with them). Out: one row per pair of portfolios, weighting and pair of instruments
over the months that both have: correlation, slope, means and the deviation of the difference. After the last
month of the portfolios nothing is continued; `pair_months_after` counts the months that only the pair has.
"""

from __future__ import annotations

import math

import duckdb
import numpy as np
import pandas as pd

from transforms.lib.history import FloatArray

LEAST_MONTHS = 24
COMMON = """
    select
        premium.size_pair,
        premium.weighting,
        spreads.pair_id,
        premium.month_end,
        premium.premium_pp,
        spreads.month_total_return_spread_pp as spread_pp
    from marts.size_premium_monthly as premium
    inner join marts.monthly_spreads as spreads
        on date_trunc('month', premium.month_end) = spreads.month_start_date
    where premium.window_months = 1
        and spreads.pair_id in ('^RUT/^GSPC', 'IWM/SPY')
        and spreads.month_total_return_spread_pp is not null
    order by all
"""
AFTER = """
    select
        premium.size_pair,
        premium.weighting,
        spreads.pair_id,
        premium.last_month_end,
        (
            count(*) filter (where spreads.month_start_date > premium.last_month_end)
        )::integer as months_after
    from (
        select size_pair, weighting, max(month_end) as last_month_end
        from marts.size_premium_monthly
        where window_months = 1
        group by all
    ) as premium
    inner join marts.monthly_spreads as spreads on spreads.month_total_return_spread_pp is not null
    group by all
"""


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per size_pair, weighting and pair_id, in that order."""
    common = con.execute(COMMON).df()
    after = con.execute(AFTER).df().set_index(["size_pair", "weighting", "pair_id"])
    rows = []
    for key, part in common.groupby(["size_pair", "weighting", "pair_id"], sort=True):
        premium, spread = part["premium_pp"].to_numpy(), part["spread_pp"].to_numpy()
        ends = part["month_end"]
        correlation, slope = correlation_and_slope(premium, spread)
        mean_premium, mean_spread = (math.fsum(values) / len(values) for values in (premium, spread))
        rows.append(
            (
                *key,
                len(part),
                ends.iloc[0],
                ends.iloc[-1],
                mean_premium,
                mean_spread,
                mean_premium - mean_spread,
                _sd(premium - spread),
                correlation,
                slope,
                after.at[key, "last_month_end"],
                after.at[key, "months_after"],
            )
        )
    columns = ["size_pair", "weighting", "pair_id", "months_in_common", "first_common_month_end"]
    columns += ["last_common_month_end", "mean_premium_pp", "mean_pair_spread_pp", "mean_difference_pp"]
    columns += ["difference_sd_pp", "premium_correlation", "premium_slope", "last_premium_month_end"]
    return pd.DataFrame(rows, columns=[*columns, "pair_months_after"])


def correlation_and_slope(y: FloatArray, x: FloatArray) -> tuple[float, float]:
    """Of y on x; NaN with too few months, and where one of them stands still."""
    if len(x) < LEAST_MONTHS:
        return math.nan, math.nan
    dx, dy = x - math.fsum(x) / len(x), y - math.fsum(y) / len(y)
    xx, yy, xy = math.fsum(dx * dx), math.fsum(dy * dy), math.fsum(dx * dy)
    if xx <= 0.0 or yy <= 0.0:
        return math.nan, math.nan
    return float(np.clip(xy / math.sqrt(xx * yy), -1.0, 1.0)), xy / xx


def _sd(values: FloatArray) -> float:
    """Sample standard deviation; NaN with too few months."""
    if len(values) < LEAST_MONTHS:
        return math.nan
    from_mean = values - math.fsum(values) / len(values)
    return math.sqrt(math.fsum(from_mean * from_mean) / (len(values) - 1))
