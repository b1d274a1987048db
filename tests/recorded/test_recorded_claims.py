"""The published statements on recorded prices and yields."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.market_fixture import recorded
from tests.model_fixture import build, create
from tests.recorded_data import RECORDED
from tests.test_claims import SYMBOLS, checked_statements

pytestmark = pytest.mark.replay


def test_published_statements_on_recorded_prices() -> None:
    checked = checked_statements(recorded(SYMBOLS, "2025-09-24"))
    verdict, number = checked["verdict"], checked["recomputed"]
    confirmed = [
        ("R4", 1),
        ("R4", 2),
        ("R9", 1),
        ("R10", 1),
        ("R12", 1),
        ("R16", 1),
        ("R17", 1),
        ("R17", 2),
        ("R19", 1),
        ("P4", 1),
    ]
    assert {key: verdict[key] for key in confirmed} == dict.fromkeys(confirmed, "confirmed")
    # A date or an index that was chosen because the figure comes out on it confirms nothing.
    for key, stated in {("R5", 1): 11.04, ("R7", 1): 9.15, ("R15", 1): -108.12}.items():
        assert verdict[key] == "fitted_only" and checked["verdict_as_stated"][key] == "contradicted", key
        assert number[key] == pytest.approx(stated, abs=0.005) and checked["fitted"][key]
    assert (checked["verdict_as_stated"] == "confirmed").equals(verdict == "confirmed")
    assert number["R1", 1] == pytest.approx(
        11.8067, abs=1e-4
    )  # at the close; 10.4 was reached during the session
    assert verdict["R1", 1] == "confirmed_on_other_basis"
    assert checked["basis"]["R1", 1] == "of prices during the session, not of the close"
    assert checked["recomputed_date"]["R2", 1] == pd.Timestamp("2001-04-03")
    assert checked["recomputed_other_basis_date"]["R2", 1] == pd.Timestamp("2016-11-14")
    assert verdict["R14", 2] == "confirmed_on_other_basis" and "total return" in checked["basis"]["R14", 2]
    assert number["R16", 2] == 79 and verdict["R16", 2] == "contradicted"
    assert checked["recomputed_date"]["P4", 1] == pd.Timestamp("2022-07-06")
    # what needs marts that are empty here says so
    for key in [("P1", 1), ("R22", 1), ("R23", 1), ("B1", 1), ("B2", 1), ("B3", 1), ("P5", 1)]:
        assert verdict[key] == "not_computable", key
    assert (checked["why"].str.len() > 20).all()


def test_later_sessions_change_no_verdict() -> None:
    early, late = (checked_statements(recorded(SYMBOLS, session)) for session in ("2024-07-18", "2024-09-30"))
    same = late.loc[early.index]
    pd.testing.assert_series_equal(early["recomputed"], same["recomputed"], check_exact=True)
    assert (early["verdict"] == same["verdict"]).all()


# -- against the recorded files, by pandas and scipy --------------------------------------------------------

WIDER = (*SYMBOLS, "IWN", "IWO", "IVE", "IVW", "IJR", "XLK", "XLV", "DIA", "MDY", "IEF")
SERIES = ("DGS2", "DGS10", "T10Y2Y", "ICSA", "BAA10Y", "NASDAQCOM")
FIRST_CUTS = ("2001-01-03", "2007-09-18", "2019-07-31")
START = "2000-01-03"


@functools.cache
def _file(kind: str, name: str) -> pd.DataFrame:
    frame = pd.read_csv(RECORDED / kind / f"{name.replace('^', '_')}.csv", na_values=["."])
    frame.columns = ["day", *frame.columns[1:]]
    return frame.set_index(pd.to_datetime(frame["day"])).drop(columns="day").loc[START:]


def _closes(symbol: str) -> pd.Series:
    return _file("prices", symbol)["close"]


@pytest.fixture(scope="module")
def checked() -> pd.DataFrame:
    """With the series and the turns of policy that the newer rows read."""
    con = recorded(WIDER, "2025-09-24", SERIES)
    for name in ("staging.fomc_decisions", "marts.policy_turn_returns"):
        build(con, name)
    build(con, "marts.macro_daily")
    create(con, "marts.policy_repricing")
    return checked_statements(con, built=("policy_turn_returns", "macro_daily"))


def test_records_lines_and_gains_are_those_of_the_files(checked: pd.DataFrame) -> None:
    number = checked["recomputed"]
    index = _closes("^GSPC")
    records = index[index > index.cummax().shift(fill_value=np.inf)]
    assert number["R24", 1] == len(records["2025-07-11":"2025-09-10"]) == 15
    micro = _file("prices", "IWC")[:"2024-07-26"]
    assert number["R30", 1] == pytest.approx(0.8 * micro["close"].max()) == pytest.approx(126.808, abs=1e-3)
    line = checked["why"]["R30", 1]
    assert f"{0.8 * micro['high'].max():.2f}" in line and "127.65" in line  # five cents short of 127.7
    gains = 100 * micro["close"].pct_change(fill_method=None)
    assert number["R30", 2] == pytest.approx(gains["2024-07"].max())
    small = _closes("^RUT")
    falls = 100 * (small / small.cummax() - 1)
    assert number["R32", 1] == pytest.approx(falls["2024-09-03":"2024-11-29"].max())
    nasdaq = _file("fred", "NASDAQCOM")["NASDAQCOM"][:"2025-08-25"].dropna()
    assert checked["recomputed_other_basis_date"]["R31", 2] == nasdaq.idxmax() == pd.Timestamp("2025-08-13")


def test_the_rotation_of_july_2024_is_that_of_the_files(checked: pd.DataFrame) -> None:
    def gain(symbol: str) -> float:
        close = _closes(symbol)
        return float(100 * (close["2024-07-24"] / close["2024-07-10"] - 1))

    number = checked["recomputed"]
    for part, (base, quote) in enumerate((("IWN", "IWO"), ("IVE", "IVW"), ("IWM", "IJR")), 1):
        assert number["R26", part] == pytest.approx(gain(base) - gain(quote))
    assert number["R26", 4] == pytest.approx(gain("XLK")) and number["R26", 5] == pytest.approx(gain("XLV"))
    assert checked["verdict"]["R26", 5] == "contradicted"  # health care rose by 2.4 %
    ratio = (_closes("IVW") / _closes("IWN")).dropna()[:"2024-07-16"]
    larger = int((ratio.iloc[:-1] >= ratio.iloc[-1]).sum())
    assert f": {larger}; of the ratio" in checked["why"]["R29", 1] and larger == 110


def test_intervals_of_percentiles_means_and_slopes(checked: pd.DataFrame) -> None:
    returns = 100 * _closes("^RUT").pct_change(6, fill_method=None)[:"2024-07-16"].dropna()
    share, trials = (returns <= returns.iloc[-1]).mean(), len(returns) / 6
    z = stats.norm.ppf(0.95)
    middle = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * (share * (1 - share) / trials + z**2 / (4 * trials**2)) ** 0.5
    row = checked.loc[("R6", 2)]
    assert row["recomputed"] == pytest.approx(100 * share)
    assert (row["recomputed_low"], row["recomputed_high"]) == pytest.approx(
        (100 * (middle - half), 100 * (middle + half))
    )
    assert row["verdict"] == "not_distinguishable"
    for key, symbol, market, sessions in (
        (("P8", 1), "^GSPC", None, 126),
        (("P9", 1), "^RUT", "^GSPC", 252),
        (("P9", 2), "MDY", "SPY", 252),
    ):

        def after(name: str, day: str, length: int = sessions) -> float:
            close = _closes(name)
            place = close.index.get_loc(pd.Timestamp(day)) - 1
            return float(100 * (close.iloc[place + length] / close.iloc[place] - 1))

        own = [after(symbol, day) - (after(market, day) if market else 0.0) for day in FIRST_CUTS]
        interval = stats.t.interval(0.9, 2, np.mean(own), stats.sem(own))
        row = checked.loc[key]
        assert row["recomputed"] == pytest.approx(np.mean(own))
        assert (row["recomputed_low"], row["recomputed_high"]) == pytest.approx(interval)
        assert row["verdict"] == "not_distinguishable"


def test_series_as_they_were_known_on_the_day(checked: pd.DataFrame) -> None:
    claims = _file("fred", "ICSA")["ICSA"][:"2024-07-20"]
    rise = 100 * (claims.iloc[-4:].mean() / claims.iloc[-17:-13].mean() - 1)
    assert checked["recomputed"]["M1", 1] == pytest.approx(rise)
    spread = _file("fred", "BAA10Y")["BAA10Y"].dropna()[:"2024-07-25"]
    assert checked["recomputed"]["M2", 1] == pytest.approx(100 * (spread <= spread.iloc[-1]).mean())


def test_what_has_no_input_says_what_to_bring(checked: pd.DataFrame) -> None:
    for key, wanted in {
        ("R25", 1): "prices/EFA.csv",
        ("P3", 1): "futures/ZQ*.csv",
        ("M3", 1): "fred/TTLCONS.csv",
        ("M3", 2): "fred/HOUST.csv",
        ("M4", 1): "fred/DTWEXBGS.csv",
        ("R34", 3): "proprietary, and no free input brings them",
        ("R35", 1): "fund_holdings/IWN_20250630.csv",
        ("R35", 4): "fund_holdings/IWM_20250630.csv",
        ("R36", 1): "size_portfolios/Portfolios_Formed_on_ME_CSV.zip",
        ("R37", 1): "futures_positions/239742.json",
        ("R37", 3): "futures_positions/239742.json",
        ("B4", 1): "bank_income/BAC.json",
        ("B4", 2): "bank_income/WFC.json",
        ("B5", 2): "bank_margins/2024-06-30.json",
    }.items():
        assert checked["verdict"][key] == "not_computable" and wanted in checked["why"][key], key
