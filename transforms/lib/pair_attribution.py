"""The sectors of the pairs whose two funds have holdings, session by session: weights at the open, returns,
effects and why there are none.

In: marts.fund_sector_weights (weights by report), marts.instrument_daily (total return index of the funds and
of the sector ETFs), ref.pairs, ref.sector_funds, ref.calendar. Out: a `PairSectors` per pair.

Of a session t the weights are those of the latest report that could be had before its open, drifted with the
sector ETFs from the close of the report's day to that of t - 1. What is in no sector, or in one whose ETF
lacks a close, is the rest, with a return of zero. There is no attribution without a return of both funds,
from a report older than `LONGEST_AGE_DAYS`, over a day on which a sector was drawn anew, and where sectors
with a return are less than `LEAST_COVERAGE`. Caveat: rows begin on the first session for which both funds
have a report; nothing is said of the time before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from transforms.lib.history import FloatArray
from transforms.lib.sector_attribution import Effects, daily_effects, drifted, row_sums
from transforms.lib.session_grid import DateArray

LONGEST_AGE_DAYS = 100
LEAST_COVERAGE = 0.95
REST = "rest"
Texts = NDArray[np.object_]

WEIGHTS = """
    select
        weights.symbol, weights.report_date, weights.report_known_date, weights.sector_fund,
        weights.sector_weight_pct / 100 as weight,
        coalesce(funds.sector_to_date, date '9999-12-31') as usable_to
    from marts.fund_sector_weights as weights
    inner join ref.sector_funds as funds
        on
            weights.sector = funds.sector
            and weights.report_date
            between funds.sector_from_date and coalesce(funds.sector_to_date, date '9999-12-31')
    order by weights.symbol, weights.report_date, weights.sector
"""
INDEX = """
    select daily.symbol, calendar.session_number, daily.total_return_index
    from marts.instrument_daily as daily
    inner join ref.calendar as calendar on daily.session_date = calendar.calendar_date
    where
        list_contains(?::varchar[], daily.symbol)
        and daily.session_date <= getvariable('session_date')
        and daily.total_return_index is not null
