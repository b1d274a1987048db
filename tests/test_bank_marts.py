"""The bank marts from staging tables to published columns, on made-up rows and on recorded data.

The recorded data are looked for in ROTATION_REPLAY_DIR (default: ../shared/replay beside the repository);
without them those tests are skipped.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import yaml

from transforms.marts import bank_rate_betas, bank_sensitivity_daily
from transforms.marts.bank_sensitivity_daily import (
    FALL,
    REGIMES,
    RISE,
    UNCLEAR,
    classify_regimes,
    hold_regimes,
)

ROOT = Path(__file__).resolve().parents[1]
REPLAY = Path(os.environ.get("ROTATION_REPLAY_DIR", ROOT.parent / "shared" / "replay"))
BETA_NUMBERS = ("beta", "std_error", "t_stat", "r_squared")
ETFS = ("KRE", "KBE", "KBWB", "IAT")
BANKS = (
    "BAC",
    "C",
    "CFG",
    "CMA",
    "COF",
    "FITB",
    "GS",
    "HBAN",
    "JPM",
    "KEY",
    "MS",
    "MTB",
    "NTRS",
    "PNC",
    "RF",
    "SCHW",
    "STT",
    "TFC",
    "USB",
    "WAL",
    "WFC",
    "ZION",
)
GROUPS = {
    "regional": ("CFG", "CMA", "FITB", "HBAN", "KEY", "MTB", "PNC", "RF", "TFC", "USB", "WAL", "ZION"),
    "money_centre": ("BAC", "C", "JPM", "WFC"),
    "trust_and_broker": ("GS", "MS", "NTRS", "SCHW", "STT"),
    "mixed": ("JPM", "KRE"),  # has an ETF: no bank group
    "bank_rate_entities": (*BANKS, *ETFS, "IWM", "XLF"),
}


# --- building the tables that the marts read ------------------------------------------------------


def create_tables(con: duckdb.DuckDBPyConnection) -> None:
    for schema in ("staging", "ref", "marts"):
        con.execute(f"create schema {schema}")
    con.execute("""
        create table staging.equity_prices (
            symbol varchar, session_date date, session_number integer, total_return_pct double
        )
        """)
    con.execute(
        "create table staging.fred_observations (series_id varchar, observation_date date, value double)"
    )
    con.execute("""
        create table ref.calendar (
            calendar_date date, is_nyse_session boolean, session_number integer, is_settlement_day boolean,
            close_at_utc timestamp
        );
        create table ref.fomc_meetings (decision_date date, announced_at_utc timestamp);
        create table marts.policy_repricing (as_of_date date, horizon varchar, change_bp double);
        create table marts.policy_surprises (meeting_date date, surprise_bp double);
        """)
    con.execute("create table ref.instruments (symbol varchar, role varchar)")
    con.execute("create table ref.group_members (group_id varchar, symbol varchar)")


def add_reference(con: duckdb.DuckDBPyConnection) -> None:
    roles = [(name, "bank") for name in BANKS] + [(name, "bank_etf") for name in ETFS]
    roles += [("IWM", "small_cap"), ("XLF", "sector"), ("SPY", "market"), ("QQQ", "growth")]
    con.executemany("insert into ref.instruments values (?, ?)", roles)
    members = [(group, name) for group, names in GROUPS.items() for name in names]
    con.executemany("insert into ref.group_members values (?, ?)", members)


def columns_of(table: str) -> list[str]:
    described = yaml.safe_load(
        (ROOT / "transforms" / f"{table.replace('.', '/')}.yml").read_text(encoding="utf-8")
    )
    return list(described["columns"])


def catalog_types() -> dict[str, str]:
    types: dict[str, str] = {}
    for fragment in ("core.yml", "banks.yml"):
        text = (ROOT / "warehouse" / "catalog" / "columns" / fragment).read_text(encoding="utf-8")
        types |= {name: entry["type"] for name, entry in yaml.safe_load(text).items()}
    return types


def create_model(con: duckdb.DuckDBPyConnection, table: str, rows: str, order: str) -> None:
    """As the runner does: the table from the catalog, then the rows by grain."""
    types = catalog_types()
    columns = columns_of(table)
    con.execute(f"create or replace table {table} ({', '.join(f'{name} {types[name]}' for name in columns)})")
    con.execute(f"insert into {table} select {', '.join(columns)} from ({rows}) order by {order}")


def build_inputs(con: duckdb.DuckDBPyConnection) -> None:
    statement = (ROOT / "transforms/staging/bank_regression_inputs.sql").read_text(encoding="utf-8")
    create_model(con, "staging.bank_regression_inputs", statement, "symbol, session_date")


def build_marts(con: duckdb.DuckDBPyConnection) -> None:
    build_inputs(con)
    betas = bank_rate_betas.build(con)
    assert list(betas.columns) == columns_of("marts.bank_rate_betas")
    for name in betas.select_dtypes("float64").columns:
        assert not np.isinf(betas[name]).any()
    con.register("betas_frame", betas)
    nulls = ", ".join(f"case when isnan({name}) then null else {name} end as {name}" for name in BETA_NUMBERS)
    con.execute(f"create or replace view betas_rows as select * replace ({nulls}) from betas_frame")
    create_model(
        con, "marts.bank_rate_betas", "from betas_rows", "symbol, session_date, model, estimator, factor"
    )
    sensitivity = bank_sensitivity_daily.build(con)
    assert list(sensitivity.columns) == columns_of("marts.bank_sensitivity_daily")
    con.register("sensitivity_frame", sensitivity)
    create_model(con, "marts.bank_sensitivity_daily", "from sensitivity_frame", "entity_id, session_date")


# --- complete observations ------------------------------------------------------------------------


@pytest.fixture
def week() -> Iterator[duckdb.DuckDBPyConnection]:
    """Ten sessions from Thursday 2024-10-03; Monday 2024-10-14 is a bond holiday (session 8)."""
    con = duckdb.connect()
    create_tables(con)
    add_reference(con)
    days = pd.bdate_range("2024-10-03", periods=12)
    for number, day in enumerate(days, start=1):
        con.execute(
            "insert into ref.calendar values ($1, true, $2, true, $1::date + interval 21 hour)", [day, number]
        )
        if number != 8:
            con.execute(
                "insert into staging.fred_observations values ('DGS2', ?, ?)", [day, 3.6 + 0.01 * number**2]
            )
            con.execute(
                "insert into staging.fred_observations values ('DGS10', ?, ?)", [day, 3.8 + 0.02 * number**2]
            )
        for symbol in ("KRE", "SPY", "IWM", "QQQ"):
            if (symbol, number) != ("KRE", 4):
                value = None if number == 1 else number / 10
                con.execute(
                    "insert into staging.equity_prices values (?, ?, ?, ?)", [symbol, day, number, value]
                )
    con.execute("insert into ref.calendar values ('2024-10-05', false, null, false, null)")
    yield con
    con.close()


def observed_sessions(con: duckdb.DuckDBPyConnection, symbol: str) -> list[int]:
    rows = con.execute(
        "select session_number from staging.bank_regression_inputs where symbol = ? order by session_number",
        [symbol],
    ).fetchall()
    return [row[0] for row in rows]


def test_bond_holiday_and_missing_price_drop_both_sides(week: duckdb.DuckDBPyConnection) -> None:
    build_inputs(week)
    assert observed_sessions(week, "IWM") == [
        2,
        3,
        4,
        5,
        6,
        7,
        10,
        11,
        12,
    ]  # 8 has no yields, 9 would span two sessions
    assert observed_sessions(week, "KRE") == [
        2,
        3,
        6,
        7,
        10,
        11,
        12,
    ]  # 4 has no price, 5 would span two sessions
    symbols = week.execute("select distinct symbol from staging.bank_regression_inputs order by 1").fetchall()
    assert symbols == [("IWM",), ("KRE",)]  # the members of bank_rate_entities alone


def test_missing_market_price_drops_both_sides_for_everyone(week: duckdb.DuckDBPyConnection) -> None:
    week.execute("delete from staging.equity_prices where symbol = 'SPY' and session_number = 6")
    build_inputs(week)
    assert observed_sessions(week, "IWM") == [2, 3, 4, 5, 10, 11, 12]


def test_changes_are_in_units_of_ten_basis_points(week: duckdb.DuckDBPyConnection) -> None:
    build_inputs(week)
    row = week.execute("""
        select total_return_pct, market_total_return_pct, y2_change_10bp, y10_change_10bp, slope_change_10bp
        from staging.bank_regression_inputs where symbol = 'KRE' and session_number = 3
        """).fetchone()
    assert row == (0.3, 0.3, 0.5, 1.0, 0.5)  # 5 bp and 10 bp; rounding leaves no binary noise


def test_unchanged_slope_is_exactly_zero(week: duckdb.DuckDBPyConnection) -> None:
    week.execute("delete from staging.fred_observations")
    for number, (day,) in enumerate(
        week.execute("select calendar_date from ref.calendar where is_nyse_session order by 1").fetchall()
    ):
        for series, start in (("DGS2", 0.1), ("DGS10", 0.7)):
            week.execute(
                "insert into staging.fred_observations values (?, ?, ?)", [series, day, start + 0.1 * number]
            )
    build_inputs(week)
    assert week.execute(
        "select distinct slope_change_10bp from staging.bank_regression_inputs"
    ).fetchall() == [(0.0,)]


# --- samples of the policy models -----------------------------------------------------------------


def sample_sessions(con: duckdb.DuckDBPyConnection, statement: str) -> list[tuple[int, float]]:
    return con.execute(f"""
        select session_number, sample.* exclude (symbol, session_date, total_return_pct, market_total_return_pct)
        from ({statement}) as sample inner join ref.calendar on calendar_date = session_date
        where symbol = 'IWM' order by 1
        """).fetchall()


def test_year_end_sample_wants_one_settlement_per_session(week: duckdb.DuckDBPyConnection) -> None:
    build_inputs(week)
    week.execute("""
        insert into marts.policy_repricing
        select calendar_date, 'year_end', session_number from ref.calendar where is_nyse_session;
        insert into marts.policy_repricing select calendar_date, '12m', 99 from ref.calendar;
        """)
    every = [2, 3, 4, 5, 6, 7, 10, 11, 12]
    assert sample_sessions(week, bank_rate_betas.POLICY_INPUTS) == [(n, n / 10) for n in every]
    # futures settled on the Saturday between sessions 2 and 3; session 6 has no settlement; 11 has no figure
    week.execute("update ref.calendar set is_settlement_day = true where calendar_date = '2024-10-05'")
    week.execute("update ref.calendar set is_settlement_day = false where session_number = 6")
    week.execute("""
        update marts.policy_repricing set change_bp = null
        where as_of_date = (select calendar_date from ref.calendar where session_number = 11)
        """)
    found = [row[0] for row in sample_sessions(week, bank_rate_betas.POLICY_INPUTS)]
    assert found == [2, 4, 5, 10, 12]


def test_an_announcement_counts_for_the_first_session_that_closes_after_it(
    week: duckdb.DuckDBPyConnection,
) -> None:
    build_inputs(week)
    week.execute("""
        insert into ref.fomc_meetings values
            ('2024-10-04', '2024-10-04 18:00'),  -- session 2, before its close
            ('2024-10-05', '2024-10-05 15:00'),  -- a Saturday: session 3
            ('2024-10-08', '2024-10-08 22:00'),  -- after the close of session 4: session 5
            ('2024-10-11', null);                -- cancelled
        insert into marts.policy_surprises select decision_date, 5 from ref.fomc_meetings;
        """)
    found = [row[:2] for row in sample_sessions(week, bank_rate_betas.EVENT_INPUTS)]
    assert found == [(2, 0.5), (3, 0.5), (5, 0.5)]
    week.execute("update marts.policy_surprises set surprise_bp = null where meeting_date = '2024-10-05'")
    found = [row[:2] for row in sample_sessions(week, bank_rate_betas.EVENT_INPUTS)]
    assert found == [(2, 0.5), (5, 0.5)]


def test_surprise_and_rest_of_the_yield_are_told_apart() -> None:
    rng = np.random.default_rng(2)
    rows = 60
    surprise = rng.normal(0, 1, rows)
    y2 = 0.5 * surprise + rng.normal(0, 1, rows)  # half of a surprise arrives in the yield
    market = rng.normal(0, 1, rows)
    events = pd.DataFrame(
        {
            "session_date": pd.bdate_range("2010-01-04", periods=rows),
            "market_total_return_pct": market,
            "surprise_10bp": surprise,
            "y2_change_10bp": y2,
            "total_return_pct": market - 2 * surprise - 1 * y2 + rng.normal(0, 1e-3, rows),
        }
    )
    fit = bank_rate_betas.fit_events(events)
    assert fit.observations.tolist() == list(range(1, rows + 1))
    assert np.isnan(fit.beta[:39]).all() and np.isfinite(fit.beta[39:]).all()
    # The surprise gets what it moves itself and what it moves by way of the yield; the rest keeps its
    # own slope.
    passed_on = np.polyfit(surprise, y2, 1)[0]
    assert fit.beta[-1] == pytest.approx([1, -2 - passed_on, -1], abs=5e-3)
    collinear = bank_rate_betas.fit_events(events.assign(y2_change_10bp=3 * events["surprise_10bp"]))
    assert np.isnan(collinear.beta).all() and np.isnan(collinear.t_stat).all()
    constant = bank_rate_betas.fit_events(events.assign(surprise_10bp=0.0))
    assert np.isnan(constant.beta).all()


# --- regimes --------------------------------------------------------------------------------------


def test_regime_of_a_day() -> None:
    beta = np.array([-1.0, -1.0, 1.0, 1.0, np.nan, 0.0])
    t_stat = np.array([-1.96, -1.95, 1.96, 1.95, np.nan, 0.0])
    expected = ["gains_when_rates_fall", "unclear", "gains_when_rates_rise", "unclear", "unclear", "unclear"]
    assert [REGIMES[code] for code in classify_regimes(beta, t_stat)] == expected


def hold(*runs: tuple[int, int]) -> tuple[list[int], list[int]]:
    daily = np.concatenate([np.full(length, regime, dtype=np.int8) for regime, length in runs])
    published, starts = hold_regimes(daily)
    return published.tolist(), starts.tolist()


def test_regime_starts_on_the_twentieth_row_in_a_row() -> None:
    published, starts = hold((FALL, 25))
    assert published == [UNCLEAR] * 19 + [FALL] * 6
    assert starts == [0] * 19 + [19] * 6


def test_nineteen_rows_do_not_start_or_end_a_regime() -> None:
    assert hold((UNCLEAR, 5), (FALL, 19), (UNCLEAR, 5))[0] == [UNCLEAR] * 29
    published, starts = hold((FALL, 20), (UNCLEAR, 19), (FALL, 1), (UNCLEAR, 19), (FALL, 3))
    assert published == [UNCLEAR] * 19 + [FALL] * 43
    assert starts == [0] * 19 + [19] * 43


def test_regime_ends_on_the_twentieth_row_of_another() -> None:
    published, starts = hold((FALL, 20), (UNCLEAR, 21))
    assert published == [UNCLEAR] * 19 + [FALL] * 20 + [UNCLEAR] * 2
    assert starts == [0] * 19 + [19] * 20 + [39] * 2


def test_regime_can_turn_over_directly_and_alternation_holds_it() -> None:
    assert hold((FALL, 20), (RISE, 20))[0] == [UNCLEAR] * 19 + [FALL] * 20 + [RISE]
    # Twenty rows that are not FALL, but not the same one: the regime holds.
    assert hold((FALL, 20), (RISE, 10), (UNCLEAR, 10))[0] == [UNCLEAR] * 19 + [FALL] * 21


def test_regime_has_no_look_ahead_and_equals_the_plain_loop() -> None:
    rng = np.random.default_rng(3)
    daily = np.repeat(rng.integers(0, 3, 60), rng.integers(1, 45, 60)).astype(np.int8)
    published, starts = hold_regimes(daily)
    state, run, since = UNCLEAR, 0, 0
    for row, code in enumerate(daily):
        run = run + 1 if row and code == daily[row - 1] else 1
        if run >= 20 and code != state:
            state, since = code, row
        assert (published[row], starts[row]) == (state, since)
    for cut in (1, 19, 20, 500, daily.size - 1):
        assert hold_regimes(daily[:cut])[0].tolist() == published[:cut].tolist()
    assert hold_regimes(daily[:0])[0].size == 0


# --- groups ---------------------------------------------------------------------------------------


def made_up_inputs(rows: int = 330, symbols: tuple[str, ...] = ("BAC", "C", "JPM", "WFC")) -> pd.DataFrame:
    rng = np.random.default_rng(11)
    factors = pd.DataFrame(
        {
            "session_date": pd.bdate_range("2022-01-03", periods=rows),
            "market_total_return_pct": rng.normal(0, 1, rows),
            "y2_change_10bp": rng.normal(0, 0.6, rows).round(1),
            "y10_change_10bp": rng.normal(0, 0.6, rows).round(1),
        }
    )
    factors["slope_change_10bp"] = factors["y10_change_10bp"] - factors["y2_change_10bp"]
    frames = []
    for position, symbol in enumerate(symbols):
        own = factors.copy()
        noise = rng.normal(0, 0.5, rows)
        own["total_return_pct"] = (
            1.1 * own["market_total_return_pct"] + (position - 2) * own["y2_change_10bp"] + noise
        )
        own.insert(0, "symbol", symbol)
        frames.append(own)
    return pd.concat(frames, ignore_index=True)


def test_group_is_the_mean_of_the_members_observed_that_day() -> None:
    inputs = made_up_inputs(5)
    day = inputs["session_date"].unique()
    members = pd.DataFrame(
        [("money_centre", name) for name in GROUPS["money_centre"]], columns=["group_id", "symbol"]
    )
    gone = (inputs["symbol"] == "BAC") & (inputs["session_date"] == day[1])
    gone |= (inputs["symbol"] != "BAC") & (inputs["session_date"] == day[2])
    observations = bank_sensitivity_daily.compute_group_observations(inputs[~gone], members).set_index(
        "session_date"
    )
    assert day[2] not in observations.index  # one of four members: too few
    wide = inputs.pivot(index="session_date", columns="symbol", values="total_return_pct")
    assert observations.loc[day[0], "total_return_pct"] == pytest.approx(wide.loc[day[0]].mean(), rel=1e-14)
    assert observations.loc[day[1], "total_return_pct"] == pytest.approx(
        wide.loc[day[1], ["C", "JPM", "WFC"]].mean(), rel=1e-14
    )
    assert observations.loc[day[1], "market_total_return_pct"] == inputs.loc[1, "market_total_return_pct"]


def test_published_columns_follow_from_the_estimates(week: duckdb.DuckDBPyConnection) -> None:
    inputs = made_up_inputs()
    inputs["session_number"] = inputs.groupby("symbol").cumcount() + 1
    # One more symbol, whose 2-year factor does not move: degenerate, hence NULL.
    flat = inputs[inputs["symbol"] == "BAC"].assign(symbol="KEY", y2_change_10bp=0.0)
    source = pd.concat([inputs, flat], ignore_index=True)
    week.register("source", source)
    create_model(week, "staging.bank_regression_inputs", "from source", "symbol, session_date")
    betas = bank_rate_betas.build(week)
    week.register("betas_frame", betas)
    create_model(
        week,
        "marts.bank_rate_betas",
        "select * replace (case when isnan(beta) then null else beta end as beta) from betas_frame",
        "1, 2, 3, 4, 5",
    )
    out = bank_sensitivity_daily.build(week)
    assert set(out["entity_id"]) == {"BAC", "C", "JPM", "WFC", "KEY", "money_centre"}
    row = out[(out["entity_id"] == "BAC")].iloc[-1]
    assert row["beta_y2"] == pytest.approx(-2, abs=0.3)
    assert row["equity_duration_years"] == pytest.approx(-10 * row["beta_y2"], rel=1e-15)
    assert row["move_if_yields_down_25bp_pct"] == pytest.approx(-2.5 * row["beta_y2"], rel=1e-15)
    width = row["move_high_pct"] - row["move_low_pct"]
    assert width == pytest.approx(2 * 1.6449 * 2.5 * abs(row["beta_y2"] / row["t_y2"]), rel=1e-12)
    assert row["unconditional_move_if_2y_down_25bp_pct"] == pytest.approx(
        -2.5 * row["beta_y2_only"], rel=1e-15
    )
    last = out[out["session_date"] == out["session_date"].max()].set_index("entity_id")
    assert last.loc[["BAC", "C", "JPM", "WFC"], "sensitivity_rank"].tolist() == [
        1,
        2,
        3,
        4,
    ]  # most negative beta first
    assert pd.isna(last.loc["money_centre", "sensitivity_rank"])
    assert last.loc["BAC", "regime"] == "gains_when_rates_fall"
    assert last.loc["WFC", "regime"] == "gains_when_rates_rise"
    assert last.loc["JPM", "entity_type"] == "symbol"
    empty = last.loc["KEY"]
    assert empty[["beta_y2", "t_y2", "move_low_pct", "sensitivity_rank"]].isna().all()
    assert (empty["regime"], empty["daily_regime"]) == ("unclear", "unclear")


def test_empty_staging_gives_empty_marts(week: duckdb.DuckDBPyConnection) -> None:
    week.execute("delete from staging.equity_prices")
    build_marts(week)
    assert week.execute("select count(*) from marts.bank_rate_betas").fetchone() == (0,)
    assert week.execute("select count(*) from marts.bank_sensitivity_daily").fetchone() == (0,)


# --- recorded data --------------------------------------------------------------------------------

SAMPLE = ("KRE", "KBE", "JPM", "BAC", "C", "WFC", "WAL", "IWM")
needs_replay = pytest.mark.skipif(
    not (REPLAY / "prices" / "SPY.csv").is_file(),
    reason=f"recorded data not found in {REPLAY}; set ROTATION_REPLAY_DIR",
)


def add_policy(con: duckdb.DuckDBPyConnection) -> None:
    """Recorded decisions, and made-up repricing and surprises: what futures did has tests of its own."""
    con.execute(
        """
        insert into ref.fomc_meetings
        select decision_date, decision_date + interval 18 hour
        from read_csv(?, header = true, types = {'decision_date': 'DATE'})
        where decision_date between '2000-01-01' and '2024-07-31'
        """,
        [str(REPLAY / "fomc_meetings.csv")],
    )
    con.execute("""
        insert into marts.policy_surprises
        select decision_date, 10 * sin(epoch(decision_date)) from ref.fomc_meetings;
        insert into marts.policy_repricing
        select calendar_date, 'year_end', 5 * cos(epoch(calendar_date)) from ref.calendar
        where calendar_date < '2023-09-15';
        """)


def load_replay(con: duckdb.DuckDBPyConnection, symbols: tuple[str, ...]) -> None:
    """Staging and ref tables from the recorded CSV files, as the warehouse's own staging would hold them."""
    import exchange_calendars

    create_tables(con)
    add_reference(con)
    sessions = exchange_calendars.get_calendar("XNYS", start="2000-01-03", end="2026-12-31").sessions
    calendar = pd.DataFrame({"calendar_date": sessions, "session_number": np.arange(1, len(sessions) + 1)})
    con.register("sessions", calendar)
    con.execute("""
        insert into ref.calendar
        select calendar_date, true, session_number, true, calendar_date + interval 21 hour from sessions
        """)
    add_policy(con)
    for symbol in (*symbols, "SPY"):
        con.execute(
            """
            insert into staging.equity_prices
            select
                ?,
                date,
                session_number,
                100 * (case
                    when dividend is not null then (close + dividend) / lag(close) over (order by date)
                    else adj_close / lag(adj_close) over (order by date)
                end - 1)
            from read_csv(
                ?,
                header = true,
                types = {'date': 'DATE', 'close': 'DOUBLE', 'adj_close': 'DOUBLE', 'dividend': 'DOUBLE'}
            )
            inner join ref.calendar on calendar_date = date
            """,
            [symbol, str(REPLAY / "prices" / f"{symbol}.csv")],
        )
    for series in ("DGS2", "DGS10"):
        con.execute(
            f"""
            insert into staging.fred_observations
            select '{series}', observation_date, {series}
            from read_csv(?, header = true, types = {{'observation_date': 'DATE', '{series}': 'DOUBLE'}})
            where {series} is not null
            """,
            [str(REPLAY / "fred" / f"{series}.csv")],
        )


