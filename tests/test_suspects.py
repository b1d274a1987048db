"""Great Expectations sees the rows that SQL picks, and the result is that of all rows."""

from __future__ import annotations

import json
import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import duckdb
import great_expectations as gx
import numpy as np
import pandas as pd
import pytest
from great_expectations.expectations.expectation import Expectation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datasets.registry import DATASETS
from expectations import gate, gx_held, suspects
from expectations.gate import check_rows, check_table
from expectations.gx_files import keep_project
from expectations.rules import derived_items, handwritten
from expectations.suites import Record, run_items
from expectations.suspects import conditions, frame_to_judge, table_to_judge, whole_table
from operations.housekeeping import clean_home
from tests.small_market import small_settings
from warehouse.catalog import load_catalog

PRICES, FUTURES = load_catalog()["raw.equity_prices"], load_catalog()["raw.fed_funds_futures"]
CURVE = load_catalog()["marts.yield_curve_daily"]
KNOWN = pd.Timestamp("2024-12-02 12:00:00")
ROWS = 40


def price_rows() -> pd.DataFrame:
    """Good rows of two symbols over twenty sessions."""
    days = pd.DataFrame({"session_date": pd.bdate_range("2024-09-03", periods=20).astype("datetime64[us]")})
    rows = days.merge(pd.DataFrame({"symbol": pd.Series(["IWM", "SPY"], dtype="str")}), how="cross")
    close = np.linspace(100.0, 120.0, ROWS)
    return rows[["symbol", "session_date"]].assign(
        open=close,
        high=close + 1,
        low=close - 1,
        close=close,
        adj_close=close,
        previous_adj_close=close,
        volume=1000.0,
        dividend=0.0,
        split=np.nan,
        source=pd.Series(["files"] * ROWS, dtype="str"),
        known_at_utc=KNOWN,
        payload_sha256=pd.Series(["x"] * ROWS, dtype="str"),
    )


def futures_rows() -> pd.DataFrame:
    """Good rows of two contracts over twenty days."""
    days = pd.DataFrame(
        {"settlement_date": pd.bdate_range("2024-09-03", periods=20).astype("datetime64[us]")}
    )
    contracts = pd.DataFrame(
        {
            "contract": pd.Series(["ZQZ24", "ZQF25"], dtype="str"),
            "delivery_month": pd.to_datetime(["2024-12-01", "2025-01-01"]),
        }
    )
    return days.merge(contracts, how="cross").assign(
        settle=np.linspace(95.0, 95.4, ROWS),
        source=pd.Series(["files"] * ROWS, dtype="str"),
        known_at_utc=KNOWN,
        payload_sha256=pd.Series(["x"] * ROWS, dtype="str"),
    )


