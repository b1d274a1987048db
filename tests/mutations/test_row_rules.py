"""Every rule on served rows is broken by a datum before the load, by that rule and no unfitting one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from datasets.base import Dataset
from datasets.registry import DATASETS
from expectations.gate import GateResult, check_rows
from expectations.rules import Item, columns_of, derived_items, handwritten, rule_name
from tests.mutations.harness import built_market
from tests.mutations.report import played
from tests.mutations.row_mutations import ROW_MUTATIONS, RowMutation
from tests.shared_homes import HomeAfter
from warehouse.catalog import Table, load_catalog

ADDED = ("available_at_utc", "availability", "run_id")
SMALL_SESSION = "2024-07-16"
SERVED_ROWS = 120
# The row that is broken: of an input's newest rows one in the middle, so that it has neighbours.
ROW = SERVED_ROWS // 2
# Few inputs, so that there are many days of each; of the futures the whole strip.
INPUTS = {"prices": ("KRE", "IWM"), "fred": ("DGS2", "DGS10")}


@dataclass(frozen=True)
class Served:
    """Rows of each kind of input as they came, and an empty warehouse beside them."""

    rows: dict[str, pd.DataFrame]

    def gate(self, dataset: Dataset, rows: pd.DataFrame, held: pd.DataFrame | None = None) -> GateResult:
        """The gate on rows, as the load calls it."""
        table, in_context = load_catalog()[dataset.table], self.in_context(dataset, rows, held)
        with duckdb.connect(config={"threads": 1}) as connection:
            return check_rows(table, in_context, connection)

    def in_context(
        self, dataset: Dataset, rows: pd.DataFrame, held: pd.DataFrame | None = None
    ) -> pd.DataFrame:
        """The rows with what the rules compare with."""
        table = load_catalog()[dataset.table]
        with duckdb.connect(config={"threads": 1}) as connection:
            connection.execute("create schema raw")
            connection.execute(table.ddl().replace(" not null", ""))
            if held is not None:
                connection.execute(f"insert into {table.full_name} by name select * from held")
            return dataset.with_context(connection, rows)


def newest_rows(warehouse: Path) -> Served:
    """The newest rows of a home, of every kind of input that it holds."""
    found = {}
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        for name, dataset in DATASETS.items():
            rows = connection.execute(
                f"select * exclude (run_id) from {dataset.table}"
                f" where {chosen(name, dataset)}"
                f" order by {dataset.day} desc, {dataset.key} limit {SERVED_ROWS}"
            ).df()
            found[name] = rows if len(rows) else made_up(load_catalog()[dataset.table])
    return Served(found)


def chosen(name: str, dataset: Dataset) -> str:
    """A condition for the inputs that are played."""
    names = ", ".join(f"'{entry}'" for entry in INPUTS.get(name, ()))
    return f"{dataset.key} in ({names})" if names else "true"


def made_up(table: Table) -> pd.DataFrame:
    """Rows of a kind of input that the home does not hold: within all limits, the newest first."""
    values: dict[str, Any] = {}
    days = pd.date_range("1995-03-31", periods=SERVED_ROWS, freq="QE")
    quarters = pd.Series(days[::-1]).astype("datetime64[us]")
    for column in table.columns:
        if column.name == "run_id":
            continue
        if column.type == "DATE":
            values[column.name] = quarters
        elif column.type == "TIMESTAMP":
            values[column.name] = quarters + pd.Timedelta(days=60)
        elif column.type == "VARCHAR":
            text = column.values[0] if column.values else "x"
            values[column.name] = pd.Series([text] * SERVED_ROWS, dtype="str")
        else:
            low, high = float(column.min or 0), float(column.max or 1e6)
            middle = pd.Series(np.linspace(low, high, SERVED_ROWS + 2)[1:-1])
            values[column.name] = middle if column.type == "DOUBLE" else middle.astype("int64")
    return pd.DataFrame(values)


@pytest.fixture(scope="module")
def small(home_after: HomeAfter) -> Served:
    return newest_rows(home_after(SMALL_SESSION).warehouse)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Served:
    publication, _ = built_market(tmp_path_factory.mktemp("market"))
    return newest_rows(publication.resolve().parents[2] / "warehouse.duckdb")


def failed(gate: GateResult) -> set[str]:
    """Names of the failed rules."""
    return {result["rule"] for result in gate.results if not result["passed"]}


def test_every_rule_written_by_hand_has_a_mutation() -> None:
    rules = sorted(
        (name, rule_name(item))
        for name, dataset in DATASETS.items()
        for item in handwritten(load_catalog()[dataset.table])["expectations"]
    )
    assert rules == sorted((entry.dataset, entry.rule) for entry in ROW_MUTATIONS)


def place(name: str, rows: pd.DataFrame) -> int:
    """The row that is broken: one in the middle; of a strip of futures one with months on both sides."""
    if name != "futures":
        return ROW
    strip = rows[rows["settlement_date"] == rows["settlement_date"].iloc[ROW]].sort_values("delivery_month")
    return int(strip.index[len(strip) // 2])


def breaks_one_rule(served: Served, entry: RowMutation) -> None:
    """The datum is caught by the entry's rule first, and that row alone is broken."""
    dataset, rows = DATASETS[entry.dataset], served.rows[entry.dataset]
    usual = served.gate(dataset, rows)
    broken, row = rows.copy(), 0 if entry.last else place(entry.dataset, rows)
    for column, value in entry.values.items():
        broken.loc[row, column] = value(rows, row)
    held = None
    if entry.held:
        held = rows.iloc[[row]].assign(source="another", settle=rows["settle"].iloc[row] + 0.1, run_id="r")
    gate = served.gate(dataset, broken, held)
    assert failed(gate) - failed(usual) - set(entry.also) == {entry.rule}
    assert gate.broken[row]
    assert gate.first_rule[row] == entry.rule or entry.also
    if not entry.also:
        assert (gate.broken & ~usual.broken).sum() == 1


