"""Runs the calculation of cme-fedwatch on recorded settlements and writes its probabilities: start it in the
environment that setup.sh builds.

In: settlements by contract and day, decisions with the day they were known from, and final averages of
expired months, exported by compare.py. Out: one row per day, meeting and outcome, once from the contracts
listed that day, which is what the package downloads (expired = 0), and once with the final average of the
month that has just expired beside them (expired = 1); a day on which nothing can be solved is one row with
the error. The package's own function `calculate` is called; nothing is downloaded. Its rounding to 0.1 per
cent for display is switched off. Where the package shows nothing because the first meeting cannot be solved,
the table begins with the first that can: `skipped` says how many were left out.
"""

import csv
import sys
from collections import defaultdict
from datetime import date
from pathlib import Path

from cme_fedwatch import calc

MONTH_CODES = "FGHJKMNQUVXZ"
# `calculate` adds changes to the range that it is given: from this one on, labels are changes.
NO_CHANGE = (0.0, 0.25)


def keep_every_digit() -> None:
    """Probabilities are rounded for display only; without that, differences can be put down to a cause."""
    calc.round = lambda value, digits=None: round(value) if digits is None else value


def read_settlements(path: Path) -> dict[date, list[dict]]:
    days = defaultdict(list)
    with open(path, encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            contract = row["contract"]
            month = to_row(2000 + int(contract[3:5]), MONTH_CODES.index(contract[2]) + 1, float(row["Close"]))
            days[date.fromisoformat(row["Date"][:10])].append(month)
    return days


def to_row(year: int, month: int, settle: float) -> dict:
    """A settlement as the package's own download gives it."""
    return {"month": calc._month_key(year, month), "settle": settle}


def read_final_averages(path: Path) -> dict[tuple[int, int], float]:
    with open(path, encoding="utf-8") as stream:
        rows = [(date.fromisoformat(row["delivery_month"]), row) for row in csv.DictReader(stream)]
    return {(month.year, month.month): float(row["average_pct"]) for month, row in rows}


def read_meetings(path: Path) -> list[tuple[date, date, date]]:
    """Decision, known from, cancelled on (the last day of the calendar where it was not)."""
    with open(path, encoding="utf-8") as stream:
        return [
            (
                date.fromisoformat(row["decision_date"]),
                date.fromisoformat(row["known_from_date"]),
                date.fromisoformat(row["cancelled_on"]) if row["cancelled_on"] else date.max,
            )
            for row in csv.DictReader(stream)
        ]


def solve(settlements: list[dict], known: list[date], day: date) -> tuple[list[dict], int]:
    """The package's table, and how many meetings at its beginning had to be left out."""
    ahead = [meeting for meeting in known if meeting >= day]
    for skipped in range(len(ahead)):
        table = calc.calculate(settlements, ahead[skipped:], NO_CHANGE, known[-1], known)
        if table:
            return table, skipped
    return [], len(ahead)


def main(folder: Path) -> None:
    keep_every_digit()
    days = read_settlements(folder / "prices.csv")
    finals = read_final_averages(folder / "final_averages.csv")
    meetings = read_meetings(folder / "meetings.csv")
    with open(folder / "theirs.csv", "w", newline="", encoding="utf-8") as stream:
        out = csv.writer(stream)
        out.writerow(["as_of_date", "meeting_date", "change_bp", "prob", "error", "expired", "skipped"])
        for day, listed in sorted(days.items()):
            known = [meeting for meeting, since, until in meetings if since <= day < until]
            before = calc._prev_month(day.year, day.month)
            final = [to_row(*before, 100.0 - finals[before])] if before in finals else []
            for expired, settlements in ((0, listed), (1, listed + final)):
                table, skipped = solve(settlements, known, day)
                if not table:
                    out.writerow([day, "", "", "", "no meeting can be solved", expired, skipped])
                for meeting in table:
                    for label, prob in meeting["probabilities"].items():
                        change_bp = round(100 * float(label.split("%")[0]))
                        out.writerow(
                            [day, meeting["date"], change_bp, repr(prob / 100), "", expired, skipped]
                        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
