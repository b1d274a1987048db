"""Runs pyfedwatch on recorded settlements and writes its probabilities: start it in the environment that
setup.sh builds.

In: a publication's warehouse exported to two CSVs by compare.py (settlements by contract and day; decisions
with the day they were known from). Out: one row per day, meeting and outcome; a day on which the package
raises is one row with the error. The package gets the decisions that were known on the day, as a careful
user would hand them in, and the number of meetings ahead that it can solve: four, fewer where it says that
no month without a meeting follows.
"""

import csv
import sys
from datetime import datetime

import pandas as pd
from pyfedwatch.fedwatch import FedWatch

MEETINGS_AHEAD = 4


def main(prices_path: str, meetings_path: str, out_path: str) -> None:
    prices = pd.read_csv(prices_path, parse_dates=["Date"])
    history = {symbol: rows.set_index("Date")[["Close"]] for symbol, rows in prices.groupby("contract")}
    meetings = pd.read_csv(meetings_path, parse_dates=["decision_date", "known_from_date", "cancelled_on"])

    def read_prices(symbol: str) -> pd.DataFrame:
        return history[symbol]

    with open(out_path, "w", newline="", encoding="utf-8") as stream:
        out = csv.writer(stream)
        out.writerow(["as_of_date", "meeting_date", "change_bp", "prob", "error"])
        for day in sorted(prices["Date"].unique()):
            known = meetings[
                (meetings["known_from_date"] <= day)
                & ~(meetings["cancelled_on"].notna() & (meetings["cancelled_on"] <= day))
            ]
            dates = [stamp.to_pydatetime() for stamp in known["decision_date"]]
            watch = pd.Timestamp(day)
            error = ""
            for ahead in range(MEETINGS_AHEAD, 0, -1):
                try:
                    table = FedWatch(datetime(watch.year, watch.month, watch.day), ahead, dates, read_prices)
                    result = table.generate_hike_info(rate_cols=False)
                    frame = result if result is not None else table.rate_expectations
                    break
                except Exception as problem:
                    error = f"{type(problem).__name__}: {problem}"[:120]
            else:
                out.writerow([watch.date(), "", "", "", error])
                continue
            for (_, meeting), row in frame.iterrows():
                for change, prob in row.items():
                    if prob:
                        out.writerow([watch.date(), meeting, change, repr(float(prob)), ""])


if __name__ == "__main__":
    main(*sys.argv[1:4])
