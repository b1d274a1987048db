"""The curve, macro and credit.

In: the page. Out: blocks of two sections, by the queries of `queries/markets` and the macros of
`templates/sections/curve.html` and `macro.html`. Caveat: yields, spreads and the VIX of a day arrive a day
later; each block says of which day it is.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from markupsafe import Markup

from brief import figures
from brief.blocks import Page, Section
from brief.cells import Absent, Cell, Row, plain_day, plain_number
from expectations.ages import LATE_DAYS, YIELDS

# Levels that grow with the economy: their percentile says nothing, their change over a year does.
GROWING = (
    "BUSLOANS",
    "CPIAUCSL",
    "CPILFESL",
    "DPSACBW027SBOG",
    "DPSSCBW027NBOG",
    "DPSLCBW027NBOG",
    "PAYEMS",
    "TASSCBW027SBOG",
    "TASLCBW027SBOG",
    "TOTBKCR",
)
# Units of series that are shown without decimals.
WHOLE_UNITS = ("persons", "thousands of persons", "bn USD")
MATURITIES = (
    ("3 mo", "y3m_pct"),
    ("1 yr", "y1_pct"),
    ("2 yr", "y2_pct"),
    ("5 yr", "y5_pct"),
    ("10 yr", "y10_pct"),
    ("30 yr", "y30_pct"),
)
# How long before the last curve in words and in days, colour.
CURVES = (("", 0, figures.BLUE), ("a month before", 30, figures.ORANGE), ("a year before", 365, figures.GREY))


@dataclass(frozen=True)
class Chart:
    """A series that is drawn; its values are divided by `scale`."""

    series: str
    title: str
    unit: str
    digits: int
    # The unit beside a number, where one is written there.
    suffix: str = ""
    scale: int = 1
    # Drawn on a logarithmic scale when the greatest value is more than so many times the least.
    steep_ratio: float | None = None


CHARTS = (
    Chart("BAA10Y", "Baa corporate yield over the 10-year", "pp", 2, suffix="pp"),
    Chart("BAMLH0A0HYM2", "High-yield spread", "pp", 2, suffix="pp"),
    Chart("VIXCLS", "VIX", "index points", 1),
    # The spring of 2020 would press all other years into one flat line.
    Chart(
        "ICSA",
        "Initial jobless claims",
        "thousand a week",
        0,
        suffix="thousand",
        scale=1000,
        steep_ratio=6,
    ),
)
LOGARITHMIC_TICKS = [100.0, 200, 500, 1000, 2000, 5000, 10000]


@dataclass(frozen=True)
class Curve:
    """The yields of one day; `before`: how long before the last one."""

    before: str
    colour: str
    row: Row

    @property
    def name(self) -> str:
        """The day."""
        return plain_day(self.row["session_date"].value)

    @property
    def title(self) -> str:
        """`21 Jun 2024, a month before`."""
        return ", ".join(filter(None, (self.name, self.before)))

    @property
    def yields(self) -> list[figures.Yield]:
        """The yields that are known, by maturity."""
        return [
            figures.Yield(self.name, maturity, self.row[column].value)
            for maturity, column in MATURITIES
            if self.row[column].known
        ]


@dataclass(frozen=True)
class Yields:
    """The curves of several days, the last one first."""

    session: dt.date
    curves: list[Curve]
    drawing: Markup
    too_old: bool

    @property
    def now(self) -> Row:
        """The last curve."""
        return self.curves[0].row

    @property
    def late(self) -> bool:
        """Whether the yields of the session are still to come."""
        return bool(self.now["session_date"].value != self.session) and not self.too_old

    @property
    def lines(self) -> list[tuple[str, list[Cell]]]:
        """The yields of all days by maturity."""
        return [(maturity, [one.row[column] for one in self.curves]) for maturity, column in MATURITIES]

    @property
    def changes(self) -> list[tuple[str, list[Cell]]]:
        """The slope and the changes of all days."""
        named = (
            ("10 less 2 yr, bp", "slope_2s10s_bp"),
            ("2 yr, change on the day, bp", "change_2y_bp"),
            ("10 yr, change on the day, bp", "change_10y_bp"),
        )
        return [(name, [one.row[column] for one in self.curves]) for name, column in named]


@dataclass(frozen=True)
class Slope:
    """The 10-year less the 2-year yield; `weeks` are what is drawn."""

    now: Row
    weeks: figures.Points
    years: list[Row]
    drawing: Markup
    statement: str


def curve(page: Page, section: Section) -> None:
    """Yields now against a month and a year ago, the slope and its inversion."""
    page.reader.require("marts.yield_curve_daily")
    curves = [
        Curve(before, colour, row)
        for before, days_back, colour in CURVES
        for row in page.reader.query("markets/yields", session=page.session, days_back=days_back)
    ]
    if not curves:
        raise Absent(f"marts.yield_curve_daily has no yields up to {page.session}.")
    drawing = figures.maturities(
        [point for one in curves for point in one.yields],
        [maturity for maturity, _ in MATURITIES],
        [(one.name, one.colour) for one in curves],
        unit="%",
    )
    age = page.age(YIELDS)
    too_old = age is not None and age.too_old
    if age is not None and too_old:
        section.history(age)
    view = Yields(page.session, curves, page.draw(drawing, "maturities"), too_old)
    section.lead("lead", view)
    section.block("yields", view)
    _slope(page, section, view.now)


def _slope(page: Page, section: Section, now: Row) -> None:
    reader, session = page.reader, page.session
    weeks = [
        {"d": str(week["session_date"]), "slope": round(week["slope_2s10s_bp"], 3)}
        for week in reader.points("markets/slope_by_week", session=session)
    ]
    if len(weeks) <= 10:
        return
    drawing = figures.lines(
        weeks,
        [("slope", f"{plain_number(weeks[-1]['slope'], 0, signed=True)} bp", figures.BLUE)],
        unit="basis points; below zero: inverted",
        area="slope",
        height=190,
    )
    section.block(
        "slope",
        Slope(
            now,
            weeks,
            reader.query("markets/slope_by_year", session=session),
            page.draw(drawing, "slope"),
            reader.statement("markets/slope_by_week", session=session),
        ),
    )


@dataclass(frozen=True)
class Series:
    """A series over time; `weeks` are what is drawn, `years` begins with the last observation; `ended`:
    whether it is later than its release schedule allows.
    """

    chart: Chart
    ended: bool
    last: Row
    weeks: figures.Points
    years: list[Row]
    drawing: Markup
    statement: str


@dataclass(frozen=True)
class LastValue:
    """The last observation of a series, for the table of all series; `ended` as for a drawn one."""

    title: str
    unit: str
    row: Row
    ended: bool

    @property
    def growing(self) -> bool:
        """Whether it grows with the economy."""
        return self.row["series_id"].value in GROWING

    @property
    def digits(self) -> int:
        """Decimals of its values."""
        return 0 if self.unit in WHOLE_UNITS else 2


@dataclass(frozen=True)
class SeriesName:
    """Title and unit of a series."""

    series_id: str
    title: str
    unit: str


def macro(page: Page, section: Section) -> None:
    """Spreads, claims, VIX and the rest with their percentile; four of them drawn."""
    page.reader.require("marts.macro_daily")
    rows = page.reader.query("markets/series", session=page.session)
    if not rows:
        raise Absent(f"marts.macro_daily has no observation up to {page.session}.")
    by_series = {row["series_id"].value: row for row in rows}
    ended = _ended(page)
    for chart in CHARTS:
        if chart.series in by_series:
            _chart(page, section, chart, by_series[chart.series], ended=chart.series in ended)
        else:
            section.note("no_series", chart)
    names = {one.series_id: one for one in page.reader.records(SeriesName, "markets/series_names")}
    values = []
    for series, row in by_series.items():
        name = names.get(series, SeriesName(series, series, ""))
        values.append(LastValue(name.title, name.unit, row, series in ended))
    section.block("all_series", page.session, values, wide=True)


def _ended(page: Page) -> set[str]:
    """Series whose last observation is too old for the session: later than their own schedule allows, or
    given up.
    """
    if "ops.freshness" not in page.reader.tables:
        return set()
    return {
        row["input"]
        for row in page.reader.points("markets/late_series", session=page.session)
        if row["days_late"] > LATE_DAYS[row["frequency"]]
    }


def _chart(page: Page, section: Section, chart: Chart, last: Row, *, ended: bool) -> None:
    drawn = {"series": chart.series, "session": page.session, "scale": chart.scale}
    weeks = [
        {"d": str(week["observation_date"]), "v": round(week["value"], 4)}
        for week in page.reader.points("markets/series_by_week", **drawn)
    ]
    if len(weeks) < 10:
        return
    section.block(
        "series",
        Series(
            chart,
            ended,
            last,
            weeks,
            page.reader.query("markets/series_by_year", **drawn),
            page.draw(_chart_drawing(chart, weeks), chart.series.lower()),
            page.reader.statement("markets/series_by_week", **drawn),
        ),
    )


def _chart_drawing(chart: Chart, weeks: figures.Points) -> figures.Spec:
    values = [week["v"] for week in weeks]
    steep = chart.steep_ratio is not None and max(values) > chart.steep_ratio * min(values)
    return figures.lines(
        weeks,
        [("v", plain_number(values[-1], chart.digits), figures.BLUE)],
        unit=f"{chart.unit}, logarithmic scale" if steep else chart.unit,
        height=120,
        ticks=LOGARITHMIC_TICKS if steep else None,
    )
