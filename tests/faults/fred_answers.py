"""FRED's answers in the shapes that were recorded, written anew: the CSV download and the XML interface.

In: the feed and the query. Out: status, content type and body. `<seriess>` has no count, notes run over
several lines, `last_updated` carries an offset, a version's real-time period is clipped to the one that was
asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.sax.saxutils import quoteattr

import pandas as pd

from tests.faults.feed import Feed
from warehouse.reference_data import reference_frame

MAX_VINTAGES = 2000
ENDLESS = pd.Timestamp("2262-01-01")
Answer = tuple[int, str, bytes]


@dataclass
class FredStyle:
    """What a test changes: the key that is accepted (None: any), rows sent at once, units by series, dates by
    release, and whether the error on a key repeats it (mostly FRED does not).
    """

    key: str | None = None
    max_rows: int = 100_000
    units: dict[str, str] = field(default_factory=dict)
    releases: dict[int, list[str]] = field(default_factory=dict)
    repeats_the_key: bool = False


def fred_csv(feed: Feed, query: dict[str, str]) -> Answer:
    """FRED's public CSV download."""
    series_id = query.get("id", "")
    frame = feed.frame("fred", series_id)
    if frame is None:
        return 404, "text/html", b"<html><body>Not found</body></html>"
    frame = frame[frame["date"].between(query.get("cosd", "1900-01-01"), query.get("coed", "2100-01-01"))]
    lines = [f"observation_date,{series_id}"] + [
        f"{day:%Y-%m-%d},{'' if pd.isna(value) else value}"
        for day, value in zip(frame["date"], frame["value"], strict=True)
    ]
    return 200, "text/csv", ("\n".join(lines) + "\n").encode()


def fred_api(feed: Feed, style: FredStyle, path: str, query: dict[str, str]) -> Answer:
    """FRED's XML interface: series, series/observations, series/vintagedates."""
    series_id, key = query.get("series_id", ""), query.get("api_key", "")
    if style.key is not None and key != style.key:
        repeated = f": {key}" if style.repeats_the_key else ""
        return _error(400, f"Bad Request.  The value for variable api_key is not registered{repeated}.")
    if path == "/fred/release/dates":
        return release_dates(style.releases, query)
    frame = feed.frame("fred", series_id)
    if frame is None:
        return _error(400, "Bad Request.  The series does not exist.")
    period = {"realtime_start": str(feed.as_of), "realtime_end": str(feed.as_of)}
    if path == "/fred/series":
        return _series(feed, style, series_id, frame, period)
    if path == "/fred/series/vintagedates":
        dates = [f"{day:%Y-%m-%d}" for day in feed.vintage_dates(series_id)]
        counted = {"order_by": "vintage_date", "sort_order": "asc", "count": str(len(dates))}
        whole = {"realtime_start": "1776-07-04", "realtime_end": "9999-12-31"}
        attributes = whole | counted | {"offset": "0", "limit": "10000"}
        return _xml("vintage_dates", attributes, [("vintage_date", {}, day) for day in dates])
    return _observations(feed, style, series_id, query, frame)


def _series(
    feed: Feed, style: FredStyle, series_id: str, frame: pd.DataFrame, period: dict[str, str]
) -> Answer:
    row = reference_frame("fred_series").set_index("series_id").loc[series_id]
    attributes = {
        "id": series_id,
        **period,
        "title": str(row["title"]),
        "observation_start": str(frame["date"].min().date()),
        "observation_end": str(frame["date"].max().date()),
        "frequency": {"irregular": "Not Applicable"}.get(row["frequency"], str(row["frequency"]).title()),
        "frequency_short": "NA" if row["frequency"] == "irregular" else str(row["frequency"])[0].upper(),
        "units": style.units.get(series_id, str(row["units"])),
        "units_short": "u",
        "seasonal_adjustment": "Not Seasonally Adjusted",
        "seasonal_adjustment_short": "NSA",
        "last_updated": f"{feed.as_of} 07:54:01-05",
        "popularity": "63",
        "notes": 'Notes on the series, with "quotes" & more.\r\n\r\nA second paragraph:\r\n\thttps://example.org',
    }
    return _xml("seriess", period, [("series", attributes, "")])


