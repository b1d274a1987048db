"""forward_spread_daily, what_followed_episodes, what_followed: by brute force, against other libraries,
without look-ahead, and in worlds in which nothing follows anything.
"""

from __future__ import annotations

import functools
import itertools

import duckdb
import numpy as np
import pandas as pd
import pytest
from arch.bootstrap import StationaryBootstrap
from scipy import stats

from cli.dictionary import QUERIES, example_queries
from tests.model_fixture import build, empty_warehouse, fill, fill_reference
from transforms.lib.history import compute_expanding_statistics
from transforms.marts.what_followed import LEAST_EPISODES, excess_by_shift

LAST = "2020-12-31"
WINDOWS = (1, 5, 21)
KEYS = ["pair_id", "window_sessions", "percentile_bucket", "horizon_sessions"]
BUCKETS = {
    "at_most_1": lambda p: p <= 1,
    "at_most_5": lambda p: p <= 5,
    "between_5_and_95": lambda p: (p > 5) & (p < 95),
    "at_least_95": lambda p: p >= 95,
    "at_least_99": lambda p: p >= 99,
}


def random_walks(
    pairs: int, sessions: int, *, seed: int, last: str = LAST, effect: float = 0.0
) -> duckdb.DuckDBPyConnection:
    """Pairs of random walks up to a session, with their readings; forward spreads are built.

    With `effect` the base falls by that many per cent in the ten sessions after its 5-session spread reached
    the 95th percentile, so that something follows.
    """
    con = empty_warehouse(last)
    fill_reference(con, "calendar")
    days = con.execute(
        "select calendar_date from ref.calendar where session_number is not null and calendar_date <= ?"
        " order by 1 desc limit ?",
        [LAST, sessions],
    ).df()["calendar_date"][::-1]
    days = days.reset_index(drop=True)
    for number in range(pairs):
        random = np.random.default_rng([seed, number])
        steps = random.normal(0, 1.0, (sessions, 2))
        if effect:
            spread = pd.Series(steps[:, 0] - steps[:, 1]).rolling(5).sum()
            high = (spread > spread.quantile(0.95)).to_numpy()
            after = np.convolve(high, np.append(np.zeros(2), np.ones(10)))[:sessions] > 0
            steps[after, 0] -= effect / 10
        index = 100 * np.cumprod(1 + steps / 100, axis=0)
        names = (f"A{number}", f"B{number}")
        known = (days <= last).to_numpy()
        for name, values in zip(names, index.T, strict=True):
            rows = pd.DataFrame({"symbol": name, "session_date": days, "total_return_index": values})
            fill(con, "marts.instrument_daily", rows[known])
        pair = {"pair_id": [f"A{number}/B{number}"], "base_symbol": [names[0]], "quote_symbol": [names[1]]}
        fill(con, "ref.pairs", pd.DataFrame(pair))
        for window in WINDOWS:
            change = 100 * (index[window:] / index[:-window] - 1)
            spread = np.append(np.full(window, np.nan), change[:, 0] - change[:, 1])
            least = max(252, 20 * window)
            fill(
                con,
                "marts.rotation_pair_daily",
                pd.DataFrame(
                    {
                        "pair_id": pair["pair_id"][0],
                        "window_sessions": window,
                        "session_date": days,
                        "spread_percentile": compute_expanding_statistics(spread, least).percentile,
                    }
                )[known],
            )
    build(con, "marts.forward_return_daily")
    build(con, "marts.forward_spread_daily")
    build(con, "marts.what_followed_episodes")
    return con