def in_context(name: str, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows as the load hands them to the gate."""
    dataset = DATASETS[name]
    with duckdb.connect() as connection:
        connection.execute("create schema raw")
        connection.execute(load_catalog()[dataset.table].ddl())
        return dataset.with_context(connection, dataset.with_availability(rows))


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": 1})


# Column and value: what a vendor's file may hold in one row of a good file.
PRICE_DEFECTS: list[tuple[str, Any]] = [
    ("close", np.nan),
    ("close", -1.0),
    ("close", np.inf),
    ("high", np.nan),
    ("low", 1e6),
    ("volume", -5.0),
    ("volume", np.inf),
    ("dividend", -0.1),
    ("split", 0.0),
    ("session_date", pd.NaT),
    ("session_date", pd.Timestamp("2024-09-07")),
    ("session_date", pd.Timestamp("2024-12-24")),
    ("session_date", pd.Timestamp("1950-01-03")),
    ("session_date", pd.Timestamp("2024-09-05")),
    ("symbol", None),
    ("source", None),
    ("availability", "rumoured"),
    ("available_at_utc", pd.NaT),
    ("known_at_utc", pd.NaT),
    ("_is_nyse_session", False),
]
FUTURES_DEFECTS: list[tuple[str, Any]] = [
    ("settle", np.nan),
    ("settle", 941.0),
    ("settlement_date", pd.Timestamp("2024-09-07")),
    ("delivery_month", pd.NaT),
    ("_last_settlement_date", pd.NaT),
    ("_last_settlement_date", pd.Timestamp("2024-09-01")),
    ("_distance_from_neighbours", np.nan),
    ("_distance_from_neighbours", 0.7),
    ("_disagrees_with_other_source", True),
    ("contract", None),
]


def defects(kinds: list[tuple[str, Any]]) -> st.SearchStrategy[list[tuple[int, tuple[str, Any]]]]:
    """Some defects, each in a row."""
    return st.lists(st.tuples(st.integers(0, ROWS - 1), st.sampled_from(kinds)), max_size=12)


def with_defects(rows: pd.DataFrame, chosen: list[tuple[int, tuple[str, Any]]], twice: list[int]) -> Any:
    """The rows with the defects, and some rows a second time."""
    broken = rows.copy()
    for row, (column, value) in chosen:
        broken.loc[row, column] = value
    broken = broken.astype(rows.dtypes.to_dict())
    return pd.concat([broken, broken.iloc[twice]], ignore_index=True)


def same_result(connection: duckdb.DuckDBPyConnection, table: Any, rows: pd.DataFrame) -> None:
    """Both ways give the same results, broken rows and first rules."""
    picked, whole = check_rows(table, rows, connection), check_rows(table, rows)
    assert picked.results == whole.results
    assert picked.broken.equals(whole.broken)
    assert picked.first_rule.equals(whole.first_rule)


few = settings(max_examples=3, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.fixture
def few_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three of the newest rows are enough of a sample, so that most rows are left out."""
    monkeypatch.setattr(suspects, "NEWEST_ROWS", 3)


@pytest.mark.usefixtures("few_newest")
@few
@given(chosen=defects(PRICE_DEFECTS), twice=st.lists(st.integers(0, ROWS - 1), max_size=4))
def test_prices_give_the_same_result_picked_and_whole(
    connection: duckdb.DuckDBPyConnection, chosen: list[tuple[int, tuple[str, Any]]], twice: list[int]
) -> None:
    rows = with_defects(in_context("prices", price_rows()), chosen, twice)
    same_result(connection, PRICES, rows)


@pytest.mark.usefixtures("few_newest")
@few
@given(chosen=defects(FUTURES_DEFECTS), twice=st.lists(st.integers(0, ROWS - 1), max_size=4))
def test_futures_give_the_same_result_picked_and_whole(
    connection: duckdb.DuckDBPyConnection, chosen: list[tuple[int, tuple[str, Any]]], twice: list[int]
) -> None:
    same_result(connection, FUTURES, with_defects(in_context("futures", futures_rows()), chosen, twice))


@pytest.mark.usefixtures("few_newest")
def test_every_defect_at_once_gives_the_same_result(connection: duckdb.DuckDBPyConnection) -> None:
    for table, name, rows, kinds in (
        (PRICES, "prices", price_rows(), PRICE_DEFECTS),
        (FUTURES, "futures", futures_rows(), FUTURES_DEFECTS),
    ):
        chosen = [(2 * place, defect) for place, defect in enumerate(kinds[: ROWS // 2])]
        broken = with_defects(in_context(name, rows), chosen, [0, 1])
        same_result(connection, table, broken)


@pytest.mark.usefixtures("few_newest")
def test_only_suspects_and_the_newest_are_judged(connection: duckdb.DuckDBPyConnection) -> None:
    rows = in_context("prices", price_rows())
    rows.loc[4, "close"] = -1.0
    items = [
        {
            "type": "expect_column_values_to_be_between",
            "kwargs": {"column": "close", "min_value": 0.0},
            "severity": "warning",
        }
    ]
    judged = frame_to_judge(connection, PRICES, rows, items)  # type: ignore[arg-type]
    assert judged.index.tolist() == [4, 36, 38, 39]


@pytest.mark.parametrize(
    "item",
    [
        {"type": "expect_column_mean_to_be_between", "kwargs": {"column": "close", "min_value": 0}},
        {
            "type": "expect_column_values_to_be_between",
            "kwargs": {"column": "close", "min_value": 0, "mostly": 0.9},
        },
        {"type": "expect_column_values_to_be_between", "kwargs": {"column": "symbol", "min_value": 0}},
        {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "colour"}},
    ],
)
def test_an_item_that_sql_does_not_know_makes_every_row_a_suspect(item: Any) -> None:
    kinds = {"close": "number", "symbol": "text"}
    assert conditions([{**item, "severity": "warning"}], kinds, "rows") is None


@pytest.mark.usefixtures("few_newest")
def test_texts_among_the_numbers_are_judged_whole(connection: duckdb.DuckDBPyConnection) -> None:
    rows = in_context("prices", price_rows())
    rows["volume"] = ["many", *rows["volume"][1:]]
    same_result(connection, PRICES, rows)


CURVE_DEFECTS = ("null", "'nan'::double", "'inf'::double", "-99.0", "99.0")


def built_curve(*, defects: bool = False) -> duckdb.DuckDBPyConnection:
    """A built table of forty sessions, with or without every defect in every number, two rows of one key and
    one without a key.
    """
    built = duckdb.connect()
    built.execute("create schema marts")
    built.execute(CURVE.ddl().replace(" NOT NULL", "").replace(" not null", ""))
    numbers = [column.name for column in CURVE.columns if column.type == "DOUBLE"]
    columns = ", ".join(["session_date", *numbers])
    built.execute(
        f"insert into {CURVE.full_name} ({columns}) select '2024-07-01'::date + i::integer"
        f"{', 1.0' * len(numbers)} from range(40) as t(i)"
    )
    if defects:
        for place, number in enumerate(numbers):
            wrong = CURVE_DEFECTS[place % len(CURVE_DEFECTS)]
            built.execute(
                f"update {CURVE.full_name} set {number} = {wrong} where day(session_date) = {place + 1}"
            )
        built.execute(f"insert into {CURVE.full_name} from {CURVE.full_name} limit 1")
        built.execute(f"insert into {CURVE.full_name} (session_date) values (null)")
    return built


@pytest.mark.parametrize("wrong", [False, True])
def test_a_built_table_gives_the_same_result_picked_and_whole(
    wrong: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Great Expectations finds nothing in the rows that SQL keeps from it."""
    with built_curve(defects=wrong) as built:
        picked = check_table(built, CURVE)
        monkeypatch.setattr(gate, "table_to_judge", lambda *_: None)
        whole = check_table(built, CURVE)
    assert picked.results == whole.results
    of_range = [entry for entry in whole.results if entry["rule"].endswith("_to_be_between")]
    assert of_range and any(not entry["passed"] for entry in of_range) == wrong


@pytest.mark.parametrize(
    ("kind", "arguments", "wrong", "broken"),
    [
        ("values_to_not_be_null", {"column": "y2_pct"}, ("y2_pct = 'nan'", "y2_pct = null"), 2),
        ("values_to_be_between", {"column": "y2_pct", "min_value": 0}, ("y2_pct = -1",), 1),
        ("values_to_be_between", {"column": "y2_pct", "max_value": 9}, ("y2_pct = 'inf'",), 1),
        ("values_to_be_in_set", {"column": "data_source", "value_set": ["files"]}, ("data_source = 'x'",), 1),
        (
            "pair_values_a_to_be_greater_than_b",
            {"column_A": "y10_pct", "column_B": "y2_pct"},
            ("y10_pct = 'nan'", "y2_pct = 'nan'", "y10_pct = y2_pct", "y10_pct = -1", "y10_pct = null"),
            5,
        ),
        (
            "pair_values_a_to_be_greater_than_b",
            {"column_A": "y10_pct", "column_B": "y2_pct", "or_equal": True},
            ("y10_pct = y2_pct", "y10_pct = -1"),
            1,
        ),
        (
            "expect_compound_columns_to_be_unique",
            {"column_list": ["session_date", "data_source"]},
            ("session_date = '2024-07-20'", "session_date = null", "session_date = null"),
            4,
        ),
    ],
)
def test_every_row_of_a_built_table_that_breaks_a_rule_is_a_suspect(
    kind: str, arguments: dict[str, Any], wrong: tuple[str, ...], broken: int
) -> None:
    """Each rule by itself: the suspects of one would hide what another misses."""
    name = kind if kind.startswith("expect_") else f"expect_column_{kind}"
    items: list[Any] = [{"type": name, "kwargs": arguments, "severity": "critical"}]
    with built_curve() as built:
        built.execute(f"update {CURVE.full_name} set y10_pct = y2_pct + 1, data_source = 'files'")
        for place, change in enumerate(wrong):
            built.execute(
                f"update {CURVE.full_name} set {change} where session_date = '2024-07-0{place + 2}'"
            )
        picked, whole = table_to_judge(built, CURVE, items), whole_table(built, CURVE, items)
    assert picked is not None and len(picked) < len(whole)
    found = []
    for frame in (picked, whole):
        [outcome] = run_items(CURVE.full_name, frame, items, Record())
        assert outcome.rows is not None
        found.append(sorted(map(str, frame.loc[frame.index[outcome.rows], "session_date"])))
    assert found[0] == found[1]
    assert len(found[1]) == broken


def test_the_project_opens_in_great_expectations(
    tmp_path: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    """Someone who knows Great Expectations finds suites, checkpoints, results and Data Docs."""
    rows = in_context("prices", price_rows())
    rows.loc[3, "close"] = -1.0
    record = Record.of_run(tmp_path, "manual__2024-09-30T22:30:00+00:00")
    check_rows(PRICES, rows, connection, record)
    check_rows(FUTURES, in_context("futures", futures_rows()), connection, record)
    with built_curve() as built:  # in which SQL finds nothing to judge: a suite and no result
        check_table(built, CURVE, record)
    assert record.folder is not None
    context = gx.get_context(mode="file", context_root_dir=record.folder)
    names = {"raw.equity_prices", "raw.fed_funds_futures", "marts.yield_curve_daily"}
    assert {suite.name for suite in context.suites.all()} == names
    assert {definition.name for definition in context.validation_definitions.all()} == names
    assert {checkpoint.name for checkpoint in context.checkpoints.all()} == names
    results = [
        context.validation_results_store.get(key) for key in context.validation_results_store.list_keys()
    ]
    assert {result.suite_name: result.success for result in results} == {
        "raw.equity_prices": False,
        "raw.fed_funds_futures": True,
    }
    [failed] = [entry for result in results for entry in result.results if not entry.success]
    assert failed.expectation_config.meta["rule"] == "close_values_to_be_between"
    assert failed.expectation_config.severity == "warning"
    assert failed.result["unexpected_list"] == [-1.0]
    pages = context.build_data_docs()
    assert Path(pages["local_site"].removeprefix("file://")).is_file()


def test_the_files_hold_what_great_expectations_writes(tmp_path: Path) -> None:
    from expectations.gx_project import Project

    project, folder, kinds = Project(None), tmp_path / "project", set()
    context = project.context
    for table in (PRICES, FUTURES, *load_catalog().in_schema("staging"), CURVE):
        name, built = table.full_name, table.schema != "raw"
        items = derived_items(table, table.column_names, sql_checks_done=built)
        items += handwritten(table)["expectations"]
        kinds |= {item["type"] for item in items}
        keep_project(folder, name, items)
        checkpoint = project._checkpoint(name, items)
        [definition] = checkpoint.validation_definitions
        for path, store, part in (
            (f"expectations/{name.replace('.', '/')}.json", context.expectations_store, definition.suite),
            (f"validation_definitions/{name}.json", context.validation_definition_store, definition),
            (f"checkpoints/{name}.json", context.checkpoint_store, checkpoint),
        ):
            assert json.loads((folder / path).read_text()) == json.loads(store.serialize(part))
    assert kinds == set(suspects.KNOWN_ARGUMENTS)


def test_a_damaged_copy_of_a_suite_is_written_anew(tmp_path: Path) -> None:
    items = handwritten(PRICES)["expectations"]
    suite = tmp_path / "expectations" / "raw" / "equity_prices.json"
    keep_project(tmp_path, PRICES.full_name, items)
    whole, written = suite.read_text(), suite.stat().st_mtime_ns
    keep_project(tmp_path, PRICES.full_name, items)
    assert suite.stat().st_mtime_ns == written
    suite.write_text('{"name": "raw.equ')
    keep_project(tmp_path, PRICES.full_name, items)
    assert suite.read_text() == whole


def test_what_is_held_meanwhile_changes_no_result(
    tmp_path: Path, connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Great Expectations' own way, in which each step asks again, gives the same results and files; after a
    run its classes are as they were.
    """
    from expectations import gx_project

    rows = in_context("prices", price_rows())
    rows.loc[3, "close"] = -1.0
    own_way = {kind: kind.is_fresh for kind in gx_held.STORED}, Expectation.configuration
    stored = []
    for name, context in (("held", gx_project.held_while_running), ("asked again", nullcontext)):
        monkeypatch.setattr(gx_project, "held_while_running", context)
        record = Record.of_run(tmp_path / name, "run")
        for _ in range(2):
            check_rows(PRICES, rows, connection, record)
        assert record.folder is not None
        texts = [path.read_text() for path in sorted(record.folder.rglob("validations/**/*.json"))]
        results = [json.loads(text) for text in texts]
        stored.append([(result["results"], result["statistics"]) for result in results])
        assert ({kind: kind.is_fresh for kind in gx_held.STORED}, Expectation.configuration) == own_way
    assert len(stored[0]) >= 2
    for held, asked in zip(*stored, strict=True):
        assert held == asked


def test_an_expectation_with_other_arguments_is_made_anew() -> None:
    with gx_held.held_while_running():
        configuration = gx.expectations.ExpectColumnValuesToBeBetween(
            column="close", min_value=0
        ).configuration
        made = configuration.to_domain_obj()
        assert configuration.to_domain_obj() is made and made.configuration is made.configuration
        configuration.kwargs["min_value"] = 5
        assert configuration.to_domain_obj().min_value == 5
    assert made.configuration is not made.configuration


def test_a_wrong_file_does_not_make_a_result_as_large_as_itself(tmp_path: Path) -> None:
    rows = pd.concat([in_context("prices", price_rows())] * 20, ignore_index=True)
    rows["close"] = -np.arange(1.0, len(rows) + 1)
    gate = check_rows(PRICES, rows, None, Record.of_run(tmp_path, "run"))
    [result] = [entry for entry in gate.results if entry["rule"] == "close_values_to_be_between"]
    assert result["failed_rows"] == len(rows)
    [stored] = (tmp_path / "great_expectations" / "validations").rglob("*.json")
    assert stored.stat().st_size < 200_000


def test_housekeeping_removes_old_results(tmp_path: Path) -> None:
    home = tmp_path / "home"
    folder = home / "great_expectations" / "validations" / "raw" / "equity_prices" / "run"
    folder.mkdir(parents=True)
    old = folder / "result.json"
    old.write_text("{}")
    os.utime(old, (1, 1))
    clean_home(small_settings(tmp_path, home))
    assert not old.exists()
