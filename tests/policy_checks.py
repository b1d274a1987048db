"""What must hold of the Fed marts on any market, however clean or messy its prices are.

In: a warehouse of `tests/policy_market.py` with every Fed mart built. `CHECKS` runs on the simulated market
in every clone and on the recorded one where it is.
"""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import numpy as np
import pandas as pd
import statsmodels.api as sm

from tests.policy_market import BY_MEETING, MARTS
from transforms.staging import fomc_moves_2022

Check = Callable[[duckdb.DuckDBPyConnection], None]


def check_probabilities_are_distributions_with_the_expected_mean(con: duckdb.DuckDBPyConnection) -> None:
    worst = con.execute("""
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


def check_meeting_rows_agree_with_their_parts(con: duckdb.DuckDBPyConnection) -> None:
    frame = con.execute("""
        select d.*, m.start_rate_pct, m.moves_expected, m.meeting_number from marts.fomc_meetings_daily as d
        inner join staging.fomc_moves as m using (as_of_date, meeting_date)
        """).df()
    assert len(frame) == con.execute("select count(*) from staging.fomc_moves").fetchall()[0][0]
    solved = frame["solved"].notna()
    assert (frame.loc[~solved, "reason"].notna()).all()
    unsolved = ["expected_rate_pct", "implied_change_bp", "cut_prob", "amplification"]
    assert frame.loc[~solved, unsolved].isna().all().all()
    own = frame.loc[solved, ["meeting_cut_prob", "meeting_hold_prob", "meeting_hike_prob"]]
    assert own.notna().all().all() and np.allclose(own.sum(axis=1), 1)
    cumulative = frame.loc[frame["cut_prob"].notna(), ["cut_prob", "hold_prob", "hike_prob"]]
    assert np.allclose(cumulative.sum(axis=1), 1, atol=1e-12)
    change = 100 * (frame["expected_rate_pct"] - frame["start_rate_pct"])
    assert np.allclose(change[solved], frame.loc[solved, "implied_change_bp"], atol=1e-6)
    first = solved & (frame["meeting_number"] == 1)
    decided = con.execute("select count(*) from staging.fomc_moves where decided_moves <> 0").fetchall()
    gap = (frame.loc[first, "cut_prob"] - frame.loc[first, "meeting_cut_prob"]).abs() > 1e-12
    assert gap.sum() <= decided[0][0]
    assert (frame["entropy_bits"].dropna() >= 0).all()
    assert (frame.loc[frame["amplification"] > 4, "reason"].notna()).all()


def check_end_of_a_meeting_is_start_of_the_next_when_their_months_touch(
    con: duckdb.DuckDBPyConnection,
) -> None:
    gaps = con.execute("""
        with pairs as (
            select *, lead(start_rate_pct) over day as next_start, lead(meeting_date) over day as next_meeting
            from staging.fomc_moves window day as (partition by as_of_date order by meeting_number)
        )
        select count(*), max(abs(end_rate_pct - next_start)) from pairs
        where solved is not null and datediff('month', meeting_date, next_meeting) <= 2
            and next_start is not null
        """).fetchall()[0]
    assert gaps[0] > 30_000 and gaps[1] == 0.0


def check_least_squares_gives_the_same_rates(con: duckdb.DuckDBPyConnection) -> None:
    """Second route to the rates: all equations that the rule uses, as one linear system in the levels."""
    sample = con.execute("""
        select as_of_date from staging.fomc_moves where as_of_date between '2009-01-01' and '2023-06-30'
        group by all having bool_and(reason is distinct from 'two_decisions_in_month')
        order by as_of_date
        """).df()["as_of_date"][::25]
    compared = 0
    for as_of in sample:
        moves = con.execute("from staging.fomc_moves where as_of_date = ? order by meeting_date", [as_of])
        compared += _same_rates(con, as_of, moves.df())
    assert compared >= 15


def _undegraded(moves: pd.DataFrame, every_month: set[pd.Period]) -> tuple[pd.DataFrame, pd.Period]:
    """The first meetings of a day whose contracts are all there, and the last month of their equations.

    Behind the last known meeting no month is an anchor; where later meetings lack a contract, the meetings
    end before a month without one, which is their last anchor.
    """
    lacking = np.flatnonzero(moves["missing_contract"].notna() | moves["solved"].isna())
    if not lacking.size:
        return moves, max(every_month)
    for keep in range(int(lacking[0]), 0, -1):
        following = pd.Period(moves["meeting_date"].iloc[keep - 1], "M") + 1
        if following not in every_month:
            return moves.iloc[:keep], following
    return moves.iloc[:0], max(every_month)


def _same_rates(con: duckdb.DuckDBPyConnection, as_of: pd.Timestamp, moves: pd.DataFrame) -> bool:
    """Compare one day; False where its equations are not exactly as many as its levels."""
    # a month's average of its own, apart from the loader of the model
    prices = con.execute(
        "select delivery_month, settle from staging.fed_funds_futures where settlement_date = ?", [as_of]
    ).df()
    average = {
        pd.Period(month, "M"): 100 - price
        for month, price in zip(prices["delivery_month"], prices["settle"], strict=True)
    }
    every_month = {pd.Period(day, "M") for day in moves["meeting_date"]}
    moves, last = _undegraded(moves, every_month)
    if moves.empty:
        return False
    decisions = {pd.Period(month, "M"): month for month in moves["meeting_date"]}
    months = pd.period_range(pd.Period(as_of, "M"), last, freq="M")
    past = con.execute(
        "select max(decision_date) as last from ref.fomc_meetings where decision_date < ? and not cancelled",
        [as_of],
    ).df()["last"]
    if pd.Period(past.iloc[0], "M") >= months[0] - 1:
        return False  # begins within a chain: its first level rests on months that have expired
    rows, values = [], []
    for month in months:
        level = sum(m < month for m in decisions)
        line = np.zeros(len(decisions) + 1)
        if month in decisions:
            later_anchor = any(later not in decisions for later in months if later > month)
            if month - 1 not in decisions and later_anchor:
                continue  # the first month of a chain between two anchors
            day = decisions[month].day
            line[level], line[level + 1] = day / month.days_in_month, 1 - day / month.days_in_month
        else:
            line[level] = 1.0
        rows.append(line)
        values.append(average[month])
    if months[0] in decisions:  # the anchor is the month that has just expired
        expired = con.execute(
            "select round(avg(value), 3) from staging.fred_observations where series_id = 'DFF' "
            "and date_trunc('month', observation_date) = ?",
            [(months[0] - 1).start_time],
        ).fetchall()[0][0]
        rows.append(np.eye(len(decisions) + 1)[0])
        values.append(expired)
    solution, _, rank, _ = np.linalg.lstsq(np.array(rows), np.array(values), rcond=None)
    if rank < len(decisions) + 1 or len(rows) > rank:
        return False
    assert np.allclose(moves["start_rate_pct"], solution[:-1], atol=1e-9), as_of
    assert np.allclose(moves["end_rate_pct"], solution[1:], atol=1e-9), as_of
    return True


def check_missing_figures_say_why(con: duckdb.DuckDBPyConnection) -> None:
    silent = con.execute("""
        select count(*) from marts.policy_path_daily
        where (bp_priced_year_end is null and year_end_reason is null)
            or (bp_priced_12m is null and rate_12m_reason is null)
            or (curve_residual_bp is null and curve_reason is null)
        """).fetchall()
    assert silent == [(0,)]
    silent = con.execute(
        "select count(*) from marts.policy_surprises where (surprise_bp is null) <> (reason is not null)"
    ).fetchall()
    assert silent == [(0,)]
    # a change that is there has a reason only where a contract is missing, which is then named
    silent = con.execute("""
        select count(*) from marts.policy_repricing
        where (change_bp is null and reason is null)
            or (change_bp is not null and (reason is null) <> (missing_contract is null))
        """).fetchall()
    assert silent == [(0,)]


def check_path_agrees_with_the_meetings(con: duckdb.DuckDBPyConnection) -> None:
    compared = con.execute("""
        with last_meetings as (
            select as_of_date, max_by(expected_rate_pct, meeting_date) as rate,
                max_by(solved, meeting_date) as solved
            from marts.fomc_meetings_daily where year(meeting_date) = year(as_of_date) group by all
        )
        select count(*), max(abs(path.year_end_rate_pct - rate))
        from marts.policy_path_daily as path inner join last_meetings using (as_of_date)
        where solved is not null
        """).fetchall()[0]
    assert compared[0] > 5000 and compared[1] == 0.0


def check_peak_and_trough_are_the_ends_of_the_solved_meetings(con: duckdb.DuckDBPyConnection) -> None:
    """Day by day, by hand: of the meetings of the next 24 months, the first of equal ones."""
    meetings = con.execute("""
        select as_of_date, meeting_date, expected_rate_pct from marts.fomc_meetings_daily
        where expected_rate_pct is not null order by as_of_date, meeting_date
        """).df()
    near = meetings["meeting_date"] <= meetings["as_of_date"] + pd.DateOffset(months=24)
    days = meetings[near].groupby("as_of_date")
    path = con.execute("from marts.policy_path_daily").df().set_index("as_of_date")
    for name, place in (
        ("peak", days["expected_rate_pct"].idxmax()),
        ("trough", days["expected_rate_pct"].idxmin()),
    ):
        found = meetings.loc[place].set_index("as_of_date").reindex(path.index)
        pd.testing.assert_series_equal(
            path[f"path_{name}_pct"], found["expected_rate_pct"], check_names=False
        )
        assert path[f"path_{name}_meeting_date"].equals(found["meeting_date"]), name


def check_settlement_days_without_a_session_are_there(con: duckdb.DuckDBPyConnection) -> None:
    """Good Friday 2023 was a settlement day with a jobs report, 13 September 2001 one without a session."""
    found = con.execute(
        "select distinct as_of_date from staging.fomc_moves where as_of_date in ('2001-09-13', '2023-04-07')"
    ).fetchall()
    assert len(found) == 2
    path = con.execute("""
        select year_end_rate_pct is not null and rate_12m_pct is not null from marts.policy_path_daily
        where as_of_date = '2023-04-07'
        """).fetchall()
    assert path == [(True,)]
    assert con.execute("""
        select distinct event_types from marts.policy_repricing where as_of_date = '2023-04-07'
        """).fetchall() == [("jobs",)]


def check_sunday_decision_of_2020_is_mondays(con: duckdb.DuckDBPyConnection) -> None:
    assert con.execute("""
        select distinct event_types, previous_as_of_date::varchar from marts.policy_repricing
        where as_of_date = '2020-03-16'
        """).fetchall() == [("fomc", "2020-03-13")]


def check_next_meeting_of_march_2020(con: duckdb.DuckDBPyConnection) -> None:
    """Unscheduled decisions show on their day, the cancelled meeting until it was cancelled."""
    shown = con.execute("""
        select as_of_date::varchar, min(meeting_date)::varchar from marts.fomc_meetings_daily
        where as_of_date in ('2020-03-02', '2020-03-03', '2020-03-04', '2020-03-13', '2020-03-16')
        group by all order by all
        """).fetchall()
    assert shown == [
        ("2020-03-02", "2020-03-18"),
        ("2020-03-03", "2020-03-03"),
        ("2020-03-04", "2020-03-18"),
        ("2020-03-13", "2020-03-18"),
        ("2020-03-16", "2020-04-29"),
    ]


def check_scores_are_recomputed_from_the_probabilities(con: duckdb.DuckDBPyConnection) -> None:
    frame = con.execute("""
        select c.method_version, c.horizon_days, c.meeting_date, c.brier_score, p.prob,
            abs(p.target_upper_pct - m.upper_after) < 0.01 as happened
        from marts.fomc_calibration as c
        inner join marts.fomc_probabilities_by_method as p using (method_version, as_of_date, meeting_date)
        inner join ref.fomc_meetings as m on c.meeting_date = m.decision_date
        """).df()
    frame["happened"] = frame["happened"].astype(float)
    frame["square"] = (frame["prob"] - frame["happened"]) ** 2
    groups = frame.groupby(["method_version", "horizon_days", "meeting_date"])
    scores = groups["square"].sum() + 1.0 - groups["happened"].max()
    assert np.allclose(scores, groups["brier_score"].first(), atol=1e-12)
    assert scores.between(0, 2).all() and len(scores) > 2200


def check_market_beats_no_change_at_every_horizon(con: duckdb.DuckDBPyConnection) -> None:
    rows = con.execute("""
        select horizon_days, scored_meetings, mean_brier_score, mean_brier_score_no_change
        from marts.fomc_calibration where method_version = 'cme_2023plus'
        qualify row_number() over (partition by horizon_days order by meeting_date desc) = 1 order by 1
        """).fetchall()
    assert [horizon for horizon, *_ in rows] == [1, 7, 30, 60, 90, 180, 270, 365]
    for horizon, meetings, market, naive in rows:
        assert meetings > (180 if horizon <= 180 else 100) and market < naive
    assert rows[0][2] < 0.10 and rows[0][3] > 0.6
    assert rows[1][2] < rows[2][2] < rows[3][2] < rows[4][2] < rows[5][2]


def check_ranked_scores_are_those_of_a_loop(con: duckdb.DuckDBPyConnection) -> None:
    """Step by step from far below to far above; what was decided from the list of meetings alone."""
    tables = con.execute("""
        select c.method_version, c.horizon_days, c.meeting_date, c.as_of_date, p.moves, p.prob,
            c.ranked_probability_score, c.ranked_probability_score_no_change,
            c.ranked_probability_score_last_change, c.brier_score_last_change, c.implied_less_decided_bp,
            m.upper_after, d.target_upper_pct, d.moves_priced, c.zero_bound
        from marts.fomc_calibration as c
        inner join marts.fomc_probabilities_by_method as p using (method_version, as_of_date, meeting_date)
        inner join marts.fomc_meetings_by_method as d using (method_version, as_of_date, meeting_date)
        inner join ref.fomc_meetings as m on c.meeting_date = m.decision_date
        where hash(c.meeting_date) % 5 = 0
        """).df()
    listed = con.execute("from ref.fomc_meetings where scheduled order by decision_date").df()
    held = listed[~listed["cancelled"].fillna(False).astype(bool)]
    compared = 0
    for _, table in tables.groupby(["method_version", "horizon_days", "meeting_date"]):
        one = table.iloc[0]
        decided = round(4 * (one["upper_after"] - one["target_upper_pct"]))
        score = 0.0
        for step in range(-40, 41):
            up_to = table.loc[table["moves"] <= step, "prob"].sum()
            score += (up_to - (decided <= step)) ** 2
        assert abs(one["ranked_probability_score"] - score) < 1e-9
        assert abs(one["ranked_probability_score_no_change"] - abs(decided)) < 1e-9
        assert abs(one["implied_less_decided_bp"] - 25 * (one["moves_priced"] - decided)) < 1e-6
        assert bool(one["zero_bound"]) == (one["target_upper_pct"] == 0.25)
        before = held[held["effective_date"] <= one["as_of_date"]].iloc[-1]
        ahead = listed[
            (listed["effective_date"] > one["as_of_date"]) & (listed["decision_date"] <= one["meeting_date"])
        ]
        ahead = ahead[~(ahead["cancelled_on"] <= one["as_of_date"])]
        repeated = len(ahead) * round(4 * (before["upper_after"] - before["upper_before"]))
        assert abs(one["ranked_probability_score_last_change"] - abs(repeated - decided)) < 1e-9
        assert one["brier_score_last_change"] == (0 if repeated == decided else 2)
        compared += 1
    assert compared > 300


def check_errors_of_the_path_are_those_of_pandas(con: duckdb.DuckDBPyConnection) -> None:
    frame = con.execute("from marts.policy_path_errors order by horizon_days, meeting_date").df()
    assert set(frame["horizon_days"]) == {1, 7, 30, 60, 90, 180, 270, 365}
    for _, rows in frame.groupby("horizon_days"):
        error = rows["implied_less_decided_bp"]
        known = error.expanding()
        enough = known.count() >= 20
        for name, expected in (
            ("mean_error_bp", known.mean()),
            ("rms_error_bp", (error**2).expanding().mean() ** 0.5),
            ("error_p05_bp", known.quantile(0.05).where(enough)),
            ("error_p50_bp", known.quantile(0.50).where(enough)),
            ("error_p95_bp", known.quantile(0.95).where(enough)),
            ("absolute_error_p90_bp", error.abs().expanding().quantile(0.90).where(enough)),
        ):
            assert np.allclose(rows[name], expected, atol=1e-7, equal_nan=True), name
        assert (rows["scored_meetings"] == known.count()).all()
        given = rows["mean_error_low_bp"].notna()
        assert (given == (rows["scored_meetings"] >= 40)).all()
        inside = rows["mean_error_bp"].between(rows["mean_error_low_bp"], rows["mean_error_high_bp"])
        assert inside[given].mean() > 0.95


def check_band_is_made_of_errors_known_on_the_day(con: duckdb.DuckDBPyConnection) -> None:
    """Some days by hand: errors of meetings in force before the day, of the two horizons around."""
    errors = con.execute("""
        select horizon_days, meeting_date, effective_date, implied_less_decided_bp as error
        from marts.fomc_calibration inner join ref.fomc_meetings on meeting_date = decision_date
        where method_version = 'cme_2023plus' and implied_less_decided_bp is not null
        """).df()
    rows = con.execute("""
        select * from marts.fomc_meetings_daily
        where expected_rate_pct is not null and hash(as_of_date) % 97 = 0 order by as_of_date, meeting_date
        """).df()
    horizons = sorted(errors["horizon_days"].unique())
    seen: set[object] = set()
    for as_of, meetings in rows.groupby("as_of_date"):
        known = errors[errors["effective_date"] < as_of].groupby("horizon_days")["error"]
        size = known.count().reindex(horizons, fill_value=0)
        width = known.apply(lambda error: np.quantile(error.abs(), 0.90)).reindex(horizons).where(size >= 20)
        for _, row in meetings.iterrows():
            days = max((row["meeting_date"] - as_of).days, 1)
            if days > horizons[-1]:
                assert row["band_reason"] == "beyond_365_days" and pd.isna(row["expected_rate_low_pct"])
                seen.add("beyond")
                continue
            around = [max(h for h in horizons if h <= days), min(h for h in horizons if h >= days)]
            half = np.interp(days, around, width[around]) if width[around].notna().all() else np.nan
            if np.isnan(half):
                assert row["band_reason"] == "too_few_meetings" and pd.isna(row["expected_rate_low_pct"])
                seen.add("few")
                continue
            assert np.isclose(row["expected_rate_low_pct"], row["expected_rate_pct"] - half / 100, atol=1e-9)
            assert np.isclose(row["expected_rate_high_pct"], row["expected_rate_pct"] + half / 100, atol=1e-9)
            assert pd.isna(row["band_reason"]) and row["band_meetings"] <= size[around].max()
            seen.add("band")
    assert seen == {"beyond", "few", "band"}


def check_reliability_is_counted_by_hand(con: duckdb.DuckDBPyConnection) -> None:
    forecasts = con.execute("""
        select c.method_version, c.horizon_days, c.meeting_date, c.zero_bound, p.prob,
            abs(p.target_upper_pct - m.upper_after) < 0.01 as happened
        from marts.fomc_calibration as c
        inner join marts.fomc_probabilities_by_method as p using (method_version, as_of_date, meeting_date)
        inner join ref.fomc_meetings as m on c.meeting_date = m.decision_date
        where c.brier_score is not null
        """).df()
    forecasts = forecasts[(forecasts["prob"] > 0) | forecasts["happened"]]
    table = con.execute("from marts.fomc_reliability where year(meeting_date) in (2005, 2012, 2023)").df()
    groups = dict(iter(forecasts.groupby(["method_version", "horizon_days"])))
    assert len(table) > 2000
    for number in range(0, len(table), 23):
        row = table.iloc[number]
        own = groups[row["method_version"], row["horizon_days"]]
        own = own[own["meeting_date"] <= row["meeting_date"]]
        if row["years_counted"] == "above_zero_bound":
            own = own[~own["zero_bound"].astype(bool)]
        top = row["bin_upper_prob"] + (row["bin_upper_prob"] == 1)
        prob = own["prob"].round(9)
        inside = own[(prob >= row["bin_lower_prob"]) & (prob < top)]
        assert row["forecasts"] == len(inside)
        if len(inside):
            assert abs(row["mean_prob"] - inside["prob"].mean()) < 1e-9
            assert abs(row["came_true_share"] - inside["happened"].mean()) < 1e-12
        silent = pd.isna(row["came_true_low_share"])
        assert silent == (not pd.isna(row["interval_reason"]))
        few = row["scored_meetings"] < 40 or len(inside) < 20 or inside["happened"].nunique() < 2
        assert silent == few


def check_skill_is_that_of_the_scores(con: duckdb.DuckDBPyConnection) -> None:
    scores = con.execute("from marts.fomc_calibration").df()
    skill = con.execute("""
        from marts.fomc_skill
        qualify row_number() over (
            partition by method_version, horizon_days, years_counted order by meeting_date desc) in (1, 60)
        """).df()
    assert len(skill) == 64
    for _, row in skill.iterrows():
        own = scores[
            (scores["method_version"] == row["method_version"])
            & (scores["horizon_days"] == row["horizon_days"])
            & (scores["meeting_date"] <= row["meeting_date"])
            & scores["brier_score"].notna()
        ]
        if row["years_counted"] == "above_zero_bound":
            own = own[~own["zero_bound"].astype(bool)]
        assert row["scored_meetings"] == len(own)
        score = own["ranked_probability_score"]
        assert np.isclose(row["mean_ranked_probability_score"], score.mean())
        for name in ("no_change", "last_change"):
            naive = own[f"ranked_probability_score_{name}"]
            assert np.isclose(row[f"mean_ranked_probability_score_{name}"], naive.mean())
            assert np.isclose(row[f"gain_over_{name}"], (naive - score).mean())
            assert row[f"gain_over_{name}_low"] < row[f"gain_over_{name}"] < row[f"gain_over_{name}_high"]
        way = np.sign(own["decided_from_range_bp"])
        direction = sum(
            (own[f"{event}_prob"] - (way == sign)) ** 2
            for event, sign in (("cut", -1), ("hold", 0), ("hike", 1))
        )
        assert np.isclose(row["direction_brier_score"], direction.mean())
        parts = row["reliability_score"] - row["resolution_score"] + row["uncertainty_score"]
        assert np.isclose(parts + row["within_bin_score"], direction.mean())


def check_path_surprise_is_the_residual_of_least_squares(con: duckdb.DuckDBPyConnection) -> None:
    """By statsmodels, decision by decision, on the scheduled ones before."""
    frame = con.execute("""
        select s.*, m.scheduled, y.change_bp as year_end, f.change_bp as months_12,
            s.meeting_date = (
                select max(decision_date) from ref.fomc_meetings as listed
                where listed.scheduled and year(listed.decision_date) = year(s.meeting_date)
            ) as ends_the_year
        from marts.policy_surprises as s
        inner join ref.fomc_meetings as m on s.meeting_date = m.decision_date
        left join (from marts.policy_repricing where horizon = 'year_end') as y on s.as_of_date = y.as_of_date
        left join (from marts.policy_repricing where horizon = '12m') as f on s.as_of_date = f.as_of_date
        order by s.meeting_date
        """).df()
    for change, name, ends in (
        ("year_end", "path_surprise", frame["ends_the_year"].to_numpy()),
        ("months_12", "path_surprise_12m", np.zeros(len(frame), dtype=bool)),
    ):
        both = (frame["surprise_bp"].notna() & frame[change].notna()).to_numpy() & ~ends
        used = both & frame["scheduled"].to_numpy()
        compared = 0
        for place, row in frame.iterrows():
            before = np.flatnonzero(used[:place])
            assert row[f"{name}_meetings"] == before.size
            there = not pd.isna(row[f"{name}_bp"])
            assert there == (pd.isna(row[f"{name}_reason"])) == bool(both[place] and before.size >= 24)
            if there:
                past = frame.iloc[before]
                design = sm.add_constant(past["surprise_bp"].to_numpy())
                level, slope = sm.OLS(past[change].to_numpy(), design).fit().params
                assert np.isclose(row[f"{name}_slope"], slope, atol=1e-9)
                expected = row[change] - level - slope * row["surprise_bp"]
                assert np.isclose(row[f"{name}_bp"], expected, atol=1e-8)
                compared += 1
        assert compared > 100


def check_spreads_of_overnight_rates_are_those_published_by_then(con: duckdb.DuckDBPyConnection) -> None:
    rates = con.execute("""
        select observation_date as day, series_id, value from staging.fred_observations
        where series_id in ('DFF', 'IORB', 'SOFR')
        """).df()
    table = rates.pivot(index="day", columns="series_id", values="value")
    business = con.execute("select calendar_date from ref.calendar where is_fed_business_day order by 1").df()
    days = business["calendar_date"].to_numpy()
    path = con.execute(
        "from marts.policy_path_daily where as_of_date >= '2017-06-01' order by as_of_date"
    ).df()
    seen = 0
    for row in path.iloc[::13].to_dict("records"):
        published = days[np.searchsorted(days, np.datetime64(row["as_of_date"]), side="right") - 2]
        fixing = table.reindex([published]).iloc[0]
        for name, expected, first in (
            ("effr_less_iorb_bp", 100 * (fixing["DFF"] - fixing["IORB"]), "2021-07-29"),
            ("sofr_less_effr_bp", 100 * (fixing["SOFR"] - fixing["DFF"]), "2018-04-03"),
        ):
            reason = row["iorb_reason" if "iorb" in name else "sofr_reason"]
            if np.isnan(expected):
                early = published < np.datetime64(first)
                assert pd.isna(row[name]) and reason == ("before_first_rate" if early else "rate_missing")
            else:
                assert abs(row[name] - expected) < 1e-6 and pd.isna(reason)
                seen += 1
    assert seen > 100


def check_real_rate_takes_the_last_month_that_is_over(con: duckdb.DuckDBPyConnection) -> None:
    served = con.execute("""
        select observation_date, value from staging.fred_observations where series_id = 'EXPINF1YR'
        """).df()
    value = served.set_index(served["observation_date"].dt.to_period("M"))["value"]
    path = con.execute("from marts.policy_path_daily order by as_of_date").df()
    for row in path.iloc[::29].to_dict("records"):
        month = row["as_of_date"].to_period("M")
        found = next((value[month - back] for back in (1, 2) if month - back in value.index), None)
        if found is None:
            assert pd.isna(row["real_rate_12m_pct"]) and pd.isna(row["expected_inflation_month"])
        else:
            assert row["expected_inflation_1y_pct"] == found
        if found is not None and not pd.isna(row["rate_12m_pct"]):
            assert abs(row["real_rate_12m_pct"] - (row["rate_12m_pct"] - found)) < 1e-9
        assert pd.isna(row["real_rate_12m_pct"]) != pd.isna(row["real_rate_reason"])
    assert value.empty == path["real_rate_12m_pct"].isna().all()


def check_both_day_counts_are_there_and_the_older_one_ends_with_2024(
    con: duckdb.DuckDBPyConnection,
) -> None:
    rows = con.execute("""
        select method_version, count(*) > 200000, max(as_of_date) <= date '2024-12-31'
        from marts.fomc_probabilities_by_method group by all order by all
        """).fetchall()
    assert [row[:2] for row in rows] == [("cme_2022", True), ("cme_2023plus", True)] and rows[0][2]
    different = con.execute("""
        with by_method as (from marts.fomc_probabilities_by_method where method_version = 'cme_2023plus')
        select count(*) from marts.fomc_probabilities as main
        full outer join by_method using (as_of_date, meeting_date, target_lower_pct)
        where main.prob is distinct from by_method.prob
        """).fetchall()
    assert different == [(0,)]


def check_calibration_marks_the_same_count_as_published(con: duckdb.DuckDBPyConnection) -> None:
    """The day of the switch stands in transforms/lib/fomc.py and in the statement of the calibration."""
    rows = con.execute("""
        select count(*), count(*) filter (c.as_published <> m.as_published), max(c.as_of_date) filter (
            c.method_version = 'cme_2022')
        from marts.fomc_calibration as c
        inner join marts.fomc_meetings_by_method as m using (method_version, as_of_date, meeting_date)
        """).fetchall()[0]
    assert rows[0] > 2000 and rows[1] == 0 and rows[2] <= fomc_moves_2022.LAST_DAY.date()


CHECKS: list[Check] = [
    check_calibration_marks_the_same_count_as_published,
    check_probabilities_are_distributions_with_the_expected_mean,
    check_meeting_rows_agree_with_their_parts,
    check_end_of_a_meeting_is_start_of_the_next_when_their_months_touch,
    check_least_squares_gives_the_same_rates,
    check_missing_figures_say_why,
    check_path_agrees_with_the_meetings,
    check_peak_and_trough_are_the_ends_of_the_solved_meetings,
    check_settlement_days_without_a_session_are_there,
    check_sunday_decision_of_2020_is_mondays,
    check_next_meeting_of_march_2020,
    check_scores_are_recomputed_from_the_probabilities,
    check_market_beats_no_change_at_every_horizon,
    check_ranked_scores_are_those_of_a_loop,
    check_errors_of_the_path_are_those_of_pandas,
    check_band_is_made_of_errors_known_on_the_day,
    check_reliability_is_counted_by_hand,
    check_skill_is_that_of_the_scores,
    check_path_surprise_is_the_residual_of_least_squares,
    check_spreads_of_overnight_rates_are_those_published_by_then,
    check_real_rate_takes_the_last_month_that_is_over,
    check_both_day_counts_are_there_and_the_older_one_ends_with_2024,
]


def fingerprint(con: duckdb.DuckDBPyConnection, model: str, where: str = "true") -> tuple[int, int]:
    """Number of rows and a hash of all their values, whatever their order."""
    rows = f"select * from {model} where {where}"
    found = con.execute(f"select count(*), sum(hash(each)) from ({rows}) as each").fetchone()
    assert found is not None
    return found[0], found[1]


def assert_history_is_the_same(
    early: duckdb.DuckDBPyConnection, late: duckdb.DuckDBPyConnection, session: str
) -> None:
    """Every row of the earlier publication is in the later one, to the bit, and no other up to its session.

    Args:
        early: Built for the session.
        late: Built for a later one.
        session: The earlier session.
    """
    for model in ("staging.fomc_moves", *MARTS):
        date = "meeting_date" if model in BY_MEETING else "as_of_date"
        before = fingerprint(early, model)
        assert before[0] > 60, model
        assert before == fingerprint(late, model, f"{date} <= date '{session}'"), model
