"""The Fed: probabilities by meeting, the path against a week and a month ago, what moved it, surprises,
calibration.

In: the page. Out: blocks of its section, of the latest settlement day up to the session. Caveat: an event
beside a change is no proof of a cause.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from markupsafe import Markup

from brief import figures
from brief.blocks import EVENTS, Figure, Page, Section, Table, attempt
from brief.cells import (
    MISSING,
    Absent,
    Cell,
    Row,
    day,
    join,
    number,
    plain_day,
    plain_number,
    text,
)
from brief.reader import Reader

REASONS = {
    "price_missing": "no settlement for a contract that is needed",
    "forward_amplification_above_4": (
        "the error of the price would be more than four times as large in the result"
    ),
}


def fed(page: Page, section: Section) -> None:
    """Probabilities by meeting, the path against a week and a month ago, what moved it, how good the
    probabilities were.
    """
    page.reader.require("marts.fomc_meetings_daily")
    latest = page.reader.old_scalar(
        f"select max(as_of_date) from marts.fomc_meetings_daily where as_of_date <= '{page.session}'"
    )
    if not latest.known:
        raise Absent(f"marts.fomc_meetings_daily has no settlement day up to {page.session}.")
    as_of: dt.date = latest.value
    if as_of < page.session:
        section.notes.append(
            Markup("No futures settled on {}; the figures are those of {}.").format(
                plain_day(page.session), day(latest)
            )
        )
    for part in (_probabilities, _path, _repricing, _surprises, _calibration):
        attempt(section, lambda page, section, part=part: part(page, section, as_of), page)  # type: ignore[misc]


def _probabilities(page: Page, section: Section, as_of: dt.date) -> None:
    reader = page.reader
    meetings = reader.rows(
        "marts.fomc_meetings_daily",
        [
            "cut = 100 * cut_prob",
            "hold = 100 * hold_prob",
            "hike = 100 * hike_prob",
            "own_cut = 100 * meeting_cut_prob",
            "own_hold = 100 * meeting_hold_prob",
            "own_hike = 100 * meeting_hike_prob",
            "expected_rate_pct",
            "implied_change_bp",
            "reason",
        ],
        "as_of_date = ?",
        [as_of],
        order="meeting_date",
    )
    solved = [row for row in meetings if row["cut"].known]
    unsolved = [row for row in meetings if not row["cut"].known]
    if "marts.fomc_probabilities" not in reader.tables:
        section.notes.append(Markup("marts.fomc_probabilities is not in this publication."))
    elif solved:
        statement = f"""
            select meeting_date, target_lower_pct, target_upper_pct, moves, prob
            from marts.fomc_probabilities where as_of_date = '{as_of}' order by meeting_date, target_lower_pct"""
        bottom: dict[Any, float] = {}
        points = []
        shown_meetings = {row["meeting_date"].value for row in solved[:9]}
        for p in reader.old_points(statement):
            if p["meeting_date"] not in shown_meetings or p["prob"] < 0.0005:
                continue
            start = bottom.get(p["meeting_date"], 0.0)
            bottom[p["meeting_date"]] = start + 100 * p["prob"]
            points.append(
                {
                    "meeting": plain_day(p["meeting_date"], year=p["meeting_date"].year != as_of.year),
                    "from": round(start, 3),
                    "to": round(start + 100 * p["prob"], 3),
                    "moves": p["moves"],
                    "range": f"{p['target_lower_pct']:.2f}–{p['target_upper_pct']:.2f}",
                    "share": f"{100 * p['prob']:.0f} %",
                }
            )
        outcomes = reader.rows(
            "marts.fomc_probabilities",
            ["target_upper_pct", "share = 100 * prob"],
            "as_of_date = ? and prob >= 0.0005",
            [as_of],
            order="meeting_date, target_lower_pct",
        )
        table = Table(
            Markup("Probability of each target range by meeting, futures of {}").format(plain_day(as_of)),
            ["Meeting", "Target range, %", "Probability, %"],
            [
                [
                    day(row["meeting_date"]),
                    Markup("{}–{}").format(
                        number(row["target_lower_pct"], 2), number(row["target_upper_pct"], 2)
                    ),
                    number(row["share"], 1),
                ]
                for row in outcomes
            ],
        )
        first = solved[0]
        title = Markup(
            "By the meeting of {}: {} for a lower rate than today, {} for the same, {} for a higher one"
        ).format(
            day(first["meeting_date"]),
            number(first["cut"], 0, unit="%"),
            number(first["hold"], 0, unit="%"),
            number(first["hike"], 0, unit="%"),
        )
        parts = [
            f"{row['meeting_date'].value}: lower {row['cut'].value:.0f}, same {row['hold'].value:.0f}, higher"
            f" {row['hike'].value:.0f} per cent"
            for row in solved
        ]
        alt = Markup("One bar per meeting, cut into the probabilities of the target ranges. {}.").format(
            "; ".join(parts)
        )
        legend = Markup(
            '<span class="nw"><span class="key cut3"></span> below today’s range</span> <span'
            ' class="nw"><span class="key hold"></span> today’s range</span> <span class="nw"><span'
            ' class="key hike3"></span> above it.</span> Ranges in per cent; shares below 9 % are in the'
            " table."
        )
        section.blocks.append(
            Figure(
                title,
                alt,
                [page.draw(figures.probability_stack(points), "stack")],
                f"marts.fomc_probabilities, settlements of {as_of}; method of CME FedWatch, computed here",
                table,
                legend,
                statement,
            )
        )
    if solved:
        section.blocks.append(
            Table(
                Markup("Meeting by meeting, futures of {}").format(plain_day(as_of)),
                ["Meeting", "Lower, %", "Same, %", "Higher, %", "That meeting alone, bp", "Rate after, %"],
                [
                    [
                        day(row["meeting_date"]),
                        number(row["cut"], 1),
                        number(row["hold"], 1),
                        number(row["hike"], 1),
                        number(row["implied_change_bp"], 1, signed=True),
                        number(row["expected_rate_pct"], 2),
                    ]
                    for row in solved
                ],
                Markup(
                    "Lower, same, higher: than the range in force on {}, all meetings up to that one"
                    " together."
                ).format(plain_day(as_of)),
            )
        )
    if unsolved:
        why: dict[str, list[Row]] = {}
        for row in unsolved:
            why.setdefault(str(row["reason"].value), []).append(row)
        for reason, rows in why.items():
            section.notes.append(
                Markup("Not priced: {} ({}).").format(
                    join(
                        [day(row["meeting_date"]) for row in rows[:3]]
                        + ([Markup("and later ones")] if len(rows) > 3 else []),
                        ", ",
                    ),
                    REASONS.get(reason, reason.replace("_", " ")),
                )
            )
    if not solved:
        raise Absent(f"marts.fomc_meetings_daily: no meeting could be priced on {as_of}.")


def _path(page: Page, section: Section, as_of: dt.date) -> None:
    reader = page.reader
    days = {}
    for name, back in (("now", 0), ("a week ago", 7), ("a month ago", 30)):
        cell = reader.old_scalar(
            "select max(as_of_date) from marts.fomc_meetings_daily where expected_rate_pct is not null and"
            f" as_of_date between date '{as_of}' - {back + 10} and date '{as_of}' - {back}"
        )
        if cell.known:
            days[name] = cell
    if "now" not in days:
        raise Absent(f"marts.fomc_meetings_daily: no path could be solved near {as_of}.")
    listed = ", ".join(f"'{cell.value}'" for cell in days.values())
    statement = f"""
        select as_of_date, meeting_date, expected_rate_pct from marts.fomc_meetings_daily
        where as_of_date in ({listed}) and expected_rate_pct is not null order by 1, 2"""
    rates: dict[tuple[Any, Any], float] = {
        (p["as_of_date"], p["meeting_date"]): p["expected_rate_pct"] for p in reader.old_points(statement)
    }
    meetings = sorted({meeting for _, meeting in rates})
    fields = {
        "now": ("rate_now", "var(--c1)"),
        "a week ago": ("rate_week", "var(--c2)"),
        "a month ago": ("rate_month", "var(--c3)"),
    }
    points: list[dict[str, Any]] = [{"d": str(meeting)} for meeting in meetings]
    for name, cell in days.items():
        for point, meeting in zip(points, meetings, strict=True):
            rate = rates.get((cell.value, meeting))
            if rate is not None:
                point[fields[name][0]] = round(rate, 5)
    _extend(reader, points, days, {name: field for name, (field, _) in fields.items()})
    final = {
        name: next((p[fields[name][0]] for p in reversed(points) if fields[name][0] in p), None)
        for name in days
    }
    reached: dict[str, float] = {name: rate for name, rate in final.items() if rate is not None}
    if len(points) > 1:
        series = [
            (fields[name][0], f"{name}, {plain_number(rate, 2)}", fields[name][1])
            for name, rate in reached.items()
        ]
        spec = figures.lines(
            points,
            series,
            unit="expected effective rate after each meeting, %",
            height=190,
            step=True,
            digits=".2f",
        )
        rows = {
            name: {
                row["meeting_date"].value: row
                for row in reader.rows(
                    "marts.fomc_meetings_daily",
                    ["expected_rate_pct"],
                    "as_of_date = ?",
                    [cell.value],
                    order="meeting_date",
                )
            }
            for name, cell in days.items()
        }
        table = Table(
            Markup("Expected rate after each meeting, %"),
            ["Meeting", *(f"{name} ({plain_day(cell.value)})" for name, cell in days.items())],
            [
                [
                    Markup("{}").format(plain_day(meeting)),
                    *(
                        (
                            number(rows[name][meeting]["expected_rate_pct"], 3)
                            if meeting in rows[name]
                            else MISSING
                        )
                        for name in days
                    ),
                ]
                for meeting in meetings
            ],
        )
        title = Markup("The path now against a week and a month ago")
        alt = Markup("Step lines of the rate expected after each meeting from {} to {}: {}.").format(
            meetings[0],
            meetings[-1],
            "; ".join(
                f"{name} {plain_number(value, 2)} per cent at the last solved meeting"
                for name, value in reached.items()
            ),
        )
        section.blocks.append(
            Figure(
                title,
                alt,
                [page.draw(spec, "path")],
                "marts.fomc_meetings_daily, settlements of"
                f" {', '.join(plain_day(cell.value) for cell in days.values())}",
                table,
                Markup("The number beside each line is the rate after its last solved meeting."),
                statement,
            )
        )
    if "marts.policy_path_daily" not in reader.tables:
        section.notes.append(Markup("marts.policy_path_daily is not in this publication."))
    else:
        columns = [
            "target_lower_pct",
            "target_upper_pct",
            "effr_pct",
            "year_end_rate_pct",
            "bp_priced_year_end",
            "rate_12m_pct",
            "bp_priced_12m",
            "terminal_rate_pct",
            "terminal_meeting_date",
            "curve_residual_bp",
        ]
        found = {
            row["as_of_date"].value: row
            for row in reader.rows(
                "marts.policy_path_daily", columns, f"as_of_date in ({listed})", order="as_of_date"
            )
        }
        kept = {name: found[cell.value] for name, cell in days.items() if cell.value in found}
        if kept:
            wanted: list[tuple[str, str, int, bool]] = [
                ("Effective rate, last published, %", "effr_pct", 2, False),
                ("Expected at the year's end, %", "year_end_rate_pct", 2, False),
                ("Priced by the year's end, bp", "bp_priced_year_end", 0, True),
                ("Expected in twelve months, %", "rate_12m_pct", 2, False),
                ("Priced in twelve months, bp", "bp_priced_12m", 0, True),
                ("Extreme of the path, %", "terminal_rate_pct", 2, False),
                ("Largest misfit of a contract, bp", "curve_residual_bp", 1, False),
            ]
            lines_: list[list[Any]] = [
                [
                    "Target range, %",
                    *(
                        Markup("{}–{}").format(
                            number(row["target_lower_pct"], 2), number(row["target_upper_pct"], 2)
                        )
                        for row in kept.values()
                    ),
                ]
            ]
            lines_ += [
                [label, *(number(row[column], digits, signed=signed) for row in kept.values())]
                for label, column, digits, signed in wanted
            ]
            lines_.append(
                [
                    "Extreme reached in",
                    *(day(row["terminal_meeting_date"], month=True) for row in kept.values()),
                ]
            )
            section.blocks.append(
                Table(
                    Markup("What is priced"),
                    [
                        "",
                        *(
                            f"{name}, {plain_day(row['as_of_date'].value, year=False)}"
                            for name, row in kept.items()
                        ),
                    ],
                    lines_,
                )
            )


def _extend(
    reader: Reader, points: list[dict[str, Any]], days: dict[str, Cell], fields: dict[str, str]
) -> None:
    """Begin each line with the rate before the next meeting, and let the last level run on for a month."""
    if not points:
        return
    ends = []
    for field_ in fields.values():
        known = [point for point in points if field_ in point]
        if known:
            ends.append(
                {
                    "d": str(dt.date.fromisoformat(known[-1]["d"]) + dt.timedelta(days=30)),
                    field_: known[-1][field_],
                }
            )
    points += ends
    if "marts.policy_path_daily" in reader.tables:
        starts = [
            {"d": str(cell.value), fields[name]: row[0]}
            for name, cell in days.items()
            if (
                row := reader.connection.execute(
                    "select rate_before_next_meeting_pct from marts.policy_path_daily where as_of_date = ?",
                    [cell.value],
                ).fetchone()
            )
            and row[0] is not None
        ]
        points += starts
    points.sort(key=lambda point: str(point["d"]))


def _repricing(page: Page, section: Section, as_of: dt.date) -> None:
    reader = page.reader
    reader.require("marts.policy_repricing")
    recent = f"as_of_date <= '{as_of}' and as_of_date > date '{as_of}' - 45"
    horizon = next(
        (
            name
            for name in ("year_end", "12m")
            if reader.connection.execute(
                f"select count(change_bp) from marts.policy_repricing where horizon = '{name}' and {recent}"
            ).fetchone()
            != (0,)
        ),
        None,
    )
    if horizon is None:
        raise Absent(f"marts.policy_repricing: no change could be computed in the 45 days to {as_of}.")
    rows = reader.rows(
        "marts.policy_repricing",
        ["change_bp", "event_types"],
        f"horizon = '{horizon}' and {recent}",
        order="as_of_date",
    )
    words = {None: ""}
    points = [
        {
            "d": str(row["as_of_date"].value),
            "v": None if row["change_bp"].value is None else round(row["change_bp"].value, 3),
            "event": words.get(
                row["event_types"].value,
                "+".join(EVENTS.get(kind, kind) for kind in str(row["event_types"].value).split("+")),
            ),
        }
        for row in rows
    ]
    largest = sorted(
        (row for row in rows if row["change_bp"].known), key=lambda row: -abs(row["change_bp"].value)
    )[:5]
    top = largest[0]
    name = "the year’s end" if horizon == "year_end" else "twelve months ahead"
    event = (
        Markup(" ({})").format(
            text(
                top["event_types"],
                " and ".join(EVENTS.get(kind, kind) for kind in top["event_types"].value.split("+")),
            )
        )
        if top["event_types"].known
        else ""
    )
    title = Markup("What moved it: {} bp on {}{} was the largest change in the rate for {}").format(
        number(top["change_bp"], 1, signed=True), day(top["as_of_date"]), event, name
    )
    alt = Markup(
        "Bars of the daily change of the rate expected for {} in the 45 days to {}. Largest: {}."
    ).format(
        name,
        as_of,
        "; ".join(
            f"{row['as_of_date'].value} {plain_number(row['change_bp'].value, 1, signed=True)} bp"
            for row in largest
        ),
    )
    table = Table(
        Markup("Daily change of the rate expected for {}, newest first").format(name),
        ["Day", "Change, bp", "Events since the day before"],
        [
            [
                day(row["as_of_date"]),
                number(row["change_bp"], 1, signed=True),
                text(row["event_types"]) if row["event_types"].known else Markup("none listed"),
            ]
            for row in reversed(rows)
        ],
    )
    missing = sum(not row["change_bp"].known for row in rows)
    legend = Markup(
        "Same contracts on both days. An event stands at the settlement day after which it was known; a"
        " coincidence is no proof of a cause."
    ) + (Markup(" Not computable on {} of {} days.").format(missing, len(rows)) if missing else Markup(""))
    section.blocks.append(
        Figure(
            title,
            alt,
            [page.draw(figures.bars(points, unit=f"change for {name}, bp", labels="event"), "repricing")],
            "marts.policy_repricing",
            table,
            legend,
            f"select * from marts.policy_repricing where horizon = '{horizon}' and {recent} order by"
            " as_of_date",
        )
    )


def _surprises(page: Page, section: Section, as_of: dt.date) -> None:
    page.reader.require("marts.policy_surprises")
    rows = page.reader.query("fed/surprises", as_of=as_of)
    if not rows:
        raise Absent("marts.policy_surprises has no decision yet.")
    section.block("surprises", rows)


def _calibration(page: Page, section: Section, as_of: dt.date) -> None:
    page.reader.require("marts.fomc_calibration")
    rows = page.reader.rows(
        "marts.fomc_calibration",
        ["mean_brier_score", "mean_brier_score_no_change", "scored_meetings"],
        """(horizon_days, meeting_date) in (select (horizon_days, max(meeting_date)) from marts.fomc_calibration
           where meeting_date <= ? and mean_brier_score is not null group by horizon_days)""",
        [as_of],
        order="horizon_days",
    )
    if not rows:
        raise Absent("marts.fomc_calibration has no scored meeting yet.")
    section.blocks.append(
        Table(
            Markup("How good such probabilities were: Brier score, 0 = perfect, 2 = worst"),
            ["Days before the meeting", "Futures", "“No change”", "Meetings"],
            [
                [
                    number(row["horizon_days"], 0),
                    number(row["mean_brier_score"], 3),
                    number(row["mean_brier_score_no_change"], 3),
                    number(row["scored_meetings"], 0),
                ]
                for row in rows
            ],
        )
    )
