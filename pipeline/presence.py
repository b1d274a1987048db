"""Whether a session took place: all instruments together distinguish "closed" from "data missing".

In: the pipeline's database after a load (raw.equity_prices, ref.instruments, ref.calendar) and which price
inputs did not answer. Out: a verdict on the session, and the sessions without any bar that lie between two
that have bars. Caveat: only funds and shares count, because an index may be computed on a holiday, and a
bar without trades (no volume, high equal to low) is a vendor's filler. Before the first load of prices
there is no verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import duckdb

from market_calendar.calendar_file import CLOSURES_CSV, read_closures
from market_calendar.due import LATE_SESSIONS, ONE_DAY, has_ended
from market_calendar.sessions import next_session, previous_session, sessions_between

# The source answered that it has no bar of the session yet (sources.protocol).
NO_BAR_YET = "BarNotThere"
SHOWN = 5
BARS = """
    select distinct prices.symbol, prices.session_date
    from raw.equity_prices as prices
    inner join ref.instruments as instruments on prices.symbol = instruments.symbol
    where instruments.asset_class not like '%\\_index' escape '\\'
        and prices.close is not null
        and not (coalesce(prices.volume, 0) = 0 and coalesce(prices.high = prices.low, false))
"""


@dataclass(frozen=True)
class Presence:
    """What was served of one session; `days` are the sessions after the last one with a bar, up to this one.

    `verdict`: `present` (every symbol that has the last session before it), `late` (some have the session,
    others not yet), `nothing_served` (the source answers, and no symbol has it) or `unanswered` (unknown:
    no symbol was asked, or none answered). `proof` says what shows that the exchange was open although
    nothing was served; empty where it may have been closed.
    """

    session: date
    days: tuple[date, ...]
    verdict: str
    with_bar: int
    without_bar: tuple[str, ...]
    required_without_bar: tuple[str, ...]
    proof: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether the source has ended: it lacks more sessions than one that is late."""
        return self.verdict == "nothing_served" and len(self.days) > LATE_SESSIONS

    @property
    def sentence(self) -> str:
        """The verdict for an operator, and what to do."""
        count = _symbols(len(self.without_bar))
        if self.has_ended:
            return ended_sentence("The source", previous_session(self.days[0]), len(self.days))
        if self.verdict == "nothing_served":
            days = ", ".join(map(str, self.days))
            if self.proof:
                return (
                    f"No prices were returned for {days}, although {count} answered and have the session"
                    f" before. The exchange was open ({self.proof}), so the source is late: run the session"
                    " again later. Nothing is published."
                )
            return (
                f"No prices were returned for {days}, although {count} answered and"
                " have the session before. The source is late: run the session again later. Only if the"
                f" exchange was closed, add {_rows(self.days, 'closed')} to"
                f" warehouse/reference/{CLOSURES_CSV.name} instead. Nothing is published."
            )
        if self.verdict == "late":
            required = (
                f", among them the required {listed(self.required_without_bar)}"
                if self.required_without_bar
                else ""
            )
            shown = ", ".join(self.without_bar[:5]) + (", ..." if len(self.without_bar) > 5 else "")
            have = "have" if self.with_bar != 1 else "has"
            return (
                f"{_symbols(self.with_bar)} {have} a bar of {self.session} and {count} not yet"
                f" ({shown}){required}."
            )
        if self.verdict == "unanswered":
            return (
                f"Cannot tell whether the NYSE traded on {self.session}: no prices were returned. Run again"
                " later."
            )
        return f"{self.with_bar} symbols have a bar of {self.session}."


def ended_sentence(who: str, last: date, sessions: int) -> str:
    """What to do about prices that ended; a source that lacks so many sessions is not late."""
    return (
        f"{who} ends at {last}: no prices for the {sessions} sessions since. Deliver newer prices or choose"
        " another source (docs/runbook/failed.md), then run again. Nothing is published."
    )


def session_presence(
    connection: duckdb.DuckDBPyConnection, session: date, unanswered: Mapping[str, str]
) -> Presence:
    """The verdict on one session.

    Args:
        connection: the pipeline's database.
        session: the session.
        unanswered: symbols whose fetch failed, with the kind of their error.
    """
    found = connection.execute(
        f"with bars as ({BARS}) select max(session_date) from bars where session_date < $1", [session]
    ).fetchone()
    before: date = found[0] if found and found[0] else previous_session(session)
    rows = connection.execute(
        f"""
        with bars as ({BARS} and prices.session_date in ($1, $2))

        select instruments.symbol, instruments.required, bool_or(bars.session_date = $1)
        from ref.instruments as instruments
        inner join bars on instruments.symbol = bars.symbol
        where coalesce(instruments.active_to, date '9999-12-31') >= $1
        group by all order by 1
        """,
        [session, before],
    ).fetchall()
    missing = [(symbol, required) for symbol, required, there in rows if not there]
    answered = tuple(symbol for symbol, _ in missing if unanswered.get(symbol, NO_BAR_YET) == NO_BAR_YET)
    with_bar = len(rows) - len(missing)
    if with_bar:
        verdict = "late" if missing else "present"
    else:
        verdict = "nothing_served" if answered else "unanswered"
    days = tuple(sessions_between(next_session(before), session))
    return Presence(
        session=session,
        days=days,
        verdict=verdict,
        with_bar=with_bar,
        without_bar=answered if verdict == "nothing_served" else tuple(symbol for symbol, _ in missing),
        required_without_bar=tuple(symbol for symbol, required in missing if required),
        proof=_proof_of_trading(connection, days) if verdict == "nothing_served" else "",
    )


