"""Files as Yahoo, Stooq, Nasdaq, Barchart and Investing.com export them, recognised by their header.

In: a table of text as such a file holds it. Out: the same rows under the names of `sources.tabular`, and a
sentence on what the file does not say. What each exports:

* Yahoo (also yfinance with `auto_adjust=False`): close adjusted for splits, adjusted close for dividends
  too. Without its dividends the total return is that of the adjusted close.
* Nasdaq and Barchart: close adjusted for splits; neither dividends nor an adjusted close.
* Investing.com: price adjusted for splits; neither dividends nor an adjusted close. Its volume is rounded
  (63.12M) and not taken.
* Stooq: one close, adjusted for splits and, unless that was switched off before the download, for dividends
  too; its header says nothing of it. `fully_adjusted` in the folder's manifest does.

What an export does not have stays unknown; it is never filled in: without dividends and adjusted close there
is no total return. For futures the close, or the last price, is taken as the settlement. Caveat: a plain
`Date,Open,High,Low,Close,Volume` is not only Stooq's; whoever wrote it, the same is not known of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pandas as pd

from sources.file_names import contracts_of
from sources.table_text import TextTable

PRICES = ("open", "high", "low", "close")


class OtherInput(ValueError):
    """The file says that it is about another input; the message names both."""


class NotDaily(ValueError):
    """The file has no daily closes on a known basis; the message says what to export instead."""


@dataclass(frozen=True)
class Export:
    """How one vendor's export maps to the common layout.

    Attributes:
        vendor: whose it is.
        columns: the vendor's column to the common one; all are needed.
        optional: further columns that may be there.
        ignored: columns that are known and of no use here.
        unsaid: what the file leaves open; empty when nothing.
        date_order: the order of day and month where the vendor writes both as numbers.
        unknown: the vendor's words for a value that is not known.
        input_column: the column that names the input.
    """

    vendor: str
    columns: dict[str, str]
    unsaid: str = ""
    optional: dict[str, str] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()
    date_order: str | None = None
    unknown: frozenset[str] = frozenset()
    input_column: str = ""

    def fits(self, header: set[str]) -> bool:
        """Whether a header, in lower case, is this export's."""
        known = self.columns.keys() | self.optional.keys() | self.ignored | {self.input_column}
        return self.columns.keys() <= header <= known


@dataclass(frozen=True)
class Converted:
    """An export in the common layout."""

    frame: pd.DataFrame
    export: Export
    doubt: str


_OHLC = {name: name for name in PRICES}
_NO_DIVIDENDS = (
    "it has neither dividends nor an adjusted close, so its returns are price returns and its total return is"
    " not known"
)
_MAYBE_ADJUSTED = (
    "it does not say whether its closes are adjusted for dividends, so its total return is not known. Stooq's"
    " are, unless that was switched off: then list the symbol under fully_adjusted in manifest.yml"
)
_BARCHART = {"open": "open", "high": "high", "low": "low"}
_BARCHART_REST = frozenset(
    {"change", "%chg", "%change", "open int", "open interest", "openint", "wtd. alpha", "volume"}
)

PRICE_EXPORTS = (
    Export(
        "Yahoo",
        {"date": "date", **_OHLC, "adj close": "adj_close", "volume": "volume"},
        optional={"dividends": "dividend", "stock splits": "split"},
        ignored=frozenset({"capital gains"}),
        date_order="month_first",
        unknown=frozenset({"-"}),
    ),
    Export(
        "Nasdaq",
        {"date": "date", "close/last": "close", "open": "open", "high": "high", "low": "low"},
        _NO_DIVIDENDS,
        optional={"volume": "volume"},
        date_order="month_first",
        unknown=frozenset({"n/a", "--"}),
    ),
    *(
        Export(
            "Barchart",
            {day: "date", **_BARCHART, last: "close", "change": ""},
            _NO_DIVIDENDS,
            optional={"volume": "volume"},
            ignored=_BARCHART_REST,
            date_order="month_first",
            unknown=frozenset({"n/a"}),
            input_column="symbol",
        )
        for day in ("time", "date", "date time")
        for last in ("last", "latest", "close")
    ),
    Export(
        "Investing.com",
        {"date": "date", "price": "close", "open": "open", "high": "high", "low": "low"},
        _NO_DIVIDENDS,
        ignored=frozenset({"vol.", "change %"}),
        unknown=frozenset({"-"}),
    ),
    Export(
        "Stooq",
        {"<ticker>": "", "<per>": "", "<date>": "date", **{f"<{name}>": name for name in PRICES}},
        _MAYBE_ADJUSTED,
        optional={"<vol>": "volume"},
        ignored=frozenset({"<time>", "<openint>"}),
        input_column="<ticker>",
    ),
    Export(
        "Stooq",
        {"data": "date", "otwarcie": "open", "najwyzszy": "high", "najnizszy": "low", "zamkniecie": "close"},
        _MAYBE_ADJUSTED,
        optional={"wolumen": "volume"},
    ),
    Export("Stooq", {"date": "date", **_OHLC}, _MAYBE_ADJUSTED, optional={"volume": "volume"}),
)
_AS_SETTLEMENT = "its closing prices are taken as settlements"


