"""Cross checks of an extended generation: what is new is judged as if everything was, and nothing else is."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

from expectations.cross_check_scope import NEVER, Earlier, must_see_all
from expectations.cross_checks import CrossChecks, compare, prepare, record_cross_checks, run_kinds
from tests.test_cross_checks import FUTURES, Market

DAYS = pd.bdate_range("2023-09-01", periods=200)
LAST = len(DAYS) - 1
# The first of four contracts delivers in the month before the last day.
FIRST_MONTH = DAYS[-1].month - 2
# A correction within the kept days, and one far behind them.
CHANGED = {"the new row": LAST, "a row of last week": LAST - 4, "a row of last year": 90}
Values = dict[str, np.ndarray]


def clean() -> Values:
    """By input the value of every day; of prices the return."""
    random = np.random.default_rng(11)
    steps = random.normal(0, 0.04, (3, len(DAYS)))
    two, five, ten = np.round(4 + np.cumsum(steps, axis=1), 2)
    market = random.normal(0, 1, len(DAYS))
    values = {
        "fred/DGS2": two,
        "fred/DGS10": ten,
        "fred/T10Y2Y": np.round(ten - two, 2),
        "fred/DGS5": five,
        "fred/DGS5_COPY": five.copy(),
        "fred/DFF": np.full(len(DAYS), 5.33),
        "fred/DFEDTARL": np.full(len(DAYS), 5.25),
        "fred/DFEDTARU": np.full(len(DAYS), 5.5),
        "prices/SPY": market.copy(),
        "prices/^GSPC": market.copy(),
        "prices/IVV": np.round(market + random.normal(0, 0.3, len(DAYS)), 4),
        "prices/QQQ": np.round(market + random.normal(0, 0.4, len(DAYS)), 4),
        "prices/IWM": np.round(market + random.normal(0, 0.5, len(DAYS)), 4),
        "dividends": np.where(np.arange(len(DAYS)) % 50 == 40, 0.8, 0.0),
        "shown": np.where(np.arange(len(DAYS)) % 50 == 40, 0.8, 0.0),
    }
    return values | {f"futures/{number}": np.full(len(DAYS), 100 - 5.33) for number in range(4)}


def market_of(values: Values, days: int) -> Market:
    """The first so many days, with checks of every kind."""
    market = Market()
    for name, series in values.items():
        kind, _, key = name.partition("/")
        if kind == "fred":
            market.fred(key, series[:days], DAYS[:days])
        elif kind == "prices":
            market.price(key, series[:days], DAYS[:days])
        elif kind == "futures":
            month = pd.Timestamp("2024-01-01") + pd.DateOffset(months=int(key) + FIRST_MONTH)
            settled = DAYS[:days][DAYS[:days] < month + pd.DateOffset(months=1)]
            rows = pd.DataFrame({"c": key, "m": month, "d": settled, "s": series[: len(settled)]})
            market.insert("staging.fed_funds_futures", FUTURES, rows)
    market.connection.execute("create table raw.equity_prices as " + SERVED)
    served(market, values, days)
    market.fred("FUNDS", 5.33, pd.date_range(DAYS[0], DAYS[days - 1]))
    for kind, left, right, more in CHECKS:
        market.check(kind, left, right, **({"tolerance": 0.1} | more))
    return market


SERVED = """
    select ''::varchar as symbol, null::date as session_date, 0.0::double as adj_close,
        0.0::double as previous_adj_close, 0.0::double as split, timestamp '2020-01-01' as available_at_utc,
        timestamp '2020-01-01' as known_at_utc
    where false
