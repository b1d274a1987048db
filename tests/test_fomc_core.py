"""The pure core of the FOMC marts: published examples, every corner case of the method, invariants, second
routes.
"""

from __future__ import annotations

import itertools
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from transforms.lib import fomc, meeting_path, month_averages

NO_DATE = np.datetime64("NaT", "D")


def days(*texts: str) -> fomc.DateArray:
    return np.array(texts, dtype="datetime64[D]")


def solve(
    first: str,
    averages: list[float | None],
    decisions: list[str],
    effective: list[str] | None = None,
    method_version: str = fomc.METHOD_VERSION,
    refused: list[bool] | None = None,
) -> meeting_path.Path:
    """One day's path; averages by month from `first` ('2022-08'), decisions with the next day effective."""
    start = np.datetime64(first, "M").astype(np.int64)
    decision_date = days(*decisions)
    effective_date = days(*effective) if effective else decision_date + np.timedelta64(1, "D")
    month, old_days = fomc.compute_decision_months(decision_date, effective_date, method_version)
    grid = start + np.arange(len(averages))
    values = np.array([[np.nan if value is None else value for value in averages]], dtype=np.float64)
    mask = None if refused is None else np.array([refused])
    return meeting_path.compute_path(values, fomc.compute_days_in_month(grid), month - start, old_days, mask)


def table(path: meeting_path.Path, meeting: int, decided: float = 0.0) -> dict[int, float]:
    """Cumulative distribution after a meeting of the first day of a path: {moves: probability}."""
    lowest, prob = fomc.compute_distributions(path.moves_expected, np.array([decided]))[meeting]
    return {int(lowest[0]) + k: float(value) for k, value in enumerate(prob[0])}


# --- Day counts and final settlements
# -------------------------------------------------------------------------------


def test_days_under_the_old_rate_follow_the_effective_date() -> None:
    decision = days("2022-09-21", "2024-07-31", "2023-11-01", "2020-03-15", "2023-03-31")
    effective = days("2022-09-22", "2024-08-01", "2023-11-02", "2020-03-16", "2023-04-03")
    month, old_days = fomc.compute_decision_months(decision, effective)
    assert month.astype("datetime64[M]").astype(str).tolist() == [
        "2022-09",
        "2024-07",  # last day of its month: N = D, M = 0
        "2023-11",
        "2020-03",
        "2023-04",  # a Friday decision at a month's end: the old rate holds over the weekend into April
    ]
    assert old_days.tolist() == [21, 31, 1, 15, 2]


def test_cme_2022_counts_the_announcement_day_under_the_new_rate() -> None:
    month, old_days = fomc.compute_decision_months(
        days("2023-05-03", "2024-05-01"), days("2023-05-04", "2024-05-02"), fomc.METHOD_VERSION_2022
    )
    assert old_days.tolist() == [2, 0]
    assert month.astype("datetime64[M]").astype(str).tolist() == ["2023-05", "2024-05"]
    with pytest.raises(ValueError, match="unknown method_version"):
        fomc.compute_decision_months(days("2023-05-03"), days("2023-05-04"), "cme_1999")


def test_final_average_repeats_closed_days_rounds_to_a_tenth_and_needs_every_business_day() -> None:
    every_day = np.arange(np.datetime64("2023-07-01"), np.datetime64("2023-09-01"))
    rate = np.where(every_day < np.datetime64("2023-07-27"), 5.08, 5.33)
    first = int(np.datetime64("2023-07", "M").astype(np.int64))
    both = month_averages.compute_final_averages(every_day, rate, first, 2, days())
    assert both.tolist() == [5.12, 5.33]  # July: (26 x 5.08 + 5 x 5.33) / 31 = 5.1203

    weekend = np.is_busday(every_day, weekmask="0000011")
    served = month_averages.compute_final_averages(
        every_day[~weekend], rate[~weekend], first, 2, every_day[weekend]
    )
    assert np.isnan(served[0])  # 1 July 2023 is a Saturday and no rate of the Friday before was given
    assert served[1] == 5.33

    hole = every_day != np.datetime64("2023-08-15")
    holed = month_averages.compute_final_averages(every_day[hole], rate[hole], first, 2, every_day[weekend])
    assert holed[0] == 5.12 and np.isnan(holed[1])


