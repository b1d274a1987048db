"""When each FOMC meeting was known: announced by the Federal Reserve, and listed by CME.

In: the meetings, and the day on which the schedule of each year was announced. Out: per meeting the day of
the announcement that first named it (`announced_on`), the day from which CME's table listed it
(`listed_from`) and the earlier of the two (`known_from_date`).

Sources: press releases of the Federal Reserve Board (`fomc_schedules.csv`); CME FedWatch exports of 2023-09
to 2025-08, in which a meeting appears on the day after the decision that makes it the ninth ahead. Caveat:
four of the 17 meetings of those exports appeared one decision later than the rule says; that CME listed by
it before September 2023 is assumed, and flagged.
"""

from __future__ import annotations

from typing import Final

import pandas as pd

MEETINGS_LISTED: Final = 9
# The first day of the exports that show which meetings CME listed.
FIRST_EXPORT: Final = pd.Timestamp("2023-09-18")


def compute_known_dates(meetings: pd.DataFrame, schedules: pd.DataFrame) -> pd.DataFrame:
    """`announced_on`, `announced_on_assumed`, `listed_from`, `known_from_date`, `known_from_assumed` by
    meeting.

    An announcement names the meetings of its year and, where it says so, the first one of the year after. An
    unscheduled decision is announced on its day and never listed.

    Args:
        meetings: decision_date and scheduled, in any order; cancelled meetings are among the scheduled ones.
        schedules: schedule_year, announced_on, announced_on_assumed, names_next_january.

    Returns:
        One row per meeting, with the index of `meetings`; announced_on is missing where the schedule of the
        year is not among `schedules`.
    """
    found = meetings[["decision_date", "scheduled"]].sort_values("decision_date")
    ahead = found[found["scheduled"].astype(bool)]
    year = ahead["decision_date"].dt.year
    by_year = schedules.set_index("schedule_year")
    own = by_year.reindex(year).set_axis(ahead.index)
    before = by_year.reindex(year - 1).set_axis(ahead.index)
    is_first = year != year.shift()
    named = before["names_next_january"].fillna(False).astype(bool)
    earlier = is_first & named & (before["announced_on"] < own["announced_on"].fillna(pd.Timestamp.max))

    scheduled = pd.DataFrame(
        {
            "announced_on": own["announced_on"].mask(earlier, before["announced_on"]),
            "announced_on_assumed": own["announced_on_assumed"].mask(earlier, before["announced_on_assumed"]),
            "listed_from": ahead["decision_date"].shift(MEETINGS_LISTED) + pd.Timedelta(days=1),
        }
    )
    result = scheduled.reindex(found.index)
    unscheduled = ~found["scheduled"].astype(bool)
    result["announced_on"] = result["announced_on"].mask(unscheduled, found["decision_date"])
    result["announced_on_assumed"] = result["announced_on_assumed"].mask(unscheduled, False).astype("boolean")
    result["known_from_date"] = result[["announced_on", "listed_from"]].min(axis=1)
    by_announcement = result["known_from_date"] == result["announced_on"]
    result["known_from_assumed"] = result["announced_on_assumed"].where(
        by_announcement, result["known_from_date"] < FIRST_EXPORT
    )
    return result.reindex(meetings.index)
