"""Plausible corruptions of a folder of files: what a vendor, an export or a hand does to good data.

Each entry names the inputs that it touches (so that corruptions of different inputs share one home), what it
does to the files, and how it must be caught; `make test-mutations` prints by which rule.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

Change = Callable[[pd.DataFrame], pd.DataFrame]
PRICES_OF_A_BAR = ["open", "high", "low", "close", "adj_close"]
MONTH = ("2024-06-03", "2024-06-28")


@dataclass(frozen=True)
class Corruption:
    """One corruption.

    Attributes:
        name: what happened, in words.
        inputs: symbols, series or contracts that it touches, as the findings name them.
        corrupt: changes the folder.
        caught: the gravest way in which it must be caught: `refused`, `stopped`, `critical`, `quarantined`,
            `warning`; `unseen` for what is no fault.
        later: the good files were loaded the day before.
        alone: it shares its home with no other.
    """

    name: str
    inputs: tuple[str, ...]
    corrupt: Callable[[Path], None]
    caught: str
    later: bool = False
    alone: bool = False


def path_of(folder: Path, name: str) -> Path:
    """The file of an input."""
    for kind in ("prices", "fred", "futures"):
        path = folder / kind / f"{name.replace('^', '_')}.csv"
        if path.exists():
            return path
    raise AssertionError(f"no file of {name} in {folder}")


def edit(name: str, change: Change) -> Callable[[Path], None]:
    """Change the rows of one input; the first column is the date."""

    def corrupt(folder: Path) -> None:
        path = path_of(folder, name)
        change(pd.read_csv(path)).to_csv(path, index=False)

    return corrupt


def exchanged(one: str, other: str) -> Callable[[Path], None]:
    """Two files under each other's name; the header of a series follows its name."""

    def corrupt(folder: Path) -> None:
        paths = path_of(folder, one), path_of(folder, other)
        frames = [pd.read_csv(path) for path in paths]
        for path, frame, header in zip(paths, frames[::-1], frames, strict=True):
            frame.set_axis(header.columns, axis=1).to_csv(path, index=False)

    return corrupt


def copied(source: str, target: str) -> Callable[[Path], None]:
    """A file copied over another one's name."""

    def corrupt(folder: Path) -> None:
        held = pd.read_csv(path_of(folder, target))
        frame = pd.read_csv(path_of(folder, source)).set_axis(held.columns, axis=1)
        frame.to_csv(path_of(folder, target), index=False)

    return corrupt


def in_turn(*changes: Callable[[Path], None]) -> Callable[[Path], None]:
    """One change after the other."""

    def corrupt(folder: Path) -> None:
        for change in changes:
            change(folder)

    return corrupt


def times(columns: list[str], factor: float, start: str = "2000", end: str = "2100") -> Change:
    """Columns of a range of days in another unit."""

    def change(rows: pd.DataFrame) -> pd.DataFrame:
        inside = rows.iloc[:, 0].between(start, end)
        for column in columns:
            rows[column] = rows[column].astype(float).where(~inside, rows[column].astype(float) * factor)
        return rows

    return change


def stale(columns: list[str], start: str, end: str) -> Change:
    """The values of the first of these days on all of them."""

    def change(rows: pd.DataFrame) -> pd.DataFrame:
        inside = rows.iloc[:, 0].between(start, end)
        for column in columns:
            rows.loc[inside, column] = rows.loc[inside, column].iloc[0]
        return rows

    return change


def shifted(sessions: int) -> Change:
    """Every value under the date of a later (or earlier) row."""

    def change(rows: pd.DataFrame) -> pd.DataFrame:
        dates = rows.columns[0]
        rows[dates] = rows[dates].shift(-sessions)
        return rows.dropna(subset=[dates])

    return change


def doubled(day: str, column: str, factor: float) -> Change:
    """A day twice, the second time with another value."""

    def change(rows: pd.DataFrame) -> pd.DataFrame:
        twin = rows[rows.iloc[:, 0] == day].copy()
        twin[column] = (twin[column] * factor).round(2)
        return pd.concat([rows, twin]).sort_values(rows.columns[0], kind="stable")

    return change