@pytest.fixture(scope="module")
def replay() -> Iterator[duckdb.DuckDBPyConnection]:
    con = duckdb.connect(config={"threads": 1})
    load_replay(con, SAMPLE)
    build_marts(con)
    yield con
    con.close()


@needs_replay
def test_recorded_betas_equal_statsmodels(replay: duckdb.DuckDBPyConnection) -> None:
    frames = {
        "daily": replay.execute(bank_rate_betas.INPUTS).df(),
        bank_rate_betas.POLICY_MODEL: replay.execute(bank_rate_betas.POLICY_INPUTS).df(),
    }
    betas = (
        replay.execute("from marts.bank_rate_betas")
        .df()
        .set_index(["symbol", "session_date", "model", "estimator", "factor"])
    )
    betas = betas.sort_index()
    by_symbol = {model: dict(list(frame.groupby("symbol"))) for model, frame in frames.items()}
    rng = np.random.default_rng(5)
    for _ in range(200):
        symbol = str(rng.choice(SAMPLE))
        model = str(rng.choice([*bank_rate_betas.MODELS, bank_rate_betas.POLICY_MODEL]))
        estimator = str(rng.choice(list(bank_rate_betas.ESTIMATORS)))
        chosen = bank_rate_betas.ESTIMATORS[estimator]
        own = by_symbol[model if model in by_symbol else "daily"][symbol]
        end = int(rng.integers(chosen.min_observations, len(own) + 1))
        window = own.iloc[max(0, end - chosen.window) : end]
        factors = list(bank_rate_betas.MODELS.get(model, bank_rate_betas.POLICY_FACTOR_COLUMNS))
        columns = bank_rate_betas.FACTOR_COLUMNS | bank_rate_betas.POLICY_FACTOR_COLUMNS
        regressors = sm.add_constant(window[[columns[name] for name in factors]].to_numpy())
        weights = np.ones(len(window)) if chosen.weights is None else chosen.weights[-len(window) :]
        expected = sm.WLS(window["total_return_pct"].to_numpy(), regressors, weights=weights).fit(
            cov_type="HAC", cov_kwds={"maxlags": 5}
        )
        compare(betas, (symbol, window["session_date"].iloc[-1], model, estimator), factors, expected)


