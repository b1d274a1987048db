"""What CME FedWatch published, against the marts: its own exports of 2024 and 2026, and quotes of the
press.
"""

from __future__ import annotations

import functools

import duckdb
import numpy as np
import pandas as pd
import pytest

from tests.policy_market import add_rate, add_settlements, build_policy, policy_warehouse, recorded_policy
from tests.recorded_data import RECORDED
from transforms.lib import fomc, policy_inputs
from warehouse.reference_data import reference_frame

pytestmark = pytest.mark.replay
FOLDER = RECORDED / "fedwatch"
EQUAL_PROB = 0.001


@functools.cache
def cme_tables() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "cme_tables.csv", parse_dates=["as_of_date", "meeting_date"])


def cme_moves(as_of: str) -> pd.Series:
    """Expected number of 25 bp moves at each meeting after the first shown, from CME's own distributions."""
    table = cme_tables()[cme_tables()["as_of_date"] == as_of]
    level = (table["target_lower_pct"] * table["prob"]).groupby(table["meeting_date"]).sum()
    return (level.diff().dropna() / 0.25).rename("moves")


@functools.cache
def june_2026() -> duckdb.DuckDBPyConnection:
    """The strip of the two days of 2026; the target range of then."""
    con = policy_warehouse("2026-06-08")
    strip = pd.read_csv(FOLDER / "zq_settlements_2026-06.csv")
    strip["month"] = strip["contract"].map(
        lambda code: f"20{code[3:5]}-{'FGHJKMNQUVXZ'.index(code[2]) + 1:02d}"
    )
    for day, rows in strip.groupby("date"):
        add_settlements(con, str(day), dict(zip(rows["month"], rows["settle"], strict=True)))
    add_rate(con, "DFF", "2026-01-01", "2026-06-07", 3.63)
    return build_policy(con, ("marts.fomc_probabilities_by_method", "marts.fomc_meetings_by_method"))


@pytest.mark.parametrize("as_of", ["2026-06-05", "2026-06-08"])
def test_moves_of_june_2026_are_cmes_to_four_decimals(as_of: str) -> None:
    """January 2027 was known (announced on 2024-08-09), so December 2026 is solved from behind."""
    ours = (
        june_2026()
        .execute(
            "select meeting_date, moves_expected as ours, missing_contract from staging.fomc_moves"
            " where as_of_date = ? and meeting_date between '2026-10-01' and '2027-04-28'",
            [as_of],
        )
        .df()
        .set_index("meeting_date")
    )
    both = ours.join(cme_moves(as_of), how="inner")
    assert len(both) == 5 and both["missing_contract"].isna().all()
    # CME's cells have six decimals
    assert (both["ours"] - both["moves"]).abs().max() < 5e-5, both
    december = {"2026-06-05": 0.4104, "2026-06-08": 0.3933}[as_of]
    assert round(both.loc["2026-12-09", "ours"], 4) == round(both.loc["2026-12-09", "moves"], 4) == december


@pytest.mark.parametrize("as_of", ["2026-06-05", "2026-06-08"])
def test_the_last_meeting_that_cme_lists_is_solved_from_its_own_contract(as_of: str) -> None:
    """CME lists nine meetings and knows nothing behind them; the marts know July 2027 and use August's
    contract.
    """
    theirs = cme_moves(as_of).loc["2027-06-09"]
    ours, number = (
        june_2026()
        .execute(
            "select implied_change_bp / 25, cme_number from marts.fomc_meetings_by_method"
            " where as_of_date = ? and meeting_date = '2027-06-09' and method_version = 'cme_2023plus'",
            [as_of],
        )
        .fetchall()[0]
    )
    assert number == 9 and ours == pytest.approx(0.04, abs=1e-9) and theirs == pytest.approx(0.0571, abs=1e-4)
    market = policy_inputs.load_market(june_2026())
    assert market is not None
    listed = solved_with(market, listed_from(market))
    row = listed[(listed["as_of_date"] == as_of) & (listed["meeting_date"] == "2027-06-09")]
    assert row["moves_expected"].iloc[0] == pytest.approx(theirs, abs=5e-5)