def without(start: str, end: str, every: int = 1) -> Change:
    """Rows of a range gone: all, or every second one."""

    def change(rows: pd.DataFrame) -> pd.DataFrame:
        inside = rows.iloc[:, 0].between(start, end) & (rows.index % every == 0)
        return rows[~inside]

    return change


def with_values(column: str, value: float, start: str, end: str) -> Change:
    """A column of a range of days at one value."""

    def change(rows: pd.DataFrame) -> pd.DataFrame:
        rows[column] = rows[column].astype(float)
        rows.loc[rows.iloc[:, 0].between(start, end), column] = value
        return rows

    return change


def strip_a_month_later(folder: Path) -> None:
    """Every contract under the name of the next month."""
    codes = "FGHJKMNQUVXZ"
    moved = {}
    for path in sorted((folder / "futures").glob("*.csv")):
        month, year = codes.index(path.stem[2]), int(path.stem[3:])
        year, month = (year + 1, 0) if month == 11 else (year, month + 1)
        moved[f"ZQ{codes[month]}{year:02}.csv"] = path.read_bytes()
        path.unlink()
    for name, content in moved.items():
        (folder / "futures" / name).write_bytes(content)


def last_hike_missing(rows: pd.DataFrame) -> pd.DataFrame:
    """The range before the last change goes on."""
    values = rows["DFEDTARU"]
    last = values[values.diff().fillna(0) != 0].index[-1]
    rows.loc[last:, "DFEDTARU"] = values[last - 1]
    return rows


def adjusted_twice(rows: pd.DataFrame) -> pd.DataFrame:
    """close = adj_close with the dividends kept."""
    return rows.assign(close=rows["adj_close"])