def convert(item: str, table: TextTable, *, as_settlements: bool = False) -> Converted | None:
    """The table in the common layout, if it is a vendor's export of daily prices; else None.

    Args:
        item: the input, which an export may name.
        table: the table as text.
        as_settlements: whether the closes are taken as settlements of a contract.

    Raises:
        OtherInput: it says that it is about another input.
        NotDaily: its closes are of another period or on a basis that cannot be used.
    """
    names = [_plain_name(name) for name in table.frame.columns]
    if len(set(names)) < len(names):
        return None
    frame = table.frame.set_axis(names, axis="columns")
    _refuse_adjusted(set(names))
    export = next((export for export in PRICE_EXPORTS if export.fits(set(names))), None)
    if export is None:
        return None
    if "<per>" in names and not (frame["<per>"] == "D").all():
        raise NotDaily("its rows are not daily (<PER> is not D); export daily data")
    if export.input_column in names:
        _require_input(item, frame[export.input_column])
    mapping = {theirs: ours for theirs, ours in (export.columns | export.optional).items() if ours}
    mapping = {theirs: ours for theirs, ours in mapping.items() if theirs in names}
    chosen = frame[list(mapping)].rename(columns=mapping)
    if as_settlements:
        chosen = chosen[["date", "close"]].rename(columns={"close": "settle"})
        return Converted(_without_dollars(chosen), export, f"exported by {export.vendor}: {_AS_SETTLEMENT}")
    for name in (*PRICES, "adj_close", "volume", "dividend", "split"):
        if name not in chosen:
            chosen[name] = ""
    _leave_out_capital_gains(frame, chosen)
    doubt = f"exported by {export.vendor}: {export.unsaid}" if export.unsaid else ""
    return Converted(_without_dollars(chosen), export, doubt)


def _plain_name(name: str) -> str:
    """A column's name in small letters, without stars and without the note that Yahoo's page puts behind
    it.
    """
    plain = re.sub(r"[*\s]+$", "", name.lower())
    return re.sub(r"^((?:adj )?close) ?(?:adjusted )?close price adjusted for .*", r"\1", plain)


def _refuse_adjusted(names: set[str]) -> None:
    if {"close", "dividends", "stock splits"} <= names and "adj close" not in names:
        raise NotDaily(
            "it has dividends and no adjusted close: yfinance writes so when its closes are adjusted for"
            " dividends already; export it with auto_adjust=False"
        )


def _require_input(item: str, stated: pd.Series) -> None:
    """The file names the input in every row; a file under another name is refused."""
    other = next((text for text in stated.unique() if text and not _may_be(text, item)), None)
    if other is not None:
        raise OtherInput(f"the file says that it is about {other[:20]!r}, and its name says {item}")


def _may_be(stated: str, item: str) -> bool:
    """Whether a vendor's name may be the input's: without what vendors put around a symbol (`IWM.US`,
    `$RUT`), and a contract without its decade (`ZQU4`).
    """
    contracts = contracts_of(stated)
    return item in contracts if contracts else _bare(stated) == _bare(item)


def _bare(name: str) -> str:
    return name.upper().removesuffix(".US").lstrip("^$")


def _leave_out_capital_gains(frame: pd.DataFrame, chosen: pd.DataFrame) -> None:
    """A fund that paid out capital gains returned more than its dividends: then its adjusted close counts."""
    if "capital gains" in frame and not frame["capital gains"].isin(["", "0", "0.0"]).all():
        chosen["dividend"] = ""


def _without_dollars(frame: pd.DataFrame) -> pd.DataFrame:
    plain: pd.DataFrame = frame.apply(lambda column: column.str.replace(r"^\$", "", regex=True))
    return plain
