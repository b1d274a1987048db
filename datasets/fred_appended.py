"""Series whose new observations go on as they did, told for all series at once.

In: the new rows of grown files and the rows before them. Out: what `datasets.fred_units` would certainly not
object to: values that are no power of ten away from the ones before, and rates that are in the unit of the
funds rate. What is in doubt is judged there, with all of the series.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd

from datasets.fred_units import (
    COMPARED_DAYS,
    FAR_FROM_FUNDS_RATE,
    FUNDS_RATE_ABOVE,
    LEAST_COMMON_DAYS,
    NEARER,
    UNITS,
)

# A step below this is not near a whole power of ten other than 0.
NEAREST_POWER = 0.5
# Medians of DuckDB and of pandas may differ in the last bits.
ROUNDING = 1e-9


def steps_are_small(rows: pd.DataFrame) -> set[str]:
    """Series with a value before the new ones, of which no new value, blanks left out, is a power of ten away
    from the one before it.

    Args:
        rows: by series and ascending day, with `_is_new`.
    """
    values = rows[rows["value"].notna()]
    before = values.groupby("series_id", sort=False)["value"].shift(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        powers = np.abs(np.log10((values["value"] / before).to_numpy(dtype=np.float64)))
    # A value of zero or of the other sign is no power of ten of its neighbour.
    large = values["_is_new"] & (powers >= NEAREST_POWER) & (values["value"] * before > 0)
    begun = set(values.loc[~values["_is_new"], "series_id"])
    return begun - set(values.loc[large, "series_id"])


def far_from_funds_rate(
    connection: duckdb.DuckDBPyConnection, new: pd.DataFrame, rates: set[str]
) -> set[str]:
    """The rates that may be in another unit than the funds rate: the newest days on which both are known, as
    they are held and as they come.

    Args:
        connection: the pipeline's database.
        new: rows of any series that come.
        rates: the series to look at.
    """
    units = " or ".join(
        f"median(abs(rate * {factor} - funds)) < {NEARER} * median(abs(rate - funds)) * (1 + {ROUNDING})"
        for factor in UNITS
    )
    connection.register("new_rows", new[["series_id", "observation_date", "value", "known_at_utc"]])
    try:
        found = connection.execute(
            f"""
            with every as (
                select series_id, observation_date, value, known_at_utc
                from raw.fred_observations
                where series_id in (select unnest($1)) or series_id = 'DFF'
                union all
                select series_id, observation_date::date, value, known_at_utc
                from new_rows
                where value is not null and (series_id in (select unnest($1)) or series_id = 'DFF')
            ),

            latest as (
                select series_id, observation_date, arg_max_null(value, known_at_utc) as value
                from every
                group by series_id, observation_date
            ),

            common as (
                select rates.series_id, rates.value as rate, funds.value as funds
                from latest as rates
                inner join latest as funds on rates.observation_date = funds.observation_date
                where rates.series_id <> 'DFF' and funds.series_id = 'DFF'
                    and funds.value >= {FUNDS_RATE_ABOVE} and rates.value is not null
                qualify
                    row_number() over (partition by rates.series_id order by rates.observation_date desc)
                    <= {COMPARED_DAYS}
            )

            select series_id
            from common
            group by series_id
            having count(*) >= {LEAST_COMMON_DAYS}
                and median(abs(rate - funds)) > {FAR_FROM_FUNDS_RATE} * (1 - {ROUNDING})
                and ({units})
            """,
            [sorted(rates)],
        ).fetchall()
    finally:
        connection.unregister("new_rows")
    return {name for (name,) in found}
