"""Metrics of prices: returns, spreads, records, streaks and their place in the history.

In: `Evidence`, the day that a statement refers to, and its parameters. Out: one `Finding` per metric.

Caveat: prices during a session are known only as its high and low. A statement that holds for some price
between them was possible during the session; that two highs or lows were reached at the same moment is not
known.
"""

from __future__ import annotations

import datetime as dt

import numpy as np

from transforms.lib.claims.evidence import Evidence, Finding, NotComputable, Parameters, bring_prices
from transforms.lib.history import (
    FloatArray,
    IntArray,
    change_pct,
    compute_expanding_statistics,
    least_history,
)

INTERVAL_PCT = 90
STATISTICS = {"z": "z score", "percentile": "percentile", "rank": "rank", "per_century": "number per century"}

# The measure is a parameter of the claim, so it is chosen by a bound value and never formatted into the text.
MORE_EXTREME = """
with measured as (
    select
        symbol, session_date,
        case ?
            when 'rsi_14' then rsi_14
            when 'price_z_20d' then price_z_20d
            when 'distance_from_50d_pct' then distance_from_50d_pct
            when 'distance_from_200d_pct' then distance_from_200d_pct
        end as measure
    from marts.instrument_daily
),
own as (select measure as own from measured where symbol = ? and session_date = ?)
select
    count(*) filter (where daily.measure > own.own), max(own.own), max(daily.measure),
    arg_max(daily.symbol, daily.measure), arg_max(daily.session_date, daily.measure)
from own, measured as daily
inner join ref.instruments as instruments on daily.symbol = instruments.symbol
where
    instruments.asset_class = 'equity_etf' and instruments.role <> 'international'
    and daily.session_date <= ? and own.own is not null
    and (
        not ?
        or instruments.role in ('market', 'equal_weight', 'size_style', 'size_style_other', 'micro', 'mega')
    )
"""


