"""group_score_daily, macro_daily, event_responses, regimes, daily_summary: by hand, against scipy,
without look-ahead.
"""

from __future__ import annotations

import dataclasses
import datetime as dt

import duckdb
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from arch.bootstrap import StationaryBootstrap
from scipy import stats

from tests.market_fixture import simulated
from tests.model_fixture import (
    add_closes,
    add_observations,
    assert_prefix_is_equal,
    build,
    create,
    fill,
    project_warehouse,
)
from tests.test_point_and_figure import draw
from transforms.lib.point_and_figure import NEAR_BOX
from transforms.marts.event_responses import like_means, market_model_before, rank_among_like
from transforms.marts.fund_score_daily import member_scores
from transforms.marts.regimes_daily import statistics_by_regime
from transforms.marts.session_regimes_daily import growth_state, latest_claims, policy_state

# -- group scores -----------------------------------------------------------------------------------------


def test_six_points_by_hand() -> None:
    rise = np.concatenate(
        [np.ones(260), np.linspace(1, 1.2, 10), np.linspace(1.2, 1.05, 10), np.linspace(1.05, 1.4, 10)]
    )
    flat = np.ones(len(rise))
    closes = np.column_stack([rise, flat, 2 - rise])
    scores = member_scores(closes, closes / flat[:, np.newaxis], np.ones(closes.shape, dtype=bool)).score
    # The first: double top in price and against the market, X, above both means, the largest of three
    # returns: 6. The second: neither above nor below anything, no chart, second of three: 2/3. The
    # third: last of three: 1/3.
    assert scores[-1] == pytest.approx([6, 2 / 3, 1 / 3])
    assert np.isnan(scores[:199]).all() and np.isfinite(scores[199]).all()


def test_group_change_and_rank_by_hand() -> None:
    con = project_warehouse("2024-12-31")
    size = 320
    add_closes(con, "SPY", "2023-06-01", [400.0] * size)
    # one fund rises from session 300 on, one falls
    add_closes(con, "XLE", "2023-06-01", [80.0] * 300 + list(np.linspace(80, 90, 20)))
    days = add_closes(con, "XLU", "2023-06-01", [70.0] * 300 + list(np.linspace(70, 60, 20)))
    build(con, "marts.fund_score_daily")
    frame = build(con, "marts.group_score_daily")
    last = frame[frame["session_date"] == pd.Timestamp(days[-1])].set_index("group_id")
    # the market itself has no benchmark and is not scored, so the peers are two
    assert list(last.index) == ["energy", "utilities"]
    # energy before: level with the other, 2 of 2 not larger = 1. Now: above both means (2), X against
    # the market (a rise of 12.5 % is three boxes of 3.25 %), no signal yet, largest = 1: 4. Utilities:
    # 1 before, 1/2 now.
    assert last["score"].to_dict() == {"energy": 4.0, "utilities": 0.5}
    assert last["score_change_30_days"].to_dict() == {"energy": 3.0, "utilities": -0.5}
    assert last["improvement_rank"].to_dict() == {"energy": 1, "utilities": 2}
    assert last["members"].tolist() == [1, 1]


def test_group_scores_do_not_look_ahead() -> None:
    symbols = ["SPY", "IWM", "IWN", "IJR", "VBR", "KRE", "KBE", "XLE", "XLU", "IWF", "QQQ"]
    long, short = simulated(symbols, "2024-09-30"), simulated(symbols, "2022-11-15")
    for name, key in {"marts.fund_score_daily": "symbol", "marts.group_score_daily": "group_id"}.items():
        assert_prefix_is_equal(build(long, name), build(short, name), [key, "session_date"])


