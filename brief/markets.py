"""The curve, macro and credit.

In: the page. Out: blocks of two sections. Caveat: yields, spreads and the VIX of a day arrive a day later;
each block says of which day it speaks.
"""

from __future__ import annotations

from markupsafe import Markup

from brief import figures
from brief.blocks import Figure, Page, Section, Table
from brief.cells import (
    Absent,
    Row,
    day,
    join,
    number,
    ordinal,
    plain_day,
    plain_number,
    text,
)

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
MATURITIES = (
    ("3 mo", "y3m_pct"),
    ("1 yr", "y1_pct"),
    ("2 yr", "y2_pct"),
    ("5 yr", "y5_pct"),
    ("10 yr", "y10_pct"),
    ("30 yr", "y30_pct"),
)


CHARTS = (
    ("BAA10Y", "Baa corporate yield over the 10-year", "pp", 2),
    ("BAMLH0A0HYM2", "High-yield spread", "pp", 2),
    ("VIXCLS", "VIX", "index points", 1),
    ("ICSA", "Initial jobless claims", "thousand a week", 0),
)


def curve(page: Page, section: Section) -> None:
    """Yields now against a month and a year ago, the slope and its inversion."""
    reader, session = page.reader, page.session
    reader.require("marts.yield_curve_daily")
    columns = [
        *(column for _, column in MATURITIES),
        "slope_2s10s_bp",
        "change_2y_bp",
        "change_10y_bp",
        "inverted",
        "inversion_start_date",
    ]
    found: dict[str, Row] = {}
    for name, back in (("now", 0), ("a month ago", 30), ("a year ago", 365)):
        rows = reader.rows(
            "marts.yield_curve_daily",
            columns,
            "session_date <= (select max(session_date) from marts.yield_curve_daily where session_date <= ?)"
            f" - {back}",
            [session],
            order="session_date desc",
            limit=1,
        )
        if rows:
            found[name] = rows[0]
    if not found:
        raise Absent(f"marts.yield_curve_daily has no yields up to {session}.")
    now = found["now"]
    state = (
        Markup("inverted since {}").format(day(now["inversion_start_date"]))
        if now["inverted"].value
        else Markup("not inverted")
    )
    late = (
        Markup("")
        if now["session_date"].value == session
        else Markup(" Yields of {} arrive a day later.").format(plain_day(session))
    )
    section.leads.append(
        Markup(
            "On {} the 2-year yielded {}&#8239;% and the 10-year {}&#8239;%; the slope between them was {}"
            " bp, {}.{}"
        ).format(
            day(now["session_date"]),
            number(now["y2_pct"], 2),
            number(now["y10_pct"], 2),
            number(now["slope_2s10s_bp"], 0, signed=True),
            state,
            late,
        )
    )
    colours = {"now": "var(--c1)", "a month ago": "var(--c2)", "a year ago": "var(--c3)"}
    points = [
        figures.Yield(name, label, row[column].value)
        for name, row in found.items()
        for label, column in MATURITIES
        if row[column].known
    ]
    table = Table(
        Markup("Treasury yields, %"),
        ["", *(f"{name} ({plain_day(row['session_date'].value)})" for name, row in found.items())],
        [[label, *(number(row[column], 2) for row in found.values())] for label, column in MATURITIES]
        + [
            ["10 less 2 yr, bp", *(number(row["slope_2s10s_bp"], 0, signed=True) for row in found.values())],
            [
                "2 yr, change on the day, bp",
                *(number(row["change_2y_bp"], 0, signed=True) for row in found.values()),
            ],
            [
                "10 yr, change on the day, bp",
                *(number(row["change_10y_bp"], 0, signed=True) for row in found.values()),
            ],
        ],
    )
    alt = Markup("Yield by maturity. {}.").format(
        "; ".join(
            f"{name}: " + ", ".join(f"{p.maturity} {p.v:.2f} per cent" for p in points if p.name == name)
            for name in found
        )
    )
    section.blocks.append(
        Figure(
            Markup("Treasury yields by maturity, {}").format(day(now["session_date"])),
            alt,
            [
                page.draw(
                    figures.maturities(
                        points,
                        [label for label, _ in MATURITIES],
                        [(name, colours[name]) for name in found],
                        unit="%",
                    ),
                    "maturities",
                )
            ],
            "marts.yield_curve_daily (H.15 by way of FRED)",
            table,
            Markup("Maturities are evenly spaced, not to scale."),
        )
    )
    statement = f"""
        select session_date, slope_2s10s_bp from marts.yield_curve_daily where session_date <= '{session}'
        qualify row_number() over (partition by date_trunc('week', session_date) order by session_date desc) = 1 order by session_date"""
    slope = [
        {"d": str(p["session_date"]), "slope": round(p["slope_2s10s_bp"], 3)}
        for p in reader.old_points(statement)
    ]
    if len(slope) > 10:
        yearly = reader.rows(
            "marts.yield_curve_daily",
            ["slope_2s10s_bp"],
            "session_date in (select max(session_date) from marts.yield_curve_daily where session_date <= ?"
            " group by year(session_date))",
            [session],
            order="session_date desc",
        )
        alt = Markup(
            "Line of the 10-year less the 2-year yield by week from {} to {}, now {} basis points; below zero"
            " the curve is inverted."
        ).format(slope[0]["d"], slope[-1]["d"], plain_number(slope[-1]["slope"], 0, signed=True))
        section.blocks.append(
            Figure(
                Markup("10-year less 2-year yield: {} bp, {}").format(
                    number(now["slope_2s10s_bp"], 0, signed=True), state
                ),
                alt,
                [
                    page.draw(
                        figures.lines(
                            slope,
                            [
                                (
                                    "slope",
                                    f"{plain_number(slope[-1]['slope'], 0, signed=True)} bp",
                                    "var(--c1)",
                                )
                            ],
                            unit="basis points; below zero: inverted",
                            area="slope",
                            height=190,
                        ),
                        "slope",
                    )
                ],
                "marts.yield_curve_daily, weekly",
                Table(
                    Markup("Slope at the last session of each year, bp"),
                    ["Session", "Slope"],
                    [
                        [day(row["session_date"]), number(row["slope_2s10s_bp"], 0, signed=True)]
                        for row in yearly
                    ],
                ),
                statement=statement,
            )
        )