@functools.cache
def world() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Readings, forward spreads, episodes and what followed, of three pairs in which something follows."""
    con = random_walks(3, 2200, seed=1, effect=2.0)
    readings = con.execute("from marts.rotation_pair_daily").df()
    forward = con.execute("from marts.forward_spread_daily").df()
    return readings, forward, con.execute("from marts.what_followed_episodes").df(), what_followed(con)


def what_followed(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    return build(con, "marts.what_followed")


def history(pair: str, window: int, horizon: int) -> pd.DataFrame:
    """Sessions from the first reading of the window on whose outcome has ended, with both."""
    readings, forward, *_ = world()
    own = readings[(readings["pair_id"] == pair) & (readings["window_sessions"] == window)]
    ended = forward[(forward["pair_id"] == pair) & (forward["horizon_sessions"] == horizon)]
    rows = ended.merge(own[["session_date", "spread_percentile"]], on="session_date").sort_values(
        "session_date"
    )
    return rows[rows["spread_percentile"].notna().cummax()].reset_index(drop=True)


def test_forward_spreads_begin_at_the_next_close() -> None:
    con = random_walks(1, 400, seed=2)
    levels = con.execute("from marts.instrument_daily order by session_date").df()
    base, quote = (levels[levels["symbol"] == name]["total_return_index"].to_numpy() for name in ("A0", "B0"))
    forward = con.execute("from marts.forward_spread_daily order by session_date").df()
    for horizon, rows in forward.groupby("horizon_sessions"):
        h = int(horizon)
        expected = 100 * (base[1 + h :] / base[1:-h] - quote[1 + h :] / quote[1:-h])
        assert rows["forward_spread_pp"].to_numpy() == pytest.approx(expected, rel=1e-12, abs=1e-10)
        assert len(rows) == 400 - 1 - h


def test_figures_by_brute_force() -> None:
    *_, episodes, followed = world()
    for (pair, window, bucket, horizon), row in followed.set_index(KEYS).iterrows():
        if window not in WINDOWS:
            assert row["episodes_reason"] == "history_too_short" and row["n_rows"] == 0
            continue
        rows = history(pair, window, horizon)
        chosen, free = [], -horizon
        signals = np.flatnonzero(BUCKETS[bucket](rows["spread_percentile"]))
        for place in signals:
            if place - free >= horizon:
                chosen.append(place)
                free = place
        outcome = rows["forward_spread_pp"].to_numpy()
        assert (row["n_rows"], row["n_episodes"]) == (len(signals), len(chosen))
        own = episodes[(episodes[KEYS] == [pair, window, bucket, horizon]).all(axis=1)]
        assert own["session_date"].tolist() == rows["session_date"].iloc[chosen].tolist()
        assert row["base_rows"] == len(rows)
        assert row["base_mean_pp"] == pytest.approx(outcome.mean())
        if chosen:
            assert row["episode_mean_pp"] == pytest.approx(outcome[chosen].mean())
            assert row["episode_median_pp"] == pytest.approx(np.median(outcome[chosen]))
            assert row["hit_rate"] == pytest.approx((outcome[chosen] > 0).mean())
            assert row["excess_pp"] == pytest.approx(outcome[chosen].mean() - outcome.mean())
        asked = row[["p_value", "q_value", "excess_low_pp", "excess_high_pp", "hit_rate_low"]].notna()
        assert asked.all() if len(chosen) >= LEAST_EPISODES else not asked.any()


def test_shifts_are_those_of_a_roll() -> None:
    random = np.random.default_rng(4)
    episodes, outcome = random.random((90, 3)) < 0.1, random.normal(size=90)
    episodes[0] = True
    excess = excess_by_shift(episodes, outcome)
    for shift, cell in itertools.product((0, 1, 17, 89), range(3)):
        moved = np.roll(episodes[:, cell], shift)
        assert excess[shift, cell] == pytest.approx(outcome[moved].mean() - outcome.mean(), abs=1e-12)


def test_an_effect_is_found_and_its_interval_is_that_of_another_bootstrap() -> None:
    """The whole of one cell again: the signal's rows and outcomes drawn by another call, another seed."""
    *_, followed = world()
    row = followed.set_index(KEYS).loc[("A0/B0", 5, "at_least_95", 21)]
    assert row["excess_high_pp"] < 0 and row["p_value"] < 0.05
    rows = history("A0/B0", 5, 21)
    outcome = rows["forward_spread_pp"].to_numpy()
    begun = np.zeros(len(rows), dtype=bool)
    free = -21
    for place in np.flatnonzero(rows["spread_percentile"] >= 95):
        if place - free >= 21:
            begun[place], free = True, place
    draws = StationaryBootstrap(21, outcome, begun, seed=np.random.default_rng(99))
    excess = [values[flags].mean() - values.mean() for (values, flags), _ in draws.bootstrap(3000)]
    low, high = np.quantile(excess, [0.05, 0.95])
    # the model draws whole calendars, which begin before the first reading: a little wider
    width = high - low
    assert row["excess_low_pp"] == pytest.approx(low, abs=0.12 * width)
    assert row["excess_high_pp"] == pytest.approx(high, abs=0.12 * width)
    # Wilson's limit: where the score test just does not reject
    limit = row["hit_rate_low"]
    score = (row["hit_rate"] - limit) / np.sqrt(limit * (1 - limit) / row["n_episodes"])
    assert score == pytest.approx(stats.norm.ppf(0.95))


