"""Both sides of what the warehouse holds twice: each kind of comparison agrees, and fails when it should."""

from __future__ import annotations

import re
from collections.abc import Callable

import duckdb
import numpy as np
import pandas as pd
import pytest

from expectations.cross_check_terms import RIGHT_SIDES, WrongTerms, parse_sides
from expectations.cross_checks import KEPT_DAYS, KINDS, STATEMENTS, CrossChecks, compare, record_cross_checks
from expectations.reference_checks import check_reference_rows
from warehouse.catalog import load_catalog
from warehouse.reference_data import ReferenceDataError, reference_frame

DAYS = pd.bdate_range("2024-01-02", periods=140)
RANDOM = np.random.default_rng(7)
FUTURES = "contract, delivery_month, settlement_date, settle"
MARKET = RANDOM.normal(0, 1, len(DAYS))


class Market:
    """Staging tables in memory, and a list of checks."""

    def __init__(self) -> None:
        self.connection = duckdb.connect()
        catalog = load_catalog()
        for schema in ("staging", "ref", "ops", "raw"):
            self.connection.execute(f"create schema {schema}")
        for name in ("equity_prices", "fred_observations", "fed_funds_futures"):
            self.connection.execute(catalog[f"staging.{name}"].ddl().replace(" not null", ""))
        for name in ("cross_checks", "cross_check_exceptions", "fomc_meetings", "instruments"):
            self.connection.execute(catalog[f"ref.{name}"].ddl().replace(" not null", ""))
        self.connection.execute(
            catalog["ops.cross_checks"].ddl().replace("run_id VARCHAR not null", "run_id VARCHAR")
        )
        self.connection.execute("set variable cutoff_utc = timestamp '2026-01-01'")

    def insert(self, table: str, columns: str, rows: pd.DataFrame) -> None:
        self.connection.register("rows", rows)
        self.connection.execute(f"insert into {table} ({columns}) select * from rows")
        self.connection.unregister("rows")

    def fred(self, name: str, values: np.ndarray | float, days: pd.DatetimeIndex = DAYS) -> None:
        rows = pd.DataFrame({"s": name, "d": days, "v": np.broadcast_to(values, len(days))})
        self.insert("staging.fred_observations", "series_id, observation_date, value", rows)

    def price(self, symbol: str, moves: np.ndarray, days: pd.DatetimeIndex = DAYS) -> None:
        close = 100 * np.cumprod(1 + moves / 100)
        rows = pd.DataFrame({"s": symbol, "d": days, "c": close, "r": moves})
        self.insert("staging.equity_prices", "symbol, session_date, close, total_return_pct", rows)

    def check(self, kind: str, left: str, right: str, tolerance: float = 0.1, **more: object) -> None:
        row = {
            "check_id": f"check_{kind}",
            "check_kind": kind,
            "left_input": left,
            "right_input": right or None,
            "tolerance": tolerance,
            "tolerance_unit": "pp",
            "min_rows": 1,
            "severity": "warning",
            "why": "test",
            **more,
        }
        self.insert("ref.cross_checks", ", ".join(row), pd.DataFrame([row]))

    def failed(self, *required: str) -> list[tuple[str, int]]:
        return [(r["rule"], r["failed_rows"]) for r in self.compare(*required).results if not r["passed"]]

    def compare(self, *required: str) -> CrossChecks:
        return compare(self.connection, frozenset(required))

    def sentence(self) -> str:
        return "; ".join(result["sample"] or "" for result in self.compare().results)


@pytest.fixture
def market() -> Market:
    return Market()


def rate(level: float, size: float = 0.04) -> np.ndarray:
    return np.round(level + np.cumsum(size * RANDOM.normal(0, 1, len(DAYS))), 2)