def macro(page: Page, section: Section) -> None:
    """Spreads, claims, VIX and the rest with their percentile; four of them drawn."""
    reader, session = page.reader, page.session
    reader.require("marts.macro_daily")
    rows = reader.rows(
        "marts.macro_daily",
        [
            "value",
            "change_1m",
            "change_1y",
            "growth_1y_pct = 100 * change_1y / nullif(value - change_1y, 0)",
            "percentile",
            "observations",
            "since = year(history_start_date)",
        ],
        "(series_id, observation_date) in (select (series_id, max(observation_date)) from marts.macro_daily"
        " where observation_date <= ? group by series_id)",
        [session],
        order="series_id",
    )
    if not rows:
        raise Absent(f"marts.macro_daily has no observation up to {session}.")
    facts = {
        key: (title, unit)
        for key, title, unit in reader.connection.execute(
            "select series_id, title, units from ref.fred_series"
        ).fetchall()
    }
    section_rows = {row["series_id"].value: row for row in rows}
    for series, title, unit, digits in CHARTS:
        row = section_rows.get(series)
        if row is None:
            section.notes.append(Markup("{}: marts.macro_daily has no row of {}.").format(title, series))
            continue
        scale = 1000 if series == "ICSA" else 1
        statement = f"""
            select observation_date, value / {scale} as value from marts.macro_daily where series_id = '{series}' and observation_date <= '{session}'
            qualify row_number() over (partition by date_trunc('week', observation_date) order by observation_date desc) = 1 order by observation_date"""
        points = [
            {"d": str(p["observation_date"]), "v": round(p["value"], 4)} for p in reader.old_points(statement)
        ]
        if len(points) < 10:
            continue
        yearly = reader.rows(
            "marts.macro_daily",
            [f"shown = value / {scale}", "percentile"],
            f"series_id = '{series}' and observation_date in (select max(observation_date) from"
            f" marts.macro_daily where series_id = '{series}' and observation_date <= ? group by"
            " year(observation_date))",
            [session],
            order="observation_date desc",
        )
        now = yearly[0]
        # The spring of 2020 would press all other years into one flat line.
        steep = series == "ICSA" and max(p["v"] for p in points) > 6 * min(p["v"] for p in points)
        sentence = Markup("{}: {} on {}, the {} percentile since {}").format(
            title,
            number(now["shown"], digits, unit=unit if unit == "pp" else "thousand" if scale > 1 else ""),
            day(row["observation_date"]),
            ordinal(row["percentile"]),
            text(row["since"]),
        )
        alt = Markup("Line of {} by week from {} to {}, now {}.").format(
            title, points[0]["d"], points[-1]["d"], plain_number(points[-1]["v"], digits)
        )
        section.blocks.append(
            Figure(
                sentence,
                alt,
                [
                    page.draw(
                        figures.lines(
                            points,
                            [("v", plain_number(points[-1]["v"], digits), "var(--c1)")],
                            unit=f"{unit}, logarithmic scale" if steep else unit,
                            height=120,
                            ticks=[100, 200, 500, 1000, 2000, 5000, 10000] if steep else None,
                        ),
                        series.lower(),
                    )
                ],
                f"marts.macro_daily, {series}, weekly",
                Table(
                    Markup("{} at the end of each year, and the percentile at the time").format(title),
                    ["Day", f"Value, {unit}", "Percentile"],
                    [
                        [day(r["observation_date"]), number(r["shown"], digits), ordinal(r["percentile"])]
                        for r in yearly
                    ],
                ),
                statement=statement,
            )
        )
    lines_ = []
    for row in rows:
        title, unit = facts.get(row["series_id"].value, (row["series_id"].value, ""))
        growing = row["series_id"].value in GROWING
        digits = 0 if unit in ("persons", "thousands of persons", "bn USD") else 2
        change = (
            Markup("{}&#8239;%").format(number(row["growth_1y_pct"], 1, signed=True))
            if growing and row["growth_1y_pct"].known
            else number(row["change_1y"], digits, signed=True)
        )
        place = (
            Markup('<span class="muted">grows</span>')
            if growing
            else join([ordinal(row["percentile"]), _gauge(row["percentile"].value)])
        )
        lines_.append(
            [
                Markup("{} <small>{}, {}</small>").format(title, row["series_id"].value, unit),
                number(row["value"], digits),
                place,
                change,
                number(row["change_1m"], digits, signed=True),
                day(row["observation_date"]),
            ]
        )
    section.blocks.append(
        Table(
            Markup("All series at their last observation available by {}").format(plain_day(session)),
            ["Series", "Value", "Percentile", "1 year", "1 month", "As of"],
            lines_,
            Markup(
                "Changes in the units of the series; for levels that grow (“grows”) the change over a year in"
                " per cent, and no percentile. Percentile: share of the history held that lies at or below."
            ),
            kind="macro",
        )
    )


def _gauge(value: float | None) -> Markup:
    if value is None:
        return Markup("")
    return Markup('<span class="gauge" aria-hidden="true"><i style="left:{}%"></i></span>').format(
        f"{value:.0f}"
    )