"""


@dataclass(frozen=True)
class Side:
    """One fund by session: the report that counts, weights at the open (the last column is the rest), the
    share in sectors with a return, the fund's return, and why nothing can be attributed (blank: it can).
    """

    report_date: DateArray
    age_days: NDArray[np.int64]
    weights: FloatArray
    coverage: FloatArray
    returns: FloatArray
    reason: Texts


@dataclass(frozen=True)
class PairSectors:
    """One pair over all sessions; `first` is the row of the first one for which both funds have a report."""

    pair_id: str
    first: int
    sessions: DateArray
    sectors: tuple[str, ...]
    sector_returns: FloatArray
    base: Side
    quote: Side
    effects: Effects
    reason: Texts


@dataclass(frozen=True)
class _Market:
    """Sessions in a row with the total return index of every symbol, NaN where there is none."""

    dates: DateArray
    index: dict[str, FloatArray]

    def returns(self, symbol: str) -> FloatArray:
        index = self.of(symbol)
        found: FloatArray = np.full(len(index), np.nan)
        found[1:] = index[1:] / index[:-1] - 1.0
        return found

    def of(self, symbol: str) -> FloatArray:
        return self.index.get(symbol, np.full(len(self.dates), np.nan))


def pair_sectors(con: duckdb.DuckDBPyConnection) -> Iterator[PairSectors]:
    """The pairs in their order; none where no holdings are known."""
    weights = con.execute(WEIGHTS).df()
    if weights.empty:
        return
    sectors = tuple(sorted(weights["sector_fund"].unique()))
    pairs = con.execute(
        """
        select pair_id, base_symbol, quote_symbol
        from ref.pairs
        where list_contains($1::varchar[], base_symbol) and list_contains($1::varchar[], quote_symbol)
        order by pair_id
        """,
        [sorted(weights["symbol"].unique())],
    ).fetchall()
    members = sorted({symbol for _, base, quote in pairs for symbol in (base, quote)})
    market = _market(con, [*members, *sectors])
    if len(market.dates) < 2:
        return
    sector_index = np.column_stack([market.of(name) for name in sectors])
    sector_returns = np.column_stack([market.returns(name) for name in sectors])
    sides = {
        symbol: _side(
            market, symbol, weights[weights["symbol"] == symbol], sectors, sector_index, sector_returns
        )
        for symbol in members
    }
    rest = np.zeros((len(market.dates), 1))
    returns = np.hstack([np.where(np.isfinite(sector_returns), sector_returns, 0.0), rest])
    for pair_id, base_symbol, quote_symbol in pairs:
        known = ~np.isnat(sides[base_symbol].report_date) & ~np.isnat(sides[quote_symbol].report_date)
        if not known.any():
            continue
        base, quote = sides[base_symbol], sides[quote_symbol]
        reason = np.where(base.reason != "", base.reason, quote.reason)
        effects = daily_effects(base.weights, quote.weights, returns, base.returns, quote.returns)
        first = int(np.argmax(known))
        shown = _known(effects, np.where(np.arange(len(reason)) < first, "no_report", reason))
        names = (*sectors, REST)
        yield PairSectors(pair_id, first, market.dates, names, returns, base, quote, shown, reason)


def _known(effects: Effects, reason: Texts) -> Effects:
    """The effects where nothing speaks against them."""
    silent = reason != ""
    return Effects(
        np.where(silent[:, np.newaxis], np.nan, effects.by_sector),
        np.where(silent, np.nan, effects.allocation),
        np.where(silent, np.nan, effects.within),
    )


def _market(con: duckdb.DuckDBPyConnection, symbols: list[str]) -> _Market:
    rows = con.execute(INDEX, [symbols]).fetchnumpy()
    number = np.asarray(rows["session_number"], dtype=np.int64)
    first, last = (int(number.min()), int(number.max())) if len(number) else (1, 0)
    dates = con.execute(
        "select calendar_date from ref.calendar where session_number between ? and ? order by session_number",
        [first, last],
    ).fetchnumpy()["calendar_date"]
    names = np.asarray(rows["symbol"], dtype=str)
    values = np.asarray(rows["total_return_index"], dtype=np.float64)
    index: dict[str, FloatArray] = {}
    for name in symbols:
        chosen = names == name
        index[name] = np.full(last - first + 1, np.nan)
        index[name][number[chosen] - first] = values[chosen]
    return _Market(np.asarray(dates, dtype="datetime64[s]"), index)


def _side(
    market: _Market,
    symbol: str,
    reports: pd.DataFrame,
    sectors: tuple[str, ...],
    sector_index: FloatArray,
    sector_returns: FloatArray,
) -> Side:
    """One fund over all sessions."""
    count, width = len(market.dates), len(sectors)
    found = Side(
        np.full(count, np.datetime64("NaT", "s")),
        np.zeros(count, dtype=np.int64),
        np.full((count, width + 1), np.nan),
        np.full(count, np.nan),
        market.returns(symbol),
        np.full(count, "", dtype=object),
    )
    listed = _reports(reports, sectors)
    for position, report in enumerate(listed):
        start = int(np.searchsorted(market.dates, report.known))
        stop = (
            int(np.searchsorted(market.dates, listed[position + 1].known))
            if position + 1 < len(listed)
            else count
        )
        if start >= stop:
            continue
        rows = slice(start, stop)
        found.report_date[rows] = report.day
        found.age_days[rows] = (market.dates[rows] - report.day).astype("timedelta64[D]").astype(np.int64)
        at = int(np.searchsorted(market.dates, report.day))
        at_report = (
            sector_index[at] if at < count and market.dates[at] == report.day else np.full(width, np.nan)
        )
        before = sector_index[np.maximum(np.arange(start, stop) - 1, 0)]
        growth = before / at_report
        usable = np.isfinite(growth) & np.isfinite(sector_returns[rows])
        held = np.where(usable, report.weights, 0.0)
        rest = 1.0 - row_sums(held)[:, np.newaxis]
        with_rest = np.hstack([np.where(usable, growth, 1.0), np.ones((stop - start, 1))])
        found.weights[rows] = drifted(np.hstack([held, rest]), with_rest)
        found.coverage[rows] = row_sums(found.weights[rows][:, :-1])
        found.reason[rows] = np.where(market.dates[rows] > report.usable_to, "sectors_redefined", "")
    no_report = np.isnat(found.report_date)
    reason = np.where(
        (found.reason == "") & (found.coverage < LEAST_COVERAGE), "coverage_too_low", found.reason
    )
    reason = np.where(~no_report & (found.age_days > LONGEST_AGE_DAYS), "report_too_old", reason)
    reason = np.where(~no_report & ~np.isfinite(found.returns), "price_missing", reason)
    return Side(**{**vars(found), "reason": reason.astype(object)})


@dataclass(frozen=True)
class _Report:
    """Weights by sector of one report, and until which day its sectors are drawn as they were."""

    day: np.datetime64
    known: np.datetime64
    weights: FloatArray
    usable_to: np.datetime64


def _reports(rows: pd.DataFrame, sectors: tuple[str, ...]) -> list[_Report]:
    """The reports in the order of their days; one that is older than another that was known earlier is left
    out from then on by that order of `known`.
    """
    found: list[_Report] = []
    for day, report in rows.groupby("report_date", sort=True):
        weights = np.zeros(len(sectors))
        for sector, weight in zip(report["sector_fund"], report["weight"], strict=True):
            weights[sectors.index(sector)] += weight
        stamp: Any = day
        known = _seconds(report["report_known_date"].iloc[0])
        # A later report that was known earlier makes this one useless.
        found = [entry for entry in found if entry.known < known]
        found.append(
            _Report(_seconds(stamp), known, weights, _seconds(min(report["usable_to"], key=_seconds)))
        )
    return found


def _seconds(day: Any) -> np.datetime64:
    return np.datetime64(str(day)[:10], "s")