def test_final_average_rounds_ties_up() -> None:
    every_day = np.arange(np.datetime64("2023-06-01"), np.datetime64("2023-07-01"))
    rate = np.where(np.arange(30) < 15, 5.0, 5.01)  # average 5.005
    rate[:3] += 0.01  # sum is 150.18, average 5.006
    rate[3] = 5.015 - 0.005  # one more hundredth: 5.00633..
    first = int(np.datetime64("2023-06", "M").astype(np.int64))
    assert month_averages.compute_final_averages(every_day, rate, first, 1, days())[0] == 5.006
    tie = np.full(20, 1.0)
    tie[0] = 1.01  # average over 20 of 28 days below
    february = np.arange(np.datetime64("2023-02-01"), np.datetime64("2023-03-01"))
    rate = np.full(28, 1.0)
    rate[:14] = 1.01  # 1.005 exactly: no tie in thousandths
    rate[14:21] = 1.01  # 1.0075: a tie, up
    month = int(np.datetime64("2023-02", "M").astype(np.int64))
    assert month_averages.compute_final_averages(february, rate, month, 1, days())[0] == 1.008


# --- Published examples
# ---------------------------------------------------------------------------------------------


def test_cme_worked_example_solves_september_2022_from_its_own_contract() -> None:
    """CME's explanation of the method (ZQU2 97.4475, ZQV2 96.9400, 12 September 2022): no use of August."""
    path = solve("2022-09", [2.5525, 3.0600, None], ["2022-09-21", "2022-11-02"])
    assert path.start_rate_pct[0, 0] == pytest.approx(2.3350, abs=1e-9)
    assert path.end_rate_pct[0, 0] - path.start_rate_pct[0, 0] == pytest.approx(0.7250, abs=1e-9)
    assert table(path, 0) == pytest.approx({2: 0.10, 3: 0.90}, abs=1e-9)
    assert path.solved[0, 0] == "backward"


def test_live_rule_starts_september_2022_from_the_final_settlement_of_august() -> None:
    """The rule of the live table that day: August's final settlement, 97.67, is the start: 8 % and 92 %."""
    path = solve("2022-08", [2.33, 2.5525, 3.0600, None], ["2022-09-21", "2022-11-02"])
    assert table(path, 0) == pytest.approx({2: 0.08, 3: 0.92}, abs=1e-9)
    assert path.solved[0, 0] == "anchor" and path.amplification[0, 0] == 1.0
    assert path.residual_bp[0, 0] == pytest.approx(100 * (2.5525 - (21 * 2.33 + 9 * 3.06) / 30))


# --- Corner cases
# ---------------------------------------------------------------------------------------------------


def test_decision_on_the_last_day_takes_its_end_from_the_next_anchor() -> None:
    path = solve(
        "2024-05",
        [5.32, 5.33, 5.33, 5.31, 5.21, 5.06],
        ["2024-05-01", "2024-06-12", "2024-07-31", "2024-09-18", "2024-10-30"],
    )
    assert path.start_rate_pct[0, 2] == pytest.approx(5.33) and path.end_rate_pct[0, 2] == pytest.approx(5.31)
    assert path.amplification[0, 2] == 1.0 and path.solved[0, 2] == "backward"
    # with August missing there is nothing to say about its end
    alone = solve("2024-06", [5.33, 5.33, None, 5.21], ["2024-07-31", "2024-09-18"])
    assert alone.end_rate_pct[0, 0] == pytest.approx(
        (30 * 5.21 - 12 * alone.end_rate_pct[0, 1]) / 18, nan_ok=True
    )
    assert alone.solved[0, 0] is None and alone.reason[0, 0] == "forward_amplification_above_4"


@pytest.mark.parametrize("first_day", ["2023-11-01", "2023-11-02"])
def test_decision_on_the_first_days_is_never_divided_by_and_needs_the_prior_anchor(first_day: str) -> None:
    anchored = solve("2023-10", [5.33, 5.34, 5.35], [first_day, "2023-12-13"])
    assert anchored.start_rate_pct[0, 0] == 5.33
    # its own end comes from December's contract, which has no anchor after it: forward, from October's anchor
    assert anchored.solved[0, 0] == "forward"
    month_before = solve("2023-09", [None, 5.33, 5.34, 5.35, 5.36], ["2023-10-11", first_day, "2024-01-31"])
    assert np.isnan(month_before.start_rate_pct[0, 1]) and month_before.end_rate_pct[0, 1] == 5.35
    assert month_before.reason[0, 1] == "needs_prior_anchor" and month_before.solved[0, 1] is None
    # a month before that can be solved forward gives the start
    forward = solve("2023-09", [5.30, 5.33, 5.34, 5.35, 5.36], ["2023-10-11", first_day, "2024-01-31"])
    assert forward.solved[0, 1] == "forward"
    assert forward.start_rate_pct[0, 1] == pytest.approx((31 * 5.33 - 11 * 5.30) / 20)


