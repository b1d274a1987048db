"""rotation_state_daily and size_style_rank_daily: golden values by hand, completed weeks, no look-ahead,
the simulated market.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from tests.market_fixture import simulated
from tests.model_fixture import add_closes, assert_prefix_is_equal, build, project_warehouse
from tests.test_point_and_figure import draw
from transforms.lib.point_and_figure import NEAR_BOX, point_and_figure
from transforms.lib.relative_rotation import (
    RelativeRotation,
    last_completed_week,
    quadrant,
    relative_rotation,
    weekly_bars,
)

# -- relative rotation ------------------------------------------------------------------------------------


def test_trend_and_momentum_by_hand() -> None:
    # windows of 3. 1 2 3: mean 2, sd 1, z 1. 2 3 2: mean 7/3, sd sqrt(1/3), z -0.57735. 3 2 4: mean 3,
    # sd 1, z 1. 2 4 4: mean 10/3, sd sqrt(4/3), z 0.57735
    rotation = relative_rotation(np.array([[1.0, 2, 3, 2, 4, 4]]).T, 3)
    root = math.sqrt(1 / 3)
    assert rotation.trend[2:, 0] == pytest.approx([101, 100 - root, 101, 100 + root])
    assert np.isnan(rotation.trend[:2]).all()
    # rates of change in %: of 101 -> 99.42265: -1.56173; -> 101: 1.58651; -> 100.57735: -0.41847. Their
    # mean is -0.13123, their sample sd 1.59366, so the last one stands at -0.28724 / 1.59366 = -0.18024
    assert rotation.momentum[5, 0] == pytest.approx(100 - 0.18024, abs=1e-5)
    assert np.isnan(rotation.momentum[:5]).all()


def test_quadrants() -> None:
    trend, momentum = np.array([101, 101, 99, 99, 100, np.nan]), np.array([101, 99, 99, 101, 100, 101.0])
    assert quadrant(RelativeRotation(trend, momentum)).tolist() == [
        "leading",
        "weakening",
        "lagging",
        "improving",
        "leading",
        None,
    ]


def test_agrees_with_pandas() -> None:
    ratio = pd.Series(np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.01, 300))))

    def z(series: pd.Series) -> pd.Series:
        return (series - series.rolling(14).mean()) / series.rolling(14).std()

    trend = 100 + z(ratio)
    momentum = 100 + z(100 * trend.pct_change(fill_method=None))
    got = relative_rotation(ratio.to_numpy()[:, np.newaxis])
    np.testing.assert_allclose(got.trend[:, 0], trend, atol=1e-8)
    np.testing.assert_allclose(got.momentum[:, 0], momentum, atol=1e-6)


def test_a_week_counts_from_its_last_session() -> None:
    week = np.array([0, 0, 1, 1, 1, 2])
    bars = weekly_bars(np.array([[1.0, 2, 3, 4, np.nan, 6]]).T, week)
    assert bars[:, 0].tolist() == [2, 4, 6]  # the second week's last ratio is that of its second session
    last = np.array([False, True, False, False, True, False])
    assert last_completed_week(week, last).tolist() == [-1, 0, 0, 0, 1, 1]


def test_weekly_columns_show_the_last_completed_week() -> None:
    con = project_warehouse("2024-05-31")
    rng = np.random.default_rng(5)
    closes = list(100 * np.exp(np.cumsum(rng.normal(0, 0.01, 230))))
    days = add_closes(con, "IWM", "2023-06-01", closes)
    add_closes(con, "SPY", "2023-06-01", [400.0] * 230)
    frame = build(con, "marts.rotation_state_daily")
    frame["day"] = frame["session_date"].dt.strftime("%Y-%m-%d")
    frame["bar"] = frame["weekly_bar_date"].dt.strftime("%Y-%m-%d")
    bar = frame.set_index("day")["bar"]
    assert bar["2024-03-27"] == "2024-03-22"  # a Wednesday
    assert bar["2024-03-28"] == "2024-03-28"  # Good Friday follows: Thursday completes the week
    assert bar["2024-04-04"] == "2024-03-28"
    assert bar["2024-04-05"] == "2024-04-05"
    # by pandas: the last ratio of each week, and z within 14 of them
    ratio = pd.Series(np.array(closes) / 400, index=pd.DatetimeIndex(days))
    weekly = ratio.groupby(ratio.index.to_period("W")).last()
    trend = 100 + (weekly - weekly.rolling(14).mean()) / weekly.rolling(14).std()
    of_day = frame.set_index("day")["weekly_trend"]
    assert of_day["2024-03-27"] == pytest.approx(trend[pd.Period("2024-03-22", "W")])
    assert of_day["2024-04-05"] == pytest.approx(trend[pd.Period("2024-04-05", "W")])


# -- size and style ---------------------------------------------------------------------------------------


def test_wins_and_ties_by_hand() -> None:
    con = project_warehouse("2024-12-31")
    # Three of the nine boxes. Against IWM, IWF rises 10 %, falls 10 %, rises 20 %: a double top, and
    # for IWM a double bottom; IWN and IWM move alike and never give a signal, so that the momentum
    # decides between them.
    path = (
        [1.0] * 240
        + list(np.linspace(1, 1.15, 10))
        + list(np.linspace(1.15, 1.0, 10))
        + list(np.linspace(1, 1.3, 10))
    )
    add_closes(con, "IWM", "2023-06-01", [100.0] * len(path))
    add_closes(con, "IWN", "2023-06-01", list(np.linspace(100, 101, len(path))))
    add_closes(con, "IWF", "2023-06-01", [200 * value for value in path])
    frame = build(con, "marts.size_style_rank_daily")
    last = frame[frame["session_date"] == frame["session_date"].max()].set_index("symbol")
    assert last["members"].tolist() == [3, 3, 3]
    assert last["rs_wins"].to_dict() == {"IWF": 2, "IWM": 0, "IWN": 0}
    # 12-1 momentum from 252 to 21 sessions back: IWN rose a little, IWM not at all, IWF stood at 1.045
    # times its start
    assert last["rank"].to_dict() == {"IWF": 1, "IWN": 2, "IWM": 3}
    assert last["momentum_rank"]["IWM"] == 3
    first = frame[frame["session_date"] == frame["session_date"].min()]
    assert first["rank"].isna().all() and first["rs_wins"].isna().all()


def test_wins_are_the_average_over_four_grids_drawn_by_hand() -> None:
    con = simulated(["IWM", "IWN", "IWF"], "2012-06-29")
    frame = build(con, "marts.size_style_rank_daily").pivot(index="session_date", columns="symbol")
    closes = con.execute("select symbol, session_date, close from staging.equity_prices").df()
    closes = closes.pivot(index="session_date", columns="symbol", values="close")
    for symbol in ("IWF", "IWM", "IWN"):
        wins = np.zeros((4, len(closes)))
        for place, shift in enumerate((0.0, 0.25, 0.5, 0.75)):
            for other in closes.columns.drop(symbol):
                states = draw((closes[symbol] / closes[other]).to_numpy(), 0.0325, shift)
                won = np.array([signal == 1 for _, signal in states])
                wins[place] += won & closes[other].notna()
        known = frame["rs_wins"][symbol].notna()
        assert known.sum() > 1000
        for name, want in (
            ("rs_wins", wins.mean(axis=0)),
            ("rs_wins_min", wins.min(axis=0)),
            ("rs_wins_max", wins.max(axis=0)),
        ):
            assert frame[name][symbol][known].tolist() == want[known].tolist(), name
    spread = frame["rs_wins_max"] - frame["rs_wins_min"]
    assert (spread > 0).any(axis=None)  # the four do not always agree


def test_missing_opponents_count_for_nobody() -> None:
    con = project_warehouse("2024-12-31")
    add_closes(con, "IWM", "2024-01-02", [100.0] * 30)
    frame = build(con, "marts.size_style_rank_daily")
    assert frame["members"].tolist() == [1] * 30
    assert frame["rank"].isna().all()


# -- the simulated market ---------------------------------------------------------------------------------

SYMBOLS = ["IWM", "SPY", "IWN", "IWO", "IWB", "IWD", "IWF", "IJH", "^RUT", "^GSPC"]


def test_later_sessions_change_nothing() -> None:
    long, short = simulated(SYMBOLS, "2024-09-30"), simulated(SYMBOLS, "2023-03-15")  # a Wednesday
    for model, keys in (
        ("marts.rotation_state_daily", ["pair_id", "session_date"]),
        ("marts.size_style_rank_daily", ["symbol", "session_date"]),
    ):
        assert_prefix_is_equal(build(long, model), build(short, model), keys)


def test_drawdown_co_movement_and_volume_equal_pandas() -> None:
    con = simulated(["IWM", "SPY", "^RUT", "^GSPC"], "2024-09-30")
    frame = build(con, "marts.rotation_state_daily").set_index("session_date")
    own = frame[frame["pair_id"] == "IWM/SPY"]
    prices = con.execute("select symbol, session_date, close, volume from staging.equity_prices").df()
    close, volume = (
        prices.pivot(index="session_date", columns="symbol", values=name)[["IWM", "SPY"]]
        for name in ("close", "volume")
    )
    ratio = (close["IWM"] / close["SPY"]).reindex(own.index)
    np.testing.assert_allclose(own["ratio_drawdown_pct"], 100 * (ratio / ratio.cummax() - 1), atol=1e-9)
    peak = [int(np.argmax(ratio.to_numpy()[: row + 1])) for row in range(len(ratio))]
    assert own["ratio_sessions_since_peak"].tolist() == [row - at for row, at in enumerate(peak)]
    returns = 100 * close.pct_change(fill_method=None)
    correlation = returns["IWM"].rolling(63).corr(returns["SPY"]).reindex(own.index)
    np.testing.assert_allclose(own["correlation_63d"], correlation, rtol=1e-8)
    error = (returns["IWM"] - returns["SPY"]).rolling(63).std() * np.sqrt(252)
    np.testing.assert_allclose(own["tracking_error_63d_pp"], error.reindex(own.index), rtol=1e-8)
    traded = (close * volume).rolling(21).mean()
    want = (traded["IWM"] / traded["SPY"]).reindex(own.index)
    assert want.notna().sum() > 5000
    np.testing.assert_allclose(own["dollar_volume_ratio_21d"], want, rtol=1e-9)
    index = frame[frame["pair_id"] == "^RUT/^GSPC"]
    assert len(index) > 5000 and index["dollar_volume_ratio_21d"].isna().all()


def test_a_pair_agrees_with_pandas_and_its_own_chart() -> None:
    con = simulated(["IWM", "SPY"], "2024-09-30")
    frame = build(con, "marts.rotation_state_daily")
    assert set(frame["pair_id"]) == {"IWM/SPY"}
    ratio = frame["ratio"]
    trend = 100 + (ratio - ratio.rolling(14).mean()) / ratio.rolling(14).std()
    np.testing.assert_allclose(frame["trend"], trend, atol=1e-8)
    chart = point_and_figure(ratio.to_numpy()[:, np.newaxis], NEAR_BOX)
    names = np.array([None, "buy", "sell"], dtype=object)[chart.signal[:, 0]]
    assert [value if isinstance(value, str) else None for value in frame["pnf_near_signal"]] == names.tolist()
