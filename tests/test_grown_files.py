"""Files that grew, read by what is new of them and read whole: what they leave is the same.

Random worlds of a few files each, of every kind, over several loads. One warehouse reads grown files by their
new lines, another one the same payloads whole; after every load all that raw, ops and landing hold, and the
load's own report, are compared bit for bit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pipeline.load_dataset as load_module
from datasets.base import Dataset
from datasets.registry import DATASETS
from expectations import gate as gate_module
from expectations.rules import Item, handwritten
from expectations.suites import Outcome, Record
from market_calendar.sessions import fed_business_days_between, sessions_between, settlement_days_between
from pipeline.load_dataset import LoadReport, load_dataset
from sources.appended import Earlier, appended
from tests.small_market import small_settings
from warehouse.catalog import load_catalog
from warehouse.landing import land
from warehouse.payloads import Payload, Request
from warehouse.reference_data import load_reference
from warehouse.settings import Settings

START, END = date(2023, 6, 1), date(2024, 7, 16)
INPUTS = {
    "prices": ("SPY", "IWM", "QQQ", "KRE"),
    "fred": ("DFF", "DGS2", "DGS10", "DGS5"),
    "futures": ("ZQQ24", "ZQU24", "ZQV24", "ZQX24"),
}
DAYS = {
    "prices": sessions_between(START, END),
    "fred": fed_business_days_between(START, END),
    "futures": settlement_days_between(START, END),
}
# What may be wrong with a file, in the lines of its first version or in those that are appended.
OF_THE_BASE = ("", "", "", "gap", "bad row", "no line end", "crlf", "date last", "text", "early history")
OF_THE_NEW = (
    "", "", "", "", "changed before", "removed before", "twice", "bad before",
    "twice differently", "late", "broken line",
    "not a number", "not a date", "critical", "jump", "holiday", "no line end", "blank", "quoted", "split",
    "no price", "dividend", "not utf-8", "step", "empty line",
)  # fmt: skip
CRITICAL_VALUE = "77.77"


class Warehouse:
    """A database, its landing folder, and a way of reading grown files."""

    def __init__(self, folder: Path, *, whole: bool) -> None:
        self.settings: Settings = small_settings(folder, folder, ROTATION_HISTORY_START=str(START))
        self.whole = whole
        self.connection = duckdb.connect()
        for schema in ("raw", "ref", "ops"):
            self.connection.execute(f"create schema {schema}")
        self.tables = [
            table for table in load_catalog().tables.values() if table.schema in ("raw", "ops", "ref")
        ]
        for table in self.tables:
            self.connection.execute(table.ddl())
        load_reference(self.connection)

    def empty(self) -> None:
        """Forget what was loaded."""
        for table in self.tables:
            if table.schema != "ref":
                self.connection.execute(f"delete from {table.full_name}")

    def load(self, payloads: list[Payload], number: int) -> LoadReport:
        """Land and load."""
        dataset = DATASETS[payloads[0].request.dataset]
        landed = [land(self.settings.landing, payload) for payload in payloads]
        with pytest.MonkeyPatch.context() as patch:
            if self.whole:
                patch.setattr(type(dataset), "lines_before", None)
            return load_dataset(self.connection, self.settings, dataset, landed, f"run-{number}")

    def left(self, landing: str) -> dict[str, Any]:
        """Everything that it holds."""
        left: dict[str, Any] = {
            table.full_name: sorted(
                map(repr, self.connection.execute(f"select * from {table.full_name}").fetchall())
            )
            for table in self.tables
            if table.schema != "ref"
        }
        for path in (self.settings.landing / landing).rglob("*.json"):
            left[path.name] = path.read_bytes()
        return left


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Warehouse, Warehouse]]:
    """A warehouse that reads what is new, and one that reads files whole."""
    folder = tmp_path_factory.mktemp("grown")
    by_lines, whole = Warehouse(folder / "lines", whole=False), Warehouse(folder / "whole", whole=True)
    yield by_lines, whole
    by_lines.connection.close()
    whole.connection.close()


def judged(name: str, frame: pd.DataFrame, items: Sequence[Item], record: Record) -> list[Outcome]:
    """What Great Expectations says of the items, in a hundredth of its time."""
    return [_outcome(frame.reset_index(drop=True), item) for item in items]


def _outcome(frame: pd.DataFrame, item: Item) -> Outcome:
    arguments = item["kwargs"]
    column = frame[arguments["column"]] if "column" in arguments else frame.index.to_series()
    bad = pd.Series(False, index=frame.index)
    if item["type"].endswith("not_be_null"):
        bad = column.isna()
    elif item["type"].endswith("values_to_be_between"):
        low, high = (arguments.get(name) for name in ("min_value", "max_value"))
        bad = bad if low is None else bad | (column < low)
        bad = bad if high is None else bad | (column > high)
    elif item["type"].endswith("be_in_set"):
        bad = column.notna() & ~column.isin(arguments["value_set"])
    elif item["type"].endswith("a_to_be_greater_than_b"):
        one, other = frame[arguments["column_A"]], frame[arguments["column_B"]]
        missing = one.isna() | other.isna() if "ignore_row_if" in arguments else one.isna() & other.isna()
        bad = ~(one >= other) & ~missing
    elif item["type"].endswith("be_unique"):
        bad = frame.duplicated(arguments["column_list"], keep=False)
    return Outcome(not bad.any(), np.flatnonzero(bad) if bad.any() else None)


@pytest.fixture(autouse=True)
def critical_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule on rows that stops the load, which no raw table has of itself; and a quick judge."""

    def with_critical(table: Any) -> Any:
        rules = handwritten(table)
        column = {"raw.equity_prices": "close", "raw.fred_observations": "value"}.get(
            table.full_name, "settle"
        )
        rule = {
            "type": "expect_column_values_to_be_between",
            "kwargs": {"column": column, "max_value": 1000.0 if column != "value" else 70.0},
            "severity": "critical",
            "meta": {"name": "not_critical", "why": "for this test"},
        }
        return {**rules, "expectations": [*rules["expectations"], rule]}

    monkeypatch.setattr(gate_module, "handwritten", with_critical)
    monkeypatch.setattr(gate_module, "run_items", judged)


