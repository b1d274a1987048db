"""Reading FRED's answers: the structure that fredapi assumes, and rows in the columns of
`raw.fred_observations`.

In: the bodies that fredapi was served, or FRED's CSV. Out: `Parsed` with the series' metadata. Series that
are revised come with the day on which each version was published.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from market_calendar.release_rules import available_at_utc, parse_rule
from sources.protocol import Parsed, SourceError, Unreadable
from sources.tabular import parse_series
from warehouse.payloads import Payload
from warehouse.reference_data import reference_frame

# A first print that the archive dates this much later than the release rule was published before the archive
# began.
ARCHIVE_SLACK = pd.Timedelta(days=10)
METADATA_ATTRIBUTES = {
    "title": "title",
    "units": "units",
    "frequency": "frequency_short",
    "first_observation_date": "observation_start",
}
FREQUENCIES = {
    "D": "daily",
    "W": "weekly",
    "M": "monthly",
    "Q": "quarterly",
    "A": "annual",
    "NA": "irregular",
}

# Kinds of observations of which only the version tells when they were made.
PROJECTED_PERIODS = frozenset({"projected_year", "projection"})


def observation_period(series_id: str) -> str | None:
    """The kind of a series' observations; None where the list does not have the series."""
    frame = reference_frame("fred_series")
    found = frame.loc[frame["series_id"] == series_id, "observation_period"]
    return None if found.empty else str(found.iloc[0])


class TooManyRows(SourceError):
    """FRED has more rows than it sent."""


def xml_root(what: str, content: bytes) -> ET.Element:
    try:
        content.decode("utf-8-sig")
        if b"<!DOCTYPE" in content[:2048] or b"<!ENTITY" in content[:2048]:
            raise ValueError
        root = ET.fromstring(content)
    except (ET.ParseError, ValueError):
        root = None
    if root is None:
        raise Unreadable(f"{what}: the answer is not readable XML; it may be cut short")
    return root


CHILDREN = {
    "seriess": ("series", ("id", "title", "units", "frequency_short", "observation_start")),
    "vintage_dates": ("vintage_date", ()),
    "observations": ("observation", ("realtime_start", "realtime_end", "date", "value")),
}


def check_answer(series_id: str, root: ET.Element) -> None:
    """Check the structure that fredapi assumes; an error names the field."""
    what = f"FRED: {series_id}"
    if root.tag not in CHILDREN:
        raise Unreadable(f"{what}: element <{root.tag[:40]}> is not one of {', '.join(CHILDREN)}")
    child_tag, attributes = CHILDREN[root.tag]
    for child in root:
        if child.tag != child_tag:
            raise Unreadable(
                f"{what}: element <{child.tag[:40]}> in <{root.tag}>, where <{child_tag}> is expected"
            )
        missing = [name for name in attributes if child.get(name) is None]
        if missing:
            raise Unreadable(
                f"{what}: attribute {', '.join(missing)} of <{child_tag}> is missing; it has"
                f" {', '.join(sorted(child.keys()))[:150]}"
            )
    if root.tag == "seriess":
        _check_series(series_id, root)
        return
    count = root.get("count")
    if count is None or not count.isdigit():
        raise Unreadable(f"{what}: attribute count of <{root.tag}> is {count!r}, a number is expected")
    if int(count) > len(root):
        if len(root) >= int(root.get("limit", "100000")):
            raise TooManyRows(f"{what}: {count} rows, more than FRED sends at once")
        raise Unreadable(f"{what}: <{root.tag}> announces {count} rows and contains {len(root)}")
    if root.tag == "observations":
        units = root.get("units", "lin")
        if units != "lin":
            raise Unreadable(f"{what}: attribute units of <observations> is {units!r}, not the levels (lin)")


def _check_series(series_id: str, root: ET.Element) -> None:
    what = f"FRED: {series_id}"
    if len(root) != 1 or str(root[0].get("id")).upper() != series_id.upper():
        raise Unreadable(f"{what}: field id reads {[child.get('id') for child in root][:3]}")
    known = reference_frame("fred_series").set_index("series_id")["frequency"]
    served = FREQUENCIES.get(str(root[0].get("frequency_short")), str(root[0].get("frequency_short")))
    if series_id in known.index and known[series_id] != served:
        raise Unreadable(
            f"{what}: field frequency reads {served}, expected {known[series_id]}; if FRED changed the"
            " series, change fred_series.csv"
        )


def parse_fred(payload: Payload) -> Parsed:
    """Read a payload of either kind; pure."""
    return _parse_csv(payload) if payload.extension == "csv" else parse_bundle(payload)


def _parse_csv(payload: Payload) -> Parsed:
    """FRED ends every line of its download: a last line without an end was cut off on the way, and half a
    number still reads as a number.
    """
    whole, cut = payload.content, b""
    if not whole.endswith(b"\n"):
        whole, _, cut = whole.rpartition(b"\n")
    parsed = parse_series(replace(payload, content=whole + b"\n"))
    if not cut:
        return parsed
    row = {"series_id": payload.request.input, "line": cut[:500].decode("utf-8", "replace")}
    return replace(parsed, rejected=[*parsed.rejected, ("last_line_is_complete", row)])