def test_fund_scores_against_charts_drawn_by_hand() -> None:
    """Some days of a simulated market, each from the closes alone: charts box by box, means and returns with
    pandas.
    """
    symbols = ["SPY", "IWM", "IWN", "IJR", "KRE", "XLE", "XLU", "IWF", "QQQ"]
    con = simulated(symbols, "2024-09-30")
    frame = build(con, "marts.fund_score_daily").set_index(["session_date", "symbol"])
    wide = con.execute("select symbol, session_date, close from staging.equity_prices").df()
    closes = wide.pivot(index="session_date", columns="symbol", values="close")
    instruments = con.execute("select symbol, benchmark_symbol from ref.instruments").df()
    benchmark = instruments.set_index("symbol")["benchmark_symbol"].dropna()
    members = con.execute(
        "select distinct symbol from ref.group_members inner join ref.groups using (group_id)"
        " where group_kind = 'equity'"
    ).df()["symbol"]
    peers = [symbol for symbol in closes if symbol in set(members) and symbol in benchmark]
    returns = closes[peers].pct_change(126, fill_method=None)
    compared = 0
    for day in closes.index[[250, 800, 1900, 3301, 4444, 5555, -30, -1]]:
        for symbol in frame.loc[day].index:
            own = closes[symbol][:day]
            _, price_signal = draw(own.to_numpy(), NEAR_BOX)[-1]
            rs_column, rs_signal = draw((own / closes[benchmark[symbol]][:day]).to_numpy(), NEAR_BOX)[-1]
            expected = [
                price_signal == 1,
                own.iloc[-1] > own.tail(50).mean() + 1e-9,
                own.iloc[-1] > own.tail(200).mean() + 1e-9,
                rs_column == 1,
                rs_signal == 1,
                (returns.loc[day] <= returns.at[day, symbol]).sum() / returns.loc[day].notna().sum(),
            ]
            row = frame.loc[(day, symbol)]
            tests = [
                *("is_price_signal_buy", "is_above_50d_mean", "is_above_200d_mean"),
                *("is_rs_column_x", "is_rs_signal_buy", "peer_share"),
            ]
            assert row[tests].tolist() == pytest.approx(expected), (day, symbol)
            assert row["score"] == pytest.approx(sum(expected))
            assert row["is_acceptable"] == (sum(expected) >= 3) and row["is_strong"] == (sum(expected) >= 4)
            before = frame.xs(symbol, level="symbol")["score"][: day - pd.Timedelta(days=30)]
            change = row["score"] - before.iloc[-1] if len(before) else np.nan
            assert row["score_change_30_days"] == pytest.approx(change, nan_ok=True)
            compared += 1
    assert compared > 50


@pytest.mark.parametrize(
    ("name", "key", "compared"),
    [
        ("marts.group_score_daily", "group_id", ["score", "members"]),
        (
            "marts.size_style_rank_daily",
            "symbol",
            ["rs_wins", "rank", "momentum_rank", "members"],
        ),
    ],
)
def test_a_member_counts_from_its_first_to_its_last_day(name: str, key: str, compared: list[str]) -> None:
    """In its dates as with the undated member, outside of them as without it, for the others too."""
    symbols = ["SPY", "IWM", "IJR", "IWN", "VBR", "XLE", "XLU", "IWF", "IWD"]
    begins, ends = "2022-06-01", "2023-03-31"
    frames = {}
    for kind, change in {
        "with": "select 1",
        "without": "delete from ref.group_members where symbol = 'IWM'",
        "dated": f"update ref.group_members set member_from = '{begins}', member_to = '{ends}'"
        " where symbol = 'IWM'",
    }.items():
        con = simulated(symbols, "2024-06-28")
        con.execute(change)
        build(con, "marts.fund_score_daily")
        frames[kind] = build(con, name).set_index([key, "session_date"])[compared].sort_index()
    assert not frames["with"].equals(frames["without"])
    inside = {
        kind: frame.index.get_level_values(1).to_series().between(begins, ends).to_numpy()
        for kind, frame in frames.items()
    }
    expected = pd.concat([frames["with"][inside["with"]], frames["without"][~inside["without"]]])
    pd.testing.assert_frame_equal(frames["dated"], expected.sort_index(), check_exact=True)


# -- macro ------------------------------------------------------------------------------------------------


def _observe(con: duckdb.DuckDBPyConnection, series: str, rows: list[tuple[str, float]]) -> None:
    add_observations(
        con,
        pd.DataFrame(rows, columns=["observation_date", "value"]).assign(series_id=series),
    )