CLOSE = ["close"]
CORRUPTIONS = [
    Corruption(
        "JPM × 100 for a month", ("JPM",), edit("JPM", times(PRICES_OF_A_BAR, 100, *MONTH)), "quarantined"
    ),
    Corruption(
        "KRE × 1.5 for a month", ("KRE",), edit("KRE", times(PRICES_OF_A_BAR, 1.5, *MONTH)), "quarantined"
    ),
    Corruption(
        "one close of ^RUT × 100",
        ("^RUT",),
        edit("^RUT", times(CLOSE, 100, "2024-07-11", "2024-07-11")),
        "quarantined",
    ),
    Corruption("IWM and QQQ exchanged", ("IWM", "QQQ"), exchanged("IWM", "QQQ"), "warning"),
    Corruption("DGS2 and DGS10 exchanged", ("DGS2", "DGS10"), exchanged("DGS2", "DGS10"), "stopped"),
    Corruption("DGS10 copied over DGS3MO", ("DGS3MO",), copied("DGS10", "DGS3MO"), "stopped"),
    Corruption("KRE a session late", ("KRE",), edit("KRE", shifted(1)), "warning"),
    Corruption("JPM a session early", ("JPM",), edit("JPM", shifted(-1)), "warning"),
    Corruption("DFF a day late", ("DFF",), edit("DFF", shifted(1)), "warning"),
    Corruption(
        "ten stale sessions of ^RUT",
        ("^RUT",),
        edit("^RUT", stale(PRICES_OF_A_BAR, "2024-07-01", "2024-07-15")),
        "warning",
    ),
    Corruption(
        "ten stale days of ZQF25",
        ("ZQF25",),
        edit("ZQF25", stale(["settle"], "2024-07-01", "2024-07-15")),
        "warning",
    ),
    # Not told from a quiet contract: the months beside it moved on fewer than six of the days.
    Corruption(
        "ten stale days of ZQU24",
        ("ZQU24",),
        edit("ZQU24", stale(["settle"], "2024-07-01", "2024-07-15")),
        "unseen",
    ),
    Corruption("the strip a month later", ("futures/ZQ",), strip_a_month_later, "refused", alone=True),
    Corruption(
        "one settlement ten points off",
        ("ZQV24",),
        edit("ZQV24", times(["settle"], 0.9, "2024-07-11", "2024-07-11")),
        "quarantined",
    ),
    Corruption("dividends of SPY in cents", ("SPY",), edit("SPY", times(["dividend"], 100)), "warning"),
    Corruption(
        "dividends of KRE 0 while adj_close steps",
        ("KRE",),
        edit("KRE", with_values("dividend", 0.0, "2000", "2100")),
        "warning",
    ),
    Corruption("IWM close = adj_close, dividends kept", ("IWM",), edit("IWM", adjusted_twice), "quarantined"),
    Corruption(
        "every second row of ^GSPC gone for a quarter",
        ("^GSPC",),
        edit("^GSPC", without("2024-04-01", "2024-06-28", 2)),
        "warning",
    ),
    Corruption("a month of DGS2 gone", ("DGS2",), edit("DGS2", without(*MONTH)), "warning"),
    Corruption(
        "a month of CPIAUCSL gone",
        ("CPIAUCSL",),
        edit("CPIAUCSL", without("2024-05-01", "2024-05-31")),
        "warning",
    ),
    Corruption(
        "QQQ's last session gone", ("QQQ",), edit("QQQ", without("2024-08-30", "2024-08-30")), "stopped"
    ),
    Corruption(
        "a session of QQQ twice, closes differ",
        ("QQQ",),
        edit("QQQ", doubled("2024-07-11", "close", 1.02)),
        "quarantined",
    ),
    Corruption(
        "a session of SPY twice, volumes differ",
        ("SPY",),
        edit("SPY", doubled("2024-07-11", "volume", 1.1)),
        "quarantined",
    ),
    Corruption(
        "a close of JPM above its high",
        ("JPM",),
        edit("JPM", times(CLOSE, 1.1, "2024-07-11", "2024-07-11")),
        "quarantined",
    ),
    Corruption(
        "a month of IWM without volume", ("IWM",), edit("IWM", with_values("volume", 0.0, *MONTH)), "warning"
    ),
    # 0 means that the open is not known.
    Corruption("opens of JPM 0", ("JPM",), edit("JPM", with_values("open", 0.0, *MONTH)), "unseen"),
    Corruption("DGS3MO as fractions", ("DGS3MO",), edit("DGS3MO", times(["DGS3MO"], 0.01)), "refused"),
    Corruption(
        "DGS10 as fractions from a day on",
        ("DGS10",),
        edit("DGS10", times(["DGS10"], 0.01, "2024-06-03")),
        "stopped",
    ),
    Corruption(
        "VIXCLS × 10 for a month", ("VIXCLS",), edit("VIXCLS", times(["VIXCLS"], 10, *MONTH)), "refused"
    ),
    Corruption(
        "ICSA in thousands for a month",
        ("ICSA",),
        edit("ICSA", times(["ICSA"], 0.001, *MONTH)),
        "refused",
    ),
    Corruption(
        "DFEDTARU without its last change", ("DFEDTARU",), edit("DFEDTARU", last_hike_missing), "warning"
    ),
    Corruption(
        "JPM.csv holds another company",
        ("JPM",),
        in_turn(copied("IWM", "JPM"), edit("JPM", times(PRICES_OF_A_BAR, 0.31))),
        "refused",
        later=True,
    ),
    Corruption(
        "JPM restated by one factor that is no split",
        ("JPM",),
        edit("JPM", times(PRICES_OF_A_BAR, 0.31)),
        "refused",
        later=True,
    ),
    Corruption("KRE a session early", ("KRE",), edit("KRE", shifted(-1)), "stopped", later=True),
    Corruption("DGS2 as fractions", ("DGS2",), edit("DGS2", times(["DGS2"], 0.01)), "stopped", later=True),
    Corruption(
        "^RUT × 1.5 from a day on",
        ("^RUT",),
        edit("^RUT", times(PRICES_OF_A_BAR, 1.5, "2024-08-30")),
        "quarantined",
        later=True,
    ),
]
