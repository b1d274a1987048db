"""Registered metrics that recompute published statements, and the verdict on each.

In: a row of ref.claims (which metric, with which parameters, which figure was published) and the marts of
the publication. Out: a finding (a number or a date, in words too) and a verdict: confirmed,
confirmed_on_other_basis, contradicted or not_computable. A row holds no SQL: it names one of the functions
in METRICS and its parameters.

Parameters are `key=value;key=value`. `other_bases` are further readings of the same statement, divided by `
| `, each the parameters that differ (and `shift=-1` for the session before); they are tried in their order,
and the first that agrees gives confirmed_on_other_basis and is named. The tolerance is half a unit of the
last digit published.

Caveat: prices during a session are known only as its high and low. A statement that holds for some price
between them was possible during the session; that two highs or lows were reached at the same moment is not
known.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from transforms.lib.history import FloatArray, IntArray, change_pct, compute_expanding_statistics
from transforms.lib.session_grid import float_column

Parameters = Mapping[str, str]
COMPARISONS = {
    "equals": "",
    "over": "a little over ",
    "more_than": "more than ",
    "less_than": "less than ",
    "at_most": "at most ",
    "at_least": "at least ",
}


class NotComputable(ValueError):
    """An input is missing or proprietary; the message says which."""


class WrongParameters(ValueError):
    """The parameters of a claim do not fit its metric; the message names the parameter."""


@dataclass(frozen=True)
class Finding:
    """What a metric found: a number or a day, or (during a session) the range or days that were possible."""

    words: str
    number: float | None = None
    day: dt.date | None = None
    low: float | None = None
    high: float | None = None
    possible_days: tuple[dt.date, ...] = ()


@dataclass(frozen=True)
class Prices:
    """One symbol's history, oldest first."""

    numbers: IntArray
    close: FloatArray
    high: FloatArray
    low: FloatArray
    total: FloatArray


@dataclass
class Evidence:
    """The publication as the metrics read it, with what has been read already."""

    con: duckdb.DuckDBPyConnection
    _prices: dict[str, Prices] = field(default_factory=dict)

    @cached_property
    def sessions(self) -> dict[dt.date, int]:
        """Number of every session up to the publication's own."""
        rows = self.con.execute("""
            select calendar_date, session_number from ref.calendar
            where session_number is not null and calendar_date <= getvariable('session_date')
            order by calendar_date
            """).fetchall()
        return dict(rows)

    @cached_property
    def dates(self) -> dict[int, dt.date]:
        """Date of every session by its number."""
        return {number: day for day, number in self.sessions.items()}

    def session_at(self, day: dt.date) -> int:
        """Number of the last session at or before a day."""
        for back in range(10):
            number = self.sessions.get(day - dt.timedelta(days=back))
            if number is not None:
                return number
        raise NotComputable(f"the publication has no session at {day}")

    def prices(self, symbol: str) -> Prices:
        """The history of one symbol."""
        if symbol not in self._prices:
            rows = self.con.execute(
                """
                select prices.session_number, prices.close, prices.high, prices.low, daily.total_return_index as total
                from staging.equity_prices as prices
                left join marts.instrument_daily as daily
                    on prices.symbol = daily.symbol and prices.session_date = daily.session_date
                where prices.symbol = ?
                order by prices.session_number
                """,
                [symbol],
            ).fetchnumpy()
            self._prices[symbol] = Prices(
                np.asarray(rows["session_number"], dtype=np.int64),
                *(float_column(rows[name]) for name in ("close", "high", "low", "total")),
            )
        return self._prices[symbol]

    def price(self, symbol: str, number: int, kind: str) -> float:
        """One price of one session; not computable where it is missing."""
        prices = self.prices(symbol)
        place = int(np.searchsorted(prices.numbers, number))
        if place < len(prices.numbers) and prices.numbers[place] == number:
            value = float(getattr(prices, kind)[place])
            if np.isfinite(value):
                return value
        raise NotComputable(f"{symbol} has no {kind} on {self.dates.get(number, number)}")

    def closes(self, symbol: str, until: int) -> FloatArray:
        """Closes on the grid of session numbers 0..until; NaN where there is none."""
        prices = self.prices(symbol)
        grid = np.full(until + 1, np.nan)
        known = prices.numbers <= until
        grid[prices.numbers[known]] = prices.close[known]
        return grid

    def value(self, sql: str, parameters: list[Any], missing: str) -> tuple[Any, ...]:
        """The one row of a query; not computable, with the reason, where there is none or it is NULL."""
        row = self.con.execute(sql, parameters).fetchone()
        if row is None or row[0] is None:
            raise NotComputable(missing)
        return tuple(row)


