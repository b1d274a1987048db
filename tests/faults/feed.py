"""What the local server knows: prices, futures and FRED series with their vintages.

From the simulated market, or from the recorded data where its folder is present (`ROTATION_REPLAY_DIR`).
Every accessor gives frames up to `as_of`, the last session that has closed in the server's world.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path

import pandas as pd

from market_calendar.release_rules import available_at_utc
from sources.fred import has_vintages
from sources.simulated import simulated_market
from sources.simulated_market.market import PUBLISHED
from warehouse.reference_data import reference_frame

FIRST = date(1990, 1, 1)


@dataclass
class Feed:
    """A world with a last closed session."""

    as_of: date
    folder: Path | None = None
    archive_start: date = date(2015, 1, 2)  # before it the archive has no vintages
    changed: dict[tuple[str, str], pd.DataFrame] = field(default_factory=dict)
    more_versions: dict[str, pd.DataFrame] = field(default_factory=dict)  # date, realtime_start, value
    only: frozenset[str] | None = None  # inputs that exist; None: all
    _made: dict[tuple[str, int, date, date], pd.DataFrame] = field(default_factory=dict)

    def frame(self, dataset: str, item: str) -> pd.DataFrame | None:
        """The rows of an input up to `as_of`, or None when there is no such input."""
        if self.only is not None and item not in self.only:
            return None
        known = self.changed.get((dataset, item))
        frame = known if known is not None else _served(str(self.folder or ""), dataset, item)
        if frame is not None and PUBLISHED in frame:
            return self._newest_projections(frame)
        return None if frame is None else frame[frame["date"] <= pd.Timestamp(self.as_of)]

    def _newest_projections(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The years that the newest projections name, as FRED shows them: years that have passed are gone."""
        held = frame[frame[PUBLISHED] <= pd.Timestamp(self.as_of)]
        return held.loc[held[PUBLISHED] == held[PUBLISHED].max(), ["date", "value"]]

    def _versions_of_projections(self, series_id: str) -> pd.DataFrame:
        """As FRED keeps them: a version where a value changed, and a blank when new projections leave a year
        out.
        """
        frame = _served(str(self.folder or ""), "fred", series_id)
        assert frame is not None
        held = frame[frame[PUBLISHED] <= pd.Timestamp(self.as_of)]
        wide = held.pivot(index=PUBLISHED, columns="date", values="value")
        long = wide.reset_index().melt(PUBLISHED, var_name="date").astype({"date": "datetime64[us]"})
        long = long.sort_values(["date", PUBLISHED], ignore_index=True)
        before = long.groupby("date")["value"].shift()
        changed = ~((long["value"] == before) | (long["value"].isna() & before.isna()))
        return long[changed].rename(columns={PUBLISHED: "realtime_start"})[
            ["date", "realtime_start", "value"]
        ]

    def versions(self, series_id: str) -> pd.DataFrame:
        """date, realtime_start, value: a first print a little off, and the value of today from 25 days
        later on.
        """
        frame = self.frame("fred", series_id)
        assert frame is not None
        known = (series_id, len(frame), self.as_of, self.archive_start)
        if known in self._made:
            return self._made[known]
        if series_id == "FEDTARMD":
            return self._versions_of_projections(series_id)
        series = reference_frame("fred_series").set_index("series_id").loc[series_id]
        out = available_at_utc(series["release_rule"], series["frequency"], frame["date"])
        printed = (
            out.dt.tz_localize("UTC").dt.tz_convert("America/New_York").dt.tz_localize(None).dt.normalize()
        )
        printed = printed.clip(lower=pd.Timestamp(self.archive_start))
        first = pd.DataFrame(
            {"date": frame["date"], "realtime_start": printed, "value": frame["value"] + 1.0}
        )
        later = pd.DataFrame(
            {
                "date": frame["date"],
                "realtime_start": printed + pd.Timedelta(days=25),
                "value": frame["value"],
            }
        )
        # A withdrawn value is a version without one.
        both = pd.concat([first, later]).dropna()
        both = pd.concat([both, self.more_versions.get(series_id)]) if self.more_versions else both
        both = both[both["realtime_start"] <= pd.Timestamp(self.as_of)]
        self._made[known] = both.sort_values(["date", "realtime_start"]).reset_index(drop=True)
        return self._made[known]

    def vintage_dates(self, series_id: str) -> list[pd.Timestamp]:
        """The days on which anything of the series changed."""
        return sorted(self.versions(series_id)["realtime_start"].unique())

    def has_vintages(self, series_id: str) -> bool:
        """Whether the series is one that is asked by real-time period."""
        return has_vintages(series_id)


@cache
def _served(folder: str, dataset: str, item: str) -> pd.DataFrame | None:
    content = _recorded(Path(folder), dataset, item) if folder else _simulated(dataset, item)
    if content is None:
        return None
    frame = pd.read_csv(io.BytesIO(content))
    if dataset == "fred":
        frame.columns = ["date", "value", *frame.columns[2:]]
    days = [name for name in ("date", PUBLISHED) if name in frame]
    return frame.assign(**{name: pd.to_datetime(frame[name]) for name in days})


def _recorded(folder: Path, dataset: str, item: str) -> bytes | None:
    path = folder / dataset / f"{item.replace('^', '_')}.csv"
    return path.read_bytes() if path.is_file() else None


def _simulated(dataset: str, item: str) -> bytes | None:
    market = simulated_market()
    make = {"prices": market.prices_csv, "futures": market.futures_csv, "fred": market.fred_csv}[dataset]
    try:
        return make(item, FIRST, date(2028, 12, 31))
    except (KeyError, ValueError):
        return None
