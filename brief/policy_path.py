"""The path of the policy rate: what the futures price on a settlement day, a week and a month before.

In: the page and a settlement day. Out: a figure of the rate implied after each meeting, with the band that
nine of ten past errors at that distance were within, and a table of what is priced. Caveat: each line ends
at its last solved meeting, so that lines may differ in length.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import partial

from markupsafe import Markup

from brief import figures
from brief.blocks import Page, Section, attempt
from brief.cells import Absent, Cell, Row, plain_day, plain_number
from brief.settlement import Settlement

LEVEL_DRAWN_DAYS = 30


@dataclass(frozen=True)
class Line:
    """One line of the figure: its distance in words, how far back it looks, its field and colour."""

    name: str
    span: str
    field: str
    colour: str


LINES = (
    Line("", "0 days", "rate_now", "var(--c1)"),
    Line("a week before", "7 days", "rate_week", "var(--c2)"),
    Line("a month before", "1 month", "rate_month", "var(--c3)"),
)


@dataclass(frozen=True)
class Dated:
    """A line with the settlement day whose path it shows."""

    line: Line
    day: dt.date
    name: str

    @property
    def name_and_day(self) -> str:
        """`17 Jul 2024, a week before`."""
        return ", ".join(filter(None, (plain_day(self.day), self.line.name)))


@dataclass(frozen=True)
class Path:
    """The figure of the rates implied after each meeting; `bands`: the day's row of each that has a band."""

    settled: Settlement
    lines: list[Dated]
    meetings: list[tuple[dt.date, list[Cell | None]]]
    bands: dict[dt.date, Row]
    reached: list[tuple[str, float]]
    drawings: list[Markup]
    statement: str


def path(page: Page, section: Section, settled: Settlement) -> None:
    """The path and what is priced, on each of the days that has a solved path."""
    as_of = settled.as_of
    lines = []
    for line in LINES:
        found = page.reader.scalar("fed/path_day", as_of=as_of, span=line.span)
        if found.known:
            lines.append(Dated(line, found.value, page.short_day(found.value)))
    if not lines or lines[0].line is not LINES[0]:
        raise Absent(f"marts.fomc_meetings_daily: no path could be solved near {as_of}.")
    attempt(section, partial(_figure, settled=settled, lines=lines), page)
    attempt(section, partial(_priced, lines=lines), page)


def _days(lines: list[Dated]) -> dict[str, dt.date | None]:
    """The days of the lines as the parameters of a query."""
    held = {dated.line.field.removeprefix("rate_"): dated.day for dated in lines}
    return {name: held.get(name) for name in ("now", "week", "month")}


def _figure(page: Page, section: Section, settled: Settlement, lines: list[Dated]) -> None:
    rows = page.reader.query("fed/path", **_days(lines))
    rates = {(row["as_of_date"].value, row["meeting_date"].value): row["expected_rate_pct"] for row in rows}
    meetings = sorted({meeting for _, meeting in rates})
    points: figures.Points = [{"d": str(meeting)} for meeting in meetings]
    for dated in lines:
        for point, meeting in zip(points, meetings, strict=True):
            if (dated.day, meeting) in rates:
                point[dated.line.field] = round(rates[dated.day, meeting].value, 5)
    bands = {
        row["meeting_date"].value: row
        for row in rows
        if row["as_of_date"].value == lines[0].day and row["expected_rate_low_pct"].known
    }
    for point, meeting in zip(points, meetings, strict=True):
        if meeting in bands:
            point["low"] = round(bands[meeting]["expected_rate_low_pct"].value, 5)
            point["high"] = round(bands[meeting]["expected_rate_high_pct"].value, 5)
    reached = {dated.name: _last(points, dated.line.field) for dated in lines}
    points = _extended(page, points, lines)
    if len(points) <= 1:
        return
    spec = figures.lines(
        points,
        [
            (
                dated.line.field,
                f"{dated.name}, {plain_number(reached[dated.name], 2)}",
                dated.line.colour,
            )
            for dated in lines
        ],
        unit="implied effective rate after each meeting, %",
        height=190,
        band=("low", "high") if bands else None,
        step=True,
        digits=".2f",
    )
    section.block(
        "path",
        Path(
            settled,
            lines,
            [(meeting, [rates.get((dated.day, meeting)) for dated in lines]) for meeting in meetings],
            bands,
            list(reached.items()),
            [page.draw(spec, "path")],
            page.reader.statement("fed/path", **_days(lines)),
        ),
    )


def _last(points: figures.Points, field: str) -> float:
    """The last value of a field; every line has one, because its day is a day with a solved path."""
    return next(float(point[field]) for point in reversed(points) if field in point)


def _extended(page: Page, points: figures.Points, lines: list[Dated]) -> figures.Points:
    """Begin each line with the rate before the next meeting, and let the last level run on for a month."""
    ends: figures.Points = []
    for dated in lines:
        last = next(point for point in reversed(points) if dated.line.field in point)
        until = dt.date.fromisoformat(last["d"]) + dt.timedelta(days=LEVEL_DRAWN_DAYS)
        end = {"d": str(until), dated.line.field: last[dated.line.field]}
        if dated.line is LINES[0]:
            end |= {name: last[name] for name in ("low", "high") if name in last}
        ends.append(end)
    starts: figures.Points = []
    if "marts.policy_path_daily" in page.reader.tables:
        before = {
            row["as_of_date"]: row["rate_before_next_meeting_pct"]
            for row in page.reader.points("fed/rate_before", **_days(lines))
        }
        starts = [
            {"d": str(dated.day), dated.line.field: before[dated.day]}
            for dated in lines
            if dated.day in before
        ]
    return sorted([*points, *ends, *starts], key=lambda point: str(point["d"]))


def _priced(page: Page, section: Section, lines: list[Dated]) -> None:
    rows = page.reader.query("fed/priced", **_days(lines))
    found: dict[dt.date, Row] = {row["as_of_date"].value: row for row in rows}
    columns = [(dated, found[dated.day]) for dated in lines if dated.day in found]
    if columns:
        section.block("priced", columns)