def june_2024() -> pd.DataFrame:
    """One row per table of June 2024: largest difference in any cell, our reason and contract."""
    theirs = cme_tables()[cme_tables()["as_of_date"] < "2025-01-01"]
    con = recorded_policy()
    ours = con.execute(
        "select as_of_date, meeting_date, target_lower_pct, prob as ours from marts.fomc_probabilities"
    ).df()
    cells = theirs.merge(ours, on=["as_of_date", "meeting_date", "target_lower_pct"], how="left")
    cells["gap"] = (cells["prob"] - cells["ours"].fillna(0.0)).abs()
    tables = cells.groupby(["as_of_date", "meeting_date"]).agg(
        gap=("gap", "max"), outcomes=("ours", "count"), shown=("prob", "sum")
    )
    meetings = con.execute(
        "select as_of_date, meeting_date, reason, missing_contract from marts.fomc_meetings_daily"
    ).df()
    tables = tables.reset_index().merge(meetings, on=["as_of_date", "meeting_date"], how="left")
    tables["verdict"] = np.select(
        [
            tables["outcomes"] == 0,
            tables["missing_contract"].notna(),
            tables["gap"] <= EQUAL_PROB,
        ],
        ["no table", "degraded", "equal"],
        "different",
    )
    return tables


def test_every_table_of_june_2024_is_equal_or_says_what_it_lacks() -> None:
    tables = june_2024()
    assert tables["verdict"].value_counts().to_dict() == {"no table": 79, "degraded": 46, "equal": 11}
    assert tables["reason"][tables["verdict"] != "equal"].notna().all()
    assert tables["reason"][tables["verdict"] == "equal"].isna().all()
    degraded = tables[tables["verdict"] == "degraded"]
    # September: June's own contract is not there until June's decision has passed
    assert degraded.groupby("meeting_date")["missing_contract"].unique().map(list).to_dict() == {
        pd.Timestamp("2024-09-18"): ["ZQM24"],
        pd.Timestamp("2024-11-07"): ["ZQG25"],
        pd.Timestamp("2024-12-18"): ["ZQG25"],
    }
    assert degraded["gap"].max() == pytest.approx(0.0318, abs=5e-5)
    without = tables[tables["verdict"] == "no table"]
    assert without["missing_contract"].notna().all() and without["meeting_date"].min() == pd.Timestamp(
        "2025-01-29"
    )


QUANTITIES = {
    "hike_cum": "moves > 0",
    "hike2_cum": "moves > 1",
    "cut_cum": "moves < 0",
    "p25": "moves = 1",
    "p75": "moves = 3",
    "p100": "moves = 4",
    "pm25": "moves = -1",
}


def press_quotes() -> pd.DataFrame:
    """The quotes with both day counts, in per cent."""
    quotes = pd.read_csv(FOLDER / "press_quotes.csv", parse_dates=["as_of_date", "meeting_date"])
    con = recorded_policy()
    for method in ("cme_2022", "cme_2023plus"):
        quotes[method] = [
            con.execute(
                f"select 100 * sum(prob) filter (where {QUANTITIES[quote.quantity]})"
                " from marts.fomc_probabilities_by_method"
                " where method_version = ? and as_of_date = ? and meeting_date = ?",
                [method, quote.as_of_date, quote.meeting_date],
            ).fetchall()[0][0]
            or 0.0
            for quote in quotes.itertuples()
        ]
    return quotes


def test_quotes_of_the_press_fit_the_day_count_of_then() -> None:
    quotes = press_quotes()
    hits = {
        (method, points): int(((quotes[method] - quotes["published_pct"]).abs().round(6) <= points).sum())
        for method in ("cme_2022", "cme_2023plus")
        for points in (1, 2)
    }
    assert len(quotes) == 25
    assert hits == {
        ("cme_2022", 1): 8,
        ("cme_2022", 2): 12,
        ("cme_2023plus", 1): 2,
        ("cme_2023plus", 2): 8,
    }
    # all that was quoted of a settlement from 2018-11 to 2022-08, but for the week before March 2020
    late = quotes[(quotes["as_of_kind"] == "close_before") & (quotes["as_of_date"] >= "2018-11-01")]
    late = late[late["as_of_date"].dt.year != 2020]
    assert len(late) == 4 and ((late["cme_2022"] - late["published_pct"]).abs() < 0.85).all()