@dataclass
class File:
    """Lines of one input, and how they are written."""

    dataset: str
    name: str
    header: list[str]
    rows: list[list[str]]
    line_end: str = "\n"
    closed: bool = True
    tail: bytes = b""

    def content(self) -> bytes:
        """The file."""
        lines = [",".join(self.header), *(",".join(row) for row in self.rows)]
        text = self.line_end.join(lines) + (self.line_end if self.closed else "")
        return text.encode() + self.tail


def a_row(dataset: str, day: date, rng: np.random.Generator, before: float) -> tuple[list[str], float]:
    """A good row, and its level."""
    if dataset == "prices":
        level = round(before * float(np.exp(np.clip(0.01 * rng.standard_normal(), -0.03, 0.03))), 2)
        cells = [before, max(level, before) + 0.1, min(level, before) - 0.1, level, level, 1000, 0, 0]
        return [str(day), *(f"{cell:g}" if cell in (0, 1000) else f"{cell:.2f}" for cell in cells)], level
    step = 0.01 * float(rng.integers(-1, 2))
    level = round(before + step, 3)
    return [str(day), f"{level:g}"], level


def make(dataset: str, name: str, seed: int, days: list[date], fault: str) -> tuple[File, float]:
    """The first version of a file."""
    rng = np.random.default_rng(seed)
    level = {"prices": 100.0, "fred": 1.5, "futures": 95.0}[dataset]
    header = {
        "prices": "date,open,high,low,close,adj_close,volume,dividend,split",
        "fred": f"observation_date,{name}",
        "futures": "date,settle",
    }[dataset].split(",")
    rows = []
    if fault == "early history":
        rows = [a_row(dataset, day, rng, level)[0] for day in (date(2023, 5, 24), date(2023, 5, 25))]
    for day in days:
        row, level = a_row(dataset, day, rng, level)
        rows.append(row)
    file = File(dataset, name, header, rows)
    if fault == "gap":
        del rows[len(rows) // 2]
    elif fault == "bad row":
        rows[len(rows) // 3][-1 if dataset != "prices" else 4] = "-50000"
    elif fault == "no line end":
        file.closed = False
    elif fault == "crlf":
        file.line_end = "\r\n"
    elif fault == "date last":
        file.header = [*header[1:], header[0]]
        file.rows = [[*row[1:], row[0]] for row in rows]
    elif fault == "text":
        rows[len(rows) // 4][1] = "about five"
    return file, level


def grow(file: File, level: float, days: list[date], fault: str, seed: int) -> float:
    """Append the rows of some days, with a fault."""
    rng = np.random.default_rng(seed)
    turned = file.header[0] not in ("date", "observation_date")
    value = 4 if file.dataset == "prices" else 1
    file.closed = True
    rows = []
    for day in days:
        row, level = a_row(file.dataset, day, rng, level)
        rows.append(row)
    last = rows[-1]
    middle = len(file.rows) // 2
    if fault == "changed before":
        file.rows[middle][1] = "99.5" if file.dataset != "fred" else "1.6"
    elif fault == "bad before":
        file.rows[middle][value] = "-50000"
    elif fault == "removed before":
        del file.rows[middle]
    elif fault == "twice":
        rows.append(list(last))
    elif fault == "twice differently":
        rows.append([*last[:value], f"{float(last[value]) + 0.01:.2f}", *last[value + 1 :]])
    elif fault == "late":
        rows.append([str(START + timedelta(days=5)), *last[1:]])
    elif fault == "broken line":
        rows.append([*last, "1"])
    elif fault == "not a number":
        last[value] = "n/a."
    elif fault == "not a date":
        rows.append(["2024-02-30", *last[1:]])
    elif fault == "critical":
        last[value] = CRITICAL_VALUE if file.dataset == "fred" else "2000.5"
    elif fault == "jump":
        last[1 : value + 1] = [f"{float(cell) * 10:.2f}" for cell in last[1 : value + 1]]
    elif fault == "step":
        last[1 : value + 1] = [f"{float(cell) * 1.25:.2f}" for cell in last[1 : value + 1]]
    elif fault == "holiday":
        rows.append([str(days[-1] + timedelta(days=(5 - days[-1].weekday()) % 7 or 7)), *last[1:]])
    elif fault == "no line end":
        file.closed = False
    elif fault == "blank":
        last[value] = ""
    elif fault == "quoted":
        last[value] = f'"{last[value]}"'
    elif fault == "split":
        last[-1] = "2" if file.dataset == "prices" else last[-1]
    elif fault == "no price" and file.dataset == "prices":
        last[1:5] = [""] * 4
    elif fault == "dividend" and file.dataset == "prices":
        last[7] = "9.5"
    elif fault == "not utf-8":
        file.tail = b"\xff\n"
    elif fault == "empty line":
        file.tail = b"\n\n"
    file.rows += [[*row[1:], row[0]] for row in rows] if turned else rows
    return level


@st.composite
def worlds(draw: st.DrawFn, dataset: str) -> list[list[Payload]]:
    """Payloads of three loads."""
    days = DAYS[dataset]
    first = draw(st.integers(len(days) - 40, len(days) - 20))
    steps = [draw(st.integers(1, 3)) for _ in range(3)]
    files = []
    for name in INPUTS[dataset]:
        seed, fault = draw(st.integers(0, 999)), draw(st.sampled_from(OF_THE_BASE))
        files.append(make(dataset, name, seed, days[:first], fault))
    loads: list[list[Payload]] = [[]]
    fetched = datetime(2024, 8, 1, 12)
    at = first
    for number, step in enumerate((0, *steps)):
        if number:
            loads.append([])
        for position, (file, level) in enumerate(files):
            if number:
                fault = draw(st.sampled_from(OF_THE_NEW))
                level = grow(file, level, days[at : at + step], fault, draw(st.integers(0, 999)))
                files[position] = file, level
            request = Request(dataset, file.name, START, END)
            moment = fetched + timedelta(days=number, seconds=position)
            loads[-1].append(Payload(request, "files", file.content(), "csv", moment))
            file.tail = b""
        at += step
    return loads


def load_both(pair: tuple[Warehouse, Warehouse], loads: list[list[Payload]]) -> int:
    """Load into both and compare after each load; how many files were read by what is new."""
    read_by_lines = 0
    plain = load_module.plain_inputs

    def counting(*arguments: Any) -> Any:
        nonlocal read_by_lines
        found = plain(*arguments)
        read_by_lines += len(found)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load_module, "plain_inputs", counting)
        for warehouse in pair:
            warehouse.empty()
            for path in sorted(warehouse.settings.landing.rglob("*"), reverse=True):
                path.unlink() if path.is_file() else path.rmdir()
        for number, payloads in enumerate(loads):
            reports = [warehouse.load(payloads, number) for warehouse in pair]
            assert reports[0] == reports[1]
            kind = payloads[0].request.dataset
            assert pair[0].left(kind) == pair[1].left(kind)
    return read_by_lines


@pytest.mark.parametrize("dataset", INPUTS)
@settings(
    max_examples=3,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(data=st.data())
def test_what_is_new_leaves_what_a_whole_reading_leaves(
    dataset: str, pair: tuple[Warehouse, Warehouse], data: st.DataObject
) -> None:
    load_both(pair, data.draw(worlds(dataset)))


@pytest.mark.slow
@pytest.mark.parametrize("dataset", INPUTS)
def test_each_fault_and_the_plain_lines_after_it(dataset: str, pair: tuple[Warehouse, Warehouse]) -> None:
    """Every fault once in the second load; the third appends good lines to what the second left."""
    days, names = DAYS[dataset], INPUTS[dataset]
    faults = sorted({*OF_THE_NEW} - {""})
    for first in range(0, len(faults), len(names)):
        files = [make(dataset, name, first, days[:-4], "") for name in names]
        loads = []
        for number in range(3):
            for position, (file, level) in enumerate(files if number else []):
                fault = (faults[first:] + [""] * len(names))[position] if number == 1 else ""
                new = days[len(days) - 4 + 2 * (number - 1) :][:2]
                files[position] = file, grow(file, level, new, fault, number)
            moment = datetime(2024, 8, 1 + number, 12)
            loads.append(
                [
                    Payload(Request(dataset, file.name, START, END), "files", file.content(), "csv", moment)
                    for file, _ in files
                ]
            )
        load_both(pair, loads)


@pytest.mark.parametrize("dataset", INPUTS)
def test_files_that_go_on_plainly_are_not_read_whole(dataset: str, pair: tuple[Warehouse, Warehouse]) -> None:
    days, loads = DAYS[dataset], []
    files = [make(dataset, name, 7, days[:-4], "") for name in INPUTS[dataset]]
    for number in range(3):
        for position, (file, level) in enumerate(files):
            if number:
                new = days[len(days) - 4 + 2 * (number - 1) :][:2]
                files[position] = file, grow(file, level, new, "", number)
        moment = datetime(2024, 8, 1 + number, 12)
        loads.append(
            [
                Payload(Request(dataset, file.name, START, END), "files", file.content(), "csv", moment)
                for file, _ in files
            ]
        )
    assert load_both(pair, loads) == 2 * len(INPUTS[dataset])


def test_a_kind_of_input_reads_its_grown_files_whole_unless_it_says_how() -> None:
    assert {name for name, dataset in DATASETS.items() if dataset.lines_before is not None} == set(INPUTS)
    assert Dataset.lines_before is None


BASE = b"date,settle\n2024-07-15,95.1\n2024-07-16,95.2\n"


@pytest.mark.parametrize(
    ("content", "new"),
    [
        (BASE + b"2024-07-17,95.3\n", 1),
        (BASE + b"2024-07-17,95.3\n2024-07-18,95.3", 2),
        (BASE + b"2024-07-17,95.3\r\n", 1),
        (BASE + b"2024-07-16,95.3\n", None),  # a day that is there
        (BASE + b"2024-07-12,95.3\n", None),  # a late day
        (BASE + b"\n2024-07-17,95.3\n", None),
        (BASE + b'2024-07-17,"95.3"\n', None),
        (BASE + b"2024-07-17,95.3,1\n", None),
        (BASE + b"17.07.2024,95.3\n", None),
        (BASE + b"2024-07-17,\xff\n", None),
        (BASE + b"2024-07-17,95.3\r2024-07-18,95.3\n", None),
        (BASE.replace(b"95.1", b"95.7") + b"2024-07-17,95.3\n", None),
        (BASE, None),
        (BASE[:-5], None),
    ],
)
def test_only_the_plainest_growth_is_read_by_its_lines(content: bytes, new: int | None) -> None:
    earlier = Earlier(hashlib.sha256(BASE).hexdigest(), len(BASE), 2)
    found = appended(content, earlier, 1)
    assert (found.new if found else None) == new
    if found:
        assert found.cells[0] == ("2024-07-16", "95.2")
        assert [str(day) for day in found.days[:2]] == ["2024-07-15", "2024-07-16"]