def test_macro_changes_by_hand() -> None:
    con = project_warehouse("2024-12-31")
    months = [str(day.date()) for day in pd.date_range("2018-01-01", periods=70, freq="MS")]
    _observe(con, "UNRATE", [(day, 4.0 + place / 10) for place, day in enumerate(months)])
    _observe(con, "DRTSCIS", [(day, float(place)) for place, day in enumerate(months[::3])])
    _observe(
        con,
        "VIXCLS",
        [("2024-03-28", 13.0), ("2024-04-26", 15.0), ("2024-05-28", 12.5), ("2024-06-28", 12.4)],
    )
    _observe(con, "DGS10", [("2024-03-28", 4.2)])
    frame = build(con, "marts.macro_daily").set_index(["series_id", "observation_date"])
    assert "DGS10" not in frame.index.get_level_values(0)  # yields have a mart of their own
    unemployment = frame.loc["UNRATE"]
    assert unemployment["change_1m"].iloc[1:].tolist() == [0.1] * 69  # free of float dust
    assert np.isnan(unemployment["change_1m"].iloc[0])
    assert unemployment["change_1y"].iloc[12:].tolist() == [1.2] * 58
    assert unemployment["percentile"].isna().sum() == 59  # five years of months come first
    assert unemployment["percentile"].iloc[59:].tolist() == [100.0] * 11
    assert frame.loc["DRTSCIS"]["change_1m"].isna().all()  # a quarterly series has no month before
    assert frame.loc["DRTSCIS"]["change_1y"].iloc[4] == 4
    vix = frame.loc["VIXCLS"]["change_1m"]
    assert np.isnan(vix["2024-04-26"])  # 26 March: the first observation lies after it
    assert vix["2024-05-28"] == pytest.approx(-2.5)  # 28 April: two days after 26 April
    assert vix["2024-06-28"] == pytest.approx(-0.1)


# -- events -----------------------------------------------------------------------------------------------


def test_market_model_is_that_of_the_250_sessions_before() -> None:
    """Slope, intercept and forecast error against statsmodels, windows of one and six sessions."""
    rng = np.random.default_rng(0)
    market, spread = rng.normal(0, 1, 400), rng.normal(0, 1, 400)
    spread += 0.4 * market
    market[120] = np.nan
    rows = np.array([0, 150, 260, 400])
    model = market_model_before(spread, market, rows)
    assert np.isnan(model.beta[:2]).all()  # fewer than 200 sessions before
    one, z_one = model.abnormal(np.full(4, 2.0), np.full(4, 1.5), 1)
    six, z_six = model.abnormal(np.full(4, 2.0), np.full(4, 1.5), 6)
    for place in (2, 3):
        window = slice(rows[place] - 250, rows[place])
        known = np.isfinite(market[window])
        fit = sm.OLS(spread[window][known], sm.add_constant(market[window][known])).fit()
        assert [model.alpha_pp[place], model.beta[place]] == pytest.approx(fit.params, rel=1e-10)
        forecast = fit.get_prediction([1.0, 1.5])
        assert one[place] == pytest.approx(2.0 - forecast.predicted_mean[0])
        assert z_one[place] == pytest.approx(one[place] / forecast.se_obs[0])
        # six sessions: the forecast of a sum, whose row of regressors is (6, 1.5), with six residuals
        assert six[place] == pytest.approx(2.0 - fit.params @ [6.0, 1.5])
        error = fit.get_prediction([6.0, 1.5]).se_mean[0] ** 2 + 6 * fit.mse_resid
        assert z_six[place] == pytest.approx(six[place] / np.sqrt(error))