def parse_bundle(payload: Payload) -> Parsed:
    """Read the bodies that fredapi was served: typed rows, and metadata of the series."""
    what = f"FRED: {payload.request.input}"
    try:
        bundle = json.loads(payload.content)
        series_id, kind, requests = bundle["series_id"], bundle["kind"], bundle["requests"]
        roots = [xml_root(what, entry["body"].encode()) for entry in requests]
    except (ValueError, KeyError, TypeError, AttributeError):
        roots = None
    if roots is None:
        raise Unreadable(f"{what}: the landed payload has a format that this version does not write")
    if series_id != payload.request.input:
        raise Unreadable(f"{what}: the payload is for {series_id}")
    for root in roots:
        check_answer(series_id, root)
    metadata = _metadata(roots)
    rows = [
        (child.get("date"), child.get("value"), child.get("realtime_start"))
        for root in roots
        if root.tag == "observations"
        for child in root
    ]
    text = pd.DataFrame(rows, columns=["observation_date", "value", "realtime_start"], dtype="str")
    parsed = _typed(series_id, text)
    if kind == "latest":
        return replace(parsed, frame=parsed.frame.drop(columns="realtime_start"), metadata=metadata)
    vintage_dates = [
        str(child.text) for root in roots if root.tag == "vintage_dates" for child in root if child.text
    ]
    frame = _versions(parsed.frame)
    if kind == "trailing vintages":
        asked = pd.Timestamp(payload.request.start) - pd.Timedelta(days=1)
        frame = frame[frame["realtime_start"] > asked]
        archive_start = None
    else:
        archive_start = pd.Timestamp(min(vintage_dates)) if vintage_dates else None
    return replace(
        parsed,
        frame=_with_release_times(series_id, frame.reset_index(drop=True), archive_start),
        metadata=metadata,
    )


def _metadata(roots: list[ET.Element]) -> dict[str, str]:
    metadata = {
        name: str(root[0].get(attribute, ""))
        for root in roots
        if root.tag == "seriess"
        for name, attribute in METADATA_ATTRIBUTES.items()
    }
    if metadata:
        metadata["frequency"] = FREQUENCIES.get(metadata["frequency"], metadata["frequency"])
    return metadata


def _typed(series_id: str, text: pd.DataFrame) -> Parsed:
    dates = pd.to_datetime(text["observation_date"], format="%Y-%m-%d", errors="coerce")
    starts = pd.to_datetime(text["realtime_start"], format="%Y-%m-%d", errors="coerce")
    values = pd.to_numeric(text["value"], errors="coerce").astype("float64")
    blank = text["value"].isin([".", ""])
    wrong_value = ~blank & ~np.isfinite(values.to_numpy())
    rules = np.select(
        [dates.isna().to_numpy(), starts.isna().to_numpy(), wrong_value.to_numpy()],
        ["observation_date_is_a_date", "realtime_start_is_a_date", "value_is_a_finite_number"],
        "",
    )
    bad = rules != ""
    rejected: list[tuple[str, dict[str, Any]]] = [
        (str(rules[index]), {"series_id": series_id} | {str(k): v for k, v in text.loc[index].items()})
        for index in np.flatnonzero(bad)
    ]
    frame = pd.DataFrame(
        {
            "series_id": series_id,
            "observation_date": dates,
            "value": values.where(~blank),
            "realtime_start": starts,
        }
    )
    return Parsed(frame[~bad].reset_index(drop=True), rejected)


def _versions(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per version: a row that repeats the value before it is the same version, clipped to the next
    piece's period.
    """
    ordered = frame.sort_values(["observation_date", "realtime_start"], kind="stable")
    before = ordered.groupby("observation_date")["value"].shift(1)
    first = ~ordered["observation_date"].duplicated()
    same = (ordered["value"] == before) | (ordered["value"].isna() & before.isna())
    return ordered[first | ~same]


def _with_release_times(
    series_id: str, frame: pd.DataFrame, archive_start: pd.Timestamp | None
) -> pd.DataFrame:
    series = reference_frame("fred_series").set_index("series_id")
    rule, frequency = str(series.at[series_id, "release_rule"]), str(series.at[series_id, "frequency"])
    parsed = parse_rule(rule)
    clock = parsed.clock_time or (parsed.fallback.clock_time if parsed.fallback else None)
    assert clock is not None, f"{series_id}: its release rule has no clock time"
    local = frame["realtime_start"] + pd.Timedelta(hours=clock.hour, minutes=clock.minute)
    published = local.dt.tz_localize("America/New_York").dt.tz_convert("UTC").dt.tz_localize(None)
    published = published.astype("datetime64[us]")
    assumed = available_at_utc(rule, frequency, frame["observation_date"])
    # The first version in the archive, of an observation that is older than the archive. A projected year is
    # named by every projection: the first one that did is not the one that the archive began with.
    older = (
        pd.Series(False, index=frame.index)
        if archive_start is None or parsed.kind == "projections"
        else (frame["realtime_start"] == archive_start) & (assumed < published - ARCHIVE_SLACK)
    )
    return frame.assign(
        available_at_utc=published.where(~older, assumed),
        availability=np.where(older, "assumed", "vintage"),
    ).drop(columns="realtime_start")
