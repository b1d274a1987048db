"""Which day a bar of Yahoo's chart belongs to, and whether it is that day's final one.

In: the time stamps of an answer, its `regularMarketTime` and the moment at which it was fetched. Out: the
rows that are a part of their day, doubled by the live quote or provisional, and an error where all days are
shifted. A finished daily bar is stamped with the day's beginning (09:30 in New York for shares, 00:00 for
futures), the live quote with `regularMarketTime`. Caveat: only the last row can be a live one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from market_calendar.release_rules import FUTURES_RULE, parse_rule
from market_calendar.sessions import (
    NEW_YORK,
    first_and_last_day,
    is_early_close,
    is_session,
    session_close_utc,
    sessions_between,
    settlement_days_between,
)
from sources.protocol import Unreadable

# Yahoo may be a quarter of an hour late; a last trade earlier than this before the close means a part of a
# session while the session has not been over for long.
COMPLETE_AFTER = timedelta(minutes=10)
OVER_AFTER = timedelta(minutes=30)
# The trading day of a future begins on the evening before it.
NEXT_DAY_BEGINS = time(18, 0)
# Settlements are struck at 15:00 New York, on a short day at noon or later.
STRUCK_AT, SHORT_DAY_STRUCK_AT = time(15, 0), time(12, 0)
# The live quote is stamped with the time of the last trade, give or take a second of rounding.
SAME_MOMENT = timedelta(seconds=60)
# With fewer bars a row on a Sunday and a shift by a day look the same.
BARS_TO_SEE_A_SHIFT = 6
# A shift puts one bar of five on a weekend; vendors fill far fewer holidays.
SHIFTED_SHARE, FILLED_SHARE = 0.1, 0.02
# No weekend is longer; a last trade further back means that the answer is old, not the contract thin.
OLD_ANSWER = timedelta(days=4)

PARTIAL_SESSION = "bar_is_of_the_whole_session"
PARTIAL_SETTLEMENT = "settlement_was_due_when_served"
NEXT_DAY = "bar_is_of_its_own_trading_day"
LIVE_DIFFERS = "live_bar_agrees_with_the_daily_one"


@dataclass(frozen=True)
class Answer:
    """When an answer was made: by Yahoo's own clock (the last trade) and by ours."""

    traded_at_utc: datetime | None
    fetched_at_utc: datetime


@dataclass(frozen=True)
class LastDay:
    """The last day with a trade: its row, and the row of the live quote where there is one."""

    day: date
    row: int
    live: int | None

    @property
    def live_alone(self) -> bool:
        """Whether the live quote stands instead of the daily bar."""
        return self.live == self.row


def market_time(meta: dict[str, Any]) -> datetime | None:
    """The time of the last trade, naive UTC; None where it is not given."""
    seconds = meta.get("regularMarketTime")
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool):
        return None
    return datetime.fromtimestamp(float(seconds), UTC).replace(tzinfo=None)


def last_day(local: pd.Series, traded: pd.Series, answer: Answer) -> LastDay | None:
    """The last day of an answer.

    Args:
        local: the stamps in the exchange's zone.
        traded: whether the row has a price.
        answer: when it was made.
    """
    moments = local[traded & local.notna()].sort_values(kind="stable")
    if moments.empty:
        return None
    row, last = int(moments.index[-1]), moments.iloc[-1]
    before = moments.iloc[:-1]
    if len(before) and before.iloc[-1].date() == last.date():
        return LastDay(last.date(), int(before.index[-1]), row)
    usual = before.dt.time.mode()
    own_clock = usual.empty or last.time() != usual.iloc[0]
    stamp = last.tz_convert("UTC").tz_localize(None).to_pydatetime()
    if answer.traded_at_utc is None:
        at_last_trade = not usual.empty
    else:
        at_last_trade = abs(stamp - answer.traded_at_utc) <= SAME_MOMENT
    is_live = own_clock and at_last_trade and last.time() not in (time(0, 0), time(9, 30))
    return LastDay(last.date(), row, row if is_live else None)


def share_is_partial(last: LastDay, answer: Answer) -> bool:
    """Whether the last bar of a share, fund or index covers a part of its session only.

    A thin symbol's last trade may be hours before the close: its daily bar is whole when the answer was
    fetched once the session was over. A live quote of the session itself never is.
    """
    if not _covered(last.day) or not is_session(last.day):
        return False
    close = session_close_utc(last.day)
    opened = close - timedelta(hours=9)
    if answer.fetched_at_utc < close:
        # A day in the future is no part of a session; the gate names it.
        return answer.fetched_at_utc > opened
    traded_at = answer.traded_at_utc
    if traded_at is None or not opened < traded_at < close - COMPLETE_AFTER:
        return False
    return last.live is not None or answer.fetched_at_utc < close + OVER_AFTER


