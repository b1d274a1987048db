"""Rotation: spreads by window, the ratio with its drawdown, quadrants, size and style, groups, events,
regimes, what followed extreme spreads.

In: the page. Out: blocks of its section, by the queries of `queries/rotation` and the macros of
`templates/sections/rotation.html`. Caveat: ranks and percentiles refer to the history held of each pair;
a window of which the history does not hold twenty side by side has no percentile.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from brief import figures
from brief.blocks import EVENTS, MAIN_PAIRS, Page, Section, attempt, group_names, since_floor
from brief.cells import Absent, Cell, Row, plain_day, plain_number
from brief.reader import Reader
from expectations.ages import EVENT_DAYS

# What fits into one drawing with its labels.
DRAWN_PAIRS = ["IWM/SPY", "IWM/QQQ", "IWN/IWO", "RSP/SPY", "QQQ/SPY", "XLI/XLU", "KRE/SPY", "HYG/IEF"]
# Where small caps less large caps stand for the rotation as a whole.
ROTATION_PAIR = "IWM/SPY"
WINDOW_NAMES = {1: "1 day", 5: "5 days", 21: "1 month", 63: "3 months", 252: "1 year"}
RANKED_WINDOW = 5
BOXES = (("large", ("IWD", "IWB", "IWF")), ("mid", ("IJJ", "IJH", "IJK")), ("small", ("IWN", "IWM", "IWO")))
# Groups that are shown without unfolding the rest, and the width of their bars: the scale of the score.
FIRST_GROUPS = 6
FULL_SCORE = 6
# A share of false findings that most would still accept.
SMALL_Q = 0.10
OUTER_BUCKETS = {
    "at_most_1": "lowest 1 %",
    "at_most_5": "lowest 5 %",
    "at_least_95": "highest 5 %",
    "at_least_99": "highest 1 %",
}


def rotation(page: Page, section: Section) -> None:
    """Spreads by window, the ratio with its drawdown, quadrants, size and style, groups, events, regimes, and
    what followed extreme spreads.
    """
    for part in (_spreads, _ratio, _quadrants, _size_style, _groups, _events, _regimes, _followed):
        attempt(section, part, page)


@dataclass(frozen=True)
class Spread:
    """The spread of a pair over one window."""

    row: Row | None

    @property
    def tint(self) -> str:
        """The shade of its cell: `high` or `low` beyond the 95th or 5th percentile of the scaled history; of
        raw spreads a third would be shaded in a turbulent year and almost none in a calm one.
        """
        level = self.row["spread_vol_scaled_percentile"].value if self.row else None
        if level is None or 5 < level < 95:
            return ""
        return "high" if level >= 95 else "low"


@dataclass(frozen=True)
class Spreads:
    """The spreads of the main pairs by window, and of all pairs over the window that is ranked; what was as
    extreme after `floor` is no news.
    """

    session: dt.date
    floor: dt.date
    windows: list[str]
    lines: list[tuple[str, list[Spread]]]
    ranked: list[Row]
    others: list[Row]
    extremes: Row | None  # how many of all spreads are extreme or at a record, and how common that is

    @property
    def shaded(self) -> int:
        """Cells of the table that are shaded."""
        return sum(bool(cell.tint) for _, cells in self.lines for cell in cells)

    @property
    def placed(self) -> int:
        """Cells of the table that could be."""
        rows = [cell.row for _, cells in self.lines for cell in cells if cell.row]
        return sum(row["spread_vol_scaled_percentile"].known for row in rows)


def _spreads(page: Page, section: Section) -> None:
    page.reader.require("marts.rotation_pair_daily")
    found = page.reader.query("rotation/spreads", session=page.session, windows=list(WINDOW_NAMES))
    if not any(row["spread_pp"].known for row in found):
        raise Absent(f"marts.rotation_pair_daily has no spread for {page.session}.")
    rows = {(row["pair_id"].value, row["window_sessions"].value): row for row in found}
    held = list(dict.fromkeys(pair for pair, _ in rows))
    pairs = [pair for pair in MAIN_PAIRS if pair in held] or held[: len(MAIN_PAIRS)]
    ranked = {
        pair: row
        for pair in held
        if (row := rows.get((pair, RANKED_WINDOW))) is not None and row["spread_pp"].known
    }
    page.reader.require("marts.rotation_extremes_daily")
    extremes = page.reader.query("headlines/extremes", session=page.session)
    view = Spreads(
        page.session,
        since_floor(page.session),
        list(WINDOW_NAMES.values()),
        [(pair, [Spread(rows.get((pair, window))) for window in WINDOW_NAMES]) for pair in pairs],
        [ranked[pair] for pair in pairs if pair in ranked],
        [row for pair, row in ranked.items() if pair not in pairs],
        extremes[0] if extremes else None,
    )
    section.block("spreads", view)
    section.block("ranks", view)


@dataclass(frozen=True)
class Ratio:
    """The ratio of a pair with its drawdown; `weeks` are what is drawn."""

    pair: str
    weeks: figures.Points
    below_peak: Cell
    peak: Cell
    now: Cell
    last_day: Cell
    years: list[Row]
    drawings: list[Markup]
    statement: str

    @property
    def title(self) -> str:
        """The two symbols in words."""
        return self.pair.replace("/", " over ")

    @property
    def at_peak(self) -> bool:
        """Whether it is at its highest level so far, as far as the digits shown tell."""
        return bool(self.below_peak.value <= 0.05)


def _ratio(page: Page, section: Section) -> None:
    reader = page.reader
    reader.require("marts.rotation_state_daily")
    pair = _first_pair(reader, page.session)
    history = {"pair": pair, "session": page.session}
    weeks = [
        {
            "d": str(week["session_date"]),
            "ratio": round(week["ratio"], 5),
            "drawdown": round(week["drawdown_pct"], 3),
        }
        for week in reader.points("rotation/ratio_by_week", **history)
    ]
    if len(weeks) < 20:
        raise Absent(f"marts.rotation_state_daily: the history of {pair} is too short to draw.")
    section.block(
        "ratio",
        Ratio(
            pair,
            weeks,
            reader.scalar("rotation/ratio_below_peak", **history),
            reader.scalar("rotation/ratio_peak", **history),
            reader.scalar("rotation/ratio_now", **history),
            reader.scalar("rotation/ratio_last_day", **history),
            reader.query("rotation/ratio_by_year", **history),
            _ratio_drawings(page, pair, weeks),
            reader.statement("rotation/ratio_by_week", **history),
        ),
        wide=True,
    )


def _ratio_drawings(page: Page, pair: str, weeks: figures.Points) -> list[Markup]:
    base, quote = pair.split("/")
    last = weeks[-1]
    ratio = figures.lines(
        weeks,
        [("ratio", plain_number(last["ratio"], 3), figures.BLUE)],
        unit=f"price of {base} over price of {quote}",
        height=150,
        width=290,
    )
    drawdown = figures.lines(
        weeks,
        [("drawdown", f"{plain_number(last['drawdown'], 1)} %", figures.ORANGE)],
        unit="below its highest level so far, %",
        height=100,
        width=290,
        area="drawdown",
    )
    return [page.draw_broad(ratio, "ratio"), page.draw_broad(drawdown, "drawdown")]


def _first_pair(reader: Reader, session: dt.date) -> str:
    """The most important pair that is held at the session."""
    held = [point["pair_id"] for point in reader.points("rotation/held_pairs", session=session)]
    for pair in (*MAIN_PAIRS, *held):
        if pair in held:
            return str(pair)
    raise Absent(f"marts.rotation_state_daily has no pair on {session}.")


@dataclass(frozen=True)
class Bar:
    """The end of a bar of a pair: its place around 100."""

    pair_id: str
    bar_date: dt.date
    trend: float
    momentum: float


@dataclass(frozen=True)
class Tails:
    """The pairs in the cycle by one kind of bars, each with its way over eight weeks."""

    day: dt.date
    heads: list[figures.Position]
    drawing: Markup
    statement: str


@dataclass(frozen=True)
class Quadrants:
    """The pairs in the cycle by weekly and by daily bars, and the state of the main pairs."""

    session: dt.date
    weekly: Tails
    daily: Tails | None
    states: list[Row]


def _quadrants(page: Page, section: Section) -> None:
    page.reader.require("marts.rotation_state_daily")
    weekly = _tails(page, "weekly_tails")
    if weekly is None:
        raise Absent("marts.rotation_state_daily: no pair has a weekly state yet.")
    states = page.reader.query("rotation/states", session=page.session, pairs=list(MAIN_PAIRS))
    daily = _tails(page, "daily_tails")
    view = Quadrants(page.session, weekly, daily, states)
    section.block("quadrants", view, wide=True)
    section.block("states", view, wide=True)


TAILS = {"weekly_tails": "rotation/weekly_tails", "daily_tails": "rotation/daily_tails"}


def _tails(page: Page, name: str) -> Tails | None:
    """The drawing of one kind of bars; None where no pair has any."""
    drawn = {"pairs": DRAWN_PAIRS, "session": page.session}
    bars = page.reader.records(Bar, TAILS[name], **drawn)
    if not bars:
        return None
    latest = max(bar.bar_date for bar in bars)
    positions = _positions(bars, latest)
    return Tails(
        latest,
        [position for position in positions if position.last],
        page.draw(figures.quadrants(positions), name.replace("_", "-")),
        page.reader.statement(TAILS[name], **drawn),
    )


def _positions(bars: list[Bar], latest: dt.date) -> list[figures.Position]:
    """What is drawn: the bars of those pairs that have the latest one."""
    tails = [list(tail) for _, tail in groupby(bars, key=lambda bar: bar.pair_id)]
    return [
        figures.Position(
            bar.pair_id,
            round(bar.trend, 4),
            round(bar.momentum, 4),
            order,
            order == len(tail) - 1,
            plain_day(bar.bar_date),
        )
        for tail in tails
        if tail[-1].bar_date == latest
        for order, bar in enumerate(tail)
    ]


@dataclass(frozen=True)
class SizeStyle:
    """The boxes of size and style: for each size its symbols with their ranks."""

    members: Cell
    lines: list[tuple[str, list[tuple[str, Row | None]]]]


def _size_style(page: Page, section: Section) -> None:
    page.reader.require("marts.size_style_rank_daily")
    rows = page.reader.query("rotation/size_style", session=page.session)
    if not any(row["rank"].known for row in rows):
        raise Absent(f"marts.size_style_rank_daily has no ranking for {page.session}.")
    ranked = {row["symbol"].value: row for row in rows if row["rank"].known}
    lines = [(size, [(symbol, ranked.get(symbol)) for symbol in symbols]) for size, symbols in BOXES]
    section.block("size_style", SizeStyle(rows[0]["members"], lines))


@dataclass(frozen=True)
class Group:
    """A group of funds with its score."""

    name: str
    row: Row

    @property
    def bar_pct(self) -> float | None:
        """Length of the bar of its change, in per cent of the longest."""
        change = self.row["score_change_30_days"].value
        return None if change is None else min(100.0, 100 * abs(change) / FULL_SCORE)


@dataclass(frozen=True)
class Groups:
    """The most improved groups, and all others."""

    session: dt.date
    first: list[Group]
    others: list[Group]


def _groups(page: Page, section: Section) -> None:
    page.reader.require("marts.group_score_daily")
    rows = page.reader.query("rotation/groups", session=page.session)
    if not rows:
        raise Absent(f"marts.group_score_daily has no score for {page.session}.")
    names = group_names(page.reader)
    groups = [Group(names.get(row["group_id"].value, row["group_id"].value), row) for row in rows]
    section.block("groups", Groups(page.session, groups[:FIRST_GROUPS], groups[FIRST_GROUPS:]))


def _events(page: Page, section: Section) -> None:
    page.reader.require("marts.event_responses")
    rows = page.reader.query("rotation/last_events", pair=ROTATION_PAIR, session=page.session)
    if not rows:
        raise Absent(f"marts.event_responses: no event with a response of {ROTATION_PAIR} so far.")
    named = [(EVENTS.get(row["event_type"].value, row["event_type"].value), row) for row in rows]
    ended = [one for one in named if _list_ended(one[1], page.session)]
    if len(ended) < len(named):
        section.block("events", [one for one in named if one not in ended])
    for name, row in ended:
        section.note("no_event", name, row, page.session)


def _list_ended(row: Row, session: dt.date) -> bool:
    """Whether more has passed since the last listed event of a kind than ever lies between two of them."""
    longest = EVENT_DAYS.get(row["event_type"].value)
    return longest is not None and (session - row["event_date"].value).days > longest


def _regimes(page: Page, section: Section) -> None:
    page.reader.require("marts.regimes_daily")
    rows = page.reader.query("rotation/regimes", pair=ROTATION_PAIR, session=page.session)
    if not rows:
        raise Absent(f"marts.regimes_daily has no row of {ROTATION_PAIR} for {page.session}.")
    if rows[0]["regime"].known:
        section.block("regimes", rows)
    else:
        section.note("no_regime", rows[0])


@dataclass(frozen=True)
class Followed:
    """What followed outer readings of a pair: rows by horizon and bucket, and the drawing of those that have
    an interval.
    """

    pair: str
    window: str
    lines: list[tuple[str, Row]]
    points: figures.Points
    drawings: list[Markup]
    statement: str

    @property
    def last_day(self) -> Cell:
        """The end of the last forward window."""
        return self.lines[0][1]["last_window_end_date"]

    @property
    def family(self) -> Cell:
        """How many rows of the table have a p."""
        return self.lines[0][1]["family_size"]

    @property
    def beyond_chance(self) -> int:
        """Rows shown whose q is 10 % or less."""
        return sum(row["q_value"].known and row["q_value"].value <= SMALL_Q for _, row in self.lines)


def _followed(page: Page, section: Section) -> None:
    page.reader.require("marts.what_followed")
    asked = {"pair": ROTATION_PAIR, "sessions": RANKED_WINDOW}
    rows = page.reader.query("rotation/followed", **asked)
    if not any(row["n_episodes"].value for row in rows):
        raise Absent(f"marts.what_followed has no episode of {ROTATION_PAIR} over {RANKED_WINDOW} sessions.")
    named = [(_bucket_name(row), row) for row in rows]
    points = [
        {
            "name": name,
            "v": round(row["excess_pp"].value, 4),
            "low": round(row["excess_low_pp"].value, 4),
            "high": round(row["excess_high_pp"].value, 4),
        }
        for name, row in named
        if row["excess_low_pp"].known
    ]
    drawings = (
        [page.draw(figures.intervals(points, unit="points more than usual"), "followed")] if points else []
    )
    view = Followed(
        ROTATION_PAIR,
        WINDOW_NAMES[RANKED_WINDOW],
        named,
        points,
        drawings,
        page.reader.statement("rotation/followed", **asked),
    )
    section.block("followed" if points else "all_followed", view)


def _bucket_name(row: Row) -> str:
    """An outer bucket and a horizon in words."""
    return f"{OUTER_BUCKETS[row['percentile_bucket'].value]}, next {row['horizon_sessions'].value} sessions"
