"""Numbers and days as arrays: random streams, recursions in time, and the cells of reference tables."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Days = npt.NDArray[np.datetime64]

SESSIONS_PER_YEAR = 252


@dataclass(frozen=True)
class Streams:
    """Random numbers: one stream per purpose, so that one purpose changes nothing of another."""

    seed: int

    def stream(self, purpose: str) -> np.random.Generator:
        """A stream for one purpose; crc32 because Python's own hash differs between processes."""
        return np.random.Generator(np.random.PCG64([self.seed, zlib.crc32(purpose.encode())]))

    def ar1(self, purpose: str, count: int, half_life: float, stationary_sd: float) -> Floats:
        """A first-order autoregression in steps of the series' own grid."""
        shocks = self.stream(purpose).standard_normal(count + 1)
        return autoregression(shocks, 0.5 ** (1.0 / half_life), stationary_sd)


# ---- series of numbers -----------------------------------------------------------------------------------


def to_cents(values: Floats) -> Floats:
    """Traded prices are in cents; below 1 USD in hundredths of a cent, so that returns keep their shape."""
    return np.where(values >= 1.0, np.round(values, 2), np.maximum(np.round(values, 4), 0.0001))


def student_t(stream: np.random.Generator, count: int, freedom: float) -> Floats:
    """Student-t shocks of unit variance, cut at eight standard deviations."""
    shocks: Floats = np.clip(
        stream.standard_t(freedom, count) * ((freedom - 2.0) / freedom) ** 0.5, -8.0, 8.0
    )
    return shocks


def with_drift(returns: Floats, yearly_pct: float) -> Floats:
    """The same returns with a given mean over the horizon, so that luck and episodes do not set the long
    run.
    """
    result: Floats = returns - returns.mean() + yearly_pct / 100.0 / SESSIONS_PER_YEAR
    return result


def autoregression(shocks: Floats, keep: float, stationary_sd: float) -> Floats:
    """AR(1) from its stationary distribution; the first shock gives the state before the first value."""
    scale = stationary_sd * (1.0 - keep * keep) ** 0.5
    scaled = shocks * scale
    scaled[0] = shocks[0] * stationary_sd
    states: Floats = _filter(scaled, keep)[1:]
    return states


def _filter(values: Floats, keep: float) -> Floats:
    """x[t] = keep * x[t-1] + values[t]."""
    result = np.empty(len(values))
    state = 0.0
    for position, value in enumerate(values.tolist()):
        state = keep * state + value
        result[position] = state
    return result


def decayed_sum(values: Floats, half_life: float) -> Floats:
    """Sum of the values so far, each halved every `half_life` steps."""
    return _filter(values, 0.5 ** (1.0 / half_life))


def smooth(values: Floats, half_life: float, start: float | None = None) -> Floats:
    """Exponentially weighted average that starts at `start` (default: the first value)."""
    keep = 0.5 ** (1.0 / half_life)
    weighted = values * (1.0 - keep)
    first = float(values[0]) if start is None else start
    weighted[0] += keep * first
    return _filter(weighted, keep)


def filled(values: Floats, first: float) -> Floats:
    """Missing values take the one before, `first` where there is none."""
    series = pd.Series(values).ffill().fillna(first)
    return np.asarray(series.tolist(), dtype=np.float64)


# ---- days ------------------------------------------------------------------------------------------------


def to_days(values: pd.Series) -> Days:
    """A column of dates as days."""
    result: Days = pd.to_datetime(values).to_numpy().astype("datetime64[D]")
    return result


def position_range(days: Days, start: date, end: date) -> tuple[int, int]:
    """Positions of the first day from `start` on and of the first one after `end`."""
    return int(np.searchsorted(days, np.datetime64(start))), int(
        np.searchsorted(days, np.datetime64(end), side="right")
    )


def day_texts(days: Days) -> list[str]:
    """Days as YYYY-MM-DD."""
    result: list[str] = np.datetime_as_string(days, unit="D").tolist()
    return result


def date_or(value: object, default: np.datetime64) -> np.datetime64:
    """The day in a cell, `default` where it is blank."""
    text = "" if is_missing(value) else str(value)[:10]
    return np.datetime64(text, "D") if text else default


# ---- cells of reference tables ---------------------------------------------------------------------------


def to_flags(values: pd.Series) -> Bools:
    """Booleans, whether they came as booleans, numbers or texts."""
    return (
        values.astype(str)
        .str.strip()
        .str.lower()
        .isin(["true", "1", "1.0", "t", "yes"])
        .to_numpy(dtype=np.bool_)
    )


def rows_by(frame: pd.DataFrame, key: str) -> dict[str, dict[str, object]]:
    """The rows of a frame by the text in one column."""
    return {str(row[key]): {str(name): row[name] for name in row} for row in frame.to_dict("records")}


def is_missing(value: object) -> bool:
    """None, NaN, NaT and NA."""
    return value is None or value is pd.NA or value is pd.NaT or value != value


def words(row: Mapping[str, object], *names: str) -> str:
    """Texts of a reference row in lower case, missing ones left out."""
    found = [row.get(name) for name in names]
    return " ".join(str(value) for value in found if not is_missing(value)).lower().replace("_", " ")