# -- metrics ----------------------------------------------------------------------------------------------


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
        for place in np.flatnonzero(np.isfinite(earlier))[::-1]:
            if earlier[place] > highest_since:
                if highest_since < now.high and earlier[place] >= now.low:
                    days.append(evidence.dates[int(place)])
                highest_since = earlier[place]
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
    column = "up_streak_sessions" if p["above_pct"] == "0" else "over_1pct_streak_sessions"
    end = evidence.session_at(day)
    (streak,) = evidence.value(
        f"select {column} from marts.instrument_daily where symbol = ? and session_date = ?",
        [p["symbol"], evidence.dates[end]],
        f"{p['symbol']} has no close on {evidence.dates[end]}",
    )
    return Finding(
        f"sessions in a row to {evidence.dates[end]} in which {p['symbol']} gained more than"
        f" {p['above_pct']} %",
        number=float(streak),
    )


def history_position(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """z, percentile, rank or yearly frequency of a return or spread within its history to date."""
    end = evidence.session_at(day)
    history, name = _history(evidence, end, p)
    statistics = compute_expanding_statistics(history)
    if not statistics.ranked[-1]:
        raise NotComputable(f"the {name} of {evidence.dates[end]} is missing or its history too short")
    start = evidence.dates[int(statistics.first_index[-1])]
    which = p["statistic"]
    words = (
        f"{STATISTICS[which]} of the {p['sessions']}-session {name} to {evidence.dates[end]} in its history"
        f" since {start}"
    )
    if which == "per_century":
        years = (evidence.dates[end] - start).days / 365.25
        if years < 100:
            raise NotComputable(
                f"how often in a century cannot be told from {years:.0f} years of prices (since {start}), in"
                f" which this is number {statistics.rank[-1]:.0f}, {statistics.z[-1]:.1f} standard deviations"
                " from the mean"
            )
        return Finding(words, number=float(statistics.rank[-1]) * 100 / years)
    return Finding(words, number=float(getattr(statistics, which)[-1]))


def more_extreme_count(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """How many sessions of US equity funds to date had a larger `measure` than the symbol on the day."""
    measure, symbol = p["measure"], p["symbol"]
    broad = p.get("funds") == "broad"
    end = evidence.dates[evidence.session_at(day)]
    count, own, largest, who, when = evidence.value(
        f"""
        with own as (select {measure} as own from marts.instrument_daily where symbol = ? and session_date = ?)
        select
            count(*) filter (where daily.{measure} > own.own), max(own.own), max(daily.{measure}),
            arg_max(daily.symbol, daily.{measure}), arg_max(daily.session_date, daily.{measure})
        from own, marts.instrument_daily as daily
        inner join ref.instruments as instruments on daily.symbol = instruments.symbol
        where instruments.asset_class = 'equity_etf' and daily.session_date <= ? and own.own is not null
            and (not ? or instruments.role in ('market', 'equal_weight', 'size_style', 'size_style_other', 'micro'))
        """,
        [symbol, end, end, broad],
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
        f"select drawdown_{kind}_pct from marts.instrument_daily where symbol = ? and session_date = ?",
        [p["symbol"], end],
        f"{p['symbol']}: no record"
        f" {'high (a session without a high lies before)' if kind == 'intraday' else 'close'} on {end}",
    )
    return Finding(
        f"{p['symbol']} at the close of {end} against its record {'high' if kind == 'intraday' else 'close'}",
        number=float(value),
    )


def record_date(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """Session of the record close or, with `price=intraday`, of the record high."""
    prices, end = evidence.prices(p["symbol"]), evidence.session_at(day)
    kind = "high" if p.get("price") == "intraday" else "close"
    values = getattr(prices, kind)[prices.numbers <= end]
    if not len(values) or not np.isfinite(values).all():
        raise NotComputable(f"{p['symbol']}: a {kind} is missing before {evidence.dates[end]}")
    return Finding(
        f"record {kind} of {p['symbol']} up to {evidence.dates[end]}",
        day=evidence.dates[int(prices.numbers[int(np.argmax(values))])],
    )


def bottom_places_held(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """How many of the bottom `places` of the size and style ranking the symbols hold."""
    if p["scores"] == "publisher":
        raise NotComputable("the publisher's ranking rests on proprietary scores")
    end = evidence.dates[evidence.session_at(day)]
    held, order = evidence.value(
        """
        select count(*) filter (where rank > members - ? and list_contains(?::varchar[], symbol)), string_agg(symbol, ' ' order by rank)
        from marts.size_style_rank_daily where session_date = ? and rank is not null
        """,
        [int(p["places"]), p["symbols"].split("+"), end],
        f"no ranking on {end}",
    )
    if order is None:
        raise NotComputable(f"no ranking on {end}")
    return Finding(
        f"of the bottom {p['places']} places of our open ranking on {end} (first to last: {order})",
        number=float(held),
    )


def improvement_rank(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """Rank of a group by the change of its score over 30 days (1 = most improved)."""
    if p["scores"] == "publisher":
        raise NotComputable("the publisher's ranking rests on proprietary scores")
    end = evidence.dates[evidence.session_at(day)]
    rank, change = evidence.value(
        "select improvement_rank, score_change_30_days from marts.group_score_daily where group_id = ? and"
        " session_date = ?",
        [p["group"], end],
        f"no score of {p['group']} on {end}",
    )
    return Finding(
        f"rank of {p['group']} in our open score by its change over 30 days to {end} ({change:+.2f} of 6"
        " points)",
        number=float(rank),
    )


def meeting_probability_pct(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """Probability of an outcome of an FOMC meeting as futures price it, in %."""
    column = {"cumulative": "", "meeting": "meeting_"}[p.get("scope", "cumulative")] + p["outcome"] + "_prob"
    (value,) = evidence.value(
        f"select {column} from marts.fomc_meetings_daily where as_of_date = ? and meeting_date = ?",
        [day, p["meeting"]],
        f"the meeting of {p['meeting']} could not be priced on {day}: no settlement prices of the fed funds"
        " futures it needs",
    )
    return Finding(
        f"probability of a {p['outcome']} {'by' if 'meeting_' not in column else 'at'} the meeting of"
        f" {p['meeting']} in the settlement prices of {day}",
        number=100 * float(value),
    )


def inversion_start(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """First session of the inversion (10-year below 2-year yield) in which the day lies."""
    at, start, inverted = evidence.value(
        """
        select session_date, inversion_start_date, inverted from marts.yield_curve_daily
        where session_date between ?::date - 7 and ? order by session_date desc limit 1
        """,
        [day, day],
        f"no yields at {day}",
    )
    if not inverted:
        return Finding(f"the curve of {at} was not inverted")
    return Finding(f"start of the unbroken inversion that {at} was part of", day=start)


def series_change_pct(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """Relative change of a FRED series between two observations, in %."""
    values = [
        evidence.value(
            """
            select value from marts.macro_daily
            where series_id = ? and observation_date = ? and available_at_utc < ?::date + 1
            """,
            [p["series"], when, day],
            f"{p['series']} has no observation of {when} that was out on {day}",
        )[0]
        for when in (p["from"], p["to"])
    ]
    return Finding(
        f"relative change of {p['series']} from {values[0]:g} ({p['from'][:7]}) to {values[1]:g}"
        f" ({p['to'][:7]}), today's vintage",
        number=100 * (values[1] / values[0] - 1),
    )


def rate_t_stat(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """t statistic of the effect of the 2-year yield on a symbol at a constant market and slope."""
    model, factor = p.get("model", "market_2y_slope"), p.get("factor", "y2")
    t_stat, beta, at = evidence.value(
        """
        select t_stat, beta, session_date from marts.bank_rate_betas
        where symbol = ? and model = ? and estimator = ? and factor = ? and session_date between ?::date - 7 and ?
        order by session_date desc limit 1
        """,
        [p["symbol"], model, p.get("estimator", "w252"), factor, day, day],
        f"no regression of {p['symbol']} at {day}",
    )
    return Finding(
        f"t statistic of the {factor} effect on {p['symbol']} ({beta:+.2f} % per +10 bp; {model},"
        f" {p.get('estimator', 'w252')}) at {at}",
        number=float(t_stat),
    )


def bond_rate_beta(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """Effect of +10 bp in the 10-year yield on the price of a bond fund over 252 sessions, in %."""
    end = evidence.session_at(day)
    rows = evidence.con.execute(
        """
        select calendar.session_number, curve.change_10y_bp
        from marts.yield_curve_daily as curve
        inner join ref.calendar as calendar on curve.session_date = calendar.calendar_date
        where calendar.session_number between ? and ? and curve.change_10y_bp is not null
        order by calendar.session_number
        """,
        [end - 251, end],
    ).fetchnumpy()
    numbers = np.asarray(rows["session_number"], dtype=np.int64)
    returns = change_pct(evidence.closes(p["symbol"], end), 1)[numbers]
    known = np.isfinite(returns)
    if known.sum() < 200:
        raise NotComputable(f"{p['symbol']} and the 10-year yield have fewer than 200 common sessions")
    return Finding(
        f"% of price of {p['symbol']} per +10 bp in the 10-year yield over the 252 sessions to"
        f" {evidence.dates[end]}",
        number=_slope(float_column(rows["change_10y_bp"])[known] / 10, returns[known]),
    )


def reported_loss_slope(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """Change of the banks' reported unrealised gains per +10 bp in the 10-year yield, quarter on quarter,
    in bn USD.
    """
    rows = evidence.con.execute(
        """
        with quarters as (
            select quarter_end, total_usd_bn from marts.bank_reported_losses where published_on <= ? and total_usd_bn is not null
        ),
        dated as (
            select quarters.quarter_end, quarters.total_usd_bn, curve.y10_pct
            from quarters
            asof left join marts.yield_curve_daily as curve on quarters.quarter_end >= curve.session_date
        )
        select now.total_usd_bn - before.total_usd_bn as change_usd_bn, 10 * (now.y10_pct - before.y10_pct) as change_10bp
        from dated as now
        inner join dated as before on before.quarter_end = last_day(cast(now.quarter_end - interval 3 month as date))
        where now.y10_pct is not null and before.y10_pct is not null
        order by now.quarter_end
        """,
        [day],
    ).fetchnumpy()
    changes = float_column(rows["change_usd_bn"])
    if len(changes) < 6:
        raise NotComputable(f"fewer than six changes of reported losses had been published by {day}")
    return Finding(
        "change of all banks' reported unrealised gains in bn USD per +10 bp in the 10-year yield,"
        f" {len(changes)} quarters to {day}",
        number=_slope(float_column(rows["change_10bp"]), changes),
    )


def regime_mean_spread_pp(evidence: Evidence, day: dt.date, p: Parameters) -> Finding:
    """Mean forward spread of a pair after sessions in a regime, as known at the last such session."""
    mean, hits, count, at = evidence.value(
        """
        select mean_forward_spread_pp, hit_rate, observations, session_date from marts.regimes_daily
        where pair_id = ? and regime = ? and horizon_sessions = ? and session_date <= ? and mean_forward_spread_pp is not null
        order by session_date desc limit 1
        """,
        [p["pair"], p["regime"], int(p["horizon"]), day],
        f"no session in the regime {p['regime']} with enough ended windows up to {day}",
    )
    return Finding(
        f"mean spread of {p['pair']} over the {p['horizon']} sessions after a session of {p['regime']} "
        f"({count} overlapping windows, positive in {100 * hits:.0f} %; known at {at})",
        number=float(mean),
    )


@dataclass(frozen=True)
class Metric:
    """A registered metric: its function, and the kinds of its parameters (see `check_parameters`)."""

    function: Callable[[Evidence, dt.date, Parameters], Finding]
    required: Mapping[str, str]
    optional: Mapping[str, str] = field(default_factory=dict)
    is_date: bool = False


_WINDOW = {"sessions": "integer", "start": "date", "years": "integer"}
METRICS: dict[str, Metric] = {
    "return_pct": Metric(
        return_pct,
        {"symbol": "symbol"},
        {**_WINDOW, "price": "close,session", "start_price": "close,low,high", "return": "price,total"},
    ),
    "spread_pp": Metric(
        spread_pp,
        {"base": "symbol", "quote": "symbol"},
        {**_WINDOW, "price": "close,session", "kind": "spread,ratio", "return": "price,total"},
    ),
    "best_since": Metric(
        best_since,
        {"base": "symbol", "sessions": "integer"},
        {"quote": "symbol", "price": "close,session", "kind": "spread,ratio", "value": "number"},
        is_date=True,
    ),
    "streak_sessions": Metric(streak_sessions, {"symbol": "symbol", "above_pct": "0,1"}),
    "history_position": Metric(
        history_position,
        {"base": "symbol", "sessions": "integer", "statistic": "z,percentile,rank,per_century"},
        {"quote": "symbol", "kind": "spread,ratio"},
    ),
    "more_extreme_count": Metric(
        more_extreme_count,
        {"symbol": "symbol", "measure": "rsi_14,price_z_20d,distance_from_50d_pct,distance_from_200d_pct"},
        {"funds": "all,broad"},
    ),
    "drawdown_pct": Metric(drawdown_pct, {"symbol": "symbol"}, {"price": "close,intraday"}),
    "record_date": Metric(record_date, {"symbol": "symbol"}, {"price": "close,intraday"}, is_date=True),
    "bottom_places_held": Metric(
        bottom_places_held, {"symbols": "symbols", "places": "integer", "scores": "publisher,open"}
    ),
    "improvement_rank": Metric(improvement_rank, {"group": "group", "scores": "publisher,open"}),
    "meeting_probability_pct": Metric(
        meeting_probability_pct,
        {"meeting": "date", "outcome": "cut,hold,hike"},
        {"scope": "cumulative,meeting"},
    ),
    "inversion_start": Metric(inversion_start, {}, is_date=True),
    "series_change_pct": Metric(series_change_pct, {"series": "series", "from": "date", "to": "date"}),
    "rate_t_stat": Metric(
        rate_t_stat,
        {"symbol": "symbol"},
        {
            "estimator": "w60,w126,w252,ewm60,fomc_days",
            "model": "market_2y_slope,y2_only,y10_only,market_year_end_rate,market_surprise",
            "factor": "y2,y10,slope,year_end_rate,surprise,y2_residual",
        },
    ),
    "bond_rate_beta": Metric(bond_rate_beta, {"symbol": "symbol"}),
    "reported_loss_slope": Metric(reported_loss_slope, {}),
    "regime_mean_spread_pp": Metric(
        regime_mean_spread_pp,
        {
            "pair": "pair",
            "regime": "growth_up_easing,growth_up_tightening,growth_down_easing,growth_down_tightening",
            "horizon": "integer",
        },
    ),
}


# -- rows -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Known:
    """What a parameter may name."""

    symbols: frozenset[str]
    groups: frozenset[str]
    pairs: frozenset[str]
    series: frozenset[str]


def parse_parameters(text: str) -> dict[str, str]:
    """`key=value;key=value` as a dictionary."""
    parameters: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in text.split(";"))):
        key, sign, value = item.partition("=")
        if not sign or not key.strip() or not value.strip():
            raise WrongParameters(f"{item!r} is not key=value")
        if key.strip() in parameters:
            raise WrongParameters(f"parameter {key.strip()} is there twice")
        parameters[key.strip()] = value.strip()
    return parameters


def parse_other_bases(text: str) -> list[dict[str, str]]:
    """The parameters that each further reading changes."""
    return [parse_parameters(part) for part in text.split(" | ") if part.strip()]


def check_parameters(
    metric: str, parameters: Parameters, known: Known, overrides: Parameters | None = None
) -> None:
    """Refuse an unknown metric, parameter or value; `overrides` belong to a further reading."""
    if metric not in METRICS:
        raise WrongParameters(f"unknown metric {metric!r}; there are {', '.join(METRICS)}")
    kinds = {**METRICS[metric].required, **METRICS[metric].optional}
    merged = {**parameters, **{key: value for key, value in (overrides or {}).items() if key != "shift"}}
    if overrides and "shift" in overrides and not re.fullmatch(r"[+-]?[1-9]", overrides["shift"]):
        raise WrongParameters(f"shift = {overrides['shift']!r} is not a small number of sessions")
    for key, value in merged.items():
        if key not in kinds:
            raise WrongParameters(f"unknown parameter {key!r} of {metric}; it takes {', '.join(kinds)}")
        _check_value(key, value, kinds[key], known)
    missing = [key for key in METRICS[metric].required if key not in merged]
    if missing:
        raise WrongParameters(f"{metric} needs the parameter {missing[0]!r}")
    if "start" in kinds and not {"start", "sessions", "years"} & set(merged):
        raise WrongParameters(f"{metric} needs one of sessions, start, years")


def _check_value(key: str, value: str, kind: str, known: Known) -> None:
    named = {
        "symbol": known.symbols,
        "symbols": known.symbols,
        "group": known.groups,
        "pair": known.pairs,
        "series": known.series,
    }
    if kind in named:
        for part in value.split("+") if kind == "symbols" else [value]:
            if part not in named[kind]:
                raise WrongParameters(
                    f"{key} = {part!r} is an unknown {kind.removesuffix('s') if kind == 'symbols' else kind}"
                )
    elif kind == "integer":
        if not re.fullmatch(r"[1-9][0-9]{0,4}", value):
            raise WrongParameters(f"{key} = {value!r} is not a whole number")
    elif kind == "number":
        if not re.fullmatch(r"[+-]?\d+(\.\d+)?", value):
            raise WrongParameters(f"{key} = {value!r} is not a number")
    elif kind == "date":
        try:
            dt.date.fromisoformat(value)
        except ValueError as error:
            raise WrongParameters(f"{key} = {value!r} is not a date") from error
    elif value not in kind.split(","):
        raise WrongParameters(f"{key} = {value!r} is not one of {kind}")


def check_figure(metric: str, figure: str, comparison: str) -> None:
    """Refuse a figure that is neither a number nor, for a date, a year, a month or a day."""
    if comparison not in COMPARISONS:
        raise WrongParameters(f"unknown comparison {comparison!r}; there are {', '.join(COMPARISONS)}")
    if METRICS[metric].is_date:
        if not re.fullmatch(r"\d{4}(-\d{2}(-\d{2})?)?", figure):
            raise WrongParameters(f"figure = {figure!r} is no year, month or day")
        if comparison != "equals":
            raise WrongParameters("a date can only be compared by equals")
    elif not re.fullmatch(r"[+-]?\d+(\.\d+)?", figure):
        raise WrongParameters(f"figure = {figure!r} is not a number")


def unit_of_last_digit(figure: str) -> float:
    """1 for 9, 0.1 for 10.4."""
    return float(10.0 ** -len(figure.partition(".")[2]))


# -- verdicts ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Claim:
    """One published figure and how to recompute it."""

    as_of_date: dt.date
    metric: str
    parameters: Parameters
    figure: str
    comparison: str = "equals"
    tolerance: float | None = None
    unit: str = ""
    other_bases: tuple[Parameters, ...] = ()
    note: str | None = None

    @property
    def is_date(self) -> bool:
        """Whether the figure is a date."""
        return METRICS[self.metric].is_date

    @property
    def allowed(self) -> float:
        """How far the recomputed number may lie from the published one."""
        return self.tolerance if self.tolerance is not None else unit_of_last_digit(self.figure) / 2

    @property
    def first_day(self) -> dt.date | None:
        """The first day of the date published."""
        year, month, day = [*map(int, self.figure.split("-")), 1, 1][:3] if self.is_date else (1, 1, 1)
        return dt.date(year, month, day) if self.is_date else None


@dataclass(frozen=True)
class Verdict:
    """The judgement, the figure by the statement's own reading and, where it holds on another, that one."""

    verdict: str
    why: str
    recomputed: float | None = None
    recomputed_day: dt.date | None = None
    basis: str | None = None
    other_number: float | None = None
    other_day: dt.date | None = None


def judge(claim: Claim, evidence: Evidence) -> Verdict:
    """Recompute a claim by its own parameters, then by its further readings, until one agrees."""
    metric = METRICS[claim.metric].function
    first: Finding | None = None
    problem = ""
    try:
        first = metric(evidence, claim.as_of_date, claim.parameters)
    except NotComputable as error:
        problem = str(error)
    number, day = (first.number, first.day) if first else (None, None)
    if first and agrees(claim, first):
        return Verdict("confirmed", _sentence(_shown(claim, first), claim.note), number, day)
    tried = []
    for overrides in claim.other_bases:
        parameters = {**claim.parameters, **{k: v for k, v in overrides.items() if k != "shift"}}
        basis = describe_basis(claim.parameters, overrides)
        try:
            as_of = _shifted(evidence, claim.as_of_date, overrides)
            other = metric(evidence, as_of, parameters)
        except NotComputable as error:
            tried.append(f"{basis}: {error}")
            continue
        if agrees(claim, other):
            own = _shown(claim, first) if first else problem
            return Verdict(
                "confirmed_on_other_basis",
                _sentence(f"True {basis}: {_shown(claim, other)}. As stated: {own}", claim.note),
                number,
                day,
                basis,
                other.number,
                other.day,
            )
        tried.append(f"{basis}: {_shown(claim, other)}")
    also = f". Also tried, {'; '.join(tried)}" if tried else ""
    if first is None:
        return Verdict("not_computable", _sentence(f"{problem}{also}", claim.note))
    published = f"published: {COMPARISONS[claim.comparison]}{claim.figure}{_unit(claim)}"
    return Verdict(
        "contradicted", _sentence(f"{_shown(claim, first)}; {published}{also}", claim.note), number, day
    )


def agrees(claim: Claim, finding: Finding) -> bool:
    """Whether a finding agrees with the published figure, within the tolerance."""
    if claim.is_date:
        days = (finding.day,) if finding.day else finding.possible_days
        return any(str(day).startswith(claim.figure) for day in days)
    published, allowed = float(claim.figure), claim.allowed + 1e-9
    if finding.number is not None:
        low = high = finding.number
    elif finding.low is not None and finding.high is not None:
        low, high = finding.low, finding.high
    else:
        return False
    step = unit_of_last_digit(claim.figure)
    return {
        "equals": low <= published + allowed and high >= published - allowed,
        "over": low < published + step and high >= published,
        "more_than": high > published,
        "less_than": low < published,
        "at_least": high >= published,
        "at_most": low <= published,
    }[claim.comparison]


def describe_basis(own: Parameters, overrides: Parameters) -> str:
    """A reading in words: what it takes instead of what the statement says."""
    parts = []
    for key, value in overrides.items():
        was = own.get(key)
        if key == "shift":
            count, side = abs(int(value)), "before" if int(value) < 0 else "after"
            parts.append(f"on the session {side}" if count == 1 else f"{count} sessions {side}")
        elif (key, value) in BASIS_WORDS:
            parts.append(BASIS_WORDS[key, value])
        elif key in ("symbol", "base", "quote"):
            parts.append(f"of {value}, not of {was}")
        elif key == "start":
            parts.append(f"counted from {value}")
        elif key == "sessions":
            parts.append(f"over {value} sessions" + (f", not {was}" if was else ""))
        elif key == "value":
            parts.append(f"for the {value} published elsewhere in the text, not for the close")
        elif key == "years":
            parts.append(f"over {value} years")
        elif key == "from":
            parts.append(f"counted from {value[:7]}, not from {str(was)[:7]}")
        else:
            parts.append(f"with {key} = {value}")
    return " and ".join(parts)


STATISTICS = {"z": "z score", "percentile": "percentile", "rank": "rank", "per_century": "number per century"}
BASIS_WORDS = {
    ("price", "session"): "of prices during the session, not of the close",
    ("price", "intraday"): "measured from the record high during a session, not from the record close",
    ("start_price", "low"): "from the low of the first session, not from a close",
    ("return", "total"): "of the total return, not of the price return",
    ("return", "price"): "of the price return, not of the total return",
    ("kind", "ratio"): "of the change of the ratio, not of the difference of returns",
    ("kind", "spread"): "of the difference of returns, not of the change of the ratio",
    ("scores", "open"): "of our open analogue, not of the publisher's own scores",
    ("funds", "broad"): "of funds on broad indices, not of sector and bank funds",
    ("estimator", "w126"): "over the last 126 observations, not the last 252",
    ("estimator", "w60"): "over the last 60 observations, not the last 252",
    ("scope", "meeting"): "of that meeting alone, not of the meetings up to it",
}


def _shown(claim: Claim, finding: Finding) -> str:
    if finding.number is not None:
        digits = max(2, len(claim.figure.partition(".")[2])) if not claim.is_date else 2
        whole = claim.unit in ("count", "sessions", "rank", "places")
        return f"{finding.words}: {finding.number:.{0 if whole else digits}f}{_unit(claim)}"
    if finding.day is not None:
        return f"{finding.words}: {finding.day}"
    if finding.possible_days:
        return (
            f"{finding.words}, for values from {finding.low:.2f} to {finding.high:.2f}: "
            f"{', '.join(str(day) for day in sorted(finding.possible_days))}"
        )
    if finding.low is not None:
        return f"{finding.words}: between {finding.low:.2f} and {finding.high:.2f}{_unit(claim)}"
    return finding.words


def _unit(claim: Claim) -> str:
    return f" {claim.unit}" if claim.unit in ("%", "pp", "standard deviations") else ""


def _sentence(text: str, note: str | None) -> str:
    text = text.strip().rstrip(".") + "."
    return f"{text[0].upper()}{text[1:]} {note or ''}".rstrip()


def _shifted(evidence: Evidence, day: dt.date, overrides: Parameters) -> dt.date:
    if "shift" not in overrides:
        return day
    number = evidence.session_at(day) + int(overrides["shift"])
    if number not in evidence.dates:
        raise NotComputable("that session lies outside the publication")
    return evidence.dates[number]


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


def _history(evidence: Evidence, end: int, p: Parameters) -> tuple[NDArray[np.float64], str]:
    """Returns or spreads of all sessions up to `end`, and their name."""
    window, base = int(p["sessions"]), p["base"]
    closes = evidence.closes(base, end)
    if "quote" not in p:
        return change_pct(closes, window), f"return of {base}"
    quotes = evidence.closes(p["quote"], end)
    if p.get("kind") == "ratio":
        return change_pct(closes / quotes, window), f"change of {base}/{p['quote']}"
    return change_pct(closes, window) - change_pct(quotes, window), f"spread of {base} over {p['quote']}"


def _slope(x: FloatArray, y: FloatArray) -> float:
    """Least-squares slope of y on x."""
    away = x - x.mean()
    variance = float((away * away).sum())
    if variance == 0:
        raise NotComputable("the regressor does not vary")
    return float((away * (y - y.mean())).sum()) / variance
