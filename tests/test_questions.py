"""What analysts ask (`docs/queries/questions/`): each is one short query without a window function or a
sub-query in a filter, answers on a published market, and says what a second computation says.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import duckdb
import pandas as pd
import pytest

from cli.dictionary import example_queries, question_files
from tests.shared_homes import HomeAfter
from warehouse.publication import current_generation
from warehouse.settings import REPOSITORY

SESSION = dt.date(2024, 7, 16)
FILES = {path.stem: path for path in question_files()}
# Nothing fails on the small market, and its history has no highest hundredth of a spread.
MAY_HAVE_NO_ROWS = {"q10_failed_checks", "q14_after_the_99th_percentile"}
MOST_LINES = 12


@pytest.fixture(scope="module")
def connection(home_after: HomeAfter) -> Any:
    """A publication, opened as docs/connect.md advises."""
    current = current_generation(home_after(str(SESSION)))
    assert current is not None
    config = {"enable_external_access": "false", "lock_configuration": "true"}
    with duckdb.connect(str(current / "warehouse.duckdb"), read_only=True, config=config) as opened:
        yield opened


def answer(connection: Any, name: str) -> pd.DataFrame:
    """The rows of one question."""
    [(_, statement)] = example_queries(FILES[name])
    return connection.execute(statement).df()


def closes(connection: Any, column: str = "close") -> pd.DataFrame:
    """Sessions by symbols."""
    rows = connection.execute(f"select symbol, session_date, {column} from marts.instrument_daily").df()
    return rows.pivot(index="session_date", columns="symbol", values=column).sort_index()


def test_there_are_fifteen() -> None:
    assert [name[:3] for name in FILES] == [f"q{number:02}" for number in range(1, 16)]


@pytest.mark.parametrize("name", FILES)
def test_each_is_one_short_query_that_answers(name: str, connection: Any) -> None:
    [(question, statement)] = example_queries(FILES[name])
    assert question
    assert statement.count("\n") < MOST_LINES
    assert len(duckdb.extract_statements(statement)) == 1
    assert not re.search(
        r"\bover\s*\(|\bqualify\b|\bwith\b|where[^;]*\(\s*select", statement, re.IGNORECASE | re.DOTALL
    )
    rows = connection.execute(statement).fetchall()
    assert rows or name in MAY_HAVE_NO_ROWS
    assert connection.execute(statement).fetchall() == rows


def test_the_queries_of_the_readme_answer(connection: Any) -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    asked = [
        part
        for block in re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
        for part in block.split(";\n")
        if part.strip()
    ]
    assert len(asked) == 3
    for statement in asked:
        assert connection.execute(statement).fetchall(), statement


def test_freshness_is_the_age_of_the_newest_answer(connection: Any) -> None:
    found = answer(connection, "q01_freshness").set_index("family")
    [(curve, futures)] = connection.execute(
        "select (select max(session_date) from marts.yield_curve_daily where session_date < ?),"
        " (select max(as_of_date) from marts.policy_path_daily)",
        [SESSION],
    ).fetchall()
    assert found.loc["curve_date", "newest_date"].date() == curve
    assert found.loc["fed_date", "newest_date"].date() == futures
    for row in found.itertuples():
        assert row.age_days == (SESSION - row.newest_date.date()).days


def test_pairs_are_those_of_the_session_the_widest_first(connection: Any) -> None:
    found = answer(connection, "q02_pairs_today").set_index("pair_id")["spread_pp"]
    prices = closes(connection)
    for pair, spread in found.items():
        base, quote = (prices[symbol] for symbol in str(pair).split("/"))
        assert spread == pytest.approx(
            100 * (base.iloc[-1] / base.iloc[-6] - quote.iloc[-1] / quote.iloc[-6])
        )
    assert found.is_monotonic_decreasing
    assert {"IWM/SPY", "IWM/QQQ"} <= set(found.index)


def test_spreads_to_date_by_hand(connection: Any) -> None:
    found = answer(connection, "q03_spreads_to_date").set_index("pair_id")
    prices = closes(connection)

    def since_new_year(year: int, number: int) -> float:
        days = prices.index[prices.index.year == year]
        day, before = days[number - 1], prices.index[prices.index < days[0]][-1]
        moved = prices.loc[day] / prices.loc[before]
        return float(100 * (moved["IWM"] - moved["SPY"]))

    number = int((prices.index.year == 2024).sum())
    assert prices.index[-1].date() == SESSION
    assert found.loc["IWM/SPY", "spread_to_date_pp"] == pytest.approx(since_new_year(2024, number))
    assert found.loc["IWM/SPY", "spread_to_date_year_before_pp"] == pytest.approx(
        since_new_year(2023, number)
    )


def test_decisions_and_what_banks_did(connection: Any) -> None:
    found = answer(connection, "q04_decisions")
    moved = closes(connection).pct_change(fill_method=None) * 100
    with_banks = found.dropna(subset=["kre_return_pct"])
    assert len(with_banks)
    for row in with_banks.itertuples():
        assert row.kre_return_pct == pytest.approx(moved.loc[row.meeting_date, "KRE"])
        assert row.kre_less_spy_pp == pytest.approx(
            moved.loc[row.meeting_date, "KRE"] - moved.loc[row.meeting_date, "SPY"]
        )
    listed = pd.read_csv(REPOSITORY / "warehouse" / "reference" / "fomc_meetings.csv").set_index(
        "decision_date"
    )
    for row in found.dropna(subset=["decided_change_bp"]).itertuples():
        meeting = listed.loc[str(row.meeting_date.date())]
        if pd.notna(meeting["upper_after"]) and pd.notna(meeting["upper_before"]):
            assert row.decided_change_bp == pytest.approx(
                100 * (meeting["upper_after"] - meeting["upper_before"])
            )


def test_jumps_of_a_cut_from_the_distributions(connection: Any) -> None:
    found = answer(connection, "q05_cut_probability_jumps")
    table = connection.execute(
        "select as_of_date, meeting_date, target_upper_pct, prob from marts.fomc_probabilities"
    ).df()
    ranges = connection.execute("select as_of_date, target_upper_pct from marts.policy_path_daily").df()
    in_force = ranges.set_index("as_of_date")["target_upper_pct"]
    index = closes(connection, "total_return_index")
    days = sorted(table["as_of_date"].unique())
    earlier = dict(zip(days[1:], days, strict=False))

    def below(day: Any, meeting: Any, upper: float) -> float:
        rows = table[(table["as_of_date"] == day) & (table["meeting_date"] == meeting)]
        return float(rows.loc[rows["target_upper_pct"] < upper - 1e-9, "prob"].sum())

    assert len(found)
    for row in found.itertuples():
        before = earlier[row.as_of_date]
        upper = in_force[before]
        change = below(row.as_of_date, row.meeting_date, upper) - below(before, row.meeting_date, upper)
        assert row.below_base_1d_change_pp == pytest.approx(100 * change)
        place = index.index.get_loc(row.as_of_date)
        if place + 6 < len(index):
            moved = index.iloc[place + 6] / index.iloc[place + 1]
            assert row.iwm_less_spy_next_5_pp == pytest.approx(100 * (moved["IWM"] - moved["SPY"]))
            assert row.kre_next_5_pct == pytest.approx(100 * (moved["KRE"] - 1))
        else:
            assert pd.isna(row.iwm_less_spy_next_5_pp)
            assert pd.isna(row.kre_next_5_pct)


def test_meetings_now_a_week_and_a_month_ago(connection: Any) -> None:
    found = answer(connection, "q06_meetings_now_and_before")
    for column in ("prob", "prob_1w_ago"):
        sums = found.groupby("meeting_date")[column].sum(min_count=1).dropna()
        assert len(sums)
        assert sums.to_numpy() == pytest.approx(1.0)


def test_cuts_are_quarters_of_a_point(connection: Any) -> None:
    [row] = answer(connection, "q07_cuts_by_year_end").itertuples()
    assert row.as_of_date.date() == SESSION
    assert row.cuts_priced == pytest.approx(-row.bp_priced_year_end / 25)
    [(effr,)] = connection.execute(
        "select effr_pct from marts.policy_path_daily where as_of_date = ?", [SESSION]
    ).fetchall()
    assert row.bp_priced_year_end == pytest.approx(100 * (row.year_end_rate_pct - effr), abs=1e-6)


def test_banks_by_what_they_gain(connection: Any) -> None:
    found = answer(connection, "q08_banks_if_yields_fall")
    assert found["move_if_yields_down_25bp_pct"].dropna().is_monotonic_decreasing
    names = pd.read_csv(REPOSITORY / "warehouse" / "reference" / "instruments.csv").set_index("symbol")[
        "name"
    ]
    assert list(found["entity_name"]) == [names[symbol] for symbol in found["entity_id"]]


def test_leading_while_easing_one_session_at_a_time(connection: Any) -> None:
    found = answer(connection, "q09_leading_and_easing")
    states = connection.execute(
        "select session_date, quadrant_confirmed from marts.rotation_state_daily where pair_id = 'IWM/SPY'"
    ).df()
    leading = set(states.loc[states["quadrant_confirmed"] == "leading", "session_date"])
    path = connection.execute("select as_of_date, rate_12m_pct from marts.policy_path_daily").df()
    rate = path.set_index("as_of_date")["rate_12m_pct"]
    index = closes(connection, "total_return_index")
    expected = {}
    for place, day in enumerate(index.index):
        if place < 63 or place + 22 >= len(index) or day not in leading:
            continue
        change = rate.get(day, float("nan")) - rate.get(index.index[place - 63], float("nan"))
        if change < 0:
            moved = index.iloc[place + 22] / index.iloc[place + 1]
            expected[day] = 100 * (moved["IWM"] - moved["SPY"])
    measured = found.set_index("session_date")["forward_spread_pp"].to_dict()
    # Sessions whose growth is not known have no regime, and hence no policy either.
    assert set(measured) <= set(expected)
    assert measured == pytest.approx({day: expected[day] for day in measured})


def test_months_by_year_from_daily_returns(connection: Any) -> None:
    found = answer(connection, "q11_months_by_year").set_index("calendar_year")
    index = closes(connection, "total_return_index")["IWM"]
    ends = index.groupby([index.index.year, index.index.month]).last()
    assert found.loc[2024, "6"] == pytest.approx(100 * (ends[2024, 6] / ends[2024, 5] - 1))
    assert found.loc[2024, "2"] == pytest.approx(100 * (ends[2024, 2] / ends[2024, 1] - 1))
    # The month that runs is none yet.
    assert pd.isna(found.loc[2024, "7"])


@pytest.mark.parametrize("day", ["2024-07-16", "2008-09-15"])
def test_members_on_a_day(day: str, connection: Any) -> None:
    [(_, statement)] = example_queries(FILES["q12_group_members"])
    found = connection.execute(statement.replace("2024-07-16", day)).df()
    members = pd.read_csv(REPOSITORY / "warehouse" / "reference" / "group_members.csv", dtype=str)
    there = members[
        members["member_from"].fillna("0000").le(day) & members["member_to"].fillna("9999").ge(day)
    ]
    assert set(zip(found["group_id"], found["symbol"], strict=True)) == set(
        zip(there["group_id"], there["symbol"], strict=True)
    )
    assert (len(there) < len(members)) == (day == "2008-09-15")


def test_inversions_from_the_slope(connection: Any) -> None:
    found = answer(connection, "q13_inversions")
    curve = connection.execute(
        "select session_date, slope_2s10s_bp from marts.yield_curve_daily order by session_date"
    ).df()
    inverted = curve["slope_2s10s_bp"] < 0
    spell = (inverted != inverted.shift()).cumsum()
    expected = {
        rows["session_date"].iloc[0]: (len(rows), rows["slope_2s10s_bp"].min())
        for _, rows in curve[inverted].groupby(spell[inverted])
        if len(rows) >= 5 and rows.index[-1] != curve.index[-1]
    }
    ended = found[found["inversion_reason"] != "still_inverted"]
    measured = {
        row.inversion_start_date: (row.inversion_sessions, row.deepest_slope_bp) for row in ended.itertuples()
    }
    assert measured == expected
    lasting = found[found["inversion_reason"] == "still_inverted"]
    assert len(lasting) == bool(inverted.iloc[-1])
    assert lasting[["inversion_end_date", "inversion_sessions", "kre_during_pct"]].isna().all(axis=None)


def test_a_failed_rule_names_the_marts_that_are_made_from_its_table(connection: Any) -> None:
    [(_, statement)] = example_queries(FILES["q10_failed_checks"])
    held = {
        name: connection.execute(f"from ops.{name}").arrow() for name in ("validation_results", "lineage")
    }
    with duckdb.connect() as copy:
        copy.execute("create schema ops")
        for name, rows in held.items():
            copy.register("rows", rows)
            copy.execute(f"create table ops.{name} as from rows")
            copy.unregister("rows")
        copy.execute("delete from ops.validation_results where not passed")
        assert copy.execute(statement).fetchall() == []
        copy.execute(
            "insert into ops.validation_results (table_name, rule, severity, passed, failed_rows)"
            " values ('marts.rotation_pair_daily', 'by_hand', 'warning', false, 3)"
        )
        [(table, rule, severity, rows, touches)] = copy.execute(statement).fetchall()
    assert (table, rule, severity, rows) == ("marts.rotation_pair_daily", "by_hand", "warning", 3)
    assert {"marts.rotation_pair_daily", "marts.daily_summary"} <= set(touches.split(", "))
    assert "marts.yield_curve_daily" not in touches


def test_what_failed_reaches_what_is_made_from_it(connection: Any) -> None:
    lineage = connection.execute("select table_name, input_name, steps from ops.lineage").df()
    direct = lineage[lineage["steps"] == 1]
    inputs = direct.groupby("table_name")["input_name"].agg(set).to_dict()

    def reach(name: str) -> set[str]:
        return {name}.union(*(reach(item) for item in inputs.get(name, ())))

    every = lineage.groupby("table_name")["input_name"].agg(set)
    assert len(every) > 60
    for name, found in every.items():
        assert found == reach(str(name))
    assert "raw.equity_prices" in every["marts.daily_summary"]
    assert "raw.equity_prices" not in every["marts.yield_curve_daily"]


def test_what_was_known_is_dated_no_later_than_the_day(connection: Any) -> None:
    [row] = answer(connection, "q15_known_on_a_date").to_dict("records")
    assert row["session_date"].date() == SESSION
    for name, value in row.items():
        if name.endswith("_date") and name not in ("session_date", "next_meeting_date") and pd.notna(value):
            assert value.date() <= SESSION, name
    # The yields of a session come a day later.
    assert row["curve_date"].date() == dt.date(2024, 7, 15)
