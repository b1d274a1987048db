"""Steps of closes that look like small splits: told by the market of the day, which a crash moves too."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from transforms.lib.price_steps import judge_splits, small_split_steps

ROW = 60


def bars(factor: float, symbol: str = "JPM", spread: float = 0.005) -> pd.DataFrame:
    """Eighty quiet bars; those from row 60 on are divided by the factor."""
    rng = np.random.default_rng(3)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.006, 80)))
    opened = close * np.exp(rng.normal(0, 0.002, 80))
    frame = pd.DataFrame({"symbol": symbol, "open": opened, "close": close})
    frame["high"] = np.maximum(opened, close) * (1 + spread)
    frame["low"] = np.minimum(opened, close) * (1 - spread)
    prices = ["open", "high", "low", "close"]
    frame.loc[ROW:, prices] = frame.loc[ROW:, prices] / factor
    return frame


STANDS_STILL = np.full(80, 0.002)


@pytest.mark.parametrize("factor", [1.2, 1.25, 4 / 3])
@pytest.mark.parametrize("symbol", ["JPM", "IWM", "^RUT"])
def test_a_small_split_is_seen_while_the_market_stands_still(factor: float, symbol: str) -> None:
    assert small_split_steps(bars(factor, symbol), STANDS_STILL) == [ROW]


@pytest.mark.parametrize(
    ("change", "market"),
    [
        pytest.param(lambda: bars(1.25), np.full(80, -0.09), id="the market falls with it"),
        pytest.param(lambda: bars(1.25), np.full(80, np.nan), id="the market is not known"),
        pytest.param(lambda: bars(1.25, spread=0.08), STANDS_STILL, id="a wild day"),
        pytest.param(lambda: bars(1.25, "^VIX"), STANDS_STILL, id="volatility"),
        pytest.param(lambda: bars(0.8), STANDS_STILL, id="a rise"),
        pytest.param(lambda: bars(1.1), STANDS_STILL, id="a fall as on bad news"),
        pytest.param(lambda: bars(1.25).assign(open=np.nan), STANDS_STILL, id="no open"),
        pytest.param(lambda: bars(1.0), STANDS_STILL, id="nothing"),
    ],
)
def test_what_may_be_a_market_is_none(change: Callable[[], pd.DataFrame], market: np.ndarray) -> None:
    assert small_split_steps(change(), market) == []


@pytest.mark.parametrize(
    ("ratio", "factor", "verdict"),
    [(1.1, 1.1, "not_restated"), (1.1, 1.0, "restated"), (1.05, 1.0, "restated"), (1.1, 1.06, "unclear")],
)
def test_a_split_of_eleven_for_ten_with_its_event(ratio: float, factor: float, verdict: str) -> None:
    rows = bars(factor, spread=0.001).assign(split=0.0)
    rows.loc[ROW, "split"] = ratio
    assert [entry.verdict for entry in judge_splits(rows)] == [verdict]
