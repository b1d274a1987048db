"""Rotation: spreads by window, the ratio with its drawdown, quadrants, size and style, groups, events,
regimes.

In: the page. Out: blocks of its section. Caveat: ranks and percentiles speak of the history held of each
pair.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from markupsafe import Markup

from brief import figures
from brief.blocks import EVENTS, MAIN_PAIRS, Figure, Page, Section, Table, attempt, group_names
from brief.cells import (
    MISSING,
    Absent,
    Cell,
    Row,
    day,
    join,
    number,
    ordinal,
    plain_day,
    plain_number,
    text,
)
from brief.reader import Reader

# What fits into one drawing with its labels.
DRAWN_PAIRS = ("IWM/SPY", "IWM/QQQ", "IWN/IWO", "RSP/SPY", "QQQ/SPY", "XLI/XLU", "KRE/SPY", "HYG/IEF")
WINDOWS = (1, 5, 21, 63, 252)
WINDOW_NAMES = {1: "1 day", 5: "5 days", 21: "1 month", 63: "3 months", 252: "1 year"}
BOXES = (("large", ("IWD", "IWB", "IWF")), ("mid", ("IJJ", "IJH", "IJK")), ("small", ("IWN", "IWM", "IWO")))


def rotation(page: Page, section: Section) -> None:
    """Spreads by window, the ratio with its drawdown, quadrants, size and style, groups, events, regimes."""
    for part in (_spreads, _ratio, _quadrants, _size_style, _groups, _events, _regimes):
        attempt(section, part, page)


def _spreads(page: Page, section: Section) -> None:
    reader = page.reader
    reader.require("marts.rotation_pair_daily")
    columns = [
        "spread_pp",
        "spread_percentile",
        "spread_rank",
        "history_sessions",
        "history_start_date",
        "last_exceeded_date",
        "last_undercut_date",
        "is_record_high",
        "is_record_low",
    ]
    found = reader.rows(
        "marts.rotation_pair_daily",
        columns,
        "session_date = ? and window_sessions in (1, 5, 21, 63, 252)",
        [page.session],
        order="pair_id, window_sessions",
    )
    if not any(row["spread_pp"].known for row in found):
        raise Absent(f"marts.rotation_pair_daily has no spread for {page.session}.")
    by_key = {(row["pair_id"].value, row["window_sessions"].value): row for row in found}
    held = list(dict.fromkeys(pair for pair, _ in by_key))
    pairs = [pair for pair in MAIN_PAIRS if pair in held] or held[:11]
    table = Table(
        Markup(
            "Return of the first less that of the second, by window to {}, in percentage points; below it the"
            " percentile in the pair's own history"
        ).format(plain_day(page.session)),
        ["Pair", *(WINDOW_NAMES[window] for window in WINDOWS)],
        [[pair, *(_spread_cell(by_key.get((pair, window))) for window in WINDOWS)] for pair in pairs],
        Markup(
            "Shaded: among the 5 % most extreme of the history, in blue where the first leads, in orange"
            " where it trails. One month is 21 sessions, one year 252; price returns, close to close."
        ),
        kind="matrix",
    )
    section.blocks.append(table)
    ranked = [
        [
            pair,
            number(row["spread_pp"], 2, signed=True),
            (
                Markup('<span class="nw">{} of {}</span>').format(
                    number(row["spread_rank"], 0), number(row["history_sessions"], 0)
                )
                if row["spread_rank"].known
                else MISSING
            ),
            _since(row),
        ]
        for pair in [*pairs, *(pair for pair in held if pair not in pairs)]
        if (row := by_key.get((pair, 5))) is not None and row["spread_pp"].known
    ]
    head = ["Pair", "Spread, pp", "Rank, 1 = widest", "Widest or weakest since"]
    caption = Markup("Five sessions to {}: how rare").format(plain_day(page.session))
    note = Markup(
        "A lead is compared with earlier leads, a deficit with earlier deficits. The rank is within the"
        " history that is held of the pair."
    )
    count = sum(row[0] in pairs for row in ranked)
    more = (
        Table(
            Markup("Five sessions: all other pairs"),
            head,
            ranked[count:],
            folded=f"All other pairs ({len(ranked) - count})",
        )
        if ranked[count:]
        else None
    )
    section.blocks.append(Table(caption, head, ranked[:count], note, more=more))


def _spread_cell(row: Row | None) -> Markup:
    if row is None or not row["spread_pp"].known:
        return MISSING
    percentile = row["spread_percentile"]
    level = percentile.value
    strength = "" if level is None or 5 < level < 95 else "high" if level >= 95 else "low"
    small = Markup("<small>{}</small>").format(ordinal(percentile)) if percentile.known else Markup("")
    return Markup('<span class="tint {}">{}{}</span>').format(
        strength, number(row["spread_pp"], 2, signed=True), small
    )


def _since(row: Row) -> Markup:
    if not row["is_record_high"].known:
        return Markup("history too short")
    ahead = row["spread_pp"].value >= 0
    if row["is_record_high" if ahead else "is_record_low"].value:
        return Markup("{}, from {}").format(
            "record" if ahead else "record low", day(row["history_start_date"])
        )
    return Markup("{} {}").format(
        "widest since" if ahead else "weakest since",
        day(row["last_exceeded_date" if ahead else "last_undercut_date"]),
    )


def _ratio(page: Page, section: Section) -> None:
    reader, session = page.reader, page.session
    reader.require("marts.rotation_state_daily")
    pair = _first_pair(reader, session)
    history = f"marts.rotation_state_daily where pair_id = '{pair}' and session_date <= '{session}'"
    statement = f"""
        with history as (
            select session_date, ratio, 100 * (ratio / max(ratio) over (order by session_date) - 1) as drawdown_pct from {history}
        )
        select session_date, ratio, drawdown_pct from history
        qualify row_number() over (partition by date_trunc('week', session_date) order by session_date desc) = 1
        order by session_date"""
    points = [
        {"d": str(p["session_date"]), "ratio": round(p["ratio"], 5), "drawdown": round(p["drawdown_pct"], 3)}
        for p in reader.old_points(statement)
    ]
    if len(points) < 20:
        raise Absent(f"marts.rotation_state_daily: the history of {pair} is too short to draw.")
    drawdown = reader.old_scalar(
        f"select 100 * (arg_max(ratio, session_date) / max(ratio) - 1) from {history}"
    )
    peak = reader.old_scalar(f"select arg_max(session_date, ratio) from {history}")
    now = reader.old_scalar(f"select arg_max(ratio, session_date) from {history}")
    base, quote = pair.split("/")
    top = figures.lines(
        points,
        [("ratio", plain_number(points[-1]["ratio"], 3), "var(--c1)")],
        unit=f"price of {base} over price of {quote}",
        height=150,
        width=290,
    )
    bottom = figures.lines(
        points,
        [("drawdown", f"{plain_number(points[-1]['drawdown'], 1)} %", "var(--c2)")],
        unit="below its highest level so far, %",
        height=100,
        width=290,
        area="drawdown",
    )
    title = (
        Markup("{} over {}: {} {} below its peak of {}").format(
            base, quote, number(_absolute(drawdown), 1), "%", day(peak)
        )
        if drawdown.value < -0.05
        else Markup("{} over {}: at its highest level so far, {}").format(base, quote, number(now, 4))
    )
    rows = reader.rows(
        "marts.rotation_state_daily",
        ["ratio"],
        "pair_id = ? and session_date in (select max(session_date) from marts.rotation_state_daily where"
        " pair_id = ? and session_date <= ? group by year(session_date))",
        [pair, pair, session],
        order="session_date desc",
    )
    table = Table(
        Markup("Ratio at the last session of each year"),
        ["Session", "Ratio"],
        [[day(row["session_date"]), number(row["ratio"], 4)] for row in rows],
    )
    alt = Markup(
        "Line of the ratio {} by week from {} to {}, now {}; below it the distance from the highest level so"
        " far, now {} per cent."
    ).format(
        pair,
        points[0]["d"],
        points[-1]["d"],
        plain_number(points[-1]["ratio"], 4),
        plain_number(points[-1]["drawdown"], 1),
    )
    section.blocks.append(
        Figure(
            title,
            alt,
            [page.draw(top, "ratio"), page.draw(bottom, "drawdown")],
            "marts.rotation_state_daily, weekly",
            table,
            statement=statement,
        )
    )


def _absolute(cell: Cell) -> Cell:
    return Cell(abs(cell.value), f"select abs(({cell.sql}))", "")


def _first_pair(reader: Reader, session: dt.date) -> str:
    held = {
        row[0]
        for row in reader.connection.execute(
            "select pair_id from marts.rotation_state_daily where session_date = ?", [session]
        ).fetchall()
    }
    for pair in (*MAIN_PAIRS, *sorted(held)):
        if pair in held:
            return str(pair)
    raise Absent(f"marts.rotation_state_daily has no pair on {session}.")


def _quadrants(page: Page, section: Section) -> None:
    reader, session = page.reader, page.session
    reader.require("marts.rotation_state_daily")
    listed = ", ".join(f"'{pair}'" for pair in DRAWN_PAIRS)
    statement = f"""
        select pair_id, weekly_bar_date, weekly_trend, weekly_momentum
        from marts.rotation_state_daily
        where pair_id in ({listed}) and session_date <= '{session}' and weekly_trend is not null and weekly_momentum is not null
        qualify row_number() over (partition by pair_id, weekly_bar_date order by session_date) = 1
            and dense_rank() over (partition by pair_id order by weekly_bar_date desc) <= 2
        order by pair_id, weekly_bar_date"""
    weeks: dict[str, list[dict[str, Any]]] = {}
    for point in reader.old_points(statement):
        weeks.setdefault(point["pair_id"], []).append(point)
    latest = max((tail[-1]["weekly_bar_date"] for tail in weeks.values()), default=None)
    points = [
        figures.Position(
            pair, round(p["weekly_trend"], 4), round(p["weekly_momentum"], 4), i, i == len(tail) - 1
        )
        for pair, tail in weeks.items()
        if tail[-1]["weekly_bar_date"] == latest
        for i, p in enumerate(tail)
    ]
    if not points:
        raise Absent("marts.rotation_state_daily: no pair has a weekly state yet.")
    rows = reader.rows(
        "marts.rotation_state_daily",
        [
            "weekly_bar_date",
            "weekly_trend",
            "weekly_momentum",
            "weekly_quadrant",
            "quadrant",
            "pnf_near_signal",
            "pnf_long_signal",
        ],
        "session_date = ? and pair_id in (select unnest(?))",
        [session, list(MAIN_PAIRS)],
        order="pair_id",
    )
    table = Table(
        Markup("State of the pairs at {}").format(plain_day(session)),
        [
            "Pair",
            "Week ends",
            "Trend",
            "Momentum",
            "Weekly quadrant",
            "Daily quadrant",
            "Signal 3.25 %",
            "Signal 6.5 %",
        ],
        [
            [
                row["pair_id"].value,
                day(row["weekly_bar_date"]),
                number(row["weekly_trend"], 2),
                number(row["weekly_momentum"], 2),
                text(row["weekly_quadrant"]),
                text(row["quadrant"]),
                text(row["pnf_near_signal"]),
                text(row["pnf_long_signal"]),
            ]
            for row in rows
        ],
        Markup("Signals: point-and-figure chart of the ratio with boxes of 3.25 % and 6.5 %."),
    )
    title = Markup("Where the pairs stand in the cycle, week to {}").format(plain_day(latest))  # type: ignore[arg-type]
    words = [f"{point.name} {point.quadrant}" for point in points if point.last]
    alt = Markup(
        "Trend against momentum of each pair's ratio, both around 100, with the way from the week before: {}."
    ).format("; ".join(words))
    section.blocks.append(
        Figure(
            title,
            alt,
            [page.draw(figures.quadrants(points), "quadrants")],
            "marts.rotation_state_daily, weekly bars; an open analogue under our own name",
            table,
            Markup(
                "The dot is the last completed week, the line leads there from the week before. Pairs turn"
                " clockwise, as a rule."
            ),
            statement,
        )
    )


def _size_style(page: Page, section: Section) -> None:
    page.reader.require("marts.size_style_rank_daily")
    rows = page.reader.rows(
        "marts.size_style_rank_daily",
        ["rs_wins", "rank", "momentum_rank", "members"],
        "session_date = ?",
        [page.session],
        order="rank",
    )
    if not any(row["rank"].known for row in rows):
        raise Absent(f"marts.size_style_rank_daily has no ranking for {page.session}.")
    by_symbol = {row["symbol"].value: row for row in rows}
    members = rows[0]["members"]

    def box(symbol: str) -> Markup:
        row = by_symbol.get(symbol)
        if row is None or not row["rank"].known:
            return Markup("{} <small>no price</small>").format(symbol)
        return Markup("<strong>{}</strong> <small>{}, wins {}, momentum {}</small>").format(
            number(row["rank"], 0), symbol, number(row["rs_wins"], 0), number(row["momentum_rank"], 0)
        )

    section.blocks.append(
        Table(
            Markup("Size and style: place among the {} boxes with a price, 1 = strongest").format(
                number(members, 0)
            ),
            ["Size", "Value", "Blend", "Growth"],
            [[size, *(box(symbol) for symbol in symbols)] for size, symbols in BOXES],
            Markup(
                "Place by the number of other boxes against which the relative-strength chart stands on buy"
                " (wins), ties by 12-month momentum without the last month; momentum: place by that alone."
            ),
            kind="boxes",
        )
    )


def _groups(page: Page, section: Section) -> None:
    page.reader.require("marts.group_score_daily")
    rows = page.reader.rows(
        "marts.group_score_daily",
        ["score", "score_change_30_days", "improvement_rank", "members"],
        "session_date = ? and score is not null",
        [page.session],
        order="improvement_rank nulls last, group_id",
    )
    if not rows:
        raise Absent(f"marts.group_score_daily has no score for {page.session}.")
    names = group_names(page.reader)

    def line(row: Row) -> list[Any]:
        change = row["score_change_30_days"]
        return [
            names.get(row["group_id"].value, row["group_id"].value),
            number(row["improvement_rank"], 0),
            join([number(change, 2, signed=True), _bar(change.value, 6)]),
            number(row["score"], 2),
        ]

    head = ["Group", "Rank", "Change, 30 days", "Score, 0 to 6"]
    note = Markup(
        "The score is the mean over a group's funds of six tests of strength; the change is against the last"
        " session 30 calendar days before."
    )
    more = (
        Table(
            Markup("All other groups"),
            head,
            [line(row) for row in rows[6:]],
            folded=f"All other groups ({len(rows) - 6})",
            kind="bars",
        )
        if rows[6:]
        else None
    )
    section.blocks.append(
        Table(
            Markup("Most improved groups to {}").format(plain_day(page.session)),
            head,
            [line(row) for row in rows[:6]],
            note,
            kind="bars",
            more=more,
        )
    )


def _bar(value: float | None, full: float) -> Markup:
    if value is None:
        return Markup("")
    width = min(100.0, 100 * abs(value) / full)
    return Markup('<span class="bar {}" aria-hidden="true"><i style="width:{}%"></i></span>').format(
        "neg" if value < 0 else "pos", f"{width:.0f}"
    )


def _events(page: Page, section: Section) -> None:
    page.reader.require("marts.event_responses")
    rows = page.reader.rows(
        "marts.event_responses",
        ["spread_pp", "abnormal_spread_pp", "spread_rank", "like_events", "change_2y_bp", "session_date"],
        """pair_id = 'IWM/SPY' and window_sessions = 1 and session_date <= ?
           and (event_type, event_date) in (select (event_type, max(event_date)) from marts.event_responses
                where pair_id = 'IWM/SPY' and window_sessions = 1 and session_date <= ? group by event_type)""",
        [page.session, page.session],
        order="event_date desc, event_type",
    )
    if not rows:
        raise Absent("marts.event_responses: no event with a response of IWM/SPY so far.")
    section.blocks.append(
        Table(
            Markup("IWM less SPY on the last event of each kind"),
            ["Event", "Day", "Spread, pp", "Less market, pp", "Rank", "2-year, bp"],
            [
                [
                    EVENTS.get(row["event_type"].value, row["event_type"].value),
                    day(row["session_date"]),
                    number(row["spread_pp"], 2, signed=True),
                    number(row["abnormal_spread_pp"], 2, signed=True),
                    (
                        Markup('<span class="nw">{} of {}</span>').format(
                            number(row["spread_rank"], 0), number(row["like_events"], 0)
                        )
                        if row["spread_rank"].known
                        else MISSING
                    ),
                    number(row["change_2y_bp"], 0, signed=True),
                ]
                for row in rows
            ],
            Markup(
                "Less market: without what the market's own move explains. Rank among events of the kind to"
                " date, 1 = largest."
            ),
        )
    )


def _regimes(page: Page, section: Section) -> None:
    page.reader.require("marts.regimes_daily")
    rows = page.reader.rows(
        "marts.regimes_daily",
        ["growth", "policy", "regime", "mean_forward_spread_pp", "hit = 100 * hit_rate", "observations"],
        "session_date = ? and pair_id = 'IWM/SPY'",
        [page.session],
        order="horizon_sessions",
    )
    if not rows:
        raise Absent(f"marts.regimes_daily has no row of IWM/SPY for {page.session}.")
    first = rows[0]
    if not first["regime"].known:
        section.notes.append(
            Markup(
                "Regime: growth {}, policy {}; without both there is no regime and no history to compare"
                " with."
            ).format(
                text(first["growth"]) if first["growth"].known else "not known",
                (
                    text(first["policy"])
                    if first["policy"].known
                    else "not known (a price twelve months ahead is missing)"
                ),
            )
        )
        return
    section.blocks.append(
        Table(
            Markup("What IWM less SPY did next in the present regime: growth {}, policy {}").format(
                text(first["growth"]), text(first["policy"])
            ),
            ["Horizon, sessions", "Mean spread, pp", "Ended above zero, %", "Earlier sessions"],
            [
                [
                    number(row["horizon_sessions"], 0),
                    number(row["mean_forward_spread_pp"], 2, signed=True),
                    number(row["hit"], 0),
                    number(row["observations"], 0),
                ]
                for row in rows
            ],
            Markup(
                "Windows overlap, so the number of independent cases is far smaller than the number of"
                " sessions. History, not a forecast."
            ),
        )
    )
