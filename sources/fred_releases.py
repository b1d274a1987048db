"""The dates of one of FRED's releases, those to come included.

In: a release's number. Out: dates. Source: https://fred.stlouisfed.org/docs/api/fred/release_dates.html, with
`include_release_dates_with_no_data=true`, which adds the dates that are scheduled. Caveat: FRED lists every
day on which it took data of a release, not only the reports' own days, and for the FOMC's press release every
day; a date is therefore to be judged by who asks.
"""

from __future__ import annotations

from datetime import date
from urllib.parse import urlencode

from sources.fred import FredSource
from sources.fred_answers import xml_root
from sources.protocol import SourceError, Unreadable

MOST_DATES = 10_000


def fetch_release_dates(source: FredSource, release_id: int, start: date) -> list[date]:
    """The dates from `start` on, sorted.

    Raises:
        SourceError: there is no key, or FRED did not answer, or not with dates.
    """
    what = f"release {release_id}"
    if source.key is None:
        raise SourceError(f"FRED: {what}: release dates need a key; set FRED_API_KEY")
    query = {
        "release_id": str(release_id),
        "realtime_start": str(start),
        "realtime_end": "9999-12-31",
        "include_release_dates_with_no_data": "true",
        "sort_order": "asc",
        "limit": str(MOST_DATES),
    }
    root = xml_root(f"FRED: {what}", source.ask_api(what, f"release/dates?{urlencode(query)}"))
    if root.tag != "release_dates":
        raise Unreadable(f"FRED: {what}: element <{root.tag[:40]}>, where <release_dates> is expected")
    count = root.get("count", "")
    if not count.isdigit() or int(count) != len(root):
        raise Unreadable(
            f"FRED: {what}: <release_dates> announces {count[:20]!r} dates and contains {len(root)}"
        )
    dates = []
    for child in root:
        if child.tag != "release_date" or child.get("release_id") != str(release_id):
            raise Unreadable(f"FRED: {what}: <{child.tag[:40]}> is not a date of this release")
        try:
            dates.append(date.fromisoformat((child.text or "").strip()))
        except ValueError:
            raise Unreadable(f"FRED: {what}: release_date = {(child.text or '')[:40]!r} is no date") from None
    if not dates:
        raise Unreadable(f"FRED: {what}: no date from {start} on")
    return sorted(day for day in set(dates) if day >= start)
