"""The gate: catalog rules, hand-written rules, quarantine, and rules that raise."""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from datasets.registry import DATASETS
from expectations import gate as gate_module
from expectations.gate import GateResult, check_rows, check_table
from warehouse.catalog import load_catalog

KNOWN = pd.Timestamp("2026-11-20 12:00:00")


def price_rows(**changes: Any) -> pd.DataFrame:
    """Three good price rows as the loader hands them to the gate; a change is a list of three values."""
    rows = pd.DataFrame(
        {
            "symbol": pd.Series(["IWM"] * 3, dtype="str"),
            "session_date": pd.to_datetime(["2024-07-15", "2024-07-16", "2024-07-17"]),
            "open": [11.0, 12.0, 13.0],
            "high": [11.5, 12.5, 13.5],
            "low": [10.5, 11.5, 12.5],
            "close": [11.2, 12.2, 13.2],
            "adj_close": [11.1, 12.1, 13.1],
            "previous_adj_close": [np.nan, 11.1, 12.1],
            "volume": [10.0, 20.0, 30.0],
            "dividend": [0.0, 0.0, 0.1],
            "split": [np.nan] * 3,
            "source": pd.Series(["files"] * 3, dtype="str"),
            "known_at_utc": [KNOWN] * 3,
            "payload_sha256": pd.Series(["x"] * 3, dtype="str"),
        }
    )
    for name, values in changes.items():
        rows[name] = pd.to_datetime(values) if name == "session_date" else values
    return rows