def compare(
    betas: pd.DataFrame, key: tuple[str, pd.Timestamp, str, str], factors: list[str], expected: Any
) -> None:
    for position, factor in enumerate(factors, start=1):
        row = betas.loc[(*key, factor)]
        assert row["beta"] == pytest.approx(expected.params[position], rel=1e-8)
        assert row["std_error"] == pytest.approx(expected.bse[position], rel=1e-8)
        assert row["t_stat"] == pytest.approx(expected.tvalues[position], rel=1e-8)
        assert row["r_squared"] == pytest.approx(expected.rsquared, rel=1e-8)
        assert row["observations"] == expected.nobs


@needs_replay
def test_recorded_fomc_days_equal_statsmodels_on_the_residual_of_the_window(
    replay: duckdb.DuckDBPyConnection,
) -> None:
    events = replay.execute(bank_rate_betas.EVENT_INPUTS).df()
    betas = replay.execute("from marts.bank_rate_betas where estimator = 'fomc_days'").df()
    betas = betas.set_index(["symbol", "session_date", "model", "estimator", "factor"]).sort_index()
    compared = 0
    for symbol, own in events.groupby("symbol"):
        for end in range(40, len(own) + 1, 7):
            window = own.iloc[max(0, end - 80) : end]
            surprise = sm.add_constant(window["surprise_10bp"].to_numpy())
            residual = sm.OLS(window["y2_change_10bp"].to_numpy(), surprise).fit().resid
            regressors = np.column_stack(
                [surprise[:, 0], window["market_total_return_pct"], surprise[:, 1], residual]
            )
            expected = sm.OLS(window["total_return_pct"].to_numpy(), regressors).fit(
                cov_type="HAC", cov_kwds={"maxlags": 5}
            )
            key = (str(symbol), window["session_date"].iloc[-1], "market_surprise", "fomc_days")
            compare(betas, key, ["market", "surprise", "y2_residual"], expected)
            compared += 1
        short = betas.loc[str(symbol)].loc[own["session_date"].iloc[:39]]
        assert short["beta"].isna().all() and short["observations"].max() == 39
    assert compared > 80


