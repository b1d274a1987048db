"""A world that changes from day to day, for the server: what it serves is what the providers would have
shown on the evening of `as_of`.

Release lags (a series has what its release rule has let out by the cut-off of the session), first prints
and revisions of the dated series, adjusted closes restated at each dividend, one split with the whole
history on a new basis, one file that comes two days late, one settlement and one yield that are corrected
days later. The values are those of the simulated market.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

import pandas as pd

from market_calendar.release_rules import available_at_utc
from market_calendar.sessions import cutoff_utc
from tests.faults.feed import Feed
from warehouse.reference_data import reference_frame

SPLIT_SYMBOL, SPLIT_DAY, SPLIT_RATIO = "IWM", date(2024, 7, 10), 2.0
DIVIDEND_SYMBOL, DIVIDEND_DAY, DIVIDEND_USD = "KRE", date(2024, 7, 15), 0.5
LATE_SYMBOL, LATE_DAYS = "JPM", (date(2024, 7, 11), date(2024, 7, 12))
CORRECTED_CONTRACT, CORRECTED_DAY, CORRECTED_ON = "ZQU24", date(2024, 7, 8), date(2024, 7, 11)
SETTLE_ERROR = 0.01
REVISED_SERIES, REVISED_DAY, REVISED_ON = "DGS10", date(2024, 7, 3), date(2024, 7, 15)
YIELD_ERROR_PCT = 0.02


@dataclass
class World(Feed):
    """A feed whose past looks as it did on `as_of`."""

    corrected_on: date = CORRECTED_ON
    _frames: dict[tuple[str, str, date], pd.DataFrame] = field(default_factory=dict)

    def frame(self, dataset: str, item: str) -> pd.DataFrame | None:
        """The rows of an input as they stood on the evening of `as_of`."""
        if item == LATE_SYMBOL and self.as_of in LATE_DAYS:
            return None
        key = (dataset, item, self.as_of)
        if key not in self._frames:
            frame = super().frame(dataset, item)
            if frame is None:
                return None
            self._frames[key] = {"prices": self._prices, "futures": self._futures, "fred": self._series}[
                dataset
            ](item, frame.copy())
        return self._frames[key]

    def _prices(self, symbol: str, frame: pd.DataFrame) -> pd.DataFrame:
        if symbol == SPLIT_SYMBOL:
            if self.as_of < SPLIT_DAY:
                names = ["open", "high", "low", "close", "dividend"]
                frame[names] *= SPLIT_RATIO
                frame["volume"] /= SPLIT_RATIO
            else:
                frame.loc[frame["date"] == pd.Timestamp(SPLIT_DAY), "split"] = SPLIT_RATIO
        if symbol == DIVIDEND_SYMBOL:
            frame.loc[frame["date"] == pd.Timestamp(DIVIDEND_DAY), "dividend"] = DIVIDEND_USD
        # Every dividend lowers the adjusted closes of all days before it, by its share of the close
        # on the day before.
        left = 1 - frame["dividend"].fillna(0.0) / frame["close"].shift(1)
        frame["adj_close"] = frame["close"] * left[::-1].cumprod()[::-1].shift(-1).fillna(1.0)
        return frame

    def _futures(self, contract: str, frame: pd.DataFrame) -> pd.DataFrame:
        if contract == CORRECTED_CONTRACT and self.as_of < self.corrected_on:
            frame.loc[frame["date"] == pd.Timestamp(CORRECTED_DAY), "settle"] += SETTLE_ERROR
        return frame

    def _series(self, series_id: str, frame: pd.DataFrame) -> pd.DataFrame:
        series = reference_frame("fred_series").set_index("series_id").loc[series_id]
        out = available_at_utc(series["release_rule"], series["frequency"], frame["date"])
        frame = frame[out.to_numpy() <= pd.Timestamp(cutoff_utc(self.as_of)).to_datetime64()].copy()
        if series_id == REVISED_SERIES and self.as_of < REVISED_ON:
            frame.loc[frame["date"] == pd.Timestamp(REVISED_DAY), "value"] += YIELD_ERROR_PCT
        return frame
