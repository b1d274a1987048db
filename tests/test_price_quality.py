"""Served prices that cannot be what they say: quarantined, refused or taken once, before they are loaded.

Every case is made from a quiet market of eighty sessions; the last one is 2024-07-16. What staging makes of
splits and dividends is in `tests/models/staging/price_findings` and `equity_prices`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import duckdb
import numpy as np
import pandas as pd
import pytest

from datasets.registry import DATASETS
from expectations.gate import GateResult, check_rows
from market_calendar.sessions import sessions_between
from warehouse.catalog import load_catalog
from warehouse.raw import insert_new_versions

KNOWN = pd.Timestamp("2026-11-20 12:00:00")
PRICES = ["open", "high", "low", "close", "adj_close"]
LAST = 79
ACCEPT = "ROTATION_ACCEPT_PRICES"


@dataclass
class Feed:
    """An empty raw table that loads served rows as the pipeline does, without landing."""

    connection: duckdb.DuckDBPyConnection
    gate: GateResult = field(default_factory=GateResult)
    rows: pd.DataFrame = field(default_factory=pd.DataFrame)

    def refused(self, rows: pd.DataFrame) -> str:
        """The sentence with which the symbol is refused; '' when it is not."""
        return " ".join(DATASETS["prices"].broken_continuity(self.connection, rows).values())

    def load(self, rows: pd.DataFrame) -> dict[str, set[int]]:
        """Load the rows; the places of the broken ones by their rule."""
        dataset, table = DATASETS["prices"], load_catalog()["raw.equity_prices"]
        rows = dataset.with_context(self.connection, dataset.with_availability(rows))
        self.gate = check_rows(table, rows)
        self.rows = dataset.kept(rows, self.gate.broken)
        insert_new_versions(self.connection, table, self.rows.assign(run_id="run"))
        broken: dict[str, set[int]] = {}
        for row in rows.index[self.gate.broken]:
            broken.setdefault(str(self.gate.first_rule[row]), set()).add(int(row))
        return broken


@pytest.fixture
def feed() -> Feed:
    connection = duckdb.connect()
    connection.execute("create schema raw")
    connection.execute(load_catalog()["raw.equity_prices"].ddl())
    return Feed(connection)


def market(symbol: str = "IWM", level: float = 200.0, move: float = 0.008) -> pd.DataFrame:
    """Eighty sessions of a symbol with daily moves of one size, and open, high and low around the close."""
    rng = np.random.default_rng(len(symbol))
    days = pd.to_datetime(
        sessions_between(pd.Timestamp("2024-03-01").date(), pd.Timestamp("2024-07-16").date())
    )
    days = days[-80:]
    close = level * np.exp(np.cumsum(rng.normal(0, move, 80)))
    opened = close * np.exp(rng.normal(0, move / 2, 80))
    frame = pd.DataFrame(
        {
            "symbol": pd.Series([symbol] * 80, dtype="str"),
            "session_date": days,
            "open": opened,
            "high": np.maximum(opened, close) * 1.003,
            "low": np.minimum(opened, close) * 0.997,
            "close": close,
            "adj_close": close,
            "volume": 1e6,
            "dividend": 0.0,
            "split": np.nan,
            "source": pd.Series(["files"] * 80, dtype="str"),
            "known_at_utc": KNOWN,
            "payload_sha256": pd.Series(["one"] * 80, dtype="str"),
        }
    )
    return frame.assign(previous_adj_close=frame["adj_close"].shift(1))


def scaled(rows: pd.DataFrame, places: slice, factor: float, names: list[str] = PRICES) -> pd.DataFrame:
    rows = rows.copy()
    rows.loc[rows.index[places], names] *= factor
    return rows.assign(previous_adj_close=rows["adj_close"].shift(1))


def test_a_quiet_market_breaks_no_rule(feed: Feed) -> None:
    rows = market()
    assert feed.refused(rows) == ""
    assert feed.load(rows) == {}
    pd.testing.assert_series_equal(feed.rows["previous_adj_close"], rows["previous_adj_close"])


@pytest.mark.parametrize("closes_only", [False, True])
@pytest.mark.parametrize(
    ("places", "factor"),
    [
        (slice(40, 41), 100.0),
        (slice(40, 41), 0.01),
        (slice(60, 61), 1.5),
        (slice(60, 61), 0.8),
        (slice(30, 52), 1.5),
        (slice(30, 52), 100.0),
        (slice(77, 79), 0.1),
    ],
)
def test_bars_that_jump_and_jump_back_are_quarantined(
    feed: Feed, places: slice, factor: float, closes_only: bool
) -> None:
    rows = scaled(market("^RUT", 2000.0), places, factor)
    if closes_only:
        rows[["open", "high", "low"]] = np.nan
    assert feed.refused(rows) == ""
    assert feed.load(rows) == {"bar_does_not_jump_and_jump_back": set(range(*places.indices(80)))}
    # The return after the gap starts from the last good bar.
    before, after = rows["adj_close"][places.start - 1], feed.rows.loc[places.stop, "previous_adj_close"]
    assert after == before


@pytest.mark.parametrize("names", [PRICES, ["close"], ["close", "adj_close"]])
@pytest.mark.parametrize(("factor", "sessions"), [(100.0, 1), (0.01, 3), (10.0, 20)])
@pytest.mark.parametrize("moved", [1.05, 0.94])
def test_a_jump_is_taken_back_although_the_market_moved_meanwhile(
    feed: Feed, names: list[str], factor: float, sessions: int, moved: float
) -> None:
    rows = scaled(market("^RUT", 2000.0), slice(41, 80), moved)
    rows = scaled(rows, slice(41, 41 + sessions), factor, names)
    assert feed.refused(rows) == ""
    rules = feed.load(rows)
    assert set().union(*rules.values()) == set(range(41, 41 + sessions))
    assert set(rules) <= {"bar_does_not_jump_and_jump_back", "close_is_between_high_and_low"}


@pytest.mark.parametrize(("factor", "place"), [(100.0, LAST), (0.01, LAST), (3.0, LAST - 2)])
def test_last_bars_after_a_step_that_no_market_makes_wait(feed: Feed, factor: float, place: int) -> None:
    rows = scaled(market(), slice(place, None), factor)
    assert feed.refused(rows) == ""
    assert feed.load(rows) == {"last_bars_do_not_step_as_no_market_does": set(range(place, 80))}


@pytest.mark.parametrize("factor", [0.5, 2 / 3, 2.0])
def test_a_split_whose_event_is_missing_waits_for_it(feed: Feed, factor: float) -> None:
    rows = scaled(market("JPM"), slice(LAST, None), factor)
    assert feed.load(rows) == {"last_bars_do_not_step_as_no_market_does": {LAST}}
    rows.loc[LAST, "split"] = 1 / factor
    assert feed.refused(rows) == ""
    assert feed.load(rows) == {}


@pytest.mark.parametrize("ratio", [2.0, 1.5, 1.25, 0.1])
@pytest.mark.parametrize("restated", [False, True])
def test_a_split_is_taken_whether_the_history_is_restated_or_not(
    feed: Feed, ratio: float, restated: bool
) -> None:
    rows = market("JPM") if restated else scaled(market("JPM"), slice(50, None), 1 / ratio)
    rows.loc[50, "split"] = ratio
    assert feed.refused(rows) == ""
    assert feed.load(rows) == {}


def test_a_large_move_of_a_market_is_no_error(feed: Feed) -> None:
    """A bank in 2008: -59 % on one day and +14 % on the next; a bar of a VIX that doubles and comes half
    way back.
    """
    bank = scaled(scaled(market("KRE", 50.0, 0.03), slice(LAST - 1, None), 0.41), slice(LAST, None), 1.14)
    bank.loc[[LAST - 1, LAST], ["open", "high"]] *= 1.6
    bank = bank.assign(high=bank[["open", "high", "close"]].max(axis=1))
    vix = scaled(scaled(market("^VIX", 17.0, 0.06), slice(LAST - 1, None), 2.15), slice(LAST, None), 0.8)
    for rows in (bank, vix):
        assert feed.refused(rows) == ""
        assert feed.load(rows) == {}


@pytest.mark.parametrize("accepted", [False, True])
def test_a_level_that_stays_refuses_the_symbol(
    feed: Feed, monkeypatch: pytest.MonkeyPatch, accepted: bool
) -> None:
    rows = scaled(market(), slice(30, None), 100.0)
    sentence = feed.refused(rows)
    assert (
        f"on {rows['session_date'].dt.date[30]} and stays there, which no split in the source explains"
        in sentence
    )
    assert sentence.endswith(f"If they are right, run once with {ACCEPT}=IWM")
    monkeypatch.setenv(ACCEPT, "IWM")
    assert feed.load(rows) == {}
    # Held now: the same file is not refused again.
    assert feed.refused(rows) == ""


@pytest.mark.parametrize(
    ("step", "ratio", "said"),
    [
        (0.5, 0.5, "It may be written the wrong way round: 2 instead of 0.5."),
        (10.0, 10.0, "It may be written the wrong way round: 0.1 instead of 10."),
        (0.2, 2.0, "the split of 2 for 1"),
    ],
)
def test_a_split_that_close_contradicts_refuses_the_symbol(
    feed: Feed, step: float, ratio: float, said: str
) -> None:
    rows = scaled(market("JPM"), slice(50, None), step)
    rows.loc[50, "split"] = ratio
    assert said in feed.refused(rows)
    assert "Nothing of the symbol is loaded." in feed.refused(rows)


def test_dividends_in_cents_without_an_adjusted_close_refuse_the_symbol(feed: Feed) -> None:
    rows = market("KRE", 50.0).assign(adj_close=np.nan, previous_adj_close=np.nan)
    rows.loc[20, "dividend"] = 38.0
    assert "dividends may be in cents" in feed.refused(rows)
    rows.loc[20, "dividend"] = 0.38
    assert feed.refused(rows) == ""


@pytest.mark.parametrize(
    ("name", "factor"), [("close", 1.05), ("close", 0.95), ("low", 1.05), ("high", 0.95)]
)
def test_a_close_beyond_its_own_bar_is_quarantined(feed: Feed, name: str, factor: float) -> None:
    rows = scaled(market(), slice(40, 41), factor, [name])
    [(rule, places)] = feed.load(rows).items()
    assert places == {40}
    assert rule in ("close_is_between_high_and_low", "high_is_not_below_low")


@pytest.mark.parametrize(
    ("name", "factor", "found"),
    [
        ("high", 10, True),
        ("high", 3.2, True),
        ("low", 0.1, True),
        ("low", 0.0001, True),
        ("high", 2.5, False),
        ("low", 0.3, False),
    ],
)
def test_a_high_or_low_that_was_never_traded_is_quarantined(
    feed: Feed, name: str, factor: float, found: bool
) -> None:
    """A fund fell to two fifths and came back within the session of 2010-05-06: that stays."""
    rule = "high_and_low_are_near_open_and_close"
    rows = scaled(market("SPY", 550.0), slice(40, 41), factor, [name])
    assert feed.load(rows) == ({rule: {40}} if found else {})


def twice(change: Callable[[pd.DataFrame], pd.DataFrame], place: int = LAST) -> pd.DataFrame:
    """The market with one line twice, the second one changed."""
    rows = market("SPY", 550.0)
    return pd.concat([rows, change(rows.iloc[[place]])], ignore_index=True)


@pytest.mark.parametrize(("volume", "left_out"), [(2e6, LAST), (5e5, 80), (np.nan, 80), (1e6, 80)])
def test_a_line_served_twice_with_another_volume_is_kept_once(
    feed: Feed, volume: float, left_out: int
) -> None:
    rows = twice(lambda row: row.assign(volume=volume))
    assert feed.load(rows) == {"row_is_served_once": {left_out}}
    assert feed.connection.execute(
        "select count(*), max(volume) from raw.equity_prices where session_date = '2024-07-16'"
    ).fetchone() == (1, max(volume, 1e6) if volume == volume else 1e6)
    kept = feed.rows[feed.rows["session_date"] == "2024-07-16"]
    assert kept["previous_adj_close"].tolist() == [rows["adj_close"][LAST - 1]]


@pytest.mark.parametrize("place", [LAST, 40])
@pytest.mark.parametrize("name", ["close", "open"])
def test_a_line_served_twice_with_other_prices_is_not_kept(feed: Feed, name: str, place: int) -> None:
    rows = twice(lambda row: row.assign(**{name: row[name] * 1.001}), place)
    assert feed.load(rows) == {"row_served_twice_has_the_same_prices": {place, 80}}


@pytest.mark.parametrize("names", [["open"], ["high"], ["low"], ["open", "high", "low"]])
def test_a_price_of_zero_beside_a_close_is_not_known(feed: Feed, names: list[str]) -> None:
    rows = market()
    rows[names] = 0.0
    assert feed.load(rows) == {}
    found = feed.connection.execute(
        f"select count(close), {', '.join(f'count({name})' for name in names)} from raw.equity_prices"
    ).fetchone()
    assert found == (80, *[0] * len(names))


def test_a_bar_that_came_as_the_last_one_is_found_on_the_next_day(feed: Feed) -> None:
    rows = scaled(market(), slice(LAST - 1, LAST), 1.3)
    assert feed.load(rows[:LAST]) == {}
    later = rows[LAST - 4 :].assign(payload_sha256="two", known_at_utc=KNOWN + pd.Timedelta(days=1))
    assert feed.load(later.reset_index(drop=True)) == {"bar_does_not_jump_and_jump_back": {3}}
    assert feed.rows["previous_adj_close"].iloc[-1] == rows["adj_close"][LAST - 2]