def return_pct(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """Return of one symbol over `sessions` or since the close of `start`, in %."""
    end, start, when = _window(evidence, day, p)
    symbol, kind = p["symbol"], "total" if p.get("return") == "total" else "close"
    base = evidence.price(symbol, start, p.get("start_price", kind))
    words = f"{'total return' if kind == 'total' else 'return'} of {symbol} {when}"
    if p.get("price") == "session":
        low, high = (100 * (evidence.price(symbol, end, edge) / base - 1) for edge in ("low", "high"))
        return Finding(words, low=low, high=high)
    return Finding(words, number=100 * (evidence.price(symbol, end, kind) / base - 1))


def spread_pp(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """Return of `base` less that of `quote` in points, or the change of their ratio in % (`kind=ratio`)."""
    end, start, when = _window(evidence, day, p)
    base, quote = p["base"], p["quote"]
    kind = "total" if p.get("return") == "total" else "close"
    base_start, quote_start = evidence.price(base, start, kind), evidence.price(quote, start, kind)

    def spread(base_end: float, quote_end: float) -> float:
        if p.get("kind") == "ratio":
            return 100 * (base_end / base_start / (quote_end / quote_start) - 1)
        return 100 * (base_end / base_start - quote_end / quote_start)

    what = (
        f"change of the ratio {base}/{quote}"
        if p.get("kind") == "ratio"
        else f"return of {base} less that of {quote}"
    )
    words = f"{what} {when}{', total returns' if kind == 'total' else ''}"
    if p.get("price") == "session":
        return Finding(
            words,
            low=spread(evidence.price(base, end, "low"), evidence.price(quote, end, "high")),
            high=spread(evidence.price(base, end, "high"), evidence.price(quote, end, "low")),
        )
    return Finding(words, number=spread(evidence.price(base, end, kind), evidence.price(quote, end, kind)))


def best_since(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """The last earlier session with a return (or, with `quote`, a spread) at least as large."""
    end = evidence.session_at(day)
    history, name = _history(evidence, end, p)
    if not np.isfinite(history).any():
        raise NotComputable(f"there is no {p['sessions']}-session {name} up to {evidence.dates[end]}")
    earlier = history[:-1]
    words = (
        f"last {p['sessions']}-session {name} at least as large as that of {evidence.dates[end]}, by closes"
    )
    if p.get("price") == "session":
        measure = spread_pp if "quote" in p else return_pct
        named = dict(p) if "quote" in p else {**p, "symbol": p["base"]}
        now = measure(evidence, day, named)
        assert now.low is not None and now.high is not None
        days, highest_since = [], -np.inf
        for number in np.flatnonzero(np.isfinite(earlier))[::-1]:
            if earlier[number] > highest_since:
                if highest_since < now.high and earlier[number] >= now.low:
                    days.append(evidence.dates[int(number)])
                highest_since = earlier[number]
        return Finding(words, possible_days=tuple(days), low=now.low, high=now.high)
    own = float(p["value"]) if "value" in p else float(history[-1])
    if "value" in p:
        words = (
            f"last {p['sessions']}-session {name} before {evidence.dates[end]} of at least {own:g}, by closes"
        )
    if not np.isfinite(own):
        raise NotComputable(f"the {name} of {evidence.dates[end]} is missing")
    larger = np.flatnonzero(earlier >= own)
    if not len(larger):
        start = evidence.dates[int(np.flatnonzero(np.isfinite(history))[0])]
        return Finding(f"{words}: none since the history starts ({start})")
    return Finding(words, day=evidence.dates[int(larger[-1])])


def streak_sessions(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """Consecutive sessions up to the day with a gain of more than `above_pct` (0 or 1)."""
    end = evidence.session_at(day)
    (streak,) = evidence.value(
        """
        select case when ? = '0' then up_streak_sessions else over_1pct_streak_sessions end
        from marts.instrument_daily where symbol = ? and session_date = ?
        """,
        [p["above_pct"], p["symbol"], evidence.dates[end]],
        f"{p['symbol']} has no close on {evidence.dates[end]}",
    )
    return Finding(
        f"sessions in a row to {evidence.dates[end]} in which {p['symbol']} gained more than"
        f" {p['above_pct']} %",
        number=float(streak),
    )


def history_position(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """z, percentile, rank or number per century of a return or spread within its history to date."""
    end = evidence.session_at(day)
    history, name = _history(evidence, end, p)
    statistics = compute_expanding_statistics(history)
    if not statistics.ranked[-1]:
        raise NotComputable(f"the {name} of {evidence.dates[end]} is missing or its history too short")
    start = evidence.dates[int(statistics.first_index[-1])]
    which, held, least = p["statistic"], int(statistics.observations[-1]), least_history(int(p["sessions"]))
    if which in ("z", "percentile") and held < least:
        raise NotComputable(
            f"the {name} of {p['sessions']} sessions has {held:,} observations since {start}, and a"
            f" {STATISTICS[which]} needs {least:,}: 20 windows side by side"
        )
    words = (
        f"{STATISTICS[which]} of the {p['sessions']}-session {name} to {evidence.dates[end]} in its history"
        f" since {start}"
    )
    if which == "per_century":
        years = (evidence.dates[end] - start).days / 365.25
        if years < 100:
            raise NotComputable(
                f"how often in a century cannot be told from {years:.0f} years of prices (since {start}), in"
                f" which this is number {statistics.rank[-1]:.0f} of {held:,}"
            )
        return Finding(words, number=float(statistics.rank[-1]) * 100 / years)
    value = float(getattr(statistics, which)[-1])
    if which == "percentile":
        low, high = share_interval_pct(value, held / int(p["sessions"]))
        return Finding(words, number=value, low=low, high=high, interval_pct=INTERVAL_PCT)
    return Finding(words, number=value)


def share_interval_pct(share_pct: float, trials: float) -> tuple[float, float]:
    """Wilson's interval of a share, for so many independent trials; all three in per cent but the trials."""
    from statsmodels.stats.proportion import (
        proportion_confint,
    )  # 0.2 s to import, which DAG parsing must not pay

    low, high = proportion_confint(
        share_pct / 100 * trials, trials, alpha=1 - INTERVAL_PCT / 100, method="wilson"
    )
    return 100 * float(low), 100 * float(high)


def more_extreme_count(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """How many sessions of US equity funds to date had a larger `measure` than the symbol on the day."""
    measure, symbol = p["measure"], p["symbol"]
    broad = p.get("funds") == "broad"
    end = evidence.dates[evidence.session_at(day)]
    count, own, largest, who, when = evidence.value(
        MORE_EXTREME,
        [measure, symbol, end, end, broad],
        f"no {measure} of {symbol}",
    )
    if own is None:
        raise NotComputable(f"no {measure} of {symbol} on {end}")
    return Finding(
        f"sessions of {'broad ' if broad else ''}equity funds to {end} with {measure} above the {own:.2f} of"
        f" {symbol} (the largest: {who}, {largest:.2f}, {when})",
        number=float(count),
    )


def drawdown_pct(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """Close against the record close or, with `price=intraday`, against the record high, in %."""
    kind = "intraday" if p.get("price") == "intraday" else "close"
    end = evidence.dates[evidence.session_at(day)]
    (value,) = evidence.value(
        """
        select case when ? = 'intraday' then drawdown_intraday_pct else drawdown_close_pct end
        from marts.instrument_daily where symbol = ? and session_date = ?
        """,
        [kind, p["symbol"], end],
        f"{p['symbol']}: no record"
        f" {'high (a session without a high lies before)' if kind == 'intraday' else 'close'} on {end}",
    )
    return Finding(
        f"{p['symbol']} at the close of {end} against its record {'high' if kind == 'intraday' else 'close'}",
        number=float(value),
    )


def record_date(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """Session of the record close or, with `price=intraday`, of the record high; with `series` of an index in
    FRED.
    """
    name, numbers, values, kind = _to_date(evidence, day, p)
    return Finding(
        f"record {kind} of {name} up to {evidence.dates[evidence.session_at(day)]}",
        day=evidence.dates[int(numbers[int(np.argmax(values))])],
    )


def record_closes(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """How many sessions after `start` and up to the day closed above every earlier close."""
    name, numbers, values, kind = _to_date(evidence, day, p)
    start = evidence.session_at(dt.date.fromisoformat(p["start"]))
    if not len(numbers) or numbers[0] > start:
        raise NotComputable(f"{name} has no {kind} on {p['start']}")
    before = np.concatenate([[np.inf], np.maximum.accumulate(values)[:-1]])
    count = int(np.count_nonzero((values > before) & (numbers > start)))
    return Finding(
        f"record {kind}s of {name} from the session after {evidence.dates[start]} to"
        f" {evidence.dates[evidence.session_at(day)]}",
        number=float(count),
    )


def smallest_drawdown_pct(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """How near a price came to the record before it between two days: the largest close against the record,
    in % (0 = a new record).
    """
    name, numbers, values, kind = _to_date(evidence, day, p)
    first, last = (evidence.session_at(dt.date.fromisoformat(p[key])) for key in ("start", "end"))
    inside = (numbers >= first) & (numbers <= last)
    if not inside.any():
        raise NotComputable(f"{name} has no {kind} from {p['start']} to {p['end']}")
    falls = 100 * (values / np.maximum.accumulate(values) - 1)
    place = int(np.argmax(np.where(inside, falls, -np.inf)))
    return Finding(
        f"{name} nearest to its record {kind} from {evidence.dates[first]} to {evidence.dates[last]}"
        f" ({evidence.dates[int(numbers[place])]})",
        number=float(falls[place]),
    )


def drop_line(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """The price that lies `drop_pct` below the record to date: the line of a bear market at 20."""
    name, numbers, values, kind = _to_date(evidence, day, p)
    place = int(np.argmax(values))
    return Finding(
        f"price {p['drop_pct']} % below the record {kind} of {name} ({values[place]:.2f} on"
        f" {evidence.dates[int(numbers[place])]})",
        number=float(values[place] * (1 - float(p["drop_pct"]) / 100)),
    )


def price_level(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """The close or, with `price=high` or `low`, the highest or lowest price of the session."""
    end, kind = evidence.session_at(day), p.get("price", "close")
    value = evidence.price(p["symbol"], end, kind)
    return Finding(f"{kind} of {p['symbol']} on {evidence.dates[end]}", number=value)


def largest_gain_pct(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """The largest one-session return after `start` and up to the day, in %; with `price=session` from the
    close before to the high of the session.
    """
    end, symbol = evidence.session_at(day), p["symbol"]
    start = evidence.session_at(dt.date.fromisoformat(p["start"]))
    kind = "high" if p.get("price") == "session" else "close"
    gains = [
        100 * (evidence.price(symbol, number, kind) / evidence.price(symbol, number - 1, "close") - 1)
        for number in range(start + 1, end + 1)
    ]
    if not gains:
        raise NotComputable(f"there is no session between {p['start']} and {evidence.dates[end]}")
    place = int(np.argmax(gains))
    return Finding(
        f"largest one-session gain of {symbol} to its {kind} from the session after"
        f" {evidence.dates[start]} to {evidence.dates[end]} ({evidence.dates[start + 1 + place]})",
        number=gains[place],
    )


def ratio_larger_count(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """How many earlier sessions had a price ratio base/quote at least as large as the day's."""
    if p["basis"] == "valuation":
        raise NotComputable(
            "valuations (prices over earnings or book values of funds) are not free: no input has them"
        )
    end = evidence.session_at(day)
    ratio = evidence.closes(p["base"], end) / evidence.closes(p["quote"], end)
    known = np.flatnonzero(np.isfinite(ratio))
    if not len(known) or known[-1] != end:
        raise NotComputable(f"{p['base']} or {p['quote']} has no close on {evidence.dates[end]}")
    return Finding(
        f"earlier sessions since {evidence.dates[int(known[0])]} with a price ratio"
        f" {p['base']}/{p['quote']} at least as large as the {ratio[end]:.3f} of {evidence.dates[end]}"
        " (a ratio of prices says nothing of valuations)",
        number=float(np.count_nonzero(ratio[known[:-1]] >= ratio[end])),
    )


def _to_date(evidence: Evidence, day: dt.date, p: Parameters) -> tuple[str, IntArray, FloatArray, str]:
    """Name, session numbers and closes (or highs) up to the day, and which of the two."""
    end = evidence.session_at(day)
    kind = "high" if p.get("price") == "intraday" else "close"
    if "series" in p:
        name, prices = p["series"], evidence.observations(p["series"], day)
    else:
        name, prices = p["symbol"], evidence.prices(p["symbol"])
    known = prices.numbers <= end
    values = prices.of_kind(kind)[known]
    if not len(values):
        wanted = f"bring fred/{name}.csv, or a FRED key" if "series" in p else bring_prices(p["symbol"])
        raise NotComputable(f"there are no prices of {name} up to {evidence.dates[end]} ({wanted})")
    if not np.isfinite(values).all():
        raise NotComputable(f"{name}: a {kind} is missing before {evidence.dates[end]}")
    return name, prices.numbers[known], values, kind


def _window(evidence: Evidence, day: dt.date, p: Parameters) -> tuple[int, int, str]:
    """End and start session, and the window in words."""
    end = evidence.session_at(day)
    last = evidence.dates[end]
    if "start" in p:
        start = evidence.session_at(dt.date.fromisoformat(p["start"]))
    elif "years" in p:
        leap = day.month == 2 and day.day == 29
        start = evidence.session_at(day.replace(year=day.year - int(p["years"]), day=28 if leap else day.day))
    else:
        start = end - int(p["sessions"])
        if start not in evidence.dates:
            raise NotComputable(f"the calendar does not reach back {p['sessions']} sessions")
        return (
            end,
            start,
            f"on {last}" if p["sessions"] == "1" else f"over {p['sessions']} sessions to {last}",
        )
    return end, start, f"from {evidence.dates[start]} to {last}"


def _history(evidence: Evidence, end: int, p: Parameters) -> tuple[FloatArray, str]:
    """Returns or spreads of all sessions up to `end`, and their name."""
    window, base = int(p["sessions"]), p["base"]
    closes = evidence.closes(base, end)
    if "quote" not in p:
        return change_pct(closes, window), f"return of {base}"
    quotes = evidence.closes(p["quote"], end)
    if p.get("kind") == "ratio":
        return change_pct(closes / quotes, window), f"change of {base}/{p['quote']}"
    return change_pct(closes, window) - change_pct(quotes, window), f"spread of {base} over {p['quote']}"