@needs_replay
def test_published_values_do_not_change_when_later_days_arrive(replay: duckdb.DuckDBPyConnection) -> None:
    cut = "2020-03-20"
    earlier = duckdb.connect(config={"threads": 1})
    create_tables(earlier)
    for table in (
        "ref.instruments",
        "ref.group_members",
        "ref.calendar",
        "ref.fomc_meetings",
        "marts.policy_repricing",
        "marts.policy_surprises",
        "staging.equity_prices",
        "staging.fred_observations",
    ):
        frame = replay.execute(f"from {table}").df()
        earlier.register("frame", frame)
        date = {
            "staging.equity_prices": "session_date",
            "staging.fred_observations": "observation_date",
            "marts.policy_repricing": "as_of_date",
            "marts.policy_surprises": "meeting_date",
        }.get(table)
        earlier.execute(f"insert into {table} from frame" + (f" where {date} <= '{cut}'" if date else ""))
    build_marts(earlier)
    for table in ("marts.bank_rate_betas", "marts.bank_sensitivity_daily"):
        before = earlier.execute(f"from {table}").df()
        after = replay.execute(f"from {table} where session_date <= '{cut}'").df()
        assert len(before) > 5000
        pd.testing.assert_frame_equal(before, after, check_exact=True)
    earlier.close()


