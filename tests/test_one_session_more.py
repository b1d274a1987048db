"""The models on prices, asked for the days from one on, answer with the bits of a build of everything.

Random histories: symbols that start late, end early and pause, single gaps, ties, days without a move,
unknown highs and returns. The inputs hold what the model declares to read and nothing else, the table its
rows before the day.
"""

from __future__ import annotations

import datetime as dt
import functools

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model_fixture import build, empty_warehouse, fill, fill_reference
from warehouse.catalog import load_catalog, quoted

SYMBOLS = ("AAA", "BBB", "CCC", "DDD", "EEE")
GROUPS = ("size_style_boxes", "another")
SESSIONS = 420
# By model: the input that is handed over for some days before the first one only, in days; others whole.
LOOK_BACK_DAYS = {
    "staging.instrument_returns": {"staging.equity_prices": 400},
    "staging.instrument_history": {},
    "marts.instrument_daily": {
        "staging.equity_prices": 60,
        "staging.instrument_returns": 0,
        "staging.instrument_history": 0,
    },
    "marts.rotation_pair_daily": {},
    "marts.rotation_extremes_daily": {},
    "marts.rotation_state_daily": {},
    "marts.size_style_rank_daily": {},
    "marts.fund_score_daily": {},
    "marts.group_score_daily": {},
}


@functools.cache
def _sessions() -> list[dt.date]:
    rows = (
        _reference()
        .execute(
            "select calendar_date from ref.calendar where is_nyse_session and calendar_date >= '2022-11-01'"
            " order by 1 limit ?",
            [SESSIONS],
        )
        .fetchall()
    )
    return [day for (day,) in rows]


@functools.cache
def _reference() -> duckdb.DuckDBPyConnection:
    con = empty_warehouse()
    fill_reference(con, "calendar")
    pairs = [(base, quote) for base in SYMBOLS for quote in SYMBOLS if base < quote]
    fill(
        con,
        "ref.pairs",
        pd.DataFrame(pairs, columns=["base_symbol", "quote_symbol"]).assign(
            pair_id=[f"{base}-{quote}" for base, quote in pairs]
        ),
    )
    fill(con, "ref.groups", pd.DataFrame({"group_id": GROUPS, "group_kind": "equity"}))
    members = [(group, symbol) for group in GROUPS for symbol in SYMBOLS[1:]]
    fill(con, "ref.group_members", pd.DataFrame(members, columns=["group_id", "symbol"]))
    fill(
        con,
        "ref.instruments",
        pd.DataFrame({"symbol": SYMBOLS, "benchmark_symbol": [None, *("AAA" for _ in SYMBOLS[1:])]}),
    )
    return con


def random_prices(seed: int) -> pd.DataFrame:
    """Rows of staging.equity_prices."""
    rng = np.random.default_rng(seed)
    parts = []
    for symbol in SYMBOLS:
        moves = rng.normal(0, 0.015, SESSIONS) * (rng.random(SESSIONS) > 0.1)
        close = np.round(50 * np.exp(np.cumsum(moves)), int(rng.integers(0, 4)))
        total_return = 100 * np.append(np.nan, close[1:] / close[:-1] - 1)
        kept = rng.random(SESSIONS) > rng.choice([0.0, 0.002, 0.05])
        if rng.random() < 0.4:
            kept[: rng.integers(0, SESSIONS)] = False
        if rng.random() < 0.3:
            kept[rng.integers(0, SESSIONS) :] = False
        if rng.random() < 0.4:
            pause = int(rng.integers(0, SESSIONS - 60))
            kept[pause : pause + int(rng.integers(2, 60))] = False
        if rng.random() < 0.3:
            total_return[rng.integers(0, SESSIONS)] = np.nan
        high = close * 1.01
        if rng.random() < 0.3:
            high[rng.integers(0, SESSIONS)] = np.nan
        volume = np.where(rng.random(SESSIONS) < 0.01, np.nan, rng.integers(0, 10**6, SESSIONS))
        frame = pd.DataFrame({"session_date": _sessions(), "close": close, "high": high, "volume": volume})
        parts.append(frame.assign(symbol=symbol, total_return_pct=total_return)[kept])
    return pd.concat(parts, ignore_index=True)


def _warehouse(prices: pd.DataFrame) -> duckdb.DuckDBPyConnection:
    con = _reference()
    con.execute("drop view if exists previous_rows")
    con.execute("reset variable since")
    con.execute("drop table if exists staging.equity_prices")
    fill(con, "staging.equity_prices", prices)
    con.execute("""
        update staging.equity_prices set session_number = calendar.session_number
        from ref.calendar as calendar where calendar.calendar_date = session_date
        """)
    return con


def assert_extended_equals_whole(con: duckdb.DuckDBPyConnection, model: str, since: dt.date) -> None:
    """Build the model for the days from one on, from no more than it reads, and compare with its table.

    Args:
        con: The table of the model and its inputs, built of everything; they are the same afterwards.
        model: Full name.
        since: The first day asked for.
    """
    table = load_catalog()[model]
    con.execute("drop schema if exists whole cascade")
    con.execute("create schema whole")
    con.execute(f"create table whole.{table.name} as from {model}")
    con.execute(
        f"create or replace temp view previous_rows as from whole.{table.name} where session_date < '{since}'"
    )
    for name, days in LOOK_BACK_DAYS[model].items():
        short = name.split(".")[1]
        con.execute(f"create table whole.kept_{short} as from {name}")
        con.execute(f"delete from {name} where session_date < date '{since}' - {days}")
    con.execute("set variable since = ?::date", [since])
    build(con, model)
    con.execute("reset variable since")
    columns = ", ".join(map(quoted, table.column_names))
    for one, other in ((model, f"whole.{table.name}"), (f"whole.{table.name}", model)):
        rows = con.execute(f"""
            select {columns} from {one} where session_date >= '{since}'
            except all select {columns} from {other} where session_date >= '{since}'
            """).df()
        assert rows.empty, rows.to_string()
    for name in LOOK_BACK_DAYS[model]:
        con.execute(f"create or replace table {name} as from whole.kept_{name.split('.')[1]}")
    con.execute(f"create or replace table {model} as from whole.{table.name}")


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000), places=st.lists(st.integers(0, SESSIONS - 1), min_size=2, max_size=2))
def test_any_day_of_any_history(seed: int, places: list[int]) -> None:
    con = _warehouse(random_prices(seed))
    for model in LOOK_BACK_DAYS:
        build(con, model)
        for place in (*places, SESSIONS - 1):
            assert_extended_equals_whole(con, model, _sessions()[place])


@pytest.mark.parametrize("model", LOOK_BACK_DAYS)
def test_every_day_of_a_history(model: str) -> None:
    con = _warehouse(random_prices(6))
    for name in LOOK_BACK_DAYS:
        build(con, name)
    assert con.execute(f"select count(*) from {model}").fetchall()[0][0] > 150
    for since in _sessions()[3::23]:
        assert_extended_equals_whole(con, model, since)
