"""The headline: the most unusual of a few facts of the day, each with its history.

In: the page. Out: one sentence as markup, and the plain sentences of `make run`. Unusual is the share of
the earlier days that were at least as extreme. Caveat: facts of different kinds are compared by that share
alone; it says nothing of their importance.
"""

from __future__ import annotations

from collections.abc import Callable

from markupsafe import Markup

from brief.blocks import Page
from brief.cells import (
    Absent,
    day,
    number,
    plain_day,
)
from brief.headlines import headlines

# A fact that more than this share of the days before could match is none for a headline.
ORDINARY = 0.02
NAMES = {"IWM": "small caps", "SPY": "large caps", "QQQ": "the Nasdaq 100", "KRE": "regional banks"}


def headline(page: Page) -> Markup:
    """The most unusual of a few facts of the day, by the share of its history that was at least as extreme."""
    found = [fact for maker in (_spread_facts, _fed_fact, _fear_fact) for fact in _safely(maker, page)]
    if not found:
        return Markup("No headline for {}: the marts it is taken from are missing or too short.").format(
            plain_day(page.session)
        )
    share, sentence = min(found, key=lambda fact: fact[0])
    if share > ORDINARY:
        return Markup("Nothing out of the ordinary: {}").format(_ordinary(page) or sentence)
    return sentence


def _ordinary(page: Page) -> Markup | None:
    """Small against large caps over five sessions, with the rank."""
    if "marts.rotation_pair_daily" not in page.reader.tables:
        return None
    rows = page.reader.rows(
        "marts.rotation_pair_daily",
        ["spread_pp", "distance = abs(spread_pp)", "spread_rank", "history_sessions"],
        "session_date = ? and window_sessions = 5 and pair_id = 'IWM/SPY' and spread_rank is not null",
        [page.session],
    )
    if not rows:
        return None
    row = rows[0]
    return Markup("small caps (IWM) {} large caps (SPY) by {} points in five sessions, rank {} of {}").format(
        "beat" if row["spread_pp"].value >= 0 else "trailed",
        number(row["distance"], 2),
        number(row["spread_rank"], 0),
        number(row["history_sessions"], 0),
    )


def _safely(maker: Callable[[Page], list[tuple[float, Markup]]], page: Page) -> list[tuple[float, Markup]]:
    try:
        return maker(page)
    except Absent:
        return []


def _spread_facts(page: Page) -> list[tuple[float, Markup]]:
    page.reader.require("marts.rotation_pair_daily")
    rows = page.reader.rows(
        "marts.rotation_pair_daily",
        [
            "spread_pp",
            "distance = abs(spread_pp)",
            "history_sessions",
            "history_start_date",
            "place = least(spread_rank, history_sessions - spread_rank + 1)",
            "last_exceeded_date",
            "last_undercut_date",
            "is_record_high",
            "is_record_low",
        ],
        "session_date = ? and window_sessions in (1, 5) and pair_id in ('IWM/SPY', 'IWM/QQQ', 'KRE/SPY') and"
        " spread_rank is not null and is_record_high is not null",
        [page.session],
        order="pair_id, window_sessions",
    )
    facts = []
    for row in rows:
        base, quote = row["pair_id"].value.split("/")
        ahead = row["spread_pp"].value >= 0
        record = row["is_record_high" if ahead else "is_record_low"].value
        since = row["last_exceeded_date" if ahead else "last_undercut_date"]
        window = "in five sessions" if row["window_sessions"].value == 5 else "in one day"
        kind = "lead" if ahead else "gap"
        history = (
            Markup("the widest such {} in the history held, from {}").format(
                kind, day(row["history_start_date"])
            )
            if record
            else Markup("the widest such {} since {}").format(kind, day(since))
        )
        sentence = Markup("{} ({}) {} {} ({}) by {} points {}: {}").format(
            NAMES[base].capitalize(),
            base,
            "beat" if ahead else "trailed",
            NAMES[quote],
            quote,
            number(row["distance"], 2),
            window,
            history,
        )
        facts.append((row["place"].value / row["history_sessions"].value, sentence))
    return facts


def _fed_fact(page: Page) -> list[tuple[float, Markup]]:
    page.reader.require("marts.policy_repricing")
    rows = page.reader.rows(
        "marts.policy_repricing",
        ["change_bp", "distance = abs(change_bp)"],
        "as_of_date = ? and horizon = 'year_end' and change_bp is not null",
        [page.session],
    )
    if not rows:
        return []
    row = rows[0]
    history = (
        "from marts.policy_repricing where horizon = 'year_end' and change_bp is not null and as_of_date <"
        f" '{page.session}'"
    )
    larger = page.reader.old_scalar(
        f"select count(*) {history} and abs(change_bp) >= abs({row['change_bp'].value!r})"
    )
    days = page.reader.old_scalar(f"select count(*) {history}")
    if days.value < 252:
        return []
    direction = "cut" if row["change_bp"].value < 0 else "raised"
    rank = Markup("only {} of {} earlier days moved it as far").format(number(larger, 0), number(days, 0))
    if not larger.value:
        rank = Markup("no day of {} before moved it as far").format(number(days, 0))
    sentence = Markup(
        "Fed funds futures {} the rate expected for the end of the year by {} basis points in a day: {}"
    ).format(direction, number(row["distance"], 1), rank)
    return [((larger.value + 1) / (days.value + 1), sentence)]


def _fear_fact(page: Page) -> list[tuple[float, Markup]]:
    page.reader.require("marts.macro_daily")
    rows = page.reader.rows(
        "marts.macro_daily",
        ["value", "percentile", "history_start_date"],
        "series_id = 'VIXCLS' and observation_date between ?::date - 4 and ?::date and percentile is not"
        " null",
        [page.session, page.session],
        order="observation_date desc",
        limit=1,
    )
    if not rows or rows[0]["percentile"].value < 99:
        return []
    row = rows[0]
    sentence = Markup("The VIX closed at {} on {}, above {} per cent of its days since {}").format(
        number(row["value"], 1),
        day(row["observation_date"]),
        number(row["percentile"], 1),
        day(row["history_start_date"]),
    )
    return [((100 - row["percentile"].value) / 100 + 0.0005, sentence)]


def short(page: Page) -> list[str]:
    """The plain sentences that `make run` prints as well."""
    needed = {
        f"marts.{name}"
        for name in (
            "rotation_pair_daily",
            "instrument_daily",
            "fomc_meetings_daily",
            "yield_curve_daily",
            "bank_sensitivity_daily",
            "bank_rate_betas",
        )
    }
    return headlines(page.reader.connection, page.session) if needed <= page.reader.tables else []
