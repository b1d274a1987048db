"""Calibration and the table by day count: worked scores, the replay, and what later meetings must not change."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from tests.replay_fixture import replay_dir, run_model
from tests.test_fomc_marts import add_rate, add_replay, add_settlements
from tests.test_policy_path import empty_policy_inputs, row

MODELS = (
    "staging.fomc_moves",
    "marts.fomc_probabilities",
    "marts.fomc_meetings_daily",
    "marts.policy_path_daily",
    "marts.fomc_calibration",
)


def build(con: duckdb.DuckDBPyConnection, models: tuple[str, ...] = MODELS) -> duckdb.DuckDBPyConnection:
    for model in models:
        run_model(con, model)
    return con


@pytest.fixture(scope="module")
def replay() -> Iterator[duckdb.DuckDBPyConnection]:
    folder = replay_dir()
    con = empty_policy_inputs()
    add_replay(con, folder)
    yield build(con, (*MODELS, "marts.fomc_probabilities_by_method"))
    con.close()


def test_scores_of_july_2024_by_hand() -> None:
    """16 July 2024: September at 8/92/0 for 50/25/0; the Fed cut by 50. Scored at 60 days, once the meeting
    has been held.
    """
    con = empty_policy_inputs()
    add_rate(con, "DFF", "2023-07-01", "2024-09-30", 5.33)
    prices = {
        "2024-07": 94.67,
        "2024-08": 94.69,
        "2024-09": 94.79,
        "2024-10": 94.94,
        "2024-11": 95.065,
        "2024-12": 95.195,
    }
    add_settlements(con, "2024-07-16", prices)
    add_settlements(con, "2024-07-19", prices)  # the last settlement day at least 60 days before 18 September
    build(con)
    assert con.execute(
        "select count(*) from marts.fomc_calibration where meeting_date = '2024-09-18'"
    ).fetchall() == [(0,)]
    add_settlements(con, "2024-09-19", {"2024-10": 95.17})
    build(con)
    scored = row(con, "marts.fomc_calibration", "meeting_date = '2024-09-18' and horizon_days = 60")
    assert str(scored["as_of_date"])[:10] == "2024-07-19"
    assert scored["decided_prob"] == pytest.approx(0.08)
    assert scored["brier_score"] == pytest.approx(0.92**2 + 0.92**2)
    assert scored["brier_score_no_change"] == 2.0
    assert scored["scored_meetings"] == 1 and scored["mean_brier_score"] == scored["brier_score"]
    missing = row(con, "marts.fomc_calibration", "meeting_date = '2024-09-18' and horizon_days = 7")
    assert missing["brier_score"] is None and missing["brier_score_no_change"] is None
    assert missing["reason"] == "price_missing" and missing["scored_meetings"] == 0


def test_market_beats_no_change_at_every_horizon(replay: duckdb.DuckDBPyConnection) -> None:
    rows = replay.execute("""
        select horizon_days, scored_meetings, mean_brier_score, mean_brier_score_no_change from marts.fomc_calibration
        qualify row_number() over (partition by horizon_days order by meeting_date desc) = 1 order by 1
        """).fetchall()
    assert [horizon for horizon, *_ in rows] == [1, 7, 30, 60, 90, 180]
    for _, meetings, market, naive in rows:
        assert meetings > 180 and market < naive
    assert rows[0][2] < 0.10 and rows[0][3] > 0.6
    assert rows[1][2] < rows[2][2] < rows[3][2] < rows[4][2] < rows[5][2]


def test_scores_are_recomputed_from_the_probabilities(replay: duckdb.DuckDBPyConnection) -> None:
    frame = replay.execute("""
        select c.horizon_days, c.meeting_date, c.brier_score, p.prob,
            abs(p.target_upper_pct - m.upper_after) < 0.01 as happened
        from marts.fomc_calibration as c
        inner join marts.fomc_probabilities as p using (as_of_date, meeting_date)
        inner join ref.fomc_meetings as m on c.meeting_date = m.decision_date
        """).df()
    compared = 0
    for _, group in frame.groupby(["horizon_days", "meeting_date"]):
        score = float(((group["prob"] - group["happened"]) ** 2).sum()) + (
            0.0 if group["happened"].any() else 1.0
        )
        assert score == pytest.approx(float(group["brier_score"].iloc[0]), abs=1e-12) and 0 <= score <= 2
        compared += 1
    assert compared > 1100


def test_later_meetings_change_no_score(replay: duckdb.DuckDBPyConnection) -> None:
    con = empty_policy_inputs()
    add_replay(con, replay_dir(), "2012-06-29")
    build(con)
    cut = con.execute("from marts.fomc_calibration order by all").fetchall()
    whole = replay.execute(
        "from marts.fomc_calibration where meeting_date <= '2012-06-29' order by all"
    ).fetchall()
    assert cut == whole and len(cut) > 500


def test_both_day_counts_are_there_and_the_older_one_ends_with_2023(
    replay: duckdb.DuckDBPyConnection,
) -> None:
    rows = replay.execute(
        "select method_version, count(*) > 200000, max(as_of_date) <= date '2023-12-31' from"
        " marts.fomc_probabilities_by_method group by all order by all"
    ).fetchall()
    assert rows == [("cme_2022", True, True), ("cme_2023plus", True, False)]
    different = replay.execute("""
        select count(*) from marts.fomc_probabilities as main
        full outer join (from marts.fomc_probabilities_by_method where method_version = 'cme_2023plus') as by_method
            using (as_of_date, meeting_date, target_lower_pct)
        where main.prob is distinct from by_method.prob
        """).fetchall()
    assert different == [(0,)]


def test_published_table_of_3_april_2023_is_in_the_older_count(replay: duckdb.DuckDBPyConnection) -> None:
    rows = replay.execute("""
        select method_version, round(prob, 3) from marts.fomc_probabilities_by_method
        where as_of_date = '2023-04-03' and meeting_date = '2023-05-03' and target_lower_pct = 5 order by 1
        """).fetchall()
    assert rows[0] == ("cme_2022", 0.572) and rows[1][0] == "cme_2023plus" and rows[1][1] != 0.572
