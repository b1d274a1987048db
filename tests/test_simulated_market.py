"""The simulated market: deterministic, consistent within itself, with the statistics that it claims."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sources.simulated import simulated_market
from sources.simulated_market import SimulatedMarket, UnknownInputError
from tests.small_market import released

REFERENCE = Path(__file__).resolve().parents[1] / "warehouse" / "reference"
START, END = date(2000, 1, 3), date(2026, 6, 30)
SPLIT_DAY = date(2019, 6, 10)
START_STAMP = pd.Timestamp(START)


def make(**changes: pd.DataFrame) -> SimulatedMarket:
    names = ("instruments", "fred_series", "fomc_meetings", "calendar")
    frames = {name: changes.get(name, pd.read_csv(REFERENCE / f"{name}.csv")) for name in names}
    return SimulatedMarket(**frames)


@pytest.fixture(scope="module")
def market() -> SimulatedMarket:
    return make()


def table(content: bytes) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(content), index_col=0, parse_dates=[0])


def prices(market: SimulatedMarket, symbol: str, start: date = START, end: date = END) -> pd.DataFrame:
    return table(market.prices_csv(symbol, start, end))


def series(market: SimulatedMarket, series_id: str, start: date = START, end: date = END) -> pd.Series[float]:
    return table(market.fred_csv(series_id, start, end)).iloc[:, 0]


def strip(market: SimulatedMarket, day: date) -> pd.Series[float]:
    """Settlements of one day by delivery month."""
    found = {}
    for contract in market.contracts(day, day):
        month = pd.Timestamp(2000 + int(contract[3:]), "FGHJKMNQUVXZ".index(contract[2]) + 1, 1)
        found[month] = float(table(market.futures_csv(contract, day, day))["settle"].iloc[0])
    return pd.Series(found)


def calendar_days(flag: str) -> pd.DatetimeIndex:
    frame = pd.read_csv(REFERENCE / "calendar.csv", parse_dates=["calendar_date"])
    chosen = frame[frame[flag].astype(str).isin(["1", "True", "true"])]
    return pd.DatetimeIndex(chosen["calendar_date"])


def log_returns(market: SimulatedMarket, symbol: str) -> pd.Series[float]:
    return np.log(prices(market, symbol)["adj_close"]).diff().dropna()


# ---- determinism and prefixes ------------------------------------------------------------------


def test_two_instances_give_equal_bytes(market: SimulatedMarket) -> None:
    other = make()
    # in another order of calls: nothing may depend on what was asked before
    other_fred = other.fred_csv("DGS2", START, END)
    for symbol in ("KRE", "IWM", "^VIX"):
        assert other.prices_csv(symbol, START, END) == market.prices_csv(symbol, START, END)
    assert other_fred == market.fred_csv("DGS2", START, END)
    assert other.futures_csv("ZQU24", START, END) == market.futures_csv("ZQU24", START, END)


def test_another_process_gives_equal_bytes(market: SimulatedMarket) -> None:
    code = (
        "import hashlib, sys; sys.path.insert(0, 'tests')\n"
        "from test_simulated_market import END, START, make\n"
        "m = make()\n"
        "span = (START, END)\n"
        "parts = [m.prices_csv('KRE', *span), m.futures_csv('ZQH23', *span), m.fred_csv('ICSA', *span)]\n"
        "print(hashlib.sha256(b''.join(parts)).hexdigest())"
    )
    root = REFERENCE.parents[1]
    environment = {"PYTHONPATH": str(root), "PYTHONHASHSEED": "12345"}
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, check=True
    )
    parts = [
        market.prices_csv("KRE", START, END),
        market.futures_csv("ZQH23", START, END),
        market.fred_csv("ICSA", START, END),
    ]
    assert answer.stdout.decode().strip() == hashlib.sha256(b"".join(parts)).hexdigest()


def test_another_symbol_changes_nothing_else(market: SimulatedMarket) -> None:
    instruments = pd.read_csv(REFERENCE / "instruments.csv")
    added = instruments.iloc[[0]].assign(
        symbol="NEWX", name="Made Up Small-Cap Fund", size="small", active_from=None
    )
    other = make(instruments=pd.concat([added, instruments]))
    assert other.prices_csv("IWM", START, END) == market.prices_csv("IWM", START, END)
    returns = np.log(prices(other, "NEWX")["adj_close"]).diff()
    assert returns.corr(log_returns(other, "IWM")) > 0.9  # an unknown symbol behaves as its size says


@pytest.mark.parametrize("end", [date(2008, 10, 10), date(2019, 6, 7), date(2023, 4, 7)])
def test_rows_do_not_depend_on_the_end(market: SimulatedMarket, end: date) -> None:
    columns = ["open", "high", "low", "close", "volume", "dividend"]
    for symbol in ("IWM", "TLT", "^GSPC", "^VIX"):
        long, short = prices(market, symbol), prices(market, symbol, end=end)
        pd.testing.assert_frame_equal(short[columns], long.loc[: pd.Timestamp(end), columns])
    for series_id in ("DFF", "DGS10", "ICSA", "CPIAUCSL"):
        short_bytes = market.fred_csv(series_id, START, end)
        assert market.fred_csv(series_id, START, END).startswith(short_bytes)
    contract = market.contracts(end, end)[6]
    assert market.futures_csv(contract, START, END).startswith(market.futures_csv(contract, START, end))


def test_a_range_is_a_cut_of_the_whole(market: SimulatedMarket) -> None:
    whole = market.prices_csv("IWM", START, END).decode().splitlines()
    part = market.prices_csv("IWM", date(2024, 7, 1), END).decode().splitlines()
    assert part[0] == whole[0] and part[1:] == whole[-len(part) + 1 :]
    assert market.prices_csv("IWM", date(2024, 7, 6), date(2024, 7, 7)).decode().count("\n") == 1


# ---- prices ------------------------------------------------------------------------------------


def test_every_symbol_has_sound_bars_on_sessions_only(market: SimulatedMarket) -> None:
    instruments = pd.read_csv(REFERENCE / "instruments.csv")
    sessions = calendar_days("is_nyse_session")
    for row in instruments.itertuples():
        frame = prices(market, row.symbol)
        first = max(
            pd.Timestamp(START),
            pd.Timestamp(row.active_from) if isinstance(row.active_from, str) else START_STAMP,
        )
        last = min(
            pd.Timestamp(END),
            pd.Timestamp(row.active_to) if isinstance(row.active_to, str) else pd.Timestamp(END),
        )
        expected = sessions[(sessions >= first) & (sessions <= last)]
        assert frame.index.equals(expected.as_unit(frame.index.unit)), row.symbol
        assert (frame["low"] > 0).all(), row.symbol
        assert (frame["low"] <= frame[["open", "close"]].min(axis=1)).all(), row.symbol
        assert (frame["high"] >= frame[["open", "close"]].max(axis=1)).all(), row.symbol
        index = row.symbol.startswith("^")
        assert frame["dividend"].isna().all() == index and frame["split"].isna().all() == index, row.symbol
        if not index:
            # As vendors adjust: 1 less the dividend as a share of the close before.
            before = frame["close"].shift()
            adjusted = frame["adj_close"] / frame["adj_close"].shift()
            assert (frame["close"] / (before - frame["dividend"]) - adjusted).abs().max() < 1e-5, row.symbol
            assert frame["adj_close"].iloc[-1] == frame["close"].iloc[-1]
            per_year = frame["dividend"].gt(0).groupby(frame.index.year).sum().iloc[1:-1]
            assert per_year.isin([4, 12]).all(), row.symbol


def test_a_split_restates_earlier_rows_only_from_its_day_on(market: SimulatedMarket) -> None:
    columns = ["open", "high", "low", "close", "dividend"]
    before = prices(market, "XLK", end=date(2019, 6, 7))
    after = prices(market, "XLK", end=SPLIT_DAY)
    earlier = after.loc[: pd.Timestamp(2019, 6, 7)]
    assert (before[columns] / 2 - earlier[columns]).abs().max().max() < 1e-6
    assert (earlier["volume"] - 2 * before["volume"]).abs().max() <= 1
    assert after["split"].iloc[-1] == 2.0 and (before["split"] == 0).all()
    assert abs(after["close"].iloc[-1] / earlier["close"].iloc[-1] - 1) < 0.1  # no jump on the served basis
    assert (earlier["adj_close"].pct_change() - before["adj_close"].pct_change()).abs().max() < 1e-6


def test_statistics_of_returns(market: SimulatedMarket) -> None:
    spy, iwm = log_returns(market, "SPY"), log_returns(market, "IWM")
    for returns in (spy, iwm):
        assert (returns**2).autocorr(1) > 0.1
        assert returns.kurt() > 1
        assert 0.12 < returns.std() * 252**0.5 < 0.30
    assert 0.7 < spy.corr(iwm) < 0.95
    assert spy.corr(log_returns(market, "^GSPC")) > 0.99
    assert iwm.corr(log_returns(market, "IWN")) > iwm.corr(log_returns(market, "IWF"))
    assert log_returns(market, "KRE").corr(log_returns(market, "ZION")) > 0.7
    assert spy.corr(log_returns(market, "XLU")) < spy.corr(log_returns(market, "XLI"))
    y10 = series(market, "DGS10").dropna().diff()
    assert log_returns(market, "IEF").corr(y10) < -0.9
    vix = prices(market, "^VIX")["close"]
    realised = spy.rolling(21).std() * 252**0.5 * 100
    assert vix.corr(realised) > 0.6 and vix.between(9, 90).all()
    assert np.log(vix).diff().corr(spy) < -0.3
    assert (series(market, "VIXCLS").dropna() == vix).all()


def test_small_caps_beat_large_ones_in_july_2024(market: SimulatedMarket) -> None:
    close = pd.DataFrame({symbol: prices(market, symbol)["close"] for symbol in ("IWM", "SPY")})
    spread = (close["IWM"].pct_change(5) - close["SPY"].pct_change(5)) * 100
    assert spread.loc["2024-07"].max() >= 8
    assert spread.idxmax().strftime("%Y-%m") == "2024-07"


def test_banks_fall_in_march_2023_while_yields_fall(market: SimulatedMarket) -> None:
    kre = prices(market, "KRE")["close"]
    assert kre["2023-03-24"] / kre["2023-03-07"] - 1 <= -0.25
    y2 = series(market, "DGS2")
    assert y2["2023-03-20"] - y2["2023-03-07"] < -0.4


def test_bank_rate_betas_change_sign_with_the_regime(market: SimulatedMarket) -> None:
    frame = pd.DataFrame(
        {
            "bank": log_returns(market, "KRE") * 100,
            "market": log_returns(market, "SPY") * 100,
            "y2": series(market, "DGS2").dropna().diff() * 10,
        }
    ).dropna()

    def beta(year: str) -> tuple[float, float]:
        part = frame.loc[year]
        design = np.column_stack([np.ones(len(part)), part["market"], part["y2"]])
        solved, residual, *_ = np.linalg.lstsq(design, part["bank"].to_numpy(), rcond=None)
        error = (residual[0] / (len(part) - 3) * np.linalg.inv(design.T @ design)[2, 2]) ** 0.5
        return float(solved[2]), float(solved[2] / error)

    assert beta("2022")[0] > 0.3 and beta("2022")[1] > 2
    assert beta("2024")[0] < -0.3 and beta("2024")[1] < -2


# ---- policy rate, futures, yields --------------------------------------------------------------


def test_dff_has_every_day_and_weekends_repeat(market: SimulatedMarket) -> None:
    dff = series(market, "DFF")
    assert dff.notna().all() and len(dff) == (END - START).days + 1
    weekend = dff.index.day_of_week >= 5
    assert (dff[weekend] == dff.shift()[weekend])[2:].all()
    lower, upper = series(market, "DFEDTARL"), series(market, "DFEDTARU")
    assert lower.index[0] == pd.Timestamp(2008, 12, 16) and (upper - lower).round(4).eq(0.25).all()
    above = (dff - lower).dropna()["2009":]
    assert above.between(0.03, 0.12).mean() > 0.99 and abs(above.mean() - 0.08) < 0.01
    target = series(market, "DFEDTAR")
    assert target.index[-1] == pd.Timestamp(2008, 12, 15)
    assert (target["2001-01-02"], target["2001-01-03"]) == (6.5, 6.0)  # on the decision day


@pytest.mark.parametrize(
    "day", [date(2001, 9, 10), date(2007, 8, 15), date(2016, 2, 11), date(2022, 9, 12), date(2024, 7, 16)]
)
def test_the_strip_is_the_average_of_one_path(market: SimulatedMarket, day: date) -> None:
    settles, path = strip(market, day), market.expected_effr(day)
    assert len(settles) == 25
    average = path.groupby(path.index.to_period("M").to_timestamp()).mean()
    error = (100 - average - settles).abs()
    assert error.iloc[0] <= 0.00125 + 1e-9 and error.iloc[1:].max() <= 0.0025 + 1e-9
    assert np.allclose(settles.iloc[0] / 0.0025, np.rint(settles.iloc[0] / 0.0025))
    assert np.allclose(settles.iloc[1:] / 0.005, np.rint(settles.iloc[1:] / 0.005))
    # the expected rate moves on effective days only
    moves = path.diff().abs()
    steps = path.index[(moves > 1e-9) & (path.index > pd.Timestamp(day) + pd.Timedelta(days=1))]
    meetings = pd.read_csv(REFERENCE / "fomc_meetings.csv", parse_dates=["effective_date"])
    assert steps.isin(meetings["effective_date"]).all()


def test_a_solver_finds_the_outcome_before_the_meeting(market: SimulatedMarket) -> None:
    """Anchor months on both sides of a decision: September 2022 from August's and October's contracts."""
    meetings = pd.read_csv(REFERENCE / "fomc_meetings.csv", parse_dates=["decision_date"]).set_index(
        "decision_date"
    )
    row = meetings.loc["2022-09-21"]
    settles = strip(market, date(2022, 9, 20))
    start = float(series(market, "DFF")["2022-09-19"])
    implied = 100 - settles[pd.Timestamp(2022, 10, 1)] - start
    assert abs(implied - (row["lower_after"] - row["lower_before"])) < 0.10
    early = 100 - strip(market, date(2022, 3, 1))[pd.Timestamp(2022, 10, 1)]
    assert early < 100 - settles[pd.Timestamp(2022, 10, 1)]  # less was expected half a year before


def test_final_settlement_is_the_average_of_dff(market: SimulatedMarket) -> None:
    settlement_days = calendar_days("is_settlement_day")
    dff = series(market, "DFF")
    for contract, month in (
        ("ZQH00", "2000-03"),
        ("ZQZ08", "2008-12"),
        ("ZQH20", "2020-03"),
        ("ZQU24", "2024-09"),
    ):
        frame = table(market.futures_csv(contract, START, END))["settle"]
        assert frame.index[-1] == settlement_days[settlement_days.strftime("%Y-%m") == month][-1]
        assert abs(frame.iloc[-1] - (100 - dff.loc[month].mean())) <= 0.0005 + 1e-9
    listed = table(market.futures_csv("ZQU24", START, END)).index
    assert listed[0].strftime("%Y-%m") == "2022-09" and listed.isin(settlement_days).all()


def test_an_unscheduled_decision_is_not_in_the_path_before_its_day(market: SimulatedMarket) -> None:
    before, after = market.expected_effr(date(2020, 3, 2)), market.expected_effr(date(2020, 3, 3))
    assert abs(before["2020-03-05"] - before["2020-03-03"]) < 0.03
    assert after["2020-03-05"] - after["2020-03-03"] < -0.4


def test_contracts_in_a_range(market: SimulatedMarket) -> None:
    contracts = market.contracts(date(2024, 7, 16), date(2024, 8, 1))
    assert contracts[0] == "ZQN24" and contracts[-1] == "ZQQ26" and len(contracts) == 26
    assert market.contracts(date(2024, 7, 6), date(2024, 7, 7)) == []


def test_yields_are_blank_on_holidays_and_two_years_lead_policy(market: SimulatedMarket) -> None:
    y2, y10, dff = series(market, "DGS2"), series(market, "DGS10"), series(market, "DFF")
    fed_days = calendar_days("is_fed_business_day")
    for values in (y2, y10):
        assert (values.notna() == values.index.isin(fed_days)).all()
        assert (values.index.day_of_week < 5).all()
    assert np.isnan(y10["2023-10-09"]) and y10["2023-07-03"] > 0
    assert market.fred_csv("DGS2", date(2024, 7, 4), date(2024, 7, 4)).decode().endswith("2024-07-04,\n")
    spread = series(market, "T10Y2Y")
    assert (spread - (y10 - y2)).abs().max() < 1e-6 and (spread < 0).any() and (spread > 1).any()
    monthly = pd.DataFrame({"y2": y2, "dff": dff}).resample("MS").mean()
    ahead, behind = monthly["dff"].shift(-6) - monthly["dff"], monthly["dff"] - monthly["dff"].shift(6)
    gap = monthly["y2"] - monthly["dff"]
    assert gap.corr(ahead) > 0.5 and gap.corr(ahead) > gap.corr(behind)
    assert 3 < y2.dropna().diff().std() * 100 < 9 and 3 < y10.dropna().diff().std() * 100 < 9


def test_macro_series_are_plausible(market: SimulatedMarket) -> None:
    every = pd.read_csv(REFERENCE / "fred_series.csv")["series_id"]
    values = {series_id: series(market, series_id, date(2000, 1, 1)).dropna() for series_id in every}
    assert all(len(found) > 20 and np.isfinite(found).all() for found in values.values())
    limits = {"UNRATE": (3, 11), "ICSA": (140e3, 900e3), "BAMLH0A0HYM2": (1, 22), "PAYEMS": (110e3, 230e3)}
    limits |= {"DTWEXBGS": (70, 160), "HOUST": (450, 2500), "GDPC1": (13e3, 28e3), "TTLCONS": (6e5, 3e6)}
    limits |= {"MTSDS133FMS": (-9e5, 7e5)}
    for series_id, (low, high) in limits.items():
        assert values[series_id].between(low, high).all(), series_id
    inflation = values["CPIAUCSL"].pct_change(12).dropna() * 100
    deficit = values["MTSDS133FMS"]
    assert (deficit[deficit.index.month == 4] > 0).mean() > 0.9 and deficit.rolling(
        12
    ).sum().dropna().max() < 0
    assert 1.5 < inflation.mean() < 4 and inflation.between(-3, 12).all()
    fear = values["VIXCLS"].rolling(20).mean()
    assert values["BAMLH0A0HYM2"].corr(fear) > 0.5
    assert (values["ICSA"].index.day_of_week == 5).all() and (values["UNRATE"].index.day == 1).all()


def test_unknown_names_are_refused_clearly(market: SimulatedMarket) -> None:
    for ask, name in ((market.prices_csv, "NOPE"), (market.futures_csv, "ZQA24"), (market.fred_csv, "NOPE")):
        with pytest.raises(UnknownInputError, match=name) as caught:
            ask(name, START, END)
        assert isinstance(caught.value, KeyError)
        assert "simulated" in str(caught.value)


def test_a_small_market_that_ends_today_holds_what_fred_has_released() -> None:
    """A value that is held before its release is as old as the run that found it: no two homes are equal."""
    month = f"{datetime.now(UTC):%Y-%m}-01"
    content = f"observation_date,CPIAUCSL\n2024-06-01,313.0\n{month},330.0\n".encode()
    assert released("CPIAUCSL", content) == b"observation_date,CPIAUCSL\n2024-06-01,313.0\n"
    whole = simulated_market().fred_csv("ICSA", date(2022, 1, 3), date(2024, 8, 30))
    assert released("ICSA", whole) == whole