# `make test` plays every eighth; `make test-mutations` plays them all.
@pytest.mark.parametrize("entry", ROW_MUTATIONS[::8], ids=lambda entry: f"{entry.dataset}-{entry.rule}")
def test_a_datum_breaks_its_rule_in_the_small_market(small: Served, entry: RowMutation) -> None:
    breaks_one_rule(small, entry)


@pytest.mark.mutation
@pytest.mark.parametrize("entry", ROW_MUTATIONS, ids=lambda entry: f"{entry.dataset}-{entry.rule}")
def test_a_datum_breaks_its_rule(market: Served, entry: RowMutation) -> None:
    with played(DATASETS[entry.dataset].table, "written by hand"):
        breaks_one_rule(market, entry)


def catalog_items(table: Table, rows: pd.DataFrame) -> list[Item]:
    """The rules of the catalog on served rows."""
    return derived_items(table, [name for name in rows.columns if not name.startswith("_")])


def with_broken(rows: pd.DataFrame, table: Table, item: Item) -> list[pd.DataFrame]:
    """The rows with a datum that breaks the item, one frame per way."""
    arguments, column = item["kwargs"], item["kwargs"].get("column")
    match item["type"]:
        case "expect_table_row_count_to_be_between":
            return [rows.head(0)]
        case "expect_compound_columns_to_be_unique":
            [compared, *_] = [name for name in table.compared if rows[name].notna().iloc[ROW]]
            twin = rows.iloc[[ROW]].assign(**{compared: rows[compared].iloc[ROW] + 1e-3})
            return [pd.concat([rows, twin], ignore_index=True)]
        case "expect_column_values_to_be_in_type_list":
            other = 5 if isinstance(rows[column].dtype, pd.StringDtype) else "many"
            return [changed(rows.astype({column: object}), column, other)]
        case "expect_column_values_to_not_be_null":
            whole = rows[column].dtype.kind in "iu"
            return [changed(rows.astype({column: float}) if whole else rows, column, None)]
        case "expect_column_values_to_be_in_set":
            return [changed(rows, column, "unheard of")]
        case "expect_column_values_to_be_between":
            step = pd.Timedelta(days=3) if rows[column].dtype.kind == "M" else 1
            bounds = [(arguments["min_value"], -1), (arguments["max_value"], 1)]
            return [changed(rows, column, bound + side * step) for bound, side in bounds if bound is not None]
    raise AssertionError(f"no datum that breaks {item['type']}")


def changed(rows: pd.DataFrame, column: str, value: object) -> pd.DataFrame:
    """The rows with one value changed."""
    broken = rows.copy()
    broken.loc[ROW, column] = value
    return broken


@pytest.mark.mutation
@pytest.mark.parametrize("name", list(DATASETS))
def test_the_catalogs_rules_are_broken_one_by_one(market: Served, name: str) -> None:
    rows = market.in_context(DATASETS[name], market.rows[name])
    table = load_catalog()[DATASETS[name].table]
    with played(table.full_name, "from the catalog", len(catalog_items(table, rows))):
        catalogs_rules_are_broken(market, name, every=1)


@pytest.mark.parametrize("name", ["fred"])
def test_some_of_the_catalogs_rules_are_broken_in_the_small_market(small: Served, name: str) -> None:
    catalogs_rules_are_broken(small, name, every=3)


def catalogs_rules_are_broken(served: Served, name: str, every: int) -> None:
    """Each datum fails its rule; what fails besides reads the same columns."""
    dataset = DATASETS[name]
    table, rows = load_catalog()[dataset.table], served.in_context(dataset, served.rows[name])
    connection = duckdb.connect(config={"threads": 1})
    usual = failed(check_rows(table, rows, connection))
    items = catalog_items(table, rows)
    by_hand = handwritten(table)["expectations"]
    for item in items[::every]:
        for broken in with_broken(rows, table, item):
            found = failed(check_rows(table, broken, connection)) - usual
            assert rule_name(item) in found, f"{table.full_name}: {rule_name(item)} did not fail"
            read = set(columns_of(item)) or set(rows.columns)
            fitting = {rule_name(other) for other in items if set(columns_of(other)) & read}
            fitting |= {rule_name(item), *(rule_name(other) for other in by_hand)}
            assert found <= fitting, f"{table.full_name}: {rule_name(item)}: also {sorted(found - fitting)}"
