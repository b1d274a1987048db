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
from market_calendar.sessions import next_session, previous_session, sessions_between

# The source answered that it has no bar of the session yet (sources.protocol).
NO_BAR_YET = "BarNotThere"
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
    no symbol was asked, or none answered).
    """

    session: date
    days: tuple[date, ...]
    verdict: str
    with_bar: int
    without_bar: tuple[str, ...]
    required_without_bar: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The verdict for an operator, and what to do."""
        count = f"{len(self.without_bar)} symbols"
        if self.verdict == "nothing_served":
            return (
                f"No prices were returned for {', '.join(map(str, self.days))}, although {count} answered and"
                f" have the session before. If the exchange was closed, add {_rows(self.days, 'closed')} to"
                f" warehouse/reference/{CLOSURES_CSV.name}; if it was open, the source is late: run the"
                " session again later. The last publication stays in place."
            )
        if self.verdict == "late":
            required = (
                f", among them the required {', '.join(self.required_without_bar)}"
                if self.required_without_bar
                else ""
            )
            shown = ", ".join(self.without_bar[:5]) + (", ..." if len(self.without_bar) > 5 else "")
            return (
                f"{self.with_bar} symbols have a bar of {self.session} and {count} not yet"
                f" ({shown}){required}."
            )
        if self.verdict == "unanswered":
            return (
                f"Cannot tell whether the NYSE traded on {self.session}: no prices were returned. Run again"
                " later."
            )
        return f"{self.with_bar} symbols have a bar of {self.session}."


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
    return Presence(
        session=session,
        days=tuple(sessions_between(next_session(before), session)),
        verdict=verdict,
        with_bar=with_bar,
        without_bar=answered if verdict == "nothing_served" else tuple(symbol for symbol, _ in missing),
        required_without_bar=tuple(symbol for symbol, required in missing if required),
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
    return (
        f"Prices are missing for {', '.join(map(str, days))} but present afterwards. Record it as closed or"
        f" open in warehouse/reference/{CLOSURES_CSV.name}, then run again. If the exchange was closed, add"
        f" {_rows(days, 'closed')}; if it was open and the source lost the day, add {_rows(days, 'open')}."
        " The last publication stays in place."
    )


def _rows(days: Sequence[date], kind: str) -> str:
    settles = "<true or false: did fed funds futures settle>" if kind == "closed" else ""
    return " and ".join(f"the line {day},{kind},,{settles},<reason>,<link>" for day in days)