def future_rule(last: LastDay, local: pd.Series, answer: Answer) -> str:
    """The rule that the last bar of a contract breaks; blank where it is the day's settlement.

    A settlement is due at the clock time of its release rule. Until then the bar shows the last trade,
    whatever the hour at which the run started; from 18:00 a live quote belongs to the next trading day. A
    contract may not have traded since the morning: its daily bar counts, its live quote does not.
    """
    clock = parse_rule(FUTURES_RULE).clock_time
    assert clock is not None
    if answer.fetched_at_utc < _utc(datetime.combine(last.day, clock, tzinfo=NEW_YORK)):
        return PARTIAL_SETTLEMENT
    struck = _struck_at(last.day)
    if last.live is not None:
        quoted = local[last.live].tz_convert(NEW_YORK)
        if last.live_alone and quoted.time() >= NEXT_DAY_BEGINS:
            return NEXT_DAY
        return PARTIAL_SETTLEMENT if quoted.time() < struck else ""
    traded_at = answer.traded_at_utc
    if traded_at is not None and answer.fetched_at_utc - traded_at > OLD_ANSWER:
        traded = traded_at.replace(tzinfo=UTC).astimezone(NEW_YORK)
        if traded.date() == last.day and traded.time() < struck:
            return PARTIAL_SETTLEMENT
    return ""


def _struck_at(day: date) -> time:
    """From when on a quote of the day is no older than its settlement."""
    short = not _covered(day) or not is_session(day) or is_early_close(day)
    return SHORT_DAY_STRUCK_AT if short else STRUCK_AT


def check_zone(what: str, meta: dict[str, Any], zone: ZoneInfo) -> None:
    """The offset that the answer states must be one of its zone.

    Raises:
        Unreadable: it is not, so that no day of the answer can be told.
    """
    offset = meta.get("gmtoffset")
    if offset is None:
        return
    year = datetime.now(UTC).year
    known = {datetime(year, month, 1, tzinfo=zone).utcoffset() for month in (1, 7)}
    seconds = {int(found.total_seconds()) for found in known if found is not None}
    if offset not in seconds:
        raise Unreadable(
            f"{what}: field gmtoffset reads {str(offset)[:20]}, but {zone.key} is at"
            f" {' or '.join(map(str, sorted(seconds)))} s; the days of the answer cannot be told"
        )


def check_days(what: str, local: pd.Series, zone: ZoneInfo, *, futures: bool) -> None:
    """The days of the daily bars must be those of the calendar; live quotes are left out by the caller.

    Raises:
        Unreadable: every day is shifted by one.
    """
    stamps = local.dropna()
    late = stamps[stamps.dt.hour >= NEXT_DAY_BEGINS.hour]
    if len(stamps) and len(late) * 2 > len(stamps):
        raise Unreadable(
            f"{what}: its daily bars are stamped {late.iloc[-1]:%H:%M} in {zone.key}, the evening before"
            " their day; exchangeTimezoneName is not the zone of the stamps, and every day would be shifted"
        )
    days = sorted({stamp.date() for stamp in stamps if _covered(stamp.date())})
    if len(days) < BARS_TO_SEE_A_SHIFT:
        return
    between: Callable[[date, date], list[date]] = settlement_days_between if futures else sessions_between
    first, end = first_and_last_day()
    margin = timedelta(days=1)
    open_days = set(between(max(first, days[0] - margin), min(end, days[-1] + margin)))
    closed = [day for day in days if day not in open_days]
    if len(closed) < SHIFTED_SHARE * len(days):
        return
    for shift, text in ((1, "early"), (-1, "late")):
        left = sum(day + timedelta(days=shift) not in open_days for day in days)
        if left <= FILLED_SHARE * len(days):
            raise Unreadable(
                f"{what}: every day is one day {text}: {len(closed)} of {len(days)} bars lie on closed days"
                f" ({closed[0]}, ...), and {len(days) - left} would fit a day"
                f" {'later' if shift > 0 else 'earlier'}"
            )


def _covered(day: date) -> bool:
    first, last = first_and_last_day()
    return first <= day <= last


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
