"""The axis of dates.

In: points with a date in ISO form. Out: the x channel of a drawing. Caveat: at most about six marks, because
the drawing is read on a phone.
"""

from __future__ import annotations

import datetime as dt
import json

from brief.figures.base import Points, Spec


def time_axis(points: Points, field: str = "d") -> Spec:
    """Years, or months where the span is short, or single days; nothing outside the data.

    Args:
        points: The data of the drawing.
        field: The field with the date.
    """
    days = [dt.date.fromisoformat(point[field]) for point in points]
    span = (max(days) - min(days)).days
    axis: Spec = {"labelOverlap": "greedy", "labelSeparation": 8, "labelFlush": True}
    if span > 3 * 366:
        ticks = _years(min(days), max(days))
        axis["format"] = "%Y"
    elif span > 75:
        ticks = _months(min(days), max(days))
        words = json.dumps(_month_names(ticks))
        axis["labelExpr"] = f"({words})[utcFormat(datum.value, '%Y-%m-%d')]"
    else:
        distinct = sorted(set(days))
        ticks = distinct[::-1][:: max(1, -(-len(distinct) // 5))][::-1]
        axis["format"] = "%-d %b"
    axis["values"] = [str(tick) for tick in ticks]
    return {
        "field": field,
        "type": "temporal",
        "title": None,
        "scale": {"type": "utc", "nice": False},
        "axis": axis,
    }


def _years(first: dt.date, last: dt.date) -> list[dt.date]:
    step = max(1, round((last - first).days / 365.25 / 5))
    step = next((nice for nice in (1, 2, 5, 10, 20) if nice >= step), step)
    return [dt.date(year, 1, 1) for year in range(first.year + 1, last.year + 1) if year % step == 0]


def _months(first: dt.date, last: dt.date) -> list[dt.date]:
    years = range(first.year, last.year + 1)
    starts = [dt.date(year, month, 1) for year in years for month in range(1, 13)]
    inside = [start for start in starts if first <= start <= last]
    return inside[:: max(1, -(-len(inside) // 5))]


def _month_names(ticks: list[dt.date]) -> dict[str, str]:
    """The words at each mark: the year stands with the first marked month of each year."""
    return {
        str(tick): f"{tick:%b}" if index and ticks[index - 1].year == tick.year else f"{tick:%b %Y}"
        for index, tick in enumerate(ticks)
    }
