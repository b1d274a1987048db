"""The comparisons with other packages of FedWatch's method: gaps, causes and steps on tables by hand, and the
inputs that both read from a publication.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from benchmarks import fedwatch_inputs as inputs
from benchmarks import fedwatch_rules as rules
from benchmarks.cme_fedwatch import compare, published
from benchmarks.pyfedwatch import compare as pyfedwatch_compare
from tests.model_fixture import build
from tests.policy_market import STAGING, add_rate, add_settlements, contract_of, policy_warehouse
from transforms.lib import fomc

MONDAY, TUESDAY, WEDNESDAY = pd.date_range("2022-06-06", periods=3)
JUNE, JULY = pd.Timestamp("2022-06-15"), pd.Timestamp("2022-07-27")
STRIP = {"2022-08": 97.67, "2022-09": 97.4475, "2022-10": 96.94, "2022-11": 96.35, "2022-12": 96.1}


def table(*rows: tuple[pd.Timestamp, pd.Timestamp, int, float]) -> pd.DataFrame:
    """Cells: day, meeting, change in bp, probability."""
    return pd.DataFrame(rows, columns=[*inputs.CELL, "prob"]).astype({"change_bp": float})


class HandMadeSolver(rules.Solver):
    """Tables by rule, in place of the calculation."""

    def __init__(self, own: pd.DataFrame, under: dict[str, pd.DataFrame]) -> None:
        self.rules = dict.fromkeys(under, lambda: None)
        self.tables = {(): own, **{(name,): rows for name, rows in under.items()}}
        self.tables.setdefault(tuple(under), own)  # both rules together


def test_an_outcome_that_one_side_lacks_counts_as_zero() -> None:
    mine = table((MONDAY, JUNE, 50, 0.9), (MONDAY, JUNE, 75, 0.1), (MONDAY, JULY, 100, 1.0))
    theirs = table((MONDAY, JUNE, 50, 0.96), (MONDAY, JUNE, 25, 0.04))
    gaps = inputs.compute_cell_gaps(inputs.only_meetings_of(mine, theirs), theirs)
    assert gaps["change_bp"].tolist() == [25.0, 50.0, 75.0]
    np.testing.assert_allclose(gaps["gap"], [0.04, 0.06, 0.1])


def test_a_day_has_the_cause_without_which_it_agrees() -> None:
    theirs = table((MONDAY, JUNE, 50, 1.0), (TUESDAY, JUNE, 50, 0.8), (WEDNESDAY, JUNE, 50, 0.6))
    own = table((MONDAY, JUNE, 50, 0.9995), (TUESDAY, JUNE, 50, 0.7), (WEDNESDAY, JUNE, 50, 0.5))
    under = {
        compare.LAST_OF_MONTH: table((WEDNESDAY, JUNE, 50, 0.4)),
        "a cause": table((MONDAY, JUNE, 50, 0.2), (TUESDAY, JUNE, 50, 0.8), (WEDNESDAY, JUNE, 50, 0.5)),
    }
    found = compare.find_causes(HandMadeSolver(own, under), theirs)
    assert found["cause"].tolist() == ["agrees", "a cause", compare.OTHER]
    np.testing.assert_allclose(found["gap"], [0.0005, 0.1, 0.1])


def test_a_day_that_pyfedwatch_shows_otherwise_has_the_first_cause_that_applies() -> None:
    index = pd.DatetimeIndex([MONDAY, TUESDAY, WEDNESDAY, JUNE])
    strip = set(pd.period_range("2022-06", "2022-08", freq="M"))
    days = pyfedwatch_compare.Days(
        failed=pd.Series({WEDNESDAY: "KeyError: 'ZQK22'"}),
        gap=pd.Series([0.004, 0.2, 0.2, 0.2], index=index),
        gap_without={"a rule": pd.Series([0.2, 0.004, 0.0, 0.0], index=index)},
        decision=pd.Series([JUNE, JULY]),
        priced=pd.Series([strip] * 4, index=index),
        last_shown=pd.Series(JULY, index=index),
    )
    found = [pyfedwatch_compare.find_cause(day, days).split(":")[0] for day in index]
    assert found == ["agrees", "a rule", "the package raises", "announcement day"]


def test_a_step_that_counts_twice_is_found_by_the_steps() -> None:
    theirs = table((MONDAY, JUNE, 50, 1.0), (MONDAY, JULY, 100, 1.0))
    own = table((MONDAY, JUNE, 25, 1.0), (MONDAY, JULY, 50, 1.0))
    last_alone = {compare.LAST_OF_MONTH: table((MONDAY, JULY, 50, 1.0))}
    found = compare.find_causes(HandMadeSolver(own, last_alone), theirs)
    assert found["cause"].tolist() == [compare.TWICE]


def test_a_published_table_moves_on_by_a_step() -> None:
    after_june = table((MONDAY, JUNE, 25, 0.25), (MONDAY, JUNE, 50, 0.75))
    tool = table((MONDAY, JUNE, 0, 1.0), (MONDAY, JULY, -25, 0.4), (MONDAY, JULY, 0, 0.6))
    after_july = table((MONDAY, JULY, 0, 0.1), (MONDAY, JULY, 25, 0.45), (MONDAY, JULY, 50, 0.45))
    rows = pd.concat([after_june, after_july], ignore_index=True)
    moved = published.move_on(rows, tool)
    assert moved["change_bp"].tolist() == [0.0, 25.0, 50.0]
    np.testing.assert_allclose(moved["prob"], [0.1, 0.45, 0.45])
    assert published.count_cells(rows, moved).tolist() == ["0 / 0 / 2", "3 / 0 / 0"]


@pytest.fixture(scope="module")
def publication(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables that the comparisons read, for one settlement day of 2022."""
    con = policy_warehouse("2022-09-12")
    add_settlements(con, "2022-09-12", {month: price for month, price in STRIP.items() if month > "2022-08"})
    add_rate(con, "DFF", "2022-08-01", "2022-09-11", 2.33)
    for model in STAGING:
        build(con, model)
    path = tmp_path_factory.mktemp("publication") / "warehouse.duckdb"
    con.execute(f"attach '{path}' as publication")
    for name in inputs.INPUTS:
        con.execute(f"create schema if not exists publication.{name.split('.')[0]}")
        con.execute(f"create table publication.{name} as from {name}")
    con.execute("detach publication")
    return path