@needs_replay
def test_recorded_marts_hold_no_nan_and_no_row_beside_a_bond_holiday(
    replay: duckdb.DuckDBPyConnection,
) -> None:
    for table, columns in (
        ("marts.bank_rate_betas", BETA_NUMBERS),
        (
            "marts.bank_sensitivity_daily",
            ("beta_y2", "t_y2", "move_low_pct", "beta_y2_only", "equity_duration_years"),
        ),
    ):
        test = " or ".join(f"isnan({name}) or isinf({name})" for name in columns)
        assert replay.execute(f"select count(*) from {table} where {test}").fetchone() == (0,)
    # Columbus Day 2023-10-09 and the session after it.
    found = replay.execute("""
        select distinct session_date::varchar from marts.bank_rate_betas
        where session_date between '2023-10-06' and '2023-10-11' order by 1
        """).fetchall()
    assert found == [("2023-10-06",), ("2023-10-11",)]


@needs_replay
def test_recorded_regional_banks_gained_from_falling_rates_in_july_2024(
    replay: duckdb.DuckDBPyConnection,
) -> None:
    """The published statement B1, against the old rule that held in 2013–2016."""
    row = replay.execute("""
        select beta_y2, t_y2, regime, move_low_pct from marts.bank_sensitivity_daily
        where entity_id = 'KRE' and session_date = '2024-07-15'
        """).fetchone()
    assert row is not None
    assert row[0] < 0 and row[1] <= -1.96 and row[2] == "gains_when_rates_fall" and row[3] > 0
    old = replay.execute("""
        select beta_y2_only, t_y2_only from marts.bank_sensitivity_daily
        where entity_id = 'KRE' and session_date = '2015-12-31'
        """).fetchone()
    assert old is not None and old[0] > 0 and old[1] > 1.96


@needs_replay
def test_recorded_spells_are_whole(replay: duckdb.DuckDBPyConnection) -> None:
    """A spell has one start date, which is its first row; only an entity's first and last may be short."""
    spells = replay.execute("""
        select entity_id, regime_start_date, count(distinct regime), count(*), min(session_date),
            row_number() over (partition by entity_id order by regime_start_date desc) as from_last
        from marts.bank_sensitivity_daily group by entity_id, regime_start_date
        """).fetchall()
    first = dict(
        replay.execute(
            "select entity_id, min(session_date) from marts.bank_sensitivity_daily group by all"
        ).fetchall()
    )
    for entity, start, regimes, rows, earliest, from_last in spells:
        assert regimes == 1 and earliest == start
        assert rows >= 20 or from_last == 1 or start == first[entity]
    assert max(sum(spell[0] == name for spell in spells) for name in SAMPLE) < 63