def _proof_of_trading(connection: duckdb.DuckDBPyConnection, days: Sequence[date]) -> str:
    """What contradicts a closure on all of some days: a row of the reference data, or an index that moved,
    which one that is computed on a holiday does not.
    """
    for closure in read_closures():
        if closure.day in days and closure.kind != "closed":
            return f"{CLOSURES_CSV.name} says so for {closure.day}"
    found = connection.execute(
        """
        with newest as (
            select prices.symbol, prices.session_date, prices.close
            from raw.equity_prices as prices
            inner join ref.instruments as instruments on prices.symbol = instruments.symbol
            where instruments.asset_class like '%\\_index' escape '\\' and prices.close is not null
            qualify row_number() over (
                partition by prices.symbol, prices.session_date order by prices.known_at_utc desc
            ) = 1
        ),

        indices as (
            select *, lag(close) over (partition by symbol order by session_date) as before from newest
        )

        select symbol, session_date from indices
        where session_date = any($1) and close <> before
        order by session_date desc, symbol
        limit 1
        """,
        [list(days)],
    ).fetchone()
    return f"{found[0]} moved on {found[1]}" if found else ""


def required_that_ended(connection: duckdb.DuckDBPyConnection, session: date) -> list[tuple[str, date, int]]:
    """Required symbols that lack more sessions up to this one than a late source does, while others have it:
    symbol, last day, sessions since.
    """
    rows = connection.execute(
        """
        select prices.symbol, max(prices.session_date)
        from raw.equity_prices as prices
        inner join ref.instruments as instruments on prices.symbol = instruments.symbol
        where instruments.required
            and coalesce(instruments.active_to, date '9999-12-31') >= $1
            and prices.close is not null
            and prices.session_date <= $1
        group by all order by 1
        """,
        [session],
    ).fetchall()
    return [
        (symbol, last, len(sessions_between(last + ONE_DAY, session)))
        for symbol, last in rows
        if has_ended(last, session)
    ]


def required_ended_sentence(ended: Sequence[tuple[str, date, int]]) -> str:
    """What to do about required symbols that ended while others go on."""
    symbol, last, sessions = ended[0]
    others = f" {listed([name for name, _, _ in ended[1:]])} ended too." if ended[1:] else ""
    return (
        f"The required {symbol} ends at {last}: no prices for the {sessions} sessions since, while other"
        f" symbols have them.{others} If it was delisted or renamed, give its row in"
        " warehouse/reference/instruments.csv an active_to and add its successor; if not, see what the source"
        " answers for it. Then run again. Nothing is published."
    )


def sessions_passed_over(
    connection: duckdb.DuckDBPyConnection, after: date | None, session: date
) -> list[date]:
    """Sessions after `after` (the last one published) and before `session` of which no symbol has a bar,
    though symbols have later ones.

    A later session proves that the source is not late. A session with a row of kind `open` took place,
    even if the source lost its prices.
    """
    if after is None:
        return []
    known_open = {closure.day for closure in read_closures() if closure.kind == "open"}
    rows = connection.execute(
        f"""
        with bars as ({BARS} and prices.session_date > $1 and prices.session_date <= $2)

        select calendar_date from ref.calendar
        where is_nyse_session and calendar_date > $1 and calendar_date < (select max(session_date) from bars)
            and calendar_date not in (select session_date from bars)
        order by 1
        """,
        [after, session],
    ).fetchall()
    return [day for (day,) in rows if day not in known_open]


def passed_over_sentence(days: list[date]) -> str:
    """What to do about sessions without prices; models that count k sessions back would include them."""
    if len(days) > LATE_SESSIONS:
        return (
            f"Prices are missing for {len(days)} sessions between {days[0]} and {days[-1]}"
            f" ({listed([str(day) for day in days])}) but present afterwards: the source has a gap. Deliver"
            f" the missing prices and run again; a session on which the exchange was closed, or of which the"
            f" source lost the prices, needs a row in warehouse/reference/{CLOSURES_CSV.name}"
            " (docs/operations.md). Nothing is published."
        )
    return (
        f"Prices are missing for {', '.join(map(str, days))} but present afterwards. Record it as closed or"
        f" open in warehouse/reference/{CLOSURES_CSV.name}, then run again. If the exchange was closed, add"
        f" {_rows(days, 'closed')}; if it was open and the source lost the day, add {_rows(days, 'open')}."
        " Nothing is published."
    )


def listed(names: Sequence[str], shown: int = SHOWN) -> str:
    """A list that does not grow: the first names, and how many more."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def cut(text: str, longest: int = 240) -> str:
    """A text of somebody else, such as a sentence of a source, which may quote a whole answer."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _symbols(count: int) -> str:
    return "1 symbol" if count == 1 else f"{count} symbols"


def _rows(days: Sequence[date], kind: str) -> str:
    settles = "<true or false: did fed funds futures settle>" if kind == "closed" else ""
    return " and ".join(f"the line {day},{kind},,{settles},<reason>,<link>" for day in days)