def test_no_day_under_the_old_rate_keeps_a_meeting_month_in_the_day_count_of_2022() -> None:
    averages: list[float | None] = [4.33, 4.57, 4.66, 4.90, 5.0]
    decisions = ["2023-02-01", "2023-03-22", "2023-05-03"]
    path = solve("2023-01", averages, decisions, method_version=fomc.METHOD_VERSION_2022)
    start = (31 * 4.66 - 10 * 4.90) / 21
    assert path.start_rate_pct[0, 1] == pytest.approx(start) and path.end_rate_pct[0, 0] == pytest.approx(
        start
    )
    assert path.start_rate_pct[0, 0] == 4.33


def test_chain_of_meeting_months_is_solved_backward_and_the_first_price_is_not_used() -> None:
    decisions = ["2023-05-03", "2023-06-14", "2023-07-26", "2023-09-20"]
    averages: list[float | None] = [4.82, 4.99, 5.0, 5.06, 5.1, None]
    path = solve("2023-04", averages, decisions)
    july = (31 * 5.06 - 5 * 5.1) / 26
    june = (30 * 5.0 - 16 * july) / 14
    assert path.start_rate_pct[0, :3].tolist() == pytest.approx([4.82, june, july])
    assert path.end_rate_pct[0, :3].tolist() == pytest.approx([june, july, 5.1])
    assert path.amplification[0, :3].tolist() == pytest.approx([30 / 14, 30 / 14, 31 / 26])
    assert path.solved[0, :3].tolist() == ["backward"] * 3
    averages[1] = 9.99
    assert solve("2023-04", averages, decisions).end_rate_pct[0, 0] == pytest.approx(june)
    assert path.residual_bp[0, 0] == pytest.approx(100 * (4.99 - (3 * 4.82 + 28 * june) / 31))
    assert path.residual_bp[0, 1] == 0.0


def test_months_beyond_the_last_announced_meeting_are_no_anchors() -> None:
    path = solve("2024-10", [5.0, 4.9, 4.7, 4.5, 4.4], ["2024-11-07", "2024-12-18"])
    assert path.solved[0, 1] == "forward"  # January's contract is there and must not serve
    assert path.end_rate_pct[0, 1] == pytest.approx((31 * 4.7 - 18 * path.end_rate_pct[0, 0]) / 13)
    assert path.amplification[0, 1] == pytest.approx(31 / 13)


def test_forward_solution_stops_at_an_amplification_of_four() -> None:
    path = solve("2024-12", [4.6, 4.5, None, None], ["2025-01-29", "2025-03-19"])
    assert path.start_rate_pct[0, 0] == 4.6 and np.isnan(path.end_rate_pct[0, 0])
    assert path.solved[0, 0] is None and path.reason[0, 0] == "forward_amplification_above_4"
    assert path.reason[0, 1] == "price_missing"
    exactly_four = solve("2023-01", [4.3, 4.4], ["2023-02-21"])  # D/M = 28/7
    assert exactly_four.solved[0, 0] == "forward" and exactly_four.amplification[0, 0] == 4.0


def test_contract_that_is_not_needed_does_not_stop_the_chain() -> None:
    """12 June 2024: June's own contract was not captured; May's, expired, is solved forward from April's."""
    path = solve(
        "2024-04",
        [5.33, 5.33, None, 5.325, 5.31, 5.2, 5.1, 5.0],
        ["2024-05-01", "2024-06-12", "2024-07-31", "2024-09-18", "2024-11-07"],
    )
    assert path.solved[0].tolist()[:4] == ["forward", "forward", "backward", "anchor"]
    assert path.start_rate_pct[0, 1] == pytest.approx((31 * 5.33 - 5.33) / 30)
    assert path.end_rate_pct[0, 1] == pytest.approx(5.325)
    assert np.isnan(path.residual_bp[0, 1])


