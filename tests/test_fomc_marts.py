"""The Fed marts on the simulated market: invariants, no look-ahead, the same to the bit in every build.

Their arithmetic is in the cases of `tests/models/`; what the recorded settlements and published figures show
is in `tests/recorded/`.
"""

from __future__ import annotations

import time

import pytest

from tests.model_fixture import fill
from tests.policy_checks import CHECKS, Check, assert_history_is_the_same, fingerprint
from tests.policy_market import (
    MARTS,
    STAGING,
    build_policy,
    policy_warehouse,
    simulated_policy,
    simulated_settlements,
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_simulated_market(check: Check) -> None:
    check(simulated_policy())


@pytest.mark.parametrize("session", ["2008-10-10", "2020-03-13"])
def test_history_does_not_change_when_later_days_arrive(session: str) -> None:
    assert_history_is_the_same(simulated_policy(session), simulated_policy(), session)


def test_second_build_is_the_same_to_the_bit_and_takes_seconds() -> None:
    first = simulated_policy("2008-10-10")
    models = ("staging.fomc_moves", *MARTS)
    before = [fingerprint(first, model) for model in models]
    started = time.process_time()
    build_policy(first)
    assert time.process_time() - started < 20  # of this process, whatever else the machine does
    assert before == [fingerprint(first, model) for model in models]


def test_no_settlements_make_empty_tables() -> None:
    con = build_policy(policy_warehouse())
    # The decisions themselves are there whatever the market says.
    for model in (*STAGING, *MARTS):
        if model == "staging.fomc_decisions":
            continue
        assert con.execute(f"select count(*) from {model}").fetchall() == [(0,)]


def test_settlements_before_any_meeting_is_known_make_a_path_without_meetings() -> None:
    con = policy_warehouse()
    con.execute("delete from ref.fomc_meetings where decision_date <> date '2024-01-31'")
    day = simulated_settlements()
    fill(con, "raw.fed_funds_futures", day[day["settlement_date"] == "2022-06-23"])
    build_policy(con)
    assert con.execute("select count(*) from staging.fomc_moves").fetchall() == [(0,)]
    assert con.execute("select reason, next_meeting_date from marts.policy_path_daily").fetchall() == [
        ("target_range_unknown", None)
    ]