def test_means_of_like_events_are_those_of_scipy() -> None:
    rng = np.random.default_rng(6)
    abnormal, z = rng.normal(0.2, 1, 70), rng.normal(0.3, 1.2, 70)
    abnormal[:3] = z[:3] = np.nan
    types = np.array(["cpi", "fomc"] * 35, dtype=object)
    like = like_means(abnormal, z, types)
    for place in range(70):
        own = (types[: place + 1] == types[place]) & np.isfinite(abnormal[: place + 1])
        values = abnormal[: place + 1][own]
        assert like.number[place] == len(values)
        if len(values) < 10:
            assert np.isnan([like.mean[place], like.low[place], like.bmp_t[place]]).all()
            continue
        test = stats.ttest_1samp(values, 0)
        interval = test.confidence_interval(0.90)
        assert like.mean[place] == pytest.approx(values.mean())
        assert (like.low[place], like.high[place]) == pytest.approx((interval.low, interval.high))
        assert like.bmp_t[place] == pytest.approx(stats.ttest_1samp(z[: place + 1][own], 0).statistic)


def test_events_of_chance_have_no_abnormal_mean() -> None:
    """Placebo: days drawn at random. |bmp_t| above 1.96 and intervals without 0 about as often as named."""
    rng = np.random.default_rng(8)
    rejected, outside, worlds = 0, 0, 300
    for _ in range(worlds):
        volatility = np.repeat(rng.uniform(0.5, 2.5, 12), 100)  # spells of calm and storm
        market = rng.normal(0, 1, 1200) * volatility
        spread = 0.05 + 0.3 * market + rng.normal(0, 1, 1200) * volatility
        rows = np.sort(rng.choice(np.arange(260, 1200), 40, replace=False))
        abnormal, z = market_model_before(spread, market, rows).abnormal(spread[rows], market[rows], 1)
        like = like_means(abnormal, z, np.full(40, "chance", dtype=object))
        rejected += abs(like.bmp_t[-1]) > 1.96
        outside += bool(like.low[-1] > 0 or like.high[-1] < 0)
    # nominal 5.7 % (Student's t with 39 degrees of freedom) and 10 %; three standard errors of 300 worlds
    assert rejected / worlds <= 0.10
    assert 0.05 <= outside / worlds <= 0.16


def test_ranks_are_among_like_events_to_date() -> None:
    rng = np.random.default_rng(2)
    spreads, types = rng.normal(0, 1, 60).round(1), np.array(["cpi", "fomc", "jobs"] * 20, dtype=object)
    rank, percentile, count = rank_among_like(spreads, types)
    for place in range(60):
        like = spreads[: place + 1][types[: place + 1] == types[place]]
        assert count[place] == len(like)
        if len(like) < 10:
            assert np.isnan(rank[place])
        else:
            assert rank[place] == stats.rankdata(-like, method="min")[-1]
            assert percentile[place] == pytest.approx(
                stats.percentileofscore(like, spreads[place], kind="weak")
            )


def _event_tables(con: duckdb.DuckDBPyConnection) -> None:
    for name in ("marts.yield_curve_daily", "marts.policy_repricing", "staging.fomc_decisions"):
        create(con, name)