def release_dates(releases: dict[int, list[str]], query: dict[str, str]) -> Answer:
    """FRED's dates of one release; those to come are there when asked for."""
    number = query.get("release_id", "")
    if not number.isdigit() or int(number) not in releases:
        return _error(400, "Bad Request.  The release does not exist.")
    first, last = query.get("realtime_start", "1776-07-04"), query.get("realtime_end", "9999-12-31")
    if query.get("include_release_dates_with_no_data") != "true":
        last = min(last, f"{pd.Timestamp.now():%Y-%m-%d}")
    dates = sorted(
        (day for day in releases[int(number)] if first <= day <= last),
        reverse=query.get("sort_order", "asc") == "desc",
    )
    limit = int(query.get("limit", "10000"))
    return _xml(
        "release_dates",
        {
            "realtime_start": first,
            "realtime_end": last,
            "order_by": "release_date",
            "sort_order": query.get("sort_order", "asc"),
            "count": str(len(dates)),
            "offset": "0",
            "limit": str(limit),
        },
        [("release_date", {"release_id": number}, day) for day in dates[:limit]],
    )


def _observations(
    feed: Feed, style: FredStyle, series_id: str, query: dict[str, str], frame: pd.DataFrame
) -> Answer:
    today = pd.Timestamp(feed.as_of)
    if "realtime_start" in query:
        start = pd.Timestamp(max(query["realtime_start"], "1776-07-04"))
        end = pd.Timestamp(min(query.get("realtime_end", "9999-12-31"), str(ENDLESS.date())))
        inside = [day for day in feed.vintage_dates(series_id) if start <= day <= end]
        if len(inside) > MAX_VINTAGES:
            return _error(
                400,
                f"Bad Request.  There are {len(inside)} vintage dates in the specified real-time period. This"
                f" exceeds the maximum number of vintage dates allowed for this file type ({MAX_VINTAGES}).",
            )
        rows = _clipped(feed.versions(series_id), start, end)
    else:
        start = end = today
        rows = frame.assign(realtime_start=today, realtime_end=today)
    first, last = query.get("observation_start", "1776-07-04"), query.get("observation_end", "2200-01-01")
    rows = rows[rows["date"].between(first, last)]
    total = len(rows)
    columns = ("realtime_start", "realtime_end", "date", "value")
    children = [
        (
            "observation",
            {
                "realtime_start": _day(begins),
                "realtime_end": _day(ends),
                "date": _day(day),
                "value": "." if pd.isna(value) else repr(float(value)),
            },
            "",
        )
        for begins, ends, day, value in rows.head(style.max_rows)[list(columns)].itertuples(index=False)
    ]
    attributes = {
        "realtime_start": _day(start),
        "realtime_end": _day(end),
        "observation_start": first,
        "observation_end": last,
        "units": "lin",
        "output_type": "1",
        "file_type": "xml",
        "order_by": "observation_date",
        "sort_order": "asc",
        "count": str(total),
        "offset": "0",
        "limit": str(style.max_rows),
    }
    return _xml("observations", attributes, children)


def _clipped(rows: pd.DataFrame, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    """The versions of a real-time period, each with its own period cut to the one that was asked."""
    until = rows.groupby("date")["realtime_start"].shift(-1) - pd.Timedelta(days=1)
    rows = rows.assign(realtime_end=until.fillna(ENDLESS))
    rows = rows[(rows["realtime_start"] <= end) & (rows["realtime_end"] >= start)]
    return rows.assign(
        realtime_start=rows["realtime_start"].clip(lower=start),
        realtime_end=rows["realtime_end"].clip(upper=end),
    )


def _day(day: pd.Timestamp) -> str:
    return "9999-12-31" if day >= ENDLESS else f"{day:%Y-%m-%d}"


def _xml(root: str, attributes: dict[str, str], children: list[tuple[str, dict[str, str], str]]) -> Answer:
    def tag(name: str, values: dict[str, str]) -> str:
        return "<" + " ".join([name, *(f"{key}={_quoted(value)}" for key, value in values.items())])

    lines = ['<?xml version="1.0" encoding="utf-8" ?>', tag(root, attributes) + ">"]
    lines += [tag(name, values) + (f">{text}</{name}>" if text else "/>") for name, values, text in children]
    return 200, "text/xml; charset=UTF-8", "\n".join([*lines, f"</{root}>"]).encode()


def _quoted(value: str) -> str:
    return quoteattr(value, {"\r": "&#xD;", "\n": "&#xA;", "\t": "&#x9;"})


def _error(code: int, message: str) -> Answer:
    body = f'<?xml version="1.0" encoding="utf-8" ?>\n<error code="{code}" message={quoteattr(message)}/>\n'
    return code, "text/xml; charset=UTF-8", body.encode()