def changed(values: np.ndarray, where: slice, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    copy = values.copy()
    copy[where] = change(copy[where])
    return copy


def test_every_kind_has_its_statement_and_every_statement_its_kind() -> None:
    assert {STATEMENTS.get(kind, kind) for kind in RIGHT_SIDES} == {path.stem for path in KINDS.glob("*.sql")}
    assert set(RIGHT_SIDES) == set(load_catalog().columns["check_kind"].values)


def test_a_difference_of_two_series(market: Market) -> None:
    two, ten = rate(4.4), rate(4.2)
    wrong = changed(two, slice(-5, None), lambda values: values / 100)
    market.fred("DGS2", wrong)
    market.fred("DGS10", ten)
    market.fred("T10Y2Y", np.round(ten - two, 2))
    market.check("value", "fred/T10Y2Y", "fred/DGS10 - fred/DGS2", 0.015)
    assert market.failed() == [("check_value", 5)]
    assert market.sentence().endswith("likely wrong: fred/DGS2")


def test_a_day_on_which_the_second_source_stands_in_is_not_compared_with_itself(market: Market) -> None:
    values = rate(4.4)
    market.fred("DGS2", values)
    rows = pd.DataFrame({"s": "DGS2", "d": DAYS, "v": np.append(values[:-3], [9.0, 9.0, 9.0])})
    market.connection.execute(
        load_catalog()["raw.second_source_rates"].ddl().replace(" not null", "").replace("NOT NULL", "")
    )
    market.insert("raw.second_source_rates", "series_id, observation_date, value", rows)
    market.connection.execute(
        "update raw.second_source_rates set source = 'treasury', available_at_utc = observation_date,"
        " known_at_utc = observation_date"
    )
    market.check("second_source", "fred/DGS2", "second/treasury/DGS2", 0.05)
    [result] = market.compare().results
    assert (result["checked_rows"], result["failed_rows"]) == (len(DAYS), 3)
    market.connection.execute(
        f"update staging.fred_observations set value = 9, source = 'treasury'"
        f" where observation_date > '{DAYS[-4].date()}'"
    )
    [result] = market.compare().results
    assert result["passed"] and result["checked_rows"] == len(DAYS) - 3
    market.connection.execute("update staging.fred_observations set source = 'treasury'")
    [result] = market.compare().results
    assert result["checked_rows"] == 0 and "not compared" in str(result["sample"])


@pytest.mark.parametrize("offender", ["DGS2", "DGS10", "T10Y2Y"])
def test_the_one_that_left_its_history_is_named(market: Market, offender: str) -> None:
    series = {"DGS2": rate(4.4), "DGS10": rate(4.2)}
    series["T10Y2Y"] = np.round(series["DGS10"] - series["DGS2"], 2)
    series[offender] = changed(series[offender], slice(-3, None), lambda values: values + 3)
    for name, values in series.items():
        market.fred(name, values)
    market.check("value", "fred/T10Y2Y", "fred/DGS10 - fred/DGS2", 0.015, severity="critical")
    [result] = market.compare("fred/DGS2").results
    assert result["sample"] is not None and result["sample"].endswith(f"likely wrong: fred/{offender}")
    assert result["severity"] == ("critical" if offender == "DGS2" else "warning")


def test_other_checks_of_the_day_are_heard_first(market: Market) -> None:
    """The upper end of the range lacks a hike: the effective rate moved, and rightly so."""
    effective = np.where(np.arange(len(DAYS)) < 100, 5.08, 5.33)
    market.fred("EFFR", effective)
    market.fred("DFF", effective)
    market.fred("DFEDTARL", np.where(np.arange(len(DAYS)) < 100, 5.0, 5.25))
    market.fred("DFEDTARU", 5.25)
    market.check("between", "fred/EFFR", "fred/DFEDTARL .. fred/DFEDTARU", 0.05)
    market.check("value", "fred/DFF", "fred/EFFR", 0.015)
    market.check("value", "fred/DFEDTARU", "fred/DFEDTARL + 0.25", 0.001, check_id="width")
    market.insert(
        "ref.fomc_meetings",
        "decision_date, effective_date, upper_after",
        pd.DataFrame([(DAYS[99], DAYS[100], 5.5)]),
    )
    market.check("decision", "fred/DFEDTARU", "ref/fomc_meetings", 0.001)
    found = {result["rule"]: result["sample"] or "" for result in market.compare().results}
    assert found["check_between"].endswith("likely wrong: fred/DFEDTARU")
    assert found["check_value"] == ""


def test_an_index_from_two_sources(market: Market) -> None:
    market.price("^VIX", MARKET)
    close = 100 * np.cumprod(1 + MARKET / 100)
    market.fred("VIXCLS", np.round(changed(close, slice(70, 75), lambda values: values * 1.02), 2))
    market.check("level", "fred/VIXCLS", "prices/^VIX", 0.5)
    assert market.failed() == [("check_level", 5)]


def test_a_fund_follows_its_index_and_another_fund_does_not(market: Market) -> None:
    market.price("^RUT", MARKET)
    market.price("IWM", MARKET + RANDOM.normal(0, 0.05, len(DAYS)))
    market.price("QQQ", RANDOM.normal(0, 1, len(DAYS)))
    market.check("return", "prices/IWM", "prices/^RUT", 0.5, check_id="right")
    market.check("return", "prices/QQQ", "prices/^RUT", 0.5, check_id="wrong")
    market.check("correlation", "prices/QQQ", "prices/^RUT", 0.3, min_rows=60)
    assert [rule for rule, _ in market.failed()] == ["check_correlation", "wrong"]


def test_a_missing_session_is_no_difference_of_returns(market: Market) -> None:
    market.price("^RUT", MARKET)
    gap = np.arange(len(DAYS)) != 50
    market.price("IWM", MARKET[gap], DAYS[gap])
    market.check("return", "prices/IWM", "prices/^RUT", 0.01)
    assert market.failed() == []


def test_a_step_of_one_maturity_alone(market: Market) -> None:
    two = rate(4.4)
    market.fred("DGS1", two + 0.3)
    market.fred("DGS5", two - 0.2)
    market.fred("DGS2", changed(two, slice(-4, None), lambda values: values - 0.3))
    market.check("change", "fred/DGS2", "0.5*fred/DGS1 + 0.5*fred/DGS5", 0.2)
    assert market.failed() == [("check_change", 1)]


def test_decisions_take_effect_on_their_day(market: Market) -> None:
    hike = DAYS[60]
    market.fred("DFEDTARU", np.where(hike > DAYS, 5.25, 5.5))
    market.connection.execute(
        "insert into ref.fomc_meetings (decision_date, effective_date, upper_after) values (?, ?, 5.5)",
        [DAYS[59].date(), hike.date()],
    )
    market.check("decision", "fred/DFEDTARU", "ref/fomc_meetings", 0.001)
    assert market.failed() == []
    market.fred("DFEDTARL", np.where(hike > DAYS, 5.0, 5.25))
    market.check("value", "fred/DFEDTARU", "fred/DFEDTARL + 0.25", 0.001)
    market.connection.execute("update ref.fomc_meetings set effective_date = effective_date + 1")
    assert market.failed() == [("check_decision", 1)]
    assert "likely wrong: ref/fomc_meetings" in market.sentence()
    market.connection.execute("update ref.fomc_meetings set effective_date = ?", [hike.date()])
    market.connection.execute("delete from staging.fred_observations")
    market.fred("DFEDTARU", 5.25)
    assert market.failed() == [("check_decision", 1)]


def test_a_decision_whose_outcome_is_not_listed_yet_is_no_failure(market: Market) -> None:
    hike = DAYS[60]
    market.fred("DFEDTARU", np.where(hike > DAYS, 5.25, 5.5))
    market.connection.execute(
        "insert into ref.fomc_meetings (decision_date, effective_date) values (?, ?)",
        [DAYS[59].date(), hike.date()],
    )
    market.check("decision", "fred/DFEDTARU", "ref/fomc_meetings", 0.001)
    assert market.failed() == []
    market.connection.execute("update ref.fomc_meetings set cancelled = true")
    assert market.failed() == [("check_decision", 1)]


def dividends(market: Market, symbol: str, *, paid: float = 0.8, shown: float = 0.8) -> None:
    """A symbol that pays a dividend of `paid` on two days, and whose adj_close carries one of `shown`."""
    if not market.connection.execute("select 1 from duckdb_tables() where schema_name = 'raw'").fetchone():
        ddl = load_catalog()["raw.equity_prices"].ddl().replace(" not null", "")
        market.connection.execute(ddl)
    close = np.round(100 * np.cumprod(1 + MARKET / 200), 2)
    ex_days = np.isin(np.arange(len(DAYS)), (40, 100))
    before = np.concatenate([[np.nan], close[:-1]])
    growth = np.where(ex_days, 1 / (1 - shown / before), 1.0) * np.concatenate(
        [[1.0], close[1:] / close[:-1]]
    )
    adjusted = 80 * np.cumprod(growth)
    previous = np.concatenate([[np.nan], adjusted[:-1]])
    rows = pd.DataFrame({"s": symbol, "d": DAYS, "c": close, "p": np.where(ex_days, paid, 0.0)})
    market.insert("staging.equity_prices", "symbol, session_date, close, dividend", rows)
    rows = pd.DataFrame({"s": symbol, "d": DAYS, "a": adjusted, "b": previous, "t": DAYS, "k": DAYS})
    columns = "symbol, session_date, adj_close, previous_adj_close, available_at_utc, known_at_utc"
    market.insert("raw.equity_prices", columns, rows)


@pytest.mark.parametrize(
    ("paid", "shown", "failed"),
    [(0.8, 0.8, 0), (0.0, 0.8, 2), (80.0, 0.8, 2), (0.8, 0.0, 2), (0.8, 0.79, 0), (0.8, 1.2, 2)],
)
def test_adjusted_closes_carry_the_dividends(market: Market, paid: float, shown: float, failed: int) -> None:
    dividends(market, "IWM")
    dividends(market, "KRE", paid=paid, shown=shown)
    market.check("adjusted_close", "prices/*", "", 0.01, tolerance_share=0.05)
    assert market.failed() == ([("check_adjusted_close", failed)] if failed else [])
    assert not failed or market.sentence().endswith("likely wrong: prices/KRE")


def test_closes_that_contain_the_dividends_and_days_of_a_split_are_not_compared(market: Market) -> None:
    dividends(market, "KRE", shown=0.0)
    market.check("adjusted_close", "prices/*", "", 0.01, tolerance_share=0.05)
    market.connection.execute(
        "update raw.equity_prices set split = 2 where session_date = ?", [DAYS[40].date()]
    )
    assert market.failed() == [("check_adjusted_close", 1)]
    market.connection.execute(
        "insert into ref.instruments (symbol, price_basis) values ('KRE', 'fully_adjusted')"
    )
    assert market.failed() == []


def futures(market: Market, settle: float) -> None:
    january = DAYS[DAYS.month == 1]
    rows = pd.DataFrame({"c": "ZQF24", "m": pd.Timestamp("2024-01-01"), "d": january, "s": settle})
    market.insert("staging.fed_funds_futures", FUTURES, rows)
    market.fred("DFF", 5.33, pd.date_range("2023-12-20", "2024-01-31"))
    market.check("month_average", "futures/*", "fred/DFF", 0.05, tolerance_share=0.0)


@pytest.mark.parametrize(("settle", "fails"), [(94.67, False), (94.42, True), (99.9467, True)])
def test_the_contract_of_the_month_against_the_rate_to_date(
    market: Market, settle: float, fails: bool
) -> None:
    futures(market, settle)
    assert bool(market.failed()) == fails


@pytest.mark.parametrize(("effective", "failing_days"), [(None, 22), ("2024-02-01", 22), ("2024-01-16", 11)])
def test_without_a_decision_ahead_nothing_moves_the_average(
    market: Market, effective: str | None, failing_days: int
) -> None:
    """A quarter of a point off; up to the 16th the decision of that day explains it."""
    futures(market, 94.42)
    if effective:
        market.connection.execute(
            "insert into ref.fomc_meetings (decision_date, effective_date, scheduled, cancelled)"
            " values (date '2024-01-15', ?, true, false)",
            [effective],
        )
    market.connection.execute("delete from ref.cross_checks")
    kind = "month_average_by_decisions"
    market.check(kind, "futures/*", "fred/DFF", 0.15, tolerance_share=1.0)
    assert market.failed() == [(f"check_{kind}", failing_days)]


def test_a_contract_that_stands_still_beside_its_neighbours(market: Market) -> None:
    path = 95 + np.cumsum(RANDOM.normal(0, 0.05, len(DAYS)))
    for number, contract in enumerate(("ZQM25", "ZQN25", "ZQQ25")):
        values = path + 0.05 * number
        if contract == "ZQN25":
            values = changed(values, slice(-20, None), lambda old: np.full(len(old), old[0]))
        rows = pd.DataFrame({"c": contract, "m": pd.Timestamp(2025, 6 + number, 1), "d": DAYS, "s": values})
        market.insert("staging.fed_funds_futures", FUTURES, rows)
    market.check("neighbours", "futures/*", "", 0.05)
    assert {row["input"] for row in market.compare().rows if not row["passed"]} == {"ZQN25"}


@pytest.mark.parametrize("factor", [1.0, 2.5])
def test_a_file_under_two_names(market: Market, factor: float) -> None:
    """Returns are compared, so a copy at another level is one too."""
    market.price("SPY", MARKET)
    market.price("IWM", changed(RANDOM.normal(0, 1, len(DAYS)), slice(-15, None), lambda _: MARKET[-15:]))
    market.price("KRE", RANDOM.normal(0, 1, len(DAYS)))
    market.connection.execute(
        "update staging.equity_prices set close = close * ? where symbol = 'IWM'", [factor]
    )
    market.check("same_series", "prices/*", "", 0, min_rows=10, severity="critical")
    result = market.compare("prices/IWM").results[0]
    assert (result["failed_rows"], result["severity"]) == (2, "critical")
    assert result["sample"] is not None and "prices/IWM against prices/SPY" in result["sample"]


def test_two_series_that_are_said_to_be_equal_may_be(market: Market) -> None:
    values = rate(5.33)
    market.fred("DFF", values)
    market.fred("EFFR", values)
    market.check("same_series", "fred/*", "", 0, min_rows=10)
    assert [rule for rule, _ in market.failed()] == ["check_same_series"]
    market.check("value", "fred/DFF", "fred/EFFR", 0.01)
    assert market.failed() == []


def test_a_close_that_is_carried_forward(market: Market) -> None:
    for name in ("SPY", "IWM", "KRE", "JPM"):
        market.price(name, RANDOM.normal(0, 1, len(DAYS)))
    market.price("QQQ", changed(MARKET, slice(-5, None), lambda values: values * 0))
    market.check("stands_still", "prices/*", "", 0, min_rows=5, tolerance_share=0.5)
    assert market.sentence().endswith("likely wrong: prices/QQQ")
    market.connection.execute("update staging.equity_prices set total_return_pct = 0, close = 1")
    assert market.failed() == []


@pytest.mark.parametrize("shift", [1, -1])
def test_dates_that_are_a_session_off(market: Market, shift: int) -> None:
    market.price("SPY", MARKET)
    market.price("KRE", MARKET + RANDOM.normal(0, 0.5, len(DAYS)))
    market.price("IWM", np.roll(MARKET, shift) + RANDOM.normal(0, 0.3, len(DAYS)))
    market.check("shifted", "prices/*", "prices/SPY", 0.3, min_rows=60, tolerance_share=0.45)
    assert {row["input"] for row in market.compare().rows if not row["passed"]} == {"IWM"}


@pytest.mark.parametrize(("others", "named"), [(4, "prices/IWM"), (2, "which is wrong cannot be told")])
def test_the_one_of_many_whose_dates_are_off_is_named(market: Market, others: int, named: str) -> None:
    """A symbol that hardly moves with the right side bears no witness."""
    market.price("SPY", MARKET)
    market.price("VIX", RANDOM.normal(0, 1, len(DAYS)))
    market.price("IWM", np.roll(MARKET, 1) + RANDOM.normal(0, 0.3, len(DAYS)))
    for symbol in ("KRE", "JPM", "QQQ", "XLF")[:others]:
        market.price(symbol, MARKET + RANDOM.normal(0, 0.3, len(DAYS)))
    market.check("shifted", "prices/*", "prices/SPY", 0.3, min_rows=60, tolerance_share=0.45)
    assert named in market.sentence()
    if others == 4:
        market.connection.execute("delete from staging.equity_prices where symbol = 'SPY'")
        market.price("SPY", np.roll(MARKET, 1))
        assert len(market.failed()) == 1
        assert not re.search("likely wrong: prices/(KRE|JPM|QQQ|XLF)", market.sentence())


def test_a_second_source_may_be_absent_empty_or_there(market: Market) -> None:
    market.fred("EFFR", 5.33)
    market.check("second_source", "fred/EFFR", "second/newyorkfed/EFFR", 0.005)
    [result] = market.compare().results
    assert result["passed"] and "not compared" in str(result["sample"])
    market.connection.execute(
        "create table raw.second_source_rates (source varchar, series_id varchar, observation_date date,"
        " value double, available_at_utc timestamp, known_at_utc timestamp)"
    )
    assert market.failed() == []
    insert = "insert into raw.second_source_rates values ('newyorkfed', 'EFFR', ?, ?, ?, ?)"
    for day, value in zip(DAYS[:3], (5.33, 5.33, 5.08), strict=True):
        market.connection.execute(insert, [day, value, day, day])
    market.connection.execute(insert, [DAYS[3], 4.0, pd.Timestamp("2027-01-01"), DAYS[3]])
    assert market.failed() == [("check_second_source", 1)]


def test_an_exception_leaves_a_day_out_and_periods_and_few_days_are_heeded(market: Market) -> None:
    market.fred("DFF", changed(rate(5.33, 0), slice(10, 12), lambda values: values + 1))
    market.fred("EFFR", rate(5.33, 0))
    market.check("value", "fred/DFF", "fred/EFFR", 0.01, check_id="all")
    market.check("value", "fred/DFF", "fred/EFFR", 0.01, check_id="late", valid_from=DAYS[12])
    market.check("value", "fred/DFF", "fred/EFFR", 0.01, check_id="long", min_rows=1000)
    assert market.failed() == [("all", 2)]
    market.connection.execute(
        "insert into ref.cross_check_exceptions values ('all', ?, ?, ?, 'known')",
        ["EFFR", DAYS[10].date(), DAYS[11].date()],
    )
    assert market.failed() == [("all", 2)], "the exception is another input's"
    market.connection.execute("update ref.cross_check_exceptions set input = '*'")
    assert market.failed() == []


def test_the_newest_days_and_every_failure_are_kept(market: Market) -> None:
    market.fred("DFF", changed(rate(5.33, 0), slice(3, 6), lambda values: values + 1))
    market.fred("EFFR", rate(5.33, 0))
    market.check("value", "fred/DFF", "fred/EFFR", 0.01)
    for _ in range(2):
        found = market.compare()
        record_cross_checks(market.connection, [{"run_id": "r", **row} for row in found.rows])
    rows = market.connection.execute(
        "select passed, count(*), min(day), max(offender) from ops.cross_checks group by 1 order by 1"
    ).fetchall()
    assert [(passed, count) for passed, count, *_ in rows] == [(False, 3), (True, KEPT_DAYS)]
    assert rows[0][3] == "fred/DFF"


@pytest.mark.parametrize(
    ("kind", "left", "right", "said"),
    [
        ("value", "fred/DGS2", "DGS10 - fred/DGS2", "'DGS10' in 'DGS10 - fred/DGS2' is not an input"),
        ("value", "0.5*fred/DGS2", "fred/DGS10", "must be one input"),
        ("value", "fred/DGS2", "0.1", "names no input"),
        ("between", "fred/EFFR", "fred/DFEDTARL", "two inputs with ' .. ' between them"),
        ("same_series", "fred/*", "fred/DGS2", "must be blank"),
        ("shifted", "bonds/*", "prices/SPY", "does not start with one of prices/"),
        ("decision", "fred/DFEDTARU", "fred/DFF", "must be ref/fomc_meetings"),
        ("adjusted_close", "fred/*", "", "must start with prices/"),
        ("month_average", "prices/*", "fred/DFF", "must start with futures/"),
        ("nearly", "fred/DGS2", "fred/DGS2", "check_kind 'nearly' is not one of"),
    ],
)
def test_a_side_that_cannot_be_read_is_refused(kind: str, left: str, right: str, said: str) -> None:
    with pytest.raises(WrongTerms) as caught:
        parse_sides(kind, left, right)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("left_input", "fred/DGS4", "unknown input 'fred/DGS4'"),
        ("right_input", "fred/DGS10 - fred/DGS4", "unknown input 'fred/DGS4'"),
        ("check_kind", "nearly", "check_kind = 'nearly' is not one of"),
        ("min_rows", 0, "min_rows must be 1 or more"),
    ],
)
def test_a_wrong_row_is_refused_with_its_line(column: str, value: object, said: str) -> None:
    def frames(name: str) -> pd.DataFrame:
        frame = reference_frame(name)
        if name == "cross_checks":
            frame = frame.copy()
            frame.loc[0, column] = value
        return frame

    with pytest.raises(ReferenceDataError) as caught:
        check_reference_rows(frames)
    assert "reference/cross_checks.csv line 2" in str(caught.value) and said in str(caught.value)