def test_events_find_their_session() -> None:
    con = project_warehouse("2024-04-30")
    closes = list(100 * np.exp(np.cumsum(np.random.default_rng(7).normal(0, 0.01, 345))))
    add_closes(con, "IWM", "2023-01-03", closes)
    add_closes(con, "SPY", "2023-01-03", [400.0] * 345)
    con.execute("delete from ref.events")
    con.execute("delete from ref.fomc_meetings")
    con.execute("""
        insert into ref.events
            (event_type, event_date, released_at_utc, source_url, status, time_assumed)
        values
            ('jobs', '2024-03-29', '2024-03-29 12:30', '-', 'actual', false),    -- Good Friday
            ('cpi', '2024-04-10', '2024-04-10 12:30', '-', 'actual', false),
            ('jackson_hole', '2024-04-11', '2024-04-11 21:30', '-', 'actual', false),  -- after the close
            ('cpi', '2024-04-29', '2024-04-29 12:30', '-', 'actual', false)
        """)
    con.execute("""
        insert into ref.fomc_meetings
            (decision_date, announced_at_utc, effective_date, scheduled, cancelled, known_from_date,
            source_url, announced_assumed, known_from_assumed)
        values
            ('2024-03-20', '2024-03-20 18:00', '2024-03-21', true, false, '2023-07-01', '-', false, true),
            ('2024-04-03', null, '2024-04-04', true, true, '2023-07-01', '-', false, true)
        """)
    _event_tables(con)
    con.execute("delete from staging.equity_prices where session_date > '2024-04-30'")
    frame = build(con, "marts.event_responses")
    frame = frame[frame["pair_id"] == "IWM/SPY"]
    session = frame[frame["window_sessions"] == 1].set_index(["event_type", "event_date"])["session_date"]
    found = {(kind, str(day.date())): str(at.date()) for (kind, day), at in session.items()}
    assert found == {
        ("jobs", "2024-03-29"): "2024-04-01",
        ("cpi", "2024-04-10"): "2024-04-10",
        ("jackson_hole", "2024-04-11"): "2024-04-12",
        ("cpi", "2024-04-29"): "2024-04-29",
        ("fomc", "2024-03-20"): "2024-03-20",  # the cancelled meeting is none
    }
    # the event of 29 April: its window of 2 ended on the 30th, the one of 6 has not
    assert frame[frame["event_date"] == "2024-04-29"]["window_sessions"].tolist() == [1, 2]
    row = frame[(frame["event_date"] == "2024-04-10") & (frame["window_sessions"] == 6)].iloc[0]
    close = con.execute("select session_date, close from staging.equity_prices where symbol = 'IWM'").df()
    price = close.set_index("session_date")["close"]
    assert row["spread_pp"] == pytest.approx(100 * (price["2024-04-17"] / price["2024-04-09"] - 1))
    assert str(row["window_end_date"].date()) == "2024-04-17"
    assert np.isnan(row["market_beta_of_spread"])  # the market never moved


def test_event_responses_do_not_look_ahead() -> None:
    symbols = ["IWM", "SPY", "QQQ", "^RUT", "^GSPC"]
    runs = []
    for session in ("2024-09-30", "2022-11-15"):
        con = simulated(symbols, session)
        _event_tables(con)
        build(con, "marts.yield_curve_daily")
        runs.append(build(con, "marts.event_responses"))
    long, short = runs
    assert_prefix_is_equal(long, short, ["event_type", "event_date", "pair_id", "window_sessions"])
    # by brute force: the CPI day of 2024-07-11 among all CPI days since the history starts, a day without a
    # session counting for the next one
    prices = simulated(symbols, "2024-09-30").execute("from staging.equity_prices").df()
    close = prices.pivot(index="session_date", columns="symbol", values="close")
    spread = 100 * (close["IWM"].pct_change(fill_method=None) - close["SPY"].pct_change(fill_method=None))
    events = con.execute("select event_date from ref.events where event_type = 'cpi'").df()["event_date"]
    past = events[(events >= spread.dropna().index[0]) & (events <= "2024-07-11")]
    like = spread.iloc[spread.index.searchsorted(past)]
    row = long[
        (long["event_date"] == "2024-07-11") & (long["pair_id"] == "IWM/SPY") & (long["window_sessions"] == 1)
    ]
    assert row["like_events"].item() == len(like) > 200
    assert row["spread_pp"].item() == pytest.approx(spread["2024-07-11"])
    assert row["spread_rank"].item() == (like > spread["2024-07-11"]).sum() + 1


# -- regimes ----------------------------------------------------------------------------------------------


def test_growth_counts_claims_from_the_thursday_after() -> None:
    weeks = pd.date_range("2024-01-06", periods=20, freq="7D").to_numpy().astype("datetime64[D]")  # Saturdays
    claims = np.array([200.0] * 17 + [300, 100, 100])
    days = np.array(
        ["2024-05-01", "2024-05-08", "2024-05-09", "2024-05-16", "2024-05-23"], dtype="datetime64[D]"
    )
    # the 17th week (27 April) is the first with 13 weeks and a mean of four before it; it is out on 2
    # May. The 18th (4 May: 300) is out on 9 May: 225 > 200, down. With the 19th (100): 200 = 200, up.
    # With the 20th: 175, up.
    assert growth_state(latest_claims(days, weeks, claims)).tolist() == [0, 2, 1, 2, 2]


def test_policy_compares_with_63_sessions_before() -> None:
    rate = np.concatenate([np.full(63, 5.0), [4.9, 5.0, 5.1, np.nan]])
    assert policy_state(rate).tolist() == [0] * 63 + [1, 2, 2, 0]


