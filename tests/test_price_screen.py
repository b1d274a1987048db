"""All symbols screened at once find what a look at each of them finds, whatever is wrong in the prices."""

from __future__ import annotations

import datetime as dt
import functools

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model_fixture import build, empty_warehouse, fill, fill_reference, set_session
from transforms.lib.price_screen import LEAST_SYMBOLS, symbols_to_look_at
from transforms.staging import price_findings
from warehouse.catalog import load_catalog

SYMBOLS = ("AAA", "BBB", "CCC", "DDD", "EEE", "FFF", "^VIX")
PRICES = ["open", "high", "low", "close"]
FACTORS = (0.01, 1 / 3, 0.5, 2 / 3, 0.75, 0.8, 0.83, 0.92, 0.95, 1.05, 1.09, 1.2, 1.25, 1.5, 2.0, 3.0, 10.0)
SIZES = (1, 2, 5, 20, 80, 1000)

KINDS = (
    *("prices", "close", "all", "not adjusted", "adjusted", "split", "old basis", "old basis beside"),
    *("no dividend", "dividend", "missing", "no open", "no adjusted", "rounded", "revised", "payload"),
)
# One wrong thing: the symbol, its kind, the first row (from the end where negative), rows and factor.
faults = st.tuples(
    st.sampled_from(SYMBOLS),
    st.sampled_from(KINDS),
    st.integers(-8, 130),
    st.sampled_from(SIZES),
    st.sampled_from(FACTORS),
)


def market(seed: int, rows: int) -> pd.DataFrame:
    """Correct bars of every symbol: usual moves, a dividend in every quarter, adj_close from one payload."""
    rng = np.random.default_rng(seed)
    parts = []
    for place, symbol in enumerate(SYMBOLS):
        days = pd.bdate_range("2023-01-02", periods=rows)[: rows - 3 * (place == 2)]
        close = 50.0 * 2**place * np.exp(np.cumsum(rng.normal(0, 0.004 + 0.004 * place, len(days))))
        dividend = np.where(np.arange(len(days)) % 63 == 40, 0.006 * close, 0.0)
        before = np.append(close[0], close[:-1])
        adjusted = close / np.cumprod(1 - dividend / before)
        opened = before * np.exp(rng.normal(0, 0.002, len(days)))
        frame = pd.DataFrame({"session_date": days, "open": opened, "close": close}).assign(
            symbol=symbol,
            high=np.maximum(opened, close) * 1.002,
            low=np.minimum(opened, close) * 0.998,
            adj_close=adjusted,
            previous_adj_close=np.append(np.nan, adjusted[:-1]),
            dividend=dividend,
            split=1.0,
            payload_sha256="one",
            known_at_utc=pd.Timestamp("2023-12-01"),
        )
        parts.append(frame)
    return pd.concat(parts, ignore_index=True)


def with_fault(
    bars: pd.DataFrame, symbol: str, kind: str, place: int, size: int, factor: float
) -> pd.DataFrame:
    """The bars with one thing wrong in some rows of one symbol."""
    own = bars.index[bars["symbol"] == symbol]
    if own.empty:
        return bars
    first = range(len(own))[place] if -len(own) <= place < len(own) else 0
    rows, row = own[first : first + size], own[first]
    out = bars.copy()
    columns = {
        "prices": PRICES,
        "close": ["close"],
        "all": [*PRICES, "adj_close", "previous_adj_close"],
        "not adjusted": [*PRICES, "adj_close"],
        "adjusted": ["adj_close"],
    }
    if kind in columns:
        out.loc[rows, columns[kind]] *= factor
    elif kind == "split":
        out.loc[row, "split"] = 1 / factor
    elif kind in ("old basis", "old basis beside"):
        out.loc[row, "split"] = 1 / factor
        step = max(first - 3, 0) if kind == "old basis beside" else first
        out.loc[own[:step], [*PRICES, "dividend"]] /= factor
    elif kind == "no dividend":
        out.loc[rows, "dividend"] = 0.0
    elif kind == "dividend":
        out.loc[row, "dividend"] = out.loc[row, "close"] * abs(np.log(factor)) / 10
    elif kind == "missing":
        out = out.drop(index=rows[: len(own) - 1])
    elif kind == "no open":
        out.loc[rows, ["open", "high", "low"]] = np.nan
    elif kind == "no adjusted":
        out.loc[own, ["adj_close", "previous_adj_close"]] = np.nan
    elif kind == "rounded":
        out.loc[own, ["close", "adj_close", "previous_adj_close"]] = out.loc[
            own, ["close", "adj_close", "previous_adj_close"]
        ].round(2)
    elif kind == "revised":
        later = out.loc[rows].assign(known_at_utc=pd.Timestamp("2023-12-02"), payload_sha256="two")
        later[PRICES] *= factor
        out = pd.concat([later, out], ignore_index=True)
    else:
        out.loc[rows, "payload_sha256"] = "another"
    return out.reset_index(drop=True)


@functools.cache
def _empty() -> duckdb.DuckDBPyConnection:
    con = empty_warehouse()
    fill_reference(con, "calendar")
    fill(
        con,
        "ref.instruments",
        pd.DataFrame(
            {
                "symbol": SYMBOLS,
                "price_basis": [
                    "fully_adjusted" if symbol == "DDD" else "split_adjusted" for symbol in SYMBOLS
                ],
            }
        ),
    )
    return con