def test_p_is_the_two_sided_share_of_all_shifts() -> None:
    """Every shift instead of a thousand of them, of each row that has a p, large ones too."""
    *_, episodes, followed = world()
    tested = followed[followed["p_value"].notna()].set_index(KEYS)
    seen = []
    for (pair, window, bucket, horizon), row in tested.iterrows():
        rows = history(pair, window, horizon)
        outcome = rows["forward_spread_pp"].to_numpy()
        own = episodes[(episodes[KEYS] == [pair, window, bucket, horizon]).all(axis=1)]
        begun = rows["session_date"].isin(own["session_date"]).to_numpy()
        shifts = range(horizon, len(outcome) - horizon + 1)
        every = np.array([outcome[np.roll(begun, shift)].mean() for shift in shifts])
        exact = (np.abs(every - outcome.mean()) >= abs(row["excess_pp"]) - 1e-9).mean()
        assert row["p_value"] == pytest.approx(exact, abs=0.05), (pair, window, bucket, horizon)
        seen.append(exact)
    assert min(seen) < 0.05 and sum(p > 0.3 for p in seen) >= 5


def test_q_is_benjamini_and_yekutielis() -> None:
    *_, followed = world()
    tested = followed[followed["p_value"].notna()]
    assert (followed["family_size"] == len(tested)).all() and len(tested) > 30
    p = np.sort(tested["p_value"].to_numpy())
    size = len(p)
    harmonic = (1 / np.arange(1, size + 1)).sum()
    q = np.minimum.accumulate((p * size * harmonic / np.arange(1, size + 1))[::-1])[::-1]
    assert np.sort(tested["q_value"].to_numpy()) == pytest.approx(np.minimum(q, 1))


def test_equal_inputs_give_equal_figures() -> None:
    *_, followed = world()
    pd.testing.assert_frame_equal(what_followed(random_walks(3, 2200, seed=1, effect=2.0)), followed)


def test_nothing_looks_ahead() -> None:
    """A world cut at an earlier session, and the same session seen from a later one."""
    early, late = random_walks(2, 2200, seed=1, last="2019-06-28"), random_walks(2, 2200, seed=1)
    for name in ("forward_spread_daily", "what_followed_episodes"):
        keys = [
            key for key in (*KEYS, "session_date") if name != "forward_spread_daily" or key not in KEYS[1:3]
        ]
        then = early.execute(f"from marts.{name}").df().sort_values(keys, ignore_index=True)
        now = late.execute(f"from marts.{name} where end_date <= '2019-06-28'").df()
        pd.testing.assert_frame_equal(then, now.sort_values(keys, ignore_index=True), check_exact=True)
    then = what_followed(early)
    late.execute("delete from marts.forward_spread_daily where end_date > '2019-06-28'")
    pd.testing.assert_frame_equal(what_followed(late), then, check_exact=True)


def test_where_nothing_follows_p_and_intervals_say_so() -> None:
    """Random walks: a p at or below 5 % in 5 % of the rows, an interval without 0 in 10 %, no q below 10 %.

    Rows share outcomes, so the shares scatter more than those of independent trials would; 40 pairs.
    """
    followed = what_followed(random_walks(40, 2500, seed=5))
    tested = followed[followed["p_value"].notna() & (followed["percentile_bucket"] != "between_5_and_95")]
    assert len(tested) > 300
    rejected = (tested["p_value"] <= 0.05).mean()
    outside = ((tested["excess_low_pp"] > 0) | (tested["excess_high_pp"] < 0)).mean()
    print(f"{len(tested)} rows: p <= 0.05 in {rejected:.1%}, interval without 0 in {outside:.1%}")
    assert 0.02 <= rejected <= 0.09
    assert 0.05 <= outside <= 0.17
    assert followed["q_value"].min() > 0.10


def test_the_question_about_the_highest_hundredth_is_answered() -> None:
    [(_, statement)] = example_queries(QUERIES / "questions" / "q14_after_the_99th_percentile.sql")
    con = random_walks(3, 2200, seed=1, effect=2.0)
    table = what_followed(con)
    cells = table[
        (table["percentile_bucket"] == "at_least_99")
        & (table["horizon_sessions"] == 21)
        & (table["window_sessions"] == 5)
    ]
    found = con.execute(statement).df()
    assert len(found) == 3
    for name in ("episode_mean_pp", "excess_pp", "q_value"):
        expected = cells.set_index("pair_id")[name].reindex(found["pair_id"]).to_numpy()
        assert found[name].to_numpy() == pytest.approx(expected, nan_ok=True)