def test_missing_price_leaves_reason_and_later_meetings_recover_after_the_next_anchor() -> None:
    path = solve(
        "2023-01", [4.3, 4.5, None, 4.9, 5.0, 5.1], ["2023-02-01", "2023-03-22", "2023-05-03", "2023-06-14"]
    )
    assert path.solved[0].tolist() == ["forward", "forward", "forward", "forward"]
    gone = solve(
        "2023-01", [None, 4.5, None, 4.9, 5.0, 5.1], ["2023-02-01", "2023-03-22", "2023-05-03", "2023-06-14"]
    )
    assert gone.reason[0].tolist() == ["no_anchor_before", "price_missing", None, None]
    assert gone.solved[0].tolist() == [None, None, "forward", "forward"]
    distributions = fomc.compute_distributions(gone.moves_expected, np.zeros(1))
    assert all(np.isnan(prob).all() for _, prob in distributions)


def test_refused_price_is_missing_with_its_own_reason() -> None:
    path = solve("2024-10", [5.0, 4.9], ["2024-11-07"], refused=[False, True])
    assert path.reason[0, 0] == "price_refused" and path.solved[0, 0] is None


def test_two_decisions_in_a_month_are_flagged_and_solved_only_between_known_levels() -> None:
    """March 2020: decided on the 3rd, planned for the 18th; February before and May after are anchors."""
    decisions = ["2020-03-03", "2020-03-18", "2020-04-29", "2020-06-10"]
    path = solve("2020-02", [1.58, 1.03, 0.78, 0.625, None], decisions)
    april = (30 * 0.78 - 0.625) / 29
    between = (31 * 1.03 - 3 * 1.58 - 13 * april) / 15
    assert path.end_rate_pct[0, 0] == pytest.approx(between) == path.start_rate_pct[0, 1]
    assert path.reason[0].tolist()[:2] == ["two_decisions_in_month"] * 2
    assert path.amplification[0, 1] == pytest.approx(31 / 15)
    one_equation = solve("2020-02", [1.58, 1.03, None, None], [*decisions[:2], "2020-05-29"])
    assert one_equation.solved[0, 0] is None and one_equation.reason[0, 0] == "two_decisions_in_month"


def test_two_decisions_the_second_on_the_last_day() -> None:
    """January 2001: the 3rd (unscheduled) and the 31st, whose new rate is February's."""
    path = solve("2000-12", [6.40, 5.98, 5.52, 5.3], ["2001-01-03", "2001-01-31", "2001-03-20"])
    between = (31 * 5.98 - 3 * 6.40) / 28
    assert path.start_rate_pct[0, 1] == pytest.approx(between) and path.end_rate_pct[0, 1] == 5.52
    assert path.reason[0, 1] == "two_decisions_in_month"


def test_rates_below_zero_keep_their_mass() -> None:
    path = solve("2020-08", [0.09, 0.02, -0.11, -0.11], ["2020-09-16", "2020-11-05"])
    assert table(path, 0) == pytest.approx({-1: 0.8, 0: 0.2})


def test_hike_path_and_decided_move_shift_the_outcomes() -> None:
    path = solve("2022-03", [0.20, 0.33, 0.77, 0.95], ["2022-05-04", "2022-06-15"])
    assert table(path, 0, decided=1.0).keys() == {k + 1 for k in table(path, 0)}
    assert min(table(path, 0)) >= 0


def test_whole_moves_are_not_broken_by_binary_dust() -> None:
    path = solve("2024-08", [4.03, 3.93, 3.78, 3.7], ["2024-09-18", "2024-11-07"])
    assert np.floor((3.78 - 4.03) / 0.25) == -2.0 and path.moves_expected[0, 0] == -1.0
    assert table(path, 0) == {-1: 1.0, 0: 0.0}


def test_anchors_in_a_row_serve_the_month_beside_them() -> None:
    path = solve("2024-01", [4.0, 4.1, 4.2, 4.3, 4.4, 4.5], ["2024-01-31", "2024-04-29", "2024-06-12"])
    assert path.end_rate_pct[0, 0] == 4.1 and path.start_rate_pct[0, 1] == 4.2
    missing = solve("2024-01", [4.0, None, 4.2, 4.3, 4.4, 4.5], ["2024-01-31", "2024-04-29", "2024-06-12"])
    assert missing.end_rate_pct[0, 0] == 4.2


# --- Prices that are not believed
# -----------------------------------------------------------------------------------


