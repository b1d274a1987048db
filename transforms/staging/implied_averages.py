"""What each settlement says about the average funds rate of its month, and whether it is believed.

In: settlements by contract and day, DFF, the calendar. Out: one row per settlement of a contract that has not
expired. Rules of belief: transforms/lib/month_averages.py; a price is judged by its day and the days before.
Every policy mart reads this table, so that all see the same prices. Caveat: for how long a price has stood
still can reach as far back as its contract, so that all settlements are gone through for the newest day too.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd

from transforms.increment import first_day
from transforms.lib import month_averages, policy_inputs

COLUMNS = ["as_of_date", "delivery_month", "implied_average_pct", "refused"]

SETTLEMENTS = """
select
    futures.settlement_date,
    futures.delivery_month,
    100.0 - futures.settle as implied_average_pct
from staging.fed_funds_futures as futures
inner join ref.calendar as calendar
    on futures.settlement_date = calendar.calendar_date
where
    calendar.is_settlement_day
    and futures.settlement_date < futures.delivery_month + interval 1 month
order by futures.settlement_date, futures.delivery_month
"""


def build(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """One row per (as_of_date, delivery_month), in that order."""
    rows = con.execute(SETTLEMENTS).df()
    if rows.empty:
        return pd.DataFrame(columns=COLUMNS)
    as_of_date, averages, first_month, place = policy_inputs.as_matrix(
        rows["settlement_date"], rows["delivery_month"], rows["implied_average_pct"]
    )
    finals = policy_inputs.load_final_averages(
        con, first_month, averages.shape[1], policy_inputs.FINAL_SETTLEMENTS
    )
    refused = month_averages.compute_refused(as_of_date, averages, finals, first_month)
    frame = rows.rename(columns={"settlement_date": "as_of_date"}).assign(refused=refused[place])
    since = first_day(con)
    return frame if since is None else frame[frame["as_of_date"] >= np.datetime64(since)]
