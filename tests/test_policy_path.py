"""The path of the policy rate and its repricing: the pure part by properties, the marts on made-up rows.

Worked figures are in the cases of `tests/models/`, invariants on whole markets in `tests/test_fomc_marts.py`.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.policy_market import add_rate, add_settlements, build_policy, policy_warehouse, row
from transforms.lib import fomc, policy_inputs, policy_path
from transforms.lib.fomc import DateArray, FloatArray
from transforms.marts import policy_repricing

MODELS = ("marts.policy_path_daily", "marts.policy_repricing")


def build(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    return build_policy(con, MODELS)


def changes(con: duckdb.DuckDBPyConnection, day: str) -> dict[str, object]:
    rows = con.execute(
        "select horizon, change_bp from marts.policy_repricing where as_of_date = cast(? as date)", [day]
    ).fetchall()
    return dict(rows)


# --- The pure part
# ------------------------------------------------------------------------------------------------------

DECISIONS: DateArray = np.array(
    [
        "2022-01-26",
        "2022-03-16",
        "2022-05-04",
        "2022-06-15",
        "2022-07-27",
        "2022-09-21",
        "2022-11-02",
        "2022-12-14",
    ],
    dtype="datetime64[D]",
)
EFFECTIVE: DateArray = DECISIONS + 1
FIRST_MONTH = int(np.datetime64("2021-12", "M").astype(np.int64))
MONTHS = np.arange(FIRST_MONTH, FIRST_MONTH + 13, dtype=np.int64)
AS_OF: DateArray = np.array(["2022-01-10"], dtype="datetime64[D]")
STEPS = st.lists(st.integers(-4, 4), min_size=8, max_size=8)


def averages_of(steps: list[int], start: float = 2.0) -> FloatArray:
    """Month averages of December 2021 to December 2022 when each decision moves the rate by a multiple of
    0.25.
    """
    month, old_days = fomc.compute_decision_months(DECISIONS, EFFECTIVE)
    shares = policy_path.compute_level_shares(
        fomc.compute_days_in_month(MONTHS), month - FIRST_MONTH, old_days
    )
    levels = start + 0.25 * np.concatenate(([0], np.cumsum(steps)))
    return (shares @ levels)[None, :]


def solve(averages: FloatArray) -> policy_path.Table:
    known = np.ones((1, DECISIONS.size), dtype=bool)
    moves = fomc.compute_moves(AS_OF, averages, averages[0], FIRST_MONTH, DECISIONS, EFFECTIVE, known)
    return policy_path.compute_table(moves, 1, DECISIONS.size)


def fit(averages: FloatArray) -> policy_path.Fit:
    known = np.ones((1, DECISIONS.size), dtype=bool)
    return policy_path.compute_fit(AS_OF, averages, averages[0], FIRST_MONTH, DECISIONS, EFFECTIVE, known)


@given(STEPS, st.floats(-1, 8))
def test_a_path_of_steps_is_solved_and_fitted_exactly(steps: list[int], start: float) -> None:
    averages = averages_of(steps, start)
    table = solve(averages)
    levels = start + 0.25 * np.concatenate(([0], np.cumsum(steps)))
    assert np.allclose(table.start_rate_pct[0], levels[:-1], atol=1e-9)
    assert np.allclose(table.end_rate_pct[0], levels[1:], atol=1e-9)
    assert fit(averages).residual_bp[0] == pytest.approx(0.0, abs=1e-6)
    year_end = policy_path.compute_rate_on(table, DECISIONS, np.array(["2022-12-31"], dtype="datetime64[D]"))
    assert year_end.rate_pct[0] == pytest.approx(levels[-1], abs=1e-9) and year_end.decision[0] == 7
    assert year_end.missing_contract[0] is None
    peak, highest, trough, lowest = policy_path.compute_extremes(table, DECISIONS, AS_OF)
    assert (peak[0], trough[0]) == pytest.approx((levels[1:].max(), levels[1:].min()), abs=1e-9)
    assert levels[1 + highest[0]] == pytest.approx(peak[0], abs=1e-9)
    assert levels[1 + lowest[0]] == pytest.approx(trough[0], abs=1e-9)


@given(st.lists(st.floats(0.0, 6.0), min_size=13, max_size=13), st.floats(-0.5, 0.5))
def test_probabilities_are_distributions_and_every_mean_shifts_with_the_prices(
    prices: list[float], shift: float
) -> None:
    averages = np.array([prices])
    table, shifted = solve(averages), solve(averages + shift)
    moves = fomc.clean_moves((table.end_rate_pct - table.start_rate_pct) / 0.25)
    total = np.zeros(1)
    for number, (lowest, table_of_day) in enumerate(fomc.compute_distributions(moves, np.zeros(1))):
        if not np.isfinite(table_of_day[0, 0]):
            break
        assert (table_of_day >= 0).all() and (table_of_day <= 1).all()
        assert table_of_day.sum() == pytest.approx(1.0, abs=1e-12)
        outcomes = lowest[:, None] + np.arange(table_of_day.shape[1])
        total = total + moves[:, number]
        assert (table_of_day * outcomes).sum() == pytest.approx(total[0], abs=1e-6)
    for mine, other in (
        (table.start_rate_pct, shifted.start_rate_pct),
        (table.end_rate_pct, shifted.end_rate_pct),
    ):
        assert np.allclose(mine + shift, other, atol=1e-7, equal_nan=True)
    assert np.allclose(fit(averages).residual_bp, fit(averages + shift).residual_bp, atol=1e-6)
    month, _ = fomc.compute_decision_months(DECISIONS, EFFECTIVE)
    touching = np.flatnonzero(np.diff(month) <= 2)
    ends, starts = table.end_rate_pct[0, touching], table.start_rate_pct[0, touching + 1]
    both = np.isfinite(ends) & np.isfinite(starts)
    assert (ends[both] == starts[both]).all()


@given(STEPS)
def test_hikes_and_cuts_are_mirror_images(steps: list[int]) -> None:
    up, down = averages_of(steps), averages_of([-step for step in steps])
    on = np.array(["2022-12-31"], dtype="datetime64[D]")
    rise = policy_path.compute_rate_on(solve(up), DECISIONS, on).rate_pct - 2.0
    fall = policy_path.compute_rate_on(solve(down), DECISIONS, on).rate_pct - 2.0
    assert rise == pytest.approx(-fall, abs=1e-9)


def test_a_wrong_price_is_the_largest_residual() -> None:
    averages = averages_of([1, 2, 2, 3, 3, 3, 3, 2])
    column = int(np.datetime64("2022-08", "M").astype(np.int64)) - FIRST_MONTH
    averages[0, column] += 0.10
    found = fit(averages)
    assert found.residual_bp[0] > 2.0 and int(found.degrees_of_freedom[0]) >= 1


def test_fit_is_numpys_least_squares_and_says_when_it_checks_nothing() -> None:
    rng = np.random.default_rng(7)
    averages = averages_of([0, 1, 2, 3, 3, 3, 3, 2]) + rng.normal(0, 0.02, 13)
    month, old_days = fomc.compute_decision_months(DECISIONS, EFFECTIVE)
    shares = policy_path.compute_level_shares(
        fomc.compute_days_in_month(MONTHS), month - FIRST_MONTH, old_days
    )
    levels = np.linalg.lstsq(shares, averages[0], rcond=None)[0]
    expected = 100 * np.abs(averages[0] - shares @ levels).max()
    assert fit(averages).residual_bp[0] == pytest.approx(expected, abs=1e-9)
    averages[0, 3:] = np.nan
    averages[0, 1] = np.nan
    poor = fit(averages)
    assert np.isnan(poor.residual_bp[0]) and poor.degrees_of_freedom[0] == 0 and poor.month[0] == -1


def test_level_shares_are_the_days_of_the_published_example() -> None:
    september = np.array([int(np.datetime64("2022-09", "M").astype(np.int64))], dtype=np.int64)
    shares = policy_path.compute_level_shares(
        fomc.compute_days_in_month(september), np.array([0], dtype=np.int64), np.array([21], dtype=np.int64)
    )
    assert shares == pytest.approx(np.array([[21 / 30, 9 / 30]]))


def test_months_later_keeps_the_day_or_takes_the_last() -> None:
    dates = np.array(["2024-02-29", "2023-01-31", "2024-07-16", "2023-12-15"], dtype="datetime64[D]")
    later = policy_path.shift_months(dates, 12).astype(str).tolist()
    assert later == ["2025-02-28", "2024-01-31", "2025-07-16", "2024-12-15"]


@given(st.integers(0, 3000), st.floats(0, 6), st.floats(-0.01, 0.01))
def test_constant_maturity_is_exact_on_a_line_and_needs_both_contracts(
    day: int, level: float, slope: float
) -> None:
    date = np.array(["2015-01-20"], dtype="datetime64[D]") + day
    nearer, weight = policy_path.compute_maturity_weights(date)
    assert 0.0 <= weight[0] < 1.0
    first = int(nearer[0]) - 1
    months = np.arange(first, first + 4, dtype=np.int64)
    start = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    middle = start + (fomc.compute_days_in_month(months) - 1) / 2
    line = level + slope * (middle - middle[0])
    rate = policy_path.compute_maturity_rate(line[None, :], first, nearer, weight)
    assert rate[0] == pytest.approx(level + slope * (float(date.astype(np.int64)[0]) - middle[0]), abs=1e-9)
    line[2] = np.nan
    assert np.isnan(policy_path.compute_maturity_rate(line[None, :], first, nearer, weight)[0])


def test_far_placeholder_is_not_believed_and_a_steep_front_is() -> None:
    as_of = np.array(["2004-06-18"], dtype="datetime64[D]")
    first = int(fomc.compute_month_number(as_of)[0])
    curve = np.array([[1.02, 2.0, 2.1, 2.2, 2.3, 2.4, 2.5, 2.6, 2.7, 2.76, 1.448, 1.448, 1.448, 1.448]])
    believed = policy_path.compute_far_averages(as_of, curve, first)
    assert np.isfinite(believed[0, :10]).all() and np.isnan(believed[0, 10:13]).all()


# --- The marts on made-up rows
# ---------------------------------------------------------------------------------------------

CURVE_2023 = {
    "2022-12": 95.90,
    "2023-01": 95.67,
    "2023-02": 95.44,
    "2023-03": 95.30,
    "2023-04": 95.13,
    "2023-05": 95.06,
    "2023-06": 95.04,
    "2023-07": 95.05,
    "2023-08": 95.10,
    "2023-09": 95.13,
    "2023-10": 95.20,
    "2023-11": 95.27,
    "2023-12": 95.37,
    "2024-01": 95.50,
    "2024-02": 95.62,
}


def test_neither_new_year_nor_a_new_month_makes_a_jump() -> None:
    con = policy_warehouse()
    add_rate(con, "DFF", "2022-06-01", "2022-12-14", 3.83)
    add_rate(con, "DFF", "2022-12-15", "2023-01-31", 4.33)
    for day in ("2022-12-29", "2022-12-30", "2023-01-03", "2023-01-31", "2023-02-01"):
        add_settlements(con, day, {month: price for month, price in CURVE_2023.items() if month >= day[:7]})
    build(con)
    for day in ("2022-12-30", "2023-01-03", "2023-02-01"):
        assert changes(con, day) == pytest.approx(
            {"12m": 0.0, "next_meeting": 0.0, "year_end": 0.0}, abs=1e-9
        )
    path = con.execute(
        "select as_of_date, year_end_rate_pct, bp_priced_year_end from marts.policy_path_daily order by 1"
    )
    levels = {str(day): (rate, priced) for day, rate, priced in path.fetchall()}
    assert levels["2022-12-30"][1] == 0.0  # the year's last meeting has passed
    assert (
        levels["2023-01-03"][0] != levels["2022-12-30"][0]
    )  # another year's end: the level jumps, the change does not
    gap = row(con, "marts.policy_repricing", "as_of_date = '2023-01-31' and horizon = '12m'")
    assert gap["change_bp"] is None and gap["reason"] == "previous_day_missing"
    assert str(gap["previous_as_of_date"])[:10] == "2023-01-30"


@pytest.mark.parametrize("present", [("2023-06-29", "2023-06-30"), ("2023-06-30", "2023-07-03")])
def test_contract_that_drops_out_or_appears_and_meetings_announced_overnight_make_no_jump(
    present: tuple[str, str],
) -> None:
    """From 1 July next year's meetings are known here, so that January 2024 is read otherwise; and a
    contract is there on one day only.
    """
    con = policy_warehouse()
    _announce_2024_on_1_july(con)
    add_rate(con, "DFF", "2022-12-15", "2023-07-02", 5.08)
    curve = {month: price for month, price in CURVE_2023.items() if month >= "2023-06"}
    curve |= {f"2024-{month:02d}": 95.6 + 0.05 * month for month in range(3, 9)}
    for day, prices in zip(present, (curve, {k: v for k, v in curve.items() if k != "2024-01"}), strict=True):
        add_settlements(con, day, {month: price for month, price in prices.items() if month >= day[:7]})
    # June's contract settles where DFF puts it
    con.execute(
        "update pipeline.raw.fed_funds_futures set settle = 94.92 where delivery_month = '2023-06-01'"
    )
    build(con)
    got = changes(con, present[1])
    assert got["year_end"] == pytest.approx(0.0, abs=1e-9) and got["next_meeting"] == pytest.approx(
        0.0, abs=1e-9
    )
    levels = con.execute("select year_end_rate_pct from marts.policy_path_daily order by 1").fetchall()
    assert len(levels) == 2


def test_meetings_that_become_known_overnight_make_no_jump() -> None:
    """On 30 June 2023 December's end can only be solved forward here; from 1 July on January's meeting is
    known and it is solved from behind.
    """
    con = policy_warehouse()
    _announce_2024_on_1_july(con)
    add_rate(con, "DFF", "2022-12-15", "2023-07-02", 5.08)
    curve = {month: price for month, price in CURVE_2023.items() if month >= "2023-06"} | {"2023-06": 94.92}
    add_settlements(con, "2023-06-30", curve)
    add_settlements(con, "2023-07-03", {month: price for month, price in curve.items() if month >= "2023-07"})
    build(con)
    levels = con.execute(
        "select year_end_rate_pct from marts.policy_path_daily order by as_of_date"
    ).fetchall()
    assert abs(levels[1][0] - levels[0][0]) > 0.005
    assert changes(con, "2023-07-03")["year_end"] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("later", [False, True])
def test_a_refused_price_stays_the_reason_when_farther_contracts_are_captured_later(later: bool) -> None:
    """January 2024 steps away from its neighbours, February is not there: the row may not read otherwise
    once February is captured on a later day.
    """
    con = policy_warehouse()
    curve = {month: price for month, price in CURVE_2023.items() if month < "2024-01"} | {"2024-01": 97.5}
    for day in ("2023-01-30", "2023-01-31"):
        add_settlements(con, day, {month: price for month, price in curve.items() if month >= day[:7]})
    if later:
        add_settlements(con, "2023-02-01", {"2023-02": 95.44, "2024-02": 95.62})
    build(con)
    change = row(con, "marts.policy_repricing", "as_of_date = '2023-01-31' and horizon = '12m'")
    path = row(con, "marts.policy_path_daily", "as_of_date = '2023-01-31'")
    assert change["change_bp"] is None and path["rate_12m_pct"] is None
    assert change["reason"] == path["rate_12m_reason"] == "price_refused"


def test_what_is_priced_says_that_the_next_meeting_lacks_a_contract() -> None:
    """Without March's own contract the rate before its decision is February's end: the year's end stays as
    it is, and what is priced up to it does not.
    """
    paths = []
    for absent in ((), ("2023-03",)):
        con = policy_warehouse()
        add_rate(con, "DFF", "2022-11-03", "2022-12-14", 3.83)
        add_rate(con, "DFF", "2022-12-15", "2023-02-01", 4.33)
        add_rate(con, "DFF", "2023-02-02", "2023-02-28", 4.58)
        prices = {month: price for month, price in CURVE_2023.items() if month >= "2023-03"}
        prices |= {"2024-03": 95.7}
        add_settlements(con, "2023-03-01", {m: price for m, price in prices.items() if m not in absent})
        build(con)
        paths.append(row(con, "marts.policy_path_daily", "as_of_date = '2023-03-01'"))
    whole, without = paths
    assert whole["year_end_rate_pct"] == without["year_end_rate_pct"]
    assert abs(whole["bp_priced_year_end"] - without["bp_priced_year_end"]) > 1
    for name in ("year_end_reason", "rate_12m_reason", "reason"):
        assert (whole[name], without[name]) == (None, "own_contract_missing"), name
    contracts = (whole["year_end_missing_contract"], without["year_end_missing_contract"])
    assert contracts == (None, "ZQH23")


def _announce_2024_on_1_july(con: duckdb.DuckDBPyConnection) -> None:
    """The true schedule of 2024 has been known longer; no announcement of one falls between two
    settlements.
    """
    con.execute(
        "update ref.fomc_meetings set known_from_date = date '2023-07-01' where year(decision_date) >= 2024"
    )


def test_events_belong_to_the_first_settlement_after_them() -> None:
    days = np.array(
        ["2020-03-13", "2020-03-16", "2023-04-06", "2023-04-07", "2024-06-11", "2024-06-12", "2024-06-13"],
        dtype="datetime64[D]",
    )
    before = np.array(
        ["2020-03-12", "2020-03-13", "2023-04-05", "2023-04-06", "2024-06-10", "2024-06-11", "2024-06-12"],
        dtype="datetime64[D]",
    )
    con = policy_warehouse()
    events = con.execute(policy_repricing.EVENTS).df()
    late = pd.DataFrame(
        {
            "event_type": ["jackson_hole"],
            "event_date": pd.to_datetime(["2024-06-12"]),
            "released_at_utc": pd.to_datetime(["2024-06-12 19:30:00"]),  # 15:30 in New York
        }
    )
    found = policy_repricing.compute_event_types(days, before, pd.concat([events, late], ignore_index=True))
    assert found.tolist() == [None, "fomc", None, "jobs", None, "cpi+fomc", "jackson_hole"]


def test_event_time_is_new_yorks() -> None:
    dates = pd.Series(pd.to_datetime(["2024-01-31", "2024-07-31", "1998-10-15"]))
    times = pd.Series(pd.to_datetime(["2024-01-31 19:00", "2024-07-31 18:00", "1998-10-15 19:15"]))
    assert policy_inputs.compute_first_priced(dates, times).astype(str).tolist() == [
        "2024-01-31",
        "2024-07-31",
        "1998-10-16",
    ]


def test_settlements_without_rates_make_a_path_without_the_effective_rate() -> None:
    con = policy_warehouse()
    add_settlements(
        con, "2023-01-03", {month: price for month, price in CURVE_2023.items() if month >= "2023-01"}
    )
    build(con)
    path = row(con, "marts.policy_path_daily", "as_of_date = '2023-01-03'")
    assert path["effr_pct"] is None and path["year_end_rate_pct"] is not None