def test_both_comparisons_read_a_publication(publication: Path, tmp_path: Path) -> None:
    compare.export(str(publication), tmp_path)
    prices = pd.read_csv(tmp_path / "prices.csv")
    assert prices["contract"].tolist() == sorted(contract_of(month) for month in STRIP if month > "2022-08")
    finals = pd.read_csv(tmp_path / "final_averages.csv")
    assert finals.to_numpy().tolist() == [["2022-08-01", 2.33]]
    meetings = pd.read_csv(tmp_path / "meetings.csv")
    assert "2022-09-21" in meetings["decision_date"].tolist()


def test_the_expired_month_is_what_parts_the_worked_example(publication: Path) -> None:
    # CME's worked example is 10 % and 90 %; with August's final average it is 8 % and 92 %.
    solver = rules.Solver(inputs.copy_inputs(str(publication)))
    for names, expected in (((), [0.08, 0.92]), ((rules.EXPIRED,), [0.1, 0.9])):
        first = solver.solve(*names).head(2)
        assert first["change_bp"].tolist() == [50.0, 75.0]
        np.testing.assert_allclose(first["prob"], expected, atol=1e-9)


def test_every_rule_of_the_package_has_its_place_in_our_code() -> None:
    for rule in rules.package_rules(np.array(["2022-09-21"], dtype="datetime64[D]")).values():
        with rule():
            pass


def test_the_last_decision_of_a_month_alone() -> None:
    decision = np.array(["2020-03-03", "2020-03-18", "2020-04-29"], dtype="datetime64[D]")
    day = np.array(["2020-03-02", "2020-03-03"], dtype="datetime64[D]")
    known_from = np.array(["2020-03-03", "2019-01-01", "2019-01-01"], dtype="datetime64[D]")
    never = np.full(3, np.datetime64("NaT", "D"))
    known = rules.last_of_each_month(decision, day, known_from, never)
    assert known.tolist() == [[False, True, True], [False, True, True]]
    assert fomc.compute_known(day, known_from, never)[1, 0]


def test_publication_is_only_read(publication: Path) -> None:
    con = inputs.copy_inputs(str(publication), without="DFF")
    assert con.execute("select count(*) from staging.fred_observations").fetchone() == (0,)
    with duckdb.connect(str(publication), read_only=True) as stored:
        assert stored.execute("select count(*) from staging.fred_observations").fetchone() == (42,)