def test_only_windows_that_have_ended_count() -> None:
    rng = np.random.default_rng(4)
    regime, ended = rng.integers(0, 5, 900), rng.normal(0, 1, 900)
    ended[rng.random(900) < 0.05] = np.nan
    horizon = 21
    after = statistics_by_regime(regime, ended, horizon)
    for day in (0, 20, 21, 300, 620, 899):
        windows = [
            ended[start + horizon]
            for start in range(day - horizon + 1)
            if regime[start] == regime[day] > 0 and np.isfinite(ended[start + horizon])
        ]
        assert after.observations[day] == len(windows)
        if len(windows) >= 60:
            assert after.mean[day] == pytest.approx(np.mean(windows))
            assert after.hit_rate[day] == pytest.approx(np.mean(np.array(windows) > 0))
        else:
            assert np.isnan(after.mean[day]) and np.isnan(after.hit_rate[day])
            assert np.isnan(after.mean_low[day]) and np.isnan(after.base_rate[day])
    part = statistics_by_regime(regime[:500], ended[:500], horizon)
    for field in dataclasses.fields(after):
        np.testing.assert_array_equal(getattr(after, field.name)[:500], getattr(part, field.name))


def test_no_interval_of_fewer_than_ten_windows_apart() -> None:
    """One regime that lasts: 60 windows come long before ten that do not overlap."""
    rng = np.random.default_rng(12)
    horizon = 21
    ended = np.append(np.full(horizon, np.nan), rng.normal(0, 1, 400))
    after = statistics_by_regime(np.ones(len(ended), dtype=np.int64), ended, horizon)
    few = np.isfinite(after.mean) & (after.nonoverlapping < 10)
    assert few.sum() > 100 and after.nonoverlapping[-1] > 10
    assert np.isnan([after.mean_low[few], after.mean_high[few]]).all()
    assert np.isfinite([after.hit_rate_low[few], after.base_rate[few]]).all()
    enough = after.nonoverlapping >= 10
    assert np.isfinite([after.mean_low[enough], after.mean_high[enough]]).all()