def quiet_market(
    count: int = 40, months: int = 24
) -> tuple[fomc.DateArray, fomc.FloatArray, fomc.FloatArray, int]:
    """A curve that falls by 2 bp a day in all months, from 6.5 %."""
    as_of = np.busday_offset("2000-09-01", np.arange(count), roll="forward").astype("datetime64[D]")
    first = int(np.datetime64("2000-08", "M").astype(np.int64))
    averages = 6.5 - 0.02 * np.arange(count)[:, None] - 0.01 * np.arange(months)[None, :]
    finals = np.full(months, np.nan)
    finals[0] = 6.5
    return as_of, averages, finals, first


def test_wild_prices_and_prices_out_of_range_are_refused() -> None:
    as_of, averages, finals, first = quiet_market()
    assert not month_averages.compute_refused(as_of, averages, finals, first).any()
    averages[7, 18] = 16.575  # as ZQG02 at 83.425 on 2000-09-12
    averages[8, 3] = 100.5
    averages[9, 3] = -10.5
    averages[10, 1] = 0.0  # the front month, judged by the month that has expired
    refused = month_averages.compute_refused(as_of, averages, finals, first)
    assert np.argwhere(refused).tolist() == [[7, 18], [8, 3], [9, 3], [10, 1]]


def test_far_months_that_move_by_themselves_are_refused_until_they_come_back() -> None:
    """As 98.552 from April 2005 on for 18 June 2004, after 96.95 and before 96.95, beside 97.24 for March."""
    as_of, averages, finals, first = quiet_market()
    averages[7, 11:] = averages[7, 10] - 1.3
    refused = month_averages.compute_refused(as_of, averages, finals, first)
    assert refused[7, 11:].all() and refused.sum() == 13
    assert (month_averages.compute_refused(as_of[:8], averages[:8], finals, first) == refused[:8]).all()
    # one contract alone, either way
    as_of, averages, finals, first = quiet_market()
    averages[20, 15] += 0.6
    assert np.argwhere(month_averages.compute_refused(as_of, averages, finals, first)).tolist() == [[20, 15]]


def test_steps_that_the_market_makes_are_believed() -> None:
    as_of, averages, finals, first = quiet_market()
    averages[12:, 1:] -= 0.9  # every month, as on 13 March 2023
    averages[12:, 11:] -= 0.3
    assert not month_averages.compute_refused(as_of, averages, finals, first).any()
    # a contract that was wrong comes back to the strip
    as_of, averages, finals, first = quiet_market()
    averages[:12, 14] -= 0.6
    refused = month_averages.compute_refused(as_of, averages, finals, first)
    assert not refused[12:].any()


def test_placeholder_that_does_not_follow_the_market_is_stale_from_the_eleventh_day_on() -> None:
    as_of, averages, finals, first = quiet_market()
    averages[:, 9] = 6.4
    refused = month_averages.compute_refused(as_of, averages, finals, first)
    assert not refused[:10].any() and refused[10:, 9].all() and refused.sum() == 30
    # what comes later does not change a verdict
    assert (month_averages.compute_refused(as_of[:20], averages[:20], finals, first) == refused[:20]).all()


def test_months_that_stand_still_with_the_market_or_near_are_not_stale() -> None:
    as_of, averages, finals, first = quiet_market()
    averages[:], finals[0] = 0.09, 0.09  # years at the lower bound
    assert not month_averages.compute_refused(as_of, averages, finals, first).any()
    as_of, averages, finals, first = quiet_market()
    averages[:, 1:3] = 6.5  # no meeting ahead of them
    assert not month_averages.compute_refused(as_of, averages, finals, first).any()


# --- Many days: what is known when
# ----------------------------------------------------------------------------------

CALENDAR_2020 = {
    "2020-01-29": ("2019-07-01", None),
    "2020-03-03": ("2020-03-03", None),
    "2020-03-15": ("2020-03-15", None),
    "2020-03-18": ("2019-07-01", "2020-03-15"),
    "2020-04-29": ("2019-07-01", None),
    "2020-06-10": ("2019-07-01", None),
}
EFFECTIVE_2020 = ["2020-01-30", "2020-03-04", "2020-03-16", "2020-03-19", "2020-04-30", "2020-06-11"]