def warehouse(bars: pd.DataFrame, *, sessions_ago: int = 0) -> duckdb.DuckDBPyConnection:
    """The bars in raw, at one of their last sessions."""
    con = _empty()
    session = bars["session_date"].drop_duplicates().nlargest(1 + sessions_ago).min()
    set_session(con, str(session.date()), cutoff=dt.datetime(2030, 1, 1))
    con.execute("delete from pipeline.raw.equity_prices")
    fill(con, "raw.equity_prices", bars)
    return con


def look_at_every_symbol(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """The findings without a screen: each symbol by itself, the market's move of every day."""
    bars = con.execute(price_findings.BARS, [list(range(1, len(SYMBOLS) + 1))]).df()
    moves = np.log(bars["close"]).groupby(bars["symbol"]).diff().groupby(bars["session_date"])
    bars["market_move"] = moves.transform("median").where(moves.transform("count") >= LEAST_SYMBOLS)
    found = [
        {"symbol": symbol, **row}
        for symbol, part in bars.groupby("symbol", sort=True)
        for row in price_findings.find(part.reset_index(drop=True))
    ]
    return pd.DataFrame(found, columns=price_findings.COLUMNS)


@settings(max_examples=120, deadline=None)
@given(
    seed=st.integers(0, 10),
    rows=st.sampled_from([4, 9, 40, 140]),
    wrong=st.lists(faults, max_size=4),
    sessions_ago=st.sampled_from([0, 0, 2]),
)
def test_the_screen_misses_nothing(
    seed: int, rows: int, wrong: list[tuple[str, str, int, int, float]], sessions_ago: int
) -> None:
    bars = market(seed, rows)
    for fault in wrong:
        bars = with_fault(bars, *fault)
    con = warehouse(bars, sessions_ago=sessions_ago)
    pd.testing.assert_frame_equal(
        price_findings.build(con), look_at_every_symbol(con), check_exact=True, check_dtype=False
    )


def test_symbols_in_order_are_not_looked_at() -> None:
    bars = market(1, 140)
    # what another payload restates: the rows before keep what they were served with
    later = bars.index[bars["symbol"] == "BBB"][100:]
    bars.loc[later, ["adj_close", "previous_adj_close"]] *= 0.97
    bars.loc[later, "payload_sha256"] = "another"
    con = warehouse(bars)
    symbols, _ = symbols_to_look_at(price_findings.load_bars(con))
    assert symbols.size == 0


@pytest.mark.parametrize(
    ("kind", "size", "factor", "finding"),
    [
        ("prices", 1, 0.92, "bar_jumps_back"),
        ("all", 5, 1.25, "bar_jumps_back"),
        ("prices", 1000, 0.5, "split_event_missing"),
        ("old basis", 1, 0.5, "split_not_restated"),
        ("old basis beside", 1, 1.25, "split_not_restated"),
        ("dividend", 1, 0.5, "adj_close_lacks_dividend"),
        ("adjusted", 1, 0.5, "adj_close_is_wrong"),
    ],
)
def test_what_is_wrong_is_found_and_costs_its_own_symbol_only(
    kind: str, size: int, factor: float, finding: str
) -> None:
    bars = market(1, 140)
    if kind == "old basis beside":
        bars = with_fault(bars, "BBB", "no adjusted", 0, 1, 1.0)
    con = warehouse(with_fault(bars, "BBB", kind, 100, size, factor))
    symbols, _ = symbols_to_look_at(price_findings.load_bars(con))
    assert symbols.tolist() == [SYMBOLS.index("BBB") + 1]
    assert finding in set(price_findings.build(con)["finding"])


def test_a_small_split_is_told_by_the_market_of_its_day() -> None:
    bars = market(1, 140)
    own = bars.index[bars["symbol"] == "AAA"]
    bars.loc[own[:100], [*PRICES, "adj_close", "previous_adj_close", "dividend"]] *= 1.25
    bars.loc[own[100], "previous_adj_close"] *= 1.25
    con = warehouse(bars)
    assert price_findings.build(con)["finding"].tolist() == ["split_event_missing"]
    pd.testing.assert_frame_equal(price_findings.build(con), look_at_every_symbol(con), check_dtype=False)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10), wrong=st.lists(faults, max_size=3), since=st.integers(1, 136))
def test_prices_from_a_day_on_need_each_symbols_last_row_before(
    seed: int, wrong: list[tuple[str, str, int, int, float]], since: int
) -> None:
    bars = market(seed, 140)
    for fault in wrong:
        bars = with_fault(bars, *fault)
    con = warehouse(bars)
    build(con, "staging.price_findings")
    build(con, "staging.equity_prices")
    day = bars["session_date"].drop_duplicates().sort_values().iloc[since]
    columns = ", ".join(load_catalog()["staging.equity_prices"].column_names)
    con.execute(
        f"create or replace temp table whole as from staging.equity_prices where session_date >= '{day}'"
    )
    con.execute(f"""
        delete from pipeline.raw.equity_prices as served using (
            select symbol, max(session_date) as last_day from staging.equity_prices
            where session_date < '{day}' group by symbol
        ) as kept
        where kept.symbol = served.symbol and served.session_date < kept.last_day
        """)
    build(con, "staging.equity_prices")
    con.execute(f"delete from staging.equity_prices where session_date < '{day}'")
    for one, other in (("whole", "staging.equity_prices"), ("staging.equity_prices", "whole")):
        assert con.execute(f"select {columns} from {one} except all select {columns} from {other}").df().empty