def test_interval_after_a_regime_is_that_of_a_stationary_bootstrap() -> None:
    """One regime that lasts, windows of 21 sessions of random returns: 2,000 draws by another library."""
    rng = np.random.default_rng(11)
    horizon, sessions = 21, 1500
    steps = np.append(np.zeros(horizon), rng.normal(0.02, 1, sessions - horizon))
    ended = np.convolve(steps, np.ones(horizon))[:sessions]
    ended[:horizon] = np.nan
    regime = np.repeat(rng.integers(1, 4, sessions // 30), 30)
    after = statistics_by_regime(regime, ended, horizon)
    last = sessions - 1
    begun = np.concatenate([np.zeros(horizon, dtype=int), regime[:-horizon]])
    member = (begun == regime[last]) & np.isfinite(ended)

    draws = StationaryBootstrap(horizon, ended[horizon:], member[horizon:], seed=np.random.default_rng(5))
    means = np.array([data[0][data[1]].mean() for data, _ in draws.bootstrap(2000)])
    apart, free = 0, -horizon
    for row in np.flatnonzero(member):
        if row - free >= horizon:
            apart, free = apart + 1, row
    assert after.nonoverlapping[last] == apart
    # blocks keep (1 − 1/h)^i of the correlation 1 − i/h of windows i sessions apart
    kept = sum((1 - abs(i) / horizon) * (1 - 1 / horizon) ** abs(i) for i in range(1 - horizon, horizon))
    half = stats.t.ppf(0.95, apart - 1) * means.std(ddof=1) / np.sqrt(kept / horizon)
    assert after.mean_high[last] - after.mean[last] == pytest.approx(half, rel=0.08)
    assert after.mean[last] - after.mean_low[last] == pytest.approx(half, rel=0.08)
    # Wilson's limits from their definition: where the score test just does not reject
    for limit in (after.hit_rate_low[last], after.hit_rate_high[last]):
        score = (after.hit_rate[last] - limit) / np.sqrt(limit * (1 - limit) / apart)
        assert abs(score) == pytest.approx(stats.norm.ppf(0.95))
    there = ended[np.isfinite(ended)]
    assert after.base_mean[last] == pytest.approx(there.mean())
    assert after.base_rate[last] == pytest.approx((there > 0).mean())


def _regimes(session: str) -> pd.DataFrame:
    con = simulated(["IWM", "SPY"], session)
    days = con.execute(
        "select calendar_date from ref.calendar where is_nyse_session and calendar_date between '2000-01-03'"
        " and ? order by 1",
        [session],
    ).fetchall()
    rng = np.random.default_rng(9)
    rates = pd.DataFrame(
        {
            "as_of_date": [day for (day,) in days],
            "rate_12m_pct": 3 + np.cumsum(rng.normal(0, 0.03, 8000))[: len(days)],
        }
    )
    fill(con, "marts.policy_path_daily", rates)
    weeks = pd.date_range("2000-01-08", session, freq="7D")
    claims = 250 + np.cumsum(np.random.default_rng(8).normal(0, 5, 2000))[: len(weeks)]
    _observe(
        con, "ICSA", [(str(week.date()), float(value)) for week, value in zip(weeks, claims, strict=True)]
    )
    build(con, "marts.rotation_pair_daily")
    build(con, "marts.session_regimes_daily")
    return build(con, "marts.regimes_daily")


def test_regimes_do_not_look_ahead() -> None:
    long, short = _regimes("2021-06-30"), _regimes("2019-06-28")
    keys = ["session_date", "pair_id", "horizon_sessions"]
    assert_prefix_is_equal(long, short, keys)
    assert set(long["regime"].dropna()) == {
        "growth_up_easing",
        "growth_up_tightening",
        "growth_down_easing",
        "growth_down_tightening",
    }


# -- summary ----------------------------------------------------------------------------------------------


def test_summary_repeats_the_marts_and_keeps_every_session() -> None:
    con = simulated(["IWM", "SPY", "QQQ", "^RUT"], "2024-07-16")
    for model in ("staging.instrument_returns", "staging.instrument_history"):
        build(con, model)
    for name in (
        "marts.policy_repricing",
        "marts.fomc_meetings_by_method",
        "marts.fomc_meetings_daily",
        "marts.policy_path_daily",
        "marts.bank_sensitivity_daily",
        "staging.fomc_decisions",
    ):
        create(con, name)
    for model in (
        "instrument_daily",
        "rotation_pair_daily",
        "rotation_extremes_daily",
        "rotation_state_daily",
        "size_style_rank_daily",
        "fund_score_daily",
        "group_score_daily",
        "yield_curve_daily",
        "macro_daily",
        "event_responses",
        "session_regimes_daily",
        "regimes_daily",
    ):
        build(con, f"marts.{model}")
    frame = build(con, "marts.daily_summary")
    assert frame["session_date"].is_unique
    assert frame["session_date"].max() == pd.Timestamp(dt.date(2024, 7, 16))
    summary = frame.set_index("session_date")
    pair = con.execute(
        "from marts.rotation_pair_daily where pair_id = 'IWM/QQQ' and window_sessions = 5"
    ).df()
    pair = pair.set_index("session_date").reindex(summary.index)
    for own, name in (
        ("iwm_qqq_spread_5d_pp", "spread_pp"),
        ("iwm_qqq_spread_5d_last_exceeded_date", "last_exceeded_date"),
    ):
        pd.testing.assert_series_equal(summary[own], pair[name], check_names=False, check_exact=True)
    index = con.execute("from marts.instrument_daily where symbol = '^RUT'").df().set_index("session_date")
    assert summary["rut_return_1d_pct"].equals(index["return_1d_pct"].reindex(summary.index))
    assert summary["events_today"]["2024-07-11"] == "cpi"
    last = summary.loc["2024-07-16"]
    assert pd.isna(last["kre_beta_y2"]) and pd.isna(last["next_meeting_cut_prob"])
    assert last["kre_rates_missing_reason"] == last["fed_missing_reason"] == "none_yet"