def test_published_count_is_marked_on_every_day() -> None:
    con = recorded_policy()
    both = con.execute("""
        select as_of_date, count(*) filter (where as_published), count(*)
        from (select distinct as_of_date, method_version, as_published from marts.fomc_meetings_by_method)
        group by all having count(*) filter (where as_published) <> 1
        """).fetchall()
    assert both == []
    last = con.execute(
        "select max(as_of_date)::varchar from marts.fomc_meetings_by_method"
        " where as_published and method_version = 'cme_2022'"
    ).fetchall()
    assert last == [("2024-03-11",)]


def test_meetings_are_listed_when_cme_listed_them_or_a_decision_earlier() -> None:
    listed = pd.read_csv(FOLDER / "cme_listed.csv", parse_dates=["meeting_date", "first_as_of"])
    meetings = reference_frame("fomc_meetings")
    both = listed.merge(meetings, left_on="meeting_date", right_on="decision_date")
    late = (both["first_as_of"] - both["listed_from"]).dt.days
    assert len(both) == 17 and (late >= 0).all()
    # the day after a decision; 2025-06-19 was a holiday
    assert (late <= 1).sum() == 12
    # one decision later, or at the first day of the exports (2024-09-18)
    assert sorted(both["meeting_date"][late > 1].dt.strftime("%Y-%m-%d")) == [
        "2024-09-18",
        "2024-11-07",
        "2024-12-18",
        "2025-05-07",
        "2025-06-18",
    ]


def test_a_meeting_never_shows_before_it_was_known() -> None:
    early = (
        recorded_policy()
        .execute("""
        select count(*), count(distinct meetings.meeting_date) from marts.fomc_meetings_by_method as meetings
        inner join ref.fomc_meetings as known on meetings.meeting_date = known.decision_date
        where meetings.as_of_date < known.announced_on
            and meetings.as_of_date < coalesce(known.listed_from, known.announced_on)
        """)
        .fetchall()
    )
    assert early == [(0, 0)]


def test_half_a_year_ahead_december_is_what_the_whole_calendar_gives() -> None:
    """February to June: with every meeting of two years known the moves of the year's last two meetings are
    the same, so that nothing that matters to them is known late. In January, until its decision, next
    January's meeting is the last one listed and CME had no anchor behind it either.
    """
    from_known = (
        recorded_policy()
        .execute("""
        select as_of_date, meeting_date, moves_expected from staging.fomc_moves
        where month(as_of_date) <= 6 and year(as_of_date) between 2009 and 2023
            and year(meeting_date) = year(as_of_date) and month(meeting_date) >= 11
            and missing_contract is null
        """)
        .df()
    )
    market = policy_inputs.load_market(recorded_policy())
    assert market is not None
    two_years = np.where(
        market.scheduled, market.decision_date - np.timedelta64(730, "D"), market.known_from_date
    )
    both = from_known.merge(
        solved_with(market, two_years), on=["as_of_date", "meeting_date"], suffixes=("", "_whole")
    )
    assert len(both) == len(from_known) > 3000
    gap = (both["moves_expected"] - both["moves_expected_whole"]).abs()
    assert set(both["as_of_date"][gap > 1e-9].dt.month) == {1}
    assert (gap > 1e-9).sum() < 300 and gap.max() < 0.3


def listed_from(market: policy_inputs.Market) -> fomc.DateArray:
    """The day from which CME listed each meeting, never where it did not."""
    known = reference_frame("fomc_meetings").set_index("decision_date")["listed_from"]
    days = known.reindex(pd.DatetimeIndex(market.decision_date)).fillna(pd.Timestamp("2262-01-01"))
    return days.to_numpy(dtype="datetime64[D]")


def solved_with(market: policy_inputs.Market, known_from: fomc.DateArray) -> pd.DataFrame:
    """Moves of every settlement day had the meetings been known from other days."""
    moves = fomc.compute_moves(
        market.as_of_date,
        market.averages_pct,
        market.final_averages_pct,
        market.first_month,
        market.decision_date,
        market.effective_date,
        fomc.compute_known(market.as_of_date, known_from, market.cancelled_on),
    )
    return pd.DataFrame(
        {
            "as_of_date": market.as_of_date[moves.day],
            "meeting_date": market.decision_date[moves.meeting],
            "moves_expected": moves.path.moves_expected,
        }
    )