def test_unscheduled_meetings_never_show_early_and_the_cancelled_one_shows_until_it_was_called_off() -> None:
    as_of = days(
        "2020-03-02", "2020-03-03", "2020-03-04", "2020-03-13", "2020-03-16", "2020-04-29", "2020-04-30"
    )
    known = fomc.compute_known(
        as_of,
        days(*(known_from for known_from, _ in CALENDAR_2020.values())),
        np.array([NO_DATE if off is None else np.datetime64(off) for _, off in CALENDAR_2020.values()]),
    )
    first = int(np.datetime64("2020-01", "M").astype(np.int64))
    averages = np.tile([1.55, 1.58, 1.0, 0.8, 0.6, 0.5], (len(as_of), 1))
    decision = days(*CALENDAR_2020)
    moves = fomc.compute_moves(as_of, averages, averages[0], first, decision, days(*EFFECTIVE_2020), known)
    shown: dict[str, list[str]] = {str(day): [] for day in as_of}
    for day, meeting in zip(moves.day, moves.meeting, strict=True):
        shown[str(as_of[day])].append(str(decision[meeting]))
    later = ["2020-04-29", "2020-06-10"]
    assert shown == {
        "2020-03-02": ["2020-03-18", *later],
        "2020-03-03": [
            "2020-03-03",
            "2020-03-18",
            *later,
        ],  # on the day of the announcement it is still there
        "2020-03-04": ["2020-03-18", *later],
        "2020-03-13": ["2020-03-18", *later],
        "2020-03-16": later,
        "2020-04-29": later,
        "2020-04-30": ["2020-06-10"],
    }
    assert moves.meeting_number[:3].tolist() == [1, 2, 3]
    # before the 3rd one decision, after it two of them share March
    flags = {
        str(as_of[d]): r
        for d, n, r in zip(moves.day, moves.meeting_number, moves.path.reason, strict=True)
        if n == 1
    }
    assert flags["2020-03-02"] != "two_decisions_in_month"
    assert flags["2020-03-04"] == "two_decisions_in_month"


def test_past_meeting_of_the_current_month_keeps_it_a_meeting_month() -> None:
    as_of = days("2023-05-10")
    decision = days("2023-05-03", "2023-06-14", "2023-07-26", "2023-09-20")
    known = np.ones((1, 4), dtype=bool)
    averages = np.array([[4.83, 5.06, 5.08, 5.09, 5.05, 5.0]])
    first = int(np.datetime64("2023-04", "M").astype(np.int64))
    moves = fomc.compute_moves(
        as_of, averages, averages[0], first, decision, decision + np.timedelta64(1, "D"), known
    )
    assert decision[moves.meeting].astype(str).tolist() == ["2023-06-14", "2023-07-26", "2023-09-20"]
    july = (31 * 5.09 - 5 * 5.05) / 26
    assert moves.path.start_rate_pct[0] == pytest.approx(
        (30 * 5.08 - 16 * july) / 14
    )  # and not May's average


def test_expired_month_counts_with_its_final_average_and_only_then() -> None:
    as_of = days("2022-08-31", "2022-09-01")
    decision = days("2022-09-21", "2022-11-02")
    averages = np.array([[2.3325, 2.55, 3.06, 3.5], [np.nan, 2.55, 3.06, 3.5]])
    finals = np.array([2.33, 9.9, 9.9, 9.9])  # those of months to come must never be looked at
    first = int(np.datetime64("2022-08", "M").astype(np.int64))
    moves = fomc.compute_moves(
        as_of,
        averages,
        finals,
        first,
        decision,
        decision + np.timedelta64(1, "D"),
        np.ones((2, 2), dtype=bool),
    )
    assert moves.path.start_rate_pct[moves.meeting == 0].tolist() == [2.3325, 2.33]
    assert moves.path.end_rate_pct[moves.meeting == 0].tolist() == [3.06, 3.06]


def test_no_days_and_no_meetings() -> None:
    none = fomc.compute_moves(
        days("2022-09-01"),
        np.array([[2.5]]),
        np.array([2.5]),
        632,
        days(),
        days(),
        np.ones((1, 0), dtype=bool),
    )
    assert none.day.size == 0 and none.path.reason.size == 0


def test_range_in_force_changes_on_the_effective_date() -> None:
    decision, effective = days("2022-07-27", "2022-09-21"), days("2022-07-28", "2022-09-23")
    as_of = days("2022-07-27", "2022-07-28", "2022-09-21", "2022-09-22", "2022-09-23")
    lower, upper, decided = fomc.compute_range_in_force(
        as_of,
        decision,
        effective,
        np.array([1.5, 2.25]),
        np.array([1.75, 2.5]),
        np.array([2.25, 3.0]),
        np.array([2.5, 3.25]),
    )
    assert lower.tolist() == [1.5, 2.25, 2.25, 2.25, 3.0]
    assert (upper - lower == 0.25).all()
    assert decided.tolist() == [0, 0, 0, 3, 0]  # decided, not yet in force: belongs to every later outcome


