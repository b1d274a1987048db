"""The FOMC models on made-up rows, and on the recorded settlements: published figures, invariants, point in
time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from tests.replay_fixture import REPOSITORY, replay_dir, run_model
from transforms.lib import fomc
from transforms.marts.fomc_probabilities import compute_probabilities
from transforms.staging import fomc_moves

MODELS = ("staging.fomc_moves", "marts.fomc_probabilities", "marts.fomc_meetings_daily")


def empty_inputs() -> duckdb.DuckDBPyConnection:
    """The tables that the models read: no prices and rates, decisions and calendar from the reference data."""
    con = duckdb.connect()
    con.execute("set threads = 2")
    for schema in ("staging", "ref", "marts"):
        con.execute(f"create schema {schema}")
    con.execute("""
        create table staging.fed_funds_futures (
            contract varchar, delivery_month date, settlement_date date, settle double);
        create table staging.fred_observations (
            series_id varchar, observation_date date, value double, available_at_utc timestamp)
        """)
    reference = REPOSITORY / "warehouse" / "reference"
    con.execute(
        """
        create table ref.fomc_meetings as
        select
            cast(decision_date as date) as decision_date, cast(effective_date as date) as effective_date,
            cast(scheduled as boolean) as scheduled, cast(cancelled as boolean) as cancelled,
            cast(cancelled_on as date) as cancelled_on, cast(known_from_date as date) as known_from_date,
            cast(lower_before as double) as lower_before, cast(upper_before as double) as upper_before,
            cast(lower_after as double) as lower_after, cast(upper_after as double) as upper_after
        from read_csv(?, all_varchar = true, header = true)
        """,
        [str(reference / "fomc_meetings.csv")],
    )
    con.execute(
        """
        create table ref.calendar as
        select
            cast(calendar_date as date) as calendar_date,
            is_settlement_day in ('1', 'true') as is_settlement_day,
            is_fed_business_day in ('1', 'true') as is_fed_business_day
        from read_csv(?, all_varchar = true, header = true)
        """,
        [str(reference / "calendar.csv")],
    )
    return con


def add_settlements(con: duckdb.DuckDBPyConnection, day: str, prices: dict[str, float]) -> None:
    """Prices by delivery month, {'2024-09': 94.79}."""
    for month, settle in prices.items():
        con.execute(
            "insert into staging.fed_funds_futures values ('ZQ', ?, ?, ?)", [f"{month}-01", day, settle]
        )


def add_rate(con: duckdb.DuckDBPyConnection, series: str, first: str, last: str, value: float) -> None:
    con.execute(
        """
        insert into staging.fred_observations
        select ?, cast(day as date), ?, day + interval 1 day
        from range(cast(? as timestamp), cast(? as timestamp) + interval 1 day, interval 1 day) as days (day)
        """,
        [series, value, first, last],
    )


def add_replay(con: duckdb.DuckDBPyConnection, folder: Path, until: str = "2026-12-31") -> None:
    """Recorded settlements and rates as staging holds them on the evening of `until`."""
    con.execute(
        """
        insert into staging.fed_funds_futures
        with files as (
            select parse_filename(filename, true) as contract, date as settlement_date, settle
            from read_csv(?, filename = true, header = true, columns = {'date': 'DATE', 'settle': 'DOUBLE'})
        ),
        dated as (
            select *, make_date(
                (case when cast(contract[4:5] as integer) > 90 then 1900 else 2000 end) + cast(contract[4:5] as integer),
                strpos('FGHJKMNQUVXZ', contract[3]), 1) as delivery_month
            from files
        )
        select contract, delivery_month, settlement_date, settle from dated
        where settlement_date <= cast(? as date)
        """,
        [str(folder / "futures" / "*.csv"), until],
    )
    for series in ("DFF", "DFEDTARL", "DFEDTARU"):
        con.execute(
            f"""
            insert into staging.fred_observations
            select '{series}', observation_date, {series}, observation_date + interval 1 day
            from read_csv(?, header = true, columns = {{'observation_date': 'DATE', '{series}': 'DOUBLE'}})
            where {series} is not null and observation_date < cast(? as date)
            """,
            [str(folder / "fred" / f"{series}.csv"), until],
        )


def build(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    for model in MODELS:
        run_model(con, model)
    return con


@pytest.fixture(scope="module")
def replay() -> Iterator[duckdb.DuckDBPyConnection]:
    folder = replay_dir()
    con = empty_inputs()
    add_replay(con, folder)
    yield build(con)
    con.close()


def probabilities(con: duckdb.DuckDBPyConnection, as_of: str, meeting: str) -> dict[float, float]:
    rows = con.execute(
        """
        select target_lower_pct, prob from marts.fomc_probabilities
        where as_of_date = cast(? as date) and meeting_date = cast(? as date) order by target_lower_pct
        """,
        [as_of, meeting],
    ).fetchall()
    return dict(rows)


def meeting_row(con: duckdb.DuckDBPyConnection, as_of: str, meeting: str) -> dict[str, object]:
    frame = con.execute(
        """
        select * from marts.fomc_meetings_daily
        where as_of_date = cast(? as date) and meeting_date = cast(? as date)
        """,
        [as_of, meeting],
    )
    names = [column[0] for column in frame.description]
    row = frame.fetchone()
    assert row is not None, f"no row for {meeting} on {as_of}"
    return dict(zip(names, row, strict=True))


# --- Made-up rows
# ---------------------------------------------------------------------------------------------------

JULY_2024 = {
    "2024-07": 94.67,
    "2024-08": 94.69,
    "2024-09": 94.79,
    "2024-10": 94.94,
    "2024-11": 95.065,
    "2024-12": 95.195,
    "2025-01": 95.335,
}


@pytest.fixture
def small() -> duckdb.DuckDBPyConnection:
    """16 July 2024 with the contracts to January 2025 and the rate at 5.33."""
    con = empty_inputs()
    add_rate(con, "DFF", "2023-07-01", "2024-07-15", 5.33)
    add_settlements(con, "2024-07-16", JULY_2024)
    return con


def test_full_cut_in_september_and_no_guess_beyond_the_last_contract(
    small: duckdb.DuckDBPyConnection,
) -> None:
    build(small)
    assert probabilities(small, "2024-07-16", "2024-09-18") == pytest.approx(
        {4.75: 0.08, 5.0: 0.92, 5.25: 0.0}
    )
    september = meeting_row(small, "2024-07-16", "2024-09-18")
    assert (
        september["cut_prob"] == 1.0
        and september["meeting_cut_prob"] == 1.0
        and september["hold_prob"] == 0.0
    )
    assert (
        september["solved"] == "anchor" and september["reason"] is None and september["amplification"] == 1.0
    )
    assert september["implied_change_bp"] == -25.0
    assert meeting_row(small, "2024-07-16", "2024-12-18")["solved"] == "forward"
    january = meeting_row(small, "2024-07-16", "2025-01-29")
    assert january["reason"] == "forward_amplification_above_4"
    assert {name for name, value in january.items() if value is not None} == {
        "as_of_date",
        "meeting_date",
        "reason",
    }
    assert meeting_row(small, "2024-07-16", "2025-03-19")["reason"] == "price_missing"
    assert probabilities(small, "2024-07-16", "2025-01-29") == {}


def test_later_meetings_keep_their_own_probabilities_and_say_why_they_have_no_cumulative_ones() -> None:
    con = empty_inputs()
    add_rate(con, "DFF", "2023-07-01", "2024-07-31", 5.33)
    prices = {month: price for month, price in JULY_2024.items() if month > "2024-07"}
    del prices["2024-08"]  # with the current month's contract missing September cannot be solved
    prices |= {"2025-02": 95.40, "2024-11": 95.065}
    add_settlements(con, "2024-08-16", prices)
    build(con)
    assert (
        meeting_row(con, "2024-08-16", "2024-09-18")["solved"] == "backward"
    )  # from its own contract, as CME's example
    con.execute("delete from staging.fed_funds_futures where delivery_month = '2024-09-01'")
    build(con)
    september, november = (meeting_row(con, "2024-08-16", m) for m in ("2024-09-18", "2024-11-07"))
    assert september["reason"] == "price_missing" and september["solved"] is None
    assert november["solved"] == "backward" and november["reason"] == "earlier_meeting_unsolved"
    assert november["cut_prob"] is None and november["entropy_bits"] is None
    own = [november[f"meeting_{way}_prob"] for way in ("cut", "hold", "hike")]
    assert sum(own) == pytest.approx(1.0) and own[0] > 0  # type: ignore[arg-type, operator]


def test_rows_after_expiry_other_days_and_older_prices_never_count(small: duckdb.DuckDBPyConnection) -> None:
    build(small)
    before = small.execute("from staging.fomc_moves order by all").fetchall()
    add_settlements(small, "2024-07-13", {"2024-08": 90.0})  # a Saturday
    add_settlements(small, "2024-07-16", {"2024-06": 90.0})  # June's contract has expired
    add_settlements(small, "2024-07-15", {"2025-02": 95.4, "2025-03": 95.5})  # not captured on the 16th
    build(small)
    after = small.execute("from staging.fomc_moves where as_of_date = '2024-07-16' order by all").fetchall()
    assert after == before
    assert small.execute("select distinct as_of_date from staging.fomc_moves order by 1").fetchall() == [
        (pd.Timestamp("2024-07-15").date(),),
        (pd.Timestamp("2024-07-16").date(),),
    ]


def test_captured_last_price_stands_in_for_an_expired_month_without_rates() -> None:
    con = empty_inputs()
    add_settlements(con, "2022-08-31", {"2022-08": 97.6675})
    add_settlements(con, "2022-09-12", {"2022-09": 97.4475, "2022-10": 96.94, "2022-11": 96.43})
    build(con)
    assert probabilities(con, "2022-09-12", "2022-09-21") == pytest.approx({2.75: 0.09, 3.0: 0.91})
    add_rate(con, "DFF", "2022-08-01", "2022-08-31", 2.33)
    build(con)
    assert probabilities(con, "2022-09-12", "2022-09-21") == pytest.approx({2.75: 0.08, 3.0: 0.92})


def test_range_after_a_decision_that_is_not_on_record_comes_from_fred_or_stays_unknown(
    small: duckdb.DuckDBPyConnection,
) -> None:
    small.execute(
        "update ref.fomc_meetings set lower_after = null, upper_after = null where decision_date ="
        " '2024-06-12'"
    )
    build(small)
    row = meeting_row(small, "2024-07-16", "2024-09-18")
    assert row["reason"] == "target_range_unknown" and row["solved"] == "anchor" and row["cut_prob"] is None
    assert small.execute("select count(*) from marts.fomc_probabilities").fetchall() == [(0,)]
    add_rate(small, "DFEDTARL", "2024-06-13", "2024-07-15", 5.25)
    add_rate(small, "DFEDTARU", "2024-06-13", "2024-07-15", 5.5)
    build(small)
    assert meeting_row(small, "2024-07-16", "2024-09-18")["cut_prob"] == 1.0


def test_no_settlements_make_empty_tables() -> None:
    con = build(empty_inputs())
    for model in MODELS:
        assert con.execute(f"select count(*) from {model}").fetchall() == [(0,)]


# --- Recorded settlements: published figures
# ------------------------------------------------------------------------


def test_cme_table_of_12_september_2022(replay: duckdb.DuckDBPyConnection) -> None:
    """CME's worked example gives 10/90 (test_fomc_core); the live table of the day, from August's final
    settlement, 8/92.
    """
    assert probabilities(replay, "2022-09-12", "2022-09-21") == pytest.approx(
        {2.75: 0.08, 3.0: 0.92}, abs=5e-4
    )


@pytest.mark.parametrize(
    ("as_of", "published"),
    [
        ("2023-03-10", {5.0: 0.574, 5.25: 0.410, 5.5: 0.016}),
        ("2023-04-03", {4.75: 0.428, 5.0: 0.572}),
        ("2023-04-07", {4.75: 0.288, 5.0: 0.712}),  # Good Friday: a settlement day, no NYSE session
    ],
)
def test_published_tables_of_3_may_2023_fit_the_day_count_of_then(
    replay: duckdb.DuckDBPyConnection, as_of: str, published: dict[float, float]
) -> None:
    """FedWatch figures quoted by the press on those days; they fit N = d - 1 and not N = d."""
    moves = fomc_moves.build(replay, fomc.METHOD_VERSION_2022)
    moves = moves[moves["as_of_date"] == pd.Timestamp(as_of)].sort_values("meeting_number")
    table = compute_probabilities(moves, fomc.METHOD_VERSION_2022)
    assert set(table["method_version"]) == {"cme_2022"}
    table = table[table["meeting_date"] == pd.Timestamp("2023-05-03")]
    got = dict(zip(table["target_lower_pct"], table["prob"], strict=True))
    assert {rate: round(got[rate], 3) for rate in published} == pytest.approx(published, abs=1e-9)
    now = probabilities(replay, as_of, "2023-05-03")
    assert {rate: round(now.get(rate, 0.0), 3) for rate in published} != published


def test_september_2024_cut_was_priced_in_full_on_16_july(replay: duckdb.DuckDBPyConnection) -> None:
    rows = replay.execute("""
        select as_of_date, cut_prob from marts.fomc_meetings_daily
        where meeting_date = '2024-09-18' and as_of_date between '2024-06-12' and '2024-08-16' order by all
        """).fetchall()
    cut = {str(day): prob for day, prob in rows}
    assert len(cut) == 46 and all(prob is not None for prob in cut.values())
    assert cut["2024-07-10"] < 0.75 < 0.9 < cut["2024-07-11"] < 1.0  # the CPI day
    assert cut["2024-07-16"] == 1.0
    june = meeting_row(replay, "2024-06-12", "2024-06-12")
    assert june["solved"] == "forward" and june["hold_prob"] == 1.0  # May's contract, expired, from April's


def test_contract_that_stopped_being_captured_is_missing(replay: duckdb.DuckDBPyConnection) -> None:
    """ZQQ24 ends 2024-08-16: on the 19th September's start is solved from September's own contract."""
    assert meeting_row(replay, "2024-08-16", "2024-09-18")["solved"] == "anchor"
    assert meeting_row(replay, "2024-08-19", "2024-09-18")["solved"] == "backward"


def test_march_2020(replay: duckdb.DuckDBPyConnection) -> None:
    shown = replay.execute("""
        select as_of_date, min(meeting_date) as next_meeting from marts.fomc_meetings_daily
        where as_of_date in ('2020-03-02', '2020-03-03', '2020-03-04', '2020-03-13', '2020-03-16')
        group by all order by all
        """).fetchall()
    assert [str(meeting) for _, meeting in shown] == [
        "2020-03-18",
        "2020-03-03",
        "2020-03-18",
        "2020-03-18",
        "2020-04-29",
    ]
    assert meeting_row(replay, "2020-03-04", "2020-03-18")["reason"] == "two_decisions_in_month"
    # the level between the two decisions, solved from March's price, is close to what was fixed then (1.09)
    between = replay.execute(
        "select start_rate_pct from staging.fomc_moves where as_of_date = '2020-03-04' and meeting_date ="
        " '2020-03-18'"
    ).fetchall()
    assert between[0][0] == pytest.approx(1.09, abs=0.05)


def test_wild_and_placeholder_prices_of_2000_and_2001_are_refused(replay: duckdb.DuckDBPyConnection) -> None:
    """ZQG02 at 83.425 on 2000-09-12; 93.425 in every contract that had not traded yet, into 2002."""
    extreme = replay.execute("select max(abs(moves_expected)) from staging.fomc_moves").fetchall()[0][0]
    assert extreme < 4.5  # 17 March 2008: a full point expected
    refused = replay.execute(
        "select year(as_of_date), count(*) from staging.fomc_moves where reason = 'price_refused' group by"
        " all order by all"
    ).fetchall()
    assert {year for year, _ in refused} <= {2000, 2001, 2002, 2003, 2004}


# --- Recorded settlements: invariants over the whole history
# --------------------------------------------------------


def test_probabilities_are_distributions_with_the_expected_mean(replay: duckdb.DuckDBPyConnection) -> None:
    worst = replay.execute("""
        with sums as (
            select as_of_date, meeting_date, sum(prob) as total, sum(prob * moves) as mean,
                count(*) as outcomes, min(prob) as low, max(prob) as high
            from marts.fomc_probabilities group by all
        ),
        expected as (
            select as_of_date, meeting_date, meeting_number, decided_moves + sum(moves_expected)
                over (partition by as_of_date order by meeting_number) as mean,
            from staging.fomc_moves
        )
        select max(abs(total - 1)), max(abs(sums.mean - expected.mean)), min(low), max(high),
            bool_and(outcomes = meeting_number + 1), count(*)
        from sums inner join expected using (as_of_date, meeting_date)
        """).fetchall()[0]
    assert worst[0] < 1e-12 and worst[1] < 1e-9
    assert worst[2] >= 0 and worst[3] <= 1 and worst[4] and worst[5] > 40_000


def test_meeting_rows_agree_with_their_parts(replay: duckdb.DuckDBPyConnection) -> None:
    frame = replay.execute("""
        select d.*, m.start_rate_pct, m.moves_expected, m.meeting_number from marts.fomc_meetings_daily as d
        inner join staging.fomc_moves as m using (as_of_date, meeting_date)
        """).df()
    assert len(frame) == replay.execute("select count(*) from staging.fomc_moves").fetchall()[0][0]
    solved = frame["solved"].notna()
    assert (frame.loc[~solved, "reason"].notna()).all()
    assert (
        frame.loc[~solved, ["expected_rate_pct", "implied_change_bp", "cut_prob", "amplification"]]
        .isna()
        .all()
        .all()
    )
    own = frame.loc[solved, ["meeting_cut_prob", "meeting_hold_prob", "meeting_hike_prob"]]
    assert own.notna().all().all() and np.allclose(own.sum(axis=1), 1)
    cumulative = frame.loc[frame["cut_prob"].notna(), ["cut_prob", "hold_prob", "hike_prob"]]
    assert np.allclose(cumulative.sum(axis=1), 1, atol=1e-12)
    change = 100 * (frame["expected_rate_pct"] - frame["start_rate_pct"])
    assert np.allclose(change[solved], frame.loc[solved, "implied_change_bp"], atol=1e-6)
    first = solved & (frame["meeting_number"] == 1)
    assert np.allclose(frame.loc[first, "cut_prob"], frame.loc[first, "meeting_cut_prob"], atol=1e-12)
    assert (frame["entropy_bits"].dropna() >= 0).all()
    assert (frame.loc[frame["amplification"] > 4, "reason"].notna()).all()


def test_end_of_a_meeting_is_start_of_the_next_when_their_months_touch(
    replay: duckdb.DuckDBPyConnection,
) -> None:
    gaps = replay.execute("""
        with pairs as (
            select *, lead(start_rate_pct) over day as next_start, lead(meeting_date) over day as next_meeting
            from staging.fomc_moves window day as (partition by as_of_date order by meeting_number)
        )
        select count(*), max(abs(end_rate_pct - next_start)) from pairs
        where solved is not null and datediff('month', meeting_date, next_meeting) <= 2 and next_start is not null
        """).fetchall()[0]
    assert gaps[0] > 30_000 and gaps[1] == 0.0


def test_least_squares_gives_the_same_rates(replay: duckdb.DuckDBPyConnection) -> None:
    """Second route on recorded prices: all equations that the rule uses, as one linear system in the levels."""
    sample = replay.execute("""
        select as_of_date from staging.fomc_moves where as_of_date between '2009-01-01' and '2023-06-30'
        group by all having bool_and(solved is not null and reason is distinct from 'two_decisions_in_month')
        order by as_of_date
        """).df()["as_of_date"][::25]
    compared = 0
    for as_of in sample:
        moves = replay.execute(
            "from staging.fomc_moves where as_of_date = ? order by meeting_date", [as_of]
        ).df()
        # a month's average of its own, apart from the loader of the model
        prices = replay.execute(
            "select delivery_month, settle from staging.fed_funds_futures where settlement_date = ?", [as_of]
        ).df()
        average = {
            pd.Period(m, "M"): 100 - p
            for m, p in zip(prices["delivery_month"], prices["settle"], strict=True)
        }
        decisions = {pd.Period(m, "M"): m for m in moves["meeting_date"]}
        months = pd.period_range(pd.Period(as_of, "M"), max(decisions), freq="M")
        past = replay.execute(
            "select decision_date from ref.fomc_meetings where decision_date < ? and not cancelled order"
            " by 1",
            [as_of],
        ).df()["decision_date"]
        if pd.Period(past.iloc[-1], "M") >= months[0] - 1:
            continue  # begins within a chain: its first level rests on months that have expired
        rows, values = [], []
        for month in months:
            level = sum(m < month for m in decisions)
            row = np.zeros(len(decisions) + 1)
            if month in decisions:
                later_anchor = any(later not in decisions for later in months if later > month)
                if month - 1 not in decisions and later_anchor:
                    continue  # the first month of a chain between two anchors
                day = decisions[month].day
                row[level], row[level + 1] = day / month.days_in_month, 1 - day / month.days_in_month
            else:
                row[level] = 1.0
            rows.append(row)
            values.append(average[month])
        if months[0] in decisions:  # the anchor is the month that has just expired
            expired = replay.execute(
                "select round(avg(value), 3) from staging.fred_observations where series_id = 'DFF' "
                "and date_trunc('month', observation_date) = ?",
                [(months[0] - 1).start_time],
            ).fetchall()[0][0]
            rows.append(np.eye(len(decisions) + 1)[0])
            values.append(expired)
        solution, _, rank, _ = np.linalg.lstsq(np.array(rows), np.array(values), rcond=None)
        if rank < len(decisions) + 1 or len(rows) > rank:
            continue
        compared += 1
        assert np.allclose(moves["start_rate_pct"], solution[:-1], atol=1e-9), as_of
        assert np.allclose(moves["end_rate_pct"], solution[1:], atol=1e-9), as_of
    assert compared >= 15


@pytest.mark.parametrize("session", ["2008-10-10", "2020-03-13", "2024-08-02"])
def test_history_does_not_change_when_later_days_arrive(
    replay: duckdb.DuckDBPyConnection, session: str
) -> None:
    con = empty_inputs()
    add_replay(con, replay_dir(), session)
    build(con)
    for model in MODELS:
        cut = con.execute(f"from {model} order by all").fetchall()
        whole = replay.execute(
            f"from {model} where as_of_date <= cast(? as date) order by all", [session]
        ).fetchall()
        assert cut == whole and len(cut) > 1000


def test_whole_history_takes_seconds_and_is_the_same_to_the_bit(replay: duckdb.DuckDBPyConnection) -> None:
    before = [replay.execute(f"from {model}").fetchall() for model in MODELS]
    started = time.perf_counter()
    build(replay)
    assert time.perf_counter() - started < 20
    assert before == [replay.execute(f"from {model}").fetchall() for model in MODELS]


def test_settlement_days_without_a_session_are_there(replay: duckdb.DuckDBPyConnection) -> None:
    found = replay.execute(
        "select distinct as_of_date from staging.fomc_moves where as_of_date in ('2001-09-13', '2023-04-07')"
    ).fetchall()
    assert len(found) == 2