def in_context(name: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with what the rules compare with, for an empty warehouse."""
    dataset = DATASETS[name]
    with duckdb.connect() as connection:
        connection.execute("create schema raw")
        connection.execute(load_catalog()[dataset.table].ddl())
        return dataset.with_context(connection, dataset.with_availability(rows))


def check_prices(rows: pd.DataFrame) -> GateResult:
    """The gate on price rows."""
    return check_rows(load_catalog()["raw.equity_prices"], in_context("prices", rows))


def failed(gate: GateResult) -> set[str]:
    """Names of the failed rules."""
    return {result["rule"] for result in gate.results if not result["passed"]}


def test_good_rows_pass_every_rule() -> None:
    gate = check_prices(price_rows())
    assert failed(gate) == set()
    assert not gate.broken.any()
    assert len(gate.results) > 30


@pytest.mark.parametrize(
    ("changes", "rule", "row"),
    [
        ({"close": [11.2, np.nan, 13.2]}, "close_values_to_not_be_null", 1),
        ({"close": [11.2, -2.2, 13.2]}, "close_values_to_be_between", 1),
        ({"close": [11.2, 0.0, 13.2]}, "close_values_to_be_between", 1),
        ({"close": [11.2, 2.0**63, 13.2]}, "close_values_to_be_between", 1),
        ({"volume": [10.0, -1.0, 30.0]}, "volume_values_to_be_between", 1),
        ({"dividend": [0.0, 0.0, -0.1]}, "dividend_values_to_be_between", 2),
        ({"high": [11.5, 11.0, 13.5], "close": [11.2, 11.0, 13.2]}, "high_is_not_below_low", 1),
        ({"session_date": ["2024-07-15", "2024-07-14", "2024-07-17"]}, "session_date_is_an_nyse_session", 1),
        ({"session_date": ["2024-07-03", "2024-07-04", "2024-07-05"]}, "session_date_is_an_nyse_session", 1),
        ({"session_date": ["2024-07-15", "2026-11-23", "2024-07-17"]}, "session_had_closed_when_served", 1),
        (
            {"session_date": ["2024-07-15", "1962-07-16", "2024-07-17"]},
            "session_date_values_to_be_between",
            1,
        ),
    ],
)
def test_a_broken_row_is_marked_with_its_rule_and_no_other(
    changes: dict[str, Any], rule: str, row: int
) -> None:
    gate = check_prices(price_rows(**changes))
    assert rule in failed(gate)
    assert gate.broken.tolist() == [position == row for position in range(3)]
    [(_, broken, payload)] = gate.broken_rows(price_rows(**changes))
    assert payload == "x"
    assert broken["symbol"] == "IWM"
    assert gate.critical_failures == []


def test_a_row_served_twice_is_kept_once_and_unequal_twins_not_at_all() -> None:
    twice = check_prices(
        price_rows(
            session_date=["2024-07-15", "2024-07-15", "2024-07-17"],
            open=[11, 11, 13.0],
            high=[11.5, 11.5, 13.5],
            low=[10.5, 10.5, 12.5],
            close=[11.2, 11.2, 13.2],
            volume=[10.0, 10.0, 30.0],
        )
    )
    assert twice.broken.tolist() == [False, True, False]
    assert twice.first_rule[1] == "row_is_served_once"
    unequal = check_prices(price_rows(session_date=["2024-07-15", "2024-07-15", "2024-07-17"]))
    assert unequal.broken.tolist() == [True, True, False]
    assert unequal.first_rule[0] == "row_served_twice_has_the_same_prices"


def test_an_empty_frame_does_not_pass_silently() -> None:
    gate = check_prices(price_rows().head(0))
    assert "table_row_count_to_be_between" in failed(gate)


def test_a_rule_that_raises_counts_as_failed_and_critical(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = {
        "type": "expect_column_values_to_be_between",
        "kwargs": {"column": "colour", "min_value": 0},
        "severity": "info",
        "meta": {"name": "colour"},
    }
    monkeypatch.setattr(gate_module, "handwritten", lambda table: {"expectations": [broken], "queries": []})
    gate = check_prices(price_rows())
    [result] = [result for result in gate.results if result["rule"] == "colour"]
    assert not result["passed"]
    assert result["severity"] == "critical"
    assert "raised" in str(result["sample"])


def test_types_are_checked() -> None:
    gate = check_prices(price_rows(volume=["many", "more", "most"]))
    assert any(
        result["rule"] == "volume_values_to_be_in_type_list"
        and not result["passed"]
        and result["severity"] == "critical"
        for result in gate.results
    )


def futures_rows(settlement_date: list[str], settle: list[float]) -> pd.DataFrame:
    """Rows of adjacent contracts N, Q, U 2024."""
    return pd.DataFrame(
        {
            "contract": pd.Series(["ZQN24", "ZQQ24", "ZQU24"], dtype="str"),
            "delivery_month": pd.to_datetime(["2024-07-01", "2024-08-01", "2024-09-01"]),
            "settlement_date": pd.to_datetime(settlement_date),
            "settle": settle,
            "source": pd.Series(["files"] * 3, dtype="str"),
            "known_at_utc": [KNOWN] * 3,
            "payload_sha256": pd.Series(["x"] * 3, dtype="str"),
        }
    )


@pytest.mark.parametrize(
    ("dates", "settles", "rule", "row"),
    [
        (["2024-07-16"] * 3, [94.67, 84.68, 94.80], "settlement_is_near_its_neighbours", 1),
        (["2024-08-01", "2024-08-01", "2024-08-01"], [94.67, 94.68, 94.80], "contract_had_not_expired", 0),
        (
            ["2024-07-16", "2024-07-14", "2024-07-16"],
            [94.67, 94.68, 94.80],
            "settlement_date_is_a_settlement_day",
            1,
        ),
        (["2024-07-16"] * 3, [94.67, 941.0, 94.80], "settle_values_to_be_between", 1),
    ],
)
def test_futures_rules(dates: list[str], settles: list[float], rule: str, row: int) -> None:
    rows = in_context("futures", futures_rows(dates, settles))
    gate = check_rows(load_catalog()["raw.fed_funds_futures"], rows)
    assert rule in failed(gate)
    assert gate.broken.tolist() == [position == row for position in range(3)]


def test_good_friday_2023_is_a_settlement_day_and_an_easing_strip_is_no_outlier() -> None:
    rows = futures_rows(["2023-04-07"] * 3, [94.0, 94.7, 95.4])
    gate = check_rows(load_catalog()["raw.fed_funds_futures"], in_context("futures", rows))
    assert failed(gate) == set()


@pytest.fixture
def curve() -> duckdb.DuckDBPyConnection:
    """marts.yield_curve_daily with three good rows."""
    connection = duckdb.connect()
    connection.execute("create schema marts")
    table = load_catalog()["marts.yield_curve_daily"]
    connection.execute(table.ddl().replace(" not null", ""))
    for day in (15, 16, 17):
        connection.execute(
            "insert into marts.yield_curve_daily (session_date, y2_pct, y10_pct, slope_2s10s_bp, inverted,"
            f" data_source) values ('2024-07-{day}', 4.4, 4.2, -20, true, 'files')"
        )
    return connection


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        (
            "update marts.yield_curve_daily set y2_pct = 'nan' where session_date = '2024-07-16'",
            "numbers_are_finite",
        ),
        (
            "update marts.yield_curve_daily set y10_pct = 'inf' where session_date = '2024-07-16'",
            "numbers_are_finite",
        ),
        (
            "update marts.yield_curve_daily set y10_pct = 4200 where session_date = '2024-07-16'",
            "y10_pct_values_to_be_between",
        ),
        (
            "update marts.yield_curve_daily set session_date = null where session_date = '2024-07-16'",
            "session_date_is_not_null",
        ),
        ("update marts.yield_curve_daily set session_date = '2024-07-15'", "grain_is_unique"),
        ("update marts.yield_curve_daily set data_source = 'vendor'", "data_source_values_to_be_in_set"),
    ],
)
def test_a_built_table_is_checked_whole(curve: duckdb.DuckDBPyConnection, statement: str, rule: str) -> None:
    table = load_catalog()["marts.yield_curve_daily"]
    assert rule not in failed(check_table(curve, table))
    curve.execute(statement)
    gate = check_table(curve, table)
    assert rule in failed(gate)
    [result] = [result for result in gate.critical_failures if result["rule"] == rule]
    assert result["failed_rows"] >= 1
    assert result["sample"]


def test_a_range_broken_long_ago_is_found(curve: duckdb.DuckDBPyConnection) -> None:
    curve.execute(
        "insert into marts.yield_curve_daily (session_date, y2_pct, y10_pct, data_source) select date"
        " '2000-01-03' + i::int, 4, 4, 'files' from range(5000) t(i)"
    )
    curve.execute("update marts.yield_curve_daily set y2_pct = 99999 where session_date = '2000-01-05'")
    gate = check_table(curve, load_catalog()["marts.yield_curve_daily"])
    [result] = [result for result in gate.results if result["rule"] == "y2_pct_values_to_be_between"]
    assert (result["passed"], result["failed_rows"], result["checked_rows"]) == (False, 1, 5003)
    assert "2000-01-05" in result["sample"]


def test_only_new_rows_of_a_table_are_judged_and_all_are_covered(curve: duckdb.DuckDBPyConnection) -> None:
    table = load_catalog()["marts.yield_curve_daily"]
    whole = check_table(curve, table)
    curve.execute("update marts.yield_curve_daily set y10_pct = 900 where session_date = '2024-07-17'")
    new, before = "session_date >= '2024-07-17'", "session_date < '2024-07-17'"
    assert failed(check_table(curve, table, new=new)) >= {"y10_pct_values_to_be_between"}
    passed = check_table(curve, table, new="session_date >= '2024-07-18'")
    assert [(entry["rule"], entry["checked_rows"]) for entry in passed.results] == [
        (entry["rule"], entry["checked_rows"]) for entry in whole.results
    ]
    assert "y10_pct_values_to_be_between" not in failed(check_table(curve, table, new=before))


def test_a_query_by_day_looks_at_the_new_days_and_any_other_at_all() -> None:
    connection = duckdb.connect()
    connection.execute("create schema marts")
    table = load_catalog()["marts.bank_rate_betas"]
    connection.execute(table.ddl().replace(" not null", ""))
    for day, t_stat in (("2024-07-16", 9.0), ("2024-07-17", 4.0)):
        connection.execute(
            "insert into marts.bank_rate_betas by name select 'KRE' as symbol, 'y2_only' as model,"
            " 'w60' as estimator, 'y2' as factor, 2 as beta, 0.5 as std_error, 0.5 as r_squared,"
            " 2 as critical_t, 60 as observations, 'files' as data_source,"
            f" date '{day}' as session_date, {t_stat} as t_stat"
        )
    rule = "t_is_beta_over_its_standard_error"
    results = {entry["rule"]: entry for entry in check_table(connection, table).results}
    assert (results[rule]["failed_rows"], results[rule]["checked_rows"]) == (1, 2)
    new = check_table(connection, table, new="session_date >= '2024-07-17'")
    assert rule not in failed(new)
    connection.execute("update marts.bank_rate_betas set t_stat = 5 where session_date = '2024-07-17'")
    assert rule in failed(check_table(connection, table, new="session_date >= '2024-07-17'"))