def test_unknown_range_after_a_past_decision_is_not_guessed() -> None:
    decision, effective = days("2022-07-27", "2022-09-21"), days("2022-07-28", "2022-09-22")
    unknown = np.array([2.25, np.nan])
    lower, _, decided = fomc.compute_range_in_force(
        days("2022-09-21", "2022-09-22"), decision, effective, unknown, unknown, unknown, unknown
    )
    assert lower[0] == 2.25 and np.isnan(lower[1]) and np.isnan(decided[1])


# --- Invariants and second routes
# -----------------------------------------------------------------------------------


@st.composite
def markets(draw: st.DrawFn) -> tuple[int, list[date], np.ndarray]:
    """First month, decisions (at most one a month, some months without) and the true levels between them."""
    first = draw(st.integers(360, 680))
    months = draw(st.integers(5, 16))
    decisions = []
    for offset in range(1, months):
        if draw(st.booleans()):
            start = (np.datetime64(first + offset, "M")).astype("datetime64[D]").astype(date)
            last = int(fomc.compute_days_in_month(np.array([first + offset]))[0])
            decisions.append(start + timedelta(days=draw(st.integers(0, last - 1))))
    assume(len(decisions) >= 2)
    # levels in ticks of half a basis point over steps of up to a point, both ways
    steps = draw(st.lists(st.integers(-200, 200), min_size=len(decisions), max_size=len(decisions)))
    start_level = draw(st.integers(-100, 3000))
    levels = (start_level + np.concatenate(([0], np.cumsum(steps)))) * 0.005
    return first, decisions, levels


def averages_of(first: int, months: int, decisions: list[date], levels: np.ndarray) -> np.ndarray:
    """Month averages by walking through the days one at a time."""
    result = []
    for month in range(first, first + months):
        begin = np.datetime64(month, "M").astype("datetime64[D]")
        end = np.datetime64(month + 1, "M").astype("datetime64[D]")
        daily = [levels[sum(np.datetime64(d) < day for d in decisions)] for day in np.arange(begin, end)]
        result.append(sum(daily) / len(daily))
    return np.array(result)


@settings(max_examples=60, deadline=None)
@given(markets(), st.randoms(use_true_random=False))
def test_prices_made_from_levels_give_the_levels_back(
    market: tuple[int, list[date], np.ndarray], random: object
) -> None:
    first, decisions, levels = market
    months = (decisions[-1].year - 1970) * 12 + decisions[-1].month - first
    averages = averages_of(first, months, decisions, levels)
    for index in range(months):
        if random.random() < 0.15:  # type: ignore[attr-defined]
            averages[index] = np.nan
    texts = [str(d) for d in decisions]
    first_text = str(np.datetime64(first, "M"))
    path = solve(first_text, list(averages), texts)
    known = path.solved[0] != None  # noqa: E711
    assert np.allclose(path.start_rate_pct[0][known], levels[:-1][known], atol=1e-7)
    assert np.allclose(path.end_rate_pct[0][known], levels[1:][known], atol=1e-7)
    assert all(reason for reason in path.reason[0][~known])
    assert np.isnan(path.moves_expected[0][~known]).all()
    # E of a meeting is S of the next
    both = known[:-1] & known[1:]
    assert np.allclose(path.end_rate_pct[0][:-1][both], path.start_rate_pct[0][1:][both], atol=1e-9)
    # the months that were not needed agree
    assert np.nanmax(np.abs(np.append(path.residual_bp[0], 0.0))) < 1e-5
    # a shift of every price shifts every rate and no move
    shifted = solve(first_text, list(averages + 0.5), texts)
    assert np.allclose(shifted.end_rate_pct, path.end_rate_pct + 0.5, equal_nan=True)
    assert np.allclose(shifted.moves_expected, path.moves_expected, atol=1e-7, equal_nan=True)
    assert (shifted.solved == path.solved).all()