"""


def served(market: Market, values: Values, days: int) -> None:
    """A fund that pays dividends, with adj_close as a vendor serves it."""
    close, paid = np.full(days, 100.0), values["dividends"][:days]
    adjusted = 50 * np.cumprod(1 / (1 - values["shown"][:days] / 100))
    rows = pd.DataFrame({"s": "DVY", "d": DAYS[:days], "c": close, "p": paid})
    market.insert("staging.equity_prices", "symbol, session_date, close, dividend", rows)
    rows = pd.DataFrame({"d": DAYS[:days], "a": adjusted, "b": np.r_[np.nan, adjusted[:-1]]})
    market.connection.register("rows", rows)
    market.connection.execute(
        "insert into raw.equity_prices select 'DVY', d, a, b, null, '2020-01-01', '2020-01-01' from rows"
    )
    market.connection.unregister("rows")


CHECKS: list[tuple[str, str, str, dict[str, object]]] = [
    ("value", "fred/T10Y2Y", "fred/DGS10 - fred/DGS2", {}),
    ("change", "fred/DGS5", "fred/DGS5_COPY", {}),
    ("between", "fred/DFF", "fred/DFEDTARL .. fred/DFEDTARU", {}),
    ("decision", "fred/DFEDTARU", "ref/fomc_meetings", {}),
    ("return", "prices/SPY", "prices/^GSPC", {}),
    ("correlation", "prices/IVV", "prices/SPY", {"tolerance": 0.3, "min_rows": 20}),
    ("shifted", "prices/*", "prices/SPY", {"tolerance": 0.3, "tolerance_share": 0.5, "min_rows": 20}),
    ("stands_still", "prices/[IQS]*", "", {"tolerance": 0.0, "tolerance_share": 0.5, "min_rows": 5}),
    ("same_series", "prices/[IQ]*", "", {"tolerance": 0.0, "min_rows": 10}),
    ("month_average", "futures/*", "fred/FUNDS", {"tolerance_share": 1.0}),
    ("neighbours", "futures/*", "", {}),
    ("adjusted_close", "prices/*", "", {"tolerance": 0.01, "tolerance_share": 0.05}),
    ("second_source", "fred/DFF", "second/newyorkfed/DFF", {}),
]


@dataclass(frozen=True)
class Fault:
    """What is wrong from a row on, and which inputs changed by it."""

    kind: str
    inputs: tuple[str, ...]
    change: Callable[[Values, int], None]
    # So many rows take part; all but the last are right of themselves.
    rows: int = 1


def add(name: str, amount: float) -> Callable[[Values, int], None]:
    def change(values: Values, row: int) -> None:
        values[name][row] += amount

    return change


def against(values: Values, row: int) -> None:
    values["prices/IVV"][row] = -60.0
    values["prices/SPY"][row] = values["prices/^GSPC"][row] = 60.0


def late(values: Values, row: int) -> None:
    """Twenty rows are those of the session before."""
    values["prices/IWM"][row - 19 : row + 1] = values["prices/SPY"][row - 20 : row]


def still(values: Values, row: int) -> None:
    values["prices/QQQ"][row - 4 : row + 1] = 0.0


def copied(values: Values, row: int) -> None:
    values["prices/IWM"][row - 9 : row + 1] = values["prices/QQQ"][row - 9 : row + 1]


def dear(values: Values, row: int) -> None:
    """Both contracts: the one of whose month the day is, too."""
    values["futures/0"][row] += 2
    values["futures/1"][row] += 2


FAULTS = [
    Fault("value", ("fred/T10Y2Y",), add("fred/T10Y2Y", 1)),
    Fault("change", ("fred/DGS5_COPY",), add("fred/DGS5_COPY", 1)),
    Fault("between", ("fred/DFF",), add("fred/DFF", 3)),
    Fault("decision", ("fred/DFEDTARU",), add("fred/DFEDTARU", 0.25)),
    Fault("return", ("prices/^GSPC",), add("prices/^GSPC", 3)),
    Fault("correlation", ("prices/IVV", "prices/SPY", "prices/^GSPC"), against),
    Fault("shifted", ("prices/IWM",), late, 20),
    Fault("stands_still", ("prices/QQQ",), still, 5),
    Fault("same_series", ("prices/IWM",), copied, 10),
    Fault("neighbours", ("futures/2",), add("futures/2", 2)),
    Fault("month_average", ("futures/0", "futures/1"), dear),
    Fault("adjusted_close", ("adjusted/DVY",), add("shown", 0.5)),
    Fault("adjusted_close", ("prices/DVY",), add("dividends", 0.5)),
]


@functools.cache
def clean_before() -> tuple[CrossChecks, list[dict[str, object]]]:
    return judged_before(clean())


LEFT_OUT = {
    ("month_average", "a row of last year"): "no contract was in its month",
    ("shifted", "the new row"): "no single row makes a shift",
}
BLOCKS = {f"check_{kind}" for kind in ("correlation", "shifted", "stands_still", "same_series")}


def recorded(found: CrossChecks) -> pd.DataFrame:
    """The rows that are kept, but for blocks, which a whole judgement counts anew from the newest day."""
    return pd.DataFrame([row for row in found.rows if row["check_id"] not in BLOCKS])


def judged_before(values: Values, days: int = LAST) -> tuple[CrossChecks, list[dict[str, object]]]:
    found = market_of(values, days).compare()
    return found, [{"run_id": "before", **row} for row in found.rows]


def earlier(found: CrossChecks, changed: Mapping[str, int]) -> Earlier:
    return Earlier(
        compared={result["rule"]: result["checked_rows"] or 0 for result in found.results},
        failed=frozenset(result["rule"] for result in found.results if not result["passed"]),
        changed_from={name: DAYS[row].date() for name, row in changed.items()},
    )


def every_input(values: Values) -> dict[str, int]:
    """All are one row longer."""
    return {name: LAST for name in values if "/" in name} | dict.fromkeys(
        ("prices/DVY", "adjusted/DVY", "fred/FUNDS"), LAST
    )


def in_part(market: Market, rows: list[dict[str, object]], known: Earlier) -> CrossChecks:
    record_cross_checks(market.connection, rows)
    return compare(market.connection, frozenset(), known)


def summary(found: CrossChecks) -> dict[str, tuple[object, ...]]:
    """What is said of each check."""
    return {
        result["rule"]: (result["passed"], result["failed_rows"], result["sample"], result["severity"])
        for result in found.results
    }


def test_a_clean_day_is_judged_alone_and_recorded_as_if_all_were() -> None:
    values = clean()
    found, rows = judged_before(values)
    assert all(result["passed"] for result in found.results)
    market = market_of(values, LAST + 1)
    known = earlier(found, every_input(values))
    record_cross_checks(market.connection, rows)
    prepare(market.connection, known)
    run_kinds(market.connection)
    judged = dict(
        market.connection.execute("select check_id, min(day) from check_results group by 1").fetchall()
    )
    assert len(judged) == 10 and set(judged.values()) == {DAYS[LAST].date()}
    part, whole = in_part(market, rows, known), market.compare()
    assert summary(part) == summary(whole)
    counts = {result["rule"]: result["checked_rows"] for result in whole.results}
    assert {result["rule"]: result["checked_rows"] for result in part.results} == counts
    assert len(recorded(part)) == 70
    pd.testing.assert_frame_equal(recorded(part), recorded(whole), rtol=1e-12)
    for kind in ("correlation", "shifted", "stands_still"):
        newest = [
            [row for row in each.rows if row["check_id"] == f"check_{kind}" and row["day"] == DAYS[LAST]]
            for each in (part, whole)
        ]
        assert newest[0] == newest[1] and newest[0]


@pytest.mark.parametrize("where", CHANGED)
@pytest.mark.parametrize("fault", FAULTS, ids=[f"{fault.kind} of {fault.inputs[0]}" for fault in FAULTS])
def test_a_fault_is_found_wherever_it_arises(fault: Fault, where: str) -> None:
    if (fault.kind, where) in LEFT_OUT:
        pytest.skip(LEFT_OUT[(fault.kind, where)])
    values = clean()
    row = CHANGED[where]
    wrong = {name: series.copy() for name, series in values.items()}
    fault.change(wrong, row)
    # Before a new row all that led to it was there and passed.
    found, rows = judged_before(wrong) if where == "the new row" else clean_before()
    assert all(result["passed"] for result in found.results)
    first = row if where == "the new row" else row - fault.rows + 1
    known = earlier(found, every_input(values) | dict.fromkeys(fault.inputs, first))
    market = market_of(wrong, LAST + 1)
    part, whole = in_part(market, rows, known), market.compare()
    failed = {rule for rule, (passed, *_) in summary(whole).items() if not passed}
    assert f"check_{fault.kind}" in failed
    assert summary(part) == summary(whole)
    pd.testing.assert_frame_equal(recorded(part), recorded(whole), rtol=1e-12)


@pytest.mark.parametrize("where", ["a row of last week", "a row of last year"])
def test_a_correction_that_is_right_is_counted_once(where: str) -> None:
    values, row = clean(), CHANGED[where]
    before = {name: series.copy() for name, series in values.items()}
    before["fred/DGS10"][row] += 0.01
    before["fred/T10Y2Y"][row] += 0.01
    found, rows = judged_before(before)
    known = earlier(found, every_input(values) | {"fred/DGS10": row, "fred/T10Y2Y": row})
    market = market_of(values, LAST + 1)
    part, whole = in_part(market, rows, known), market.compare()
    assert all(result["passed"] for result in part.results)
    counts, expected = ({each["rule"]: each["checked_rows"] for each in of.results} for of in (part, whole))
    assert counts == expected
    pd.testing.assert_frame_equal(recorded(part), recorded(whole), rtol=1e-12)


def test_what_only_all_blocks_tell_is_judged_by_all_of_them() -> None:
    values = clean()
    # It moves with nothing, and as the session before for twenty days: chance.
    values["prices/TLT"] = np.random.default_rng(5).normal(0, 1, len(DAYS))
    values["prices/TLT"][LAST - 19 :] = values["prices/SPY"][LAST - 20 : LAST]
    found, rows = judged_before(values)
    market = market_of(values, LAST + 1)
    known = earlier(found, every_input(values))
    record_cross_checks(market.connection, rows)
    prepare(market.connection, known)
    run_kinds(market.connection)
    assert must_see_all(market.connection, known), "by its newest block alone it is a session off"
    assert summary(in_part(market, rows, known)) == summary(market.compare())
    assert summary(market.compare())["check_shifted"][0]


def test_a_check_that_failed_is_judged_on_every_day_and_its_offender_stays_named() -> None:
    values = clean()
    values["fred/T10Y2Y"][60:] += 1
    values["fred/DGS5_COPY"][50] += 1
    found, rows = judged_before(values)
    failed = {result["rule"] for result in found.results if not result["passed"]}
    assert failed == {"check_value", "check_change"}
    market = market_of(values, LAST + 1)
    known = earlier(found, every_input(values))
    part, whole = in_part(market, rows, known), market.compare()
    assert summary(part) == summary(whole)
    assert {row["offender"] for row in part.rows if not row["passed"]} == {
        row["offender"] for row in whole.rows if not row["passed"]
    }
    repaired = clean()
    market = market_of(repaired, LAST + 1)
    assert in_part(market, rows, known).results and not [
        result for result in in_part(market, rows, known).results if not result["passed"]
    ], "what was repaired is not held against it"


def test_what_is_not_known_is_judged_whole() -> None:
    values = clean()
    found, rows = judged_before(values)
    values["fred/T10Y2Y"][100] += 1
    market = market_of(values, LAST + 1)
    known = earlier(found, every_input(values))
    # Nobody said that the old row changed, so only those who look at every day find it.
    assert not [result for result in in_part(market, rows, known).results if not result["passed"]]
    for doubt in (
        replace(known, unknown=frozenset({"fred"})),
        replace(known, compared={}),
        replace(known, failed=frozenset({"check_value"})),
    ):
        assert not summary(in_part(market, rows, doubt))["check_value"][0]
    others = [row for row in rows if row["check_id"] != "check_value"]
    assert not summary(in_part(market, others, known))["check_value"][0]
    assert not summary(in_part(market, rows, None))["check_value"][0]  # type: ignore[arg-type]


def test_inputs_without_news_are_not_read() -> None:
    values = clean()
    found, rows = judged_before(values)
    market = market_of(values, LAST)
    record_cross_checks(market.connection, rows)
    prepare(market.connection, earlier(found, {}))
    # Of changes of the target range none was ever compared.
    read = market.connection.execute("select distinct input from check_series").fetchall()
    assert read == [("DFEDTARU",)]
    judged = "select distinct judged_from from check_list where check_kind <> 'decision'"
    assert market.connection.execute(judged).fetchall() == [(NEVER,)]
    part = in_part(market, rows, earlier(found, {}))
    assert summary(part) == summary(found) and len(part.rows) == len(found.rows)