@settings(max_examples=60, deadline=None)
@given(markets(), st.integers(0, 2**32 - 1))
def test_determined_systems_agree_with_least_squares(
    market: tuple[int, list[date], np.ndarray], seed: int
) -> None:
    """Second route: all month averages as linear equations in the levels. Noisy prices, only the equations
    used.
    """
    first, decisions, _ = market
    months = (decisions[-1].year - 1970) * 12 + decisions[-1].month - first
    noisy = 5.0 + np.random.default_rng(seed).normal(0, 0.3, months)
    month, old_days = fomc.compute_decision_months(
        days(*map(str, decisions)), days(*map(str, decisions)) + np.timedelta64(1, "D")
    )
    position = month - first
    # one anchor per gap and no price for the first month of each chain between anchors: as many
    # equations as levels
    for offset in range(months):
        is_anchor, before_anchor = offset not in position, offset > 0 and offset - 1 not in position
        if (is_anchor and before_anchor) or (
            not is_anchor
            and before_anchor
            and offset < position[-1]
            and any(later not in position for later in range(offset, position[-1]))
        ):
            noisy[offset] = np.nan
    path = solve(str(np.datetime64(first, "M")), list(noisy), [str(d) for d in decisions])
    known = path.solved[0] != None  # noqa: E711
    assume(known.all())
    length = fomc.compute_days_in_month(first + np.arange(months))
    matrix = np.zeros((months, len(decisions) + 1))
    for offset in range(months):
        inside = np.flatnonzero(position == offset)
        level = int((position < offset).sum())
        if inside.size:
            matrix[offset, level] = old_days[inside[0]] / length[offset]
            matrix[offset, level + 1] = 1 - old_days[inside[0]] / length[offset]
        else:
            matrix[offset, level] = 1.0
    usable = np.isfinite(noisy)
    solution, _, rank, _ = np.linalg.lstsq(matrix[usable], noisy[usable], rcond=None)
    assume(rank == len(decisions) + 1 == usable.sum())
    assert np.allclose(path.start_rate_pct[0], solution[:-1], atol=1e-9)
    assert np.allclose(path.end_rate_pct[0], solution[1:], atol=1e-9)


def test_least_squares_route_on_a_full_year() -> None:
    """The same second route on the calendar of 2023: determined once the unused first price of a chain is
    left out.
    """
    decisions = ["2023-05-03", "2023-06-14", "2023-07-26", "2023-09-20", "2023-11-01", "2023-12-13"]
    averages: list[float | None] = [4.83, None, 5.08, 5.13, 5.21, None, 5.28, 5.26, 5.21]
    path = solve("2023-04", averages, decisions)
    matrix = np.array(
        [
            [1, 0, 0, 0, 0, 0, 0],
            [0, 14 / 30, 16 / 30, 0, 0, 0, 0],
            [0, 0, 26 / 31, 5 / 31, 0, 0, 0],
            [0, 0, 0, 1, 0, 0, 0],
            [0, 0, 0, 0, 1, 0, 0],
            [0, 0, 0, 0, 1 / 30, 29 / 30, 0],
            [0, 0, 0, 0, 0, 13 / 31, 18 / 31],
        ]
    )
    used = np.array([value for value in averages if value is not None])
    solution = np.linalg.lstsq(matrix, used, rcond=None)[0]
    assert path.start_rate_pct[0].tolist() == pytest.approx(solution[:-1].tolist(), abs=1e-9)
    assert path.end_rate_pct[0].tolist() == pytest.approx(solution[1:].tolist(), abs=1e-9)
    assert path.solved[0].tolist() == ["backward"] * 3 + ["anchor", "forward", "forward"]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-4, 4), min_size=1, max_size=7), st.integers(-2, 2))
def test_distributions_agree_with_adding_up_every_combination(expected: list[float], decided: int) -> None:
    result = fomc.compute_distributions(np.array([expected]), np.array([float(decided)]))
    for meeting in range(len(expected)):
        brute: dict[int, float] = {}
        cleaned = fomc.clean_moves(np.array(expected[: meeting + 1]))
        for ups in itertools.product((0, 1), repeat=meeting + 1):
            total = decided + sum(int(np.floor(x)) + up for x, up in zip(cleaned, ups, strict=True))
            weight = 1.0
            for x, up in zip(cleaned, ups, strict=True):
                fraction = x - np.floor(x)
                weight *= fraction if up else 1 - fraction
            brute[total] = brute.get(total, 0.0) + weight
        lowest, prob = result[meeting]
        got = {int(lowest[0]) + k: float(p) for k, p in enumerate(prob[0])}
        assert got == pytest.approx(brute, abs=1e-12)
        assert min(got.values()) >= 0 and max(got.values()) <= 1
        assert sum(got.values()) == pytest.approx(1, abs=1e-12)
        mean = sum(outcome * p for outcome, p in got.items())
        assert mean == pytest.approx(decided + sum(expected[: meeting + 1]), abs=1e-8)
