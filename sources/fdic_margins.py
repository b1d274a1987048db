"""The source `fdic` for `bank_margins`: what each FDIC-insured bank earned on its assets and paid for its
deposits, by quarter; the same from files that were downloaded, and from the simulated market.

In: a `Request` of the dataset `bank_margins` whose input is a quarter's last day, such as 2024-06-30.
Out: the answer as served and from it a row per bank: assets (ASSET), earning assets (ERNAST), deposits in
domestic offices (DEPDOM) and those of them that bear interest (DEPIDOM) at the quarter's end, and since the
start of the year net interest income (NIM) and interest expense on domestic deposits (EDEPDOM), all in
thousands of dollars. Income fields are year-to-date: what a quarter's own is follows in staging. Source: FDIC
BankFind Suite, https://api.fdic.gov/banks/docs/risview_properties.yaml; settings as for `sources.fdic`.

The API leaves a field out where it is null, and a field whose name it does not know without a word: the first
is NULL for that bank, one that no report has refuses the quarter. Insured branches of foreign banks (IBA = 1)
report no income and are left out, as in the FDIC's Quarterly Banking Profile. A report that contradicts
itself is rejected and named; where the rejected ones hold more than a hundredth of the assets, the quarter is
refused, because its sums would be wrong. Files: `bank_margins/2024-06-30.json`, the answer as served (several
pages in an array), or `.csv`, the API's with `format=csv`. Caveats: amended reports change a quarter later;
savings institutions that filed Thrift Financial Reports (until 2011) lack some fields.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable
from datetime import date
from functools import cache, partial
from typing import Any, ClassVar

import pandas as pd

from sources.fdic import MOST_LEFT_OUT, SERVED_TWICE, FdicFinancials, all_reports, quarter_of, require_fields
from sources.files import FilesAsServed
from sources.protocol import NotServed, Parsed, Unreadable
from sources.simulated import SimulatedProvider, simulated_market
from sources.simulated_market import SimulatedMarket
from sources.simulated_market.bank_margins import bank_margins_json
from sources.text_numbers import is_finite_number
from warehouse.payloads import Payload, Request

# Field of the API → column; thousands of dollars.
STOCKS = {
    "ASSET": "assets_usd_thousand",
    "ERNAST": "earning_assets_usd_thousand",
    "DEPDOM": "domestic_deposits_usd_thousand",
    "DEPIDOM": "interest_bearing_deposits_usd_thousand",
}
FLOWS = {
    "NIM": "net_interest_income_ytd_usd_thousand",
    "EDEPDOM": "deposit_interest_ytd_usd_thousand",
}
COLUMNS = STOCKS | FLOWS
BRANCH = "IBA"
# Net interest income may be a loss; everything else is not negative.
NOT_NEGATIVE = (*STOCKS, "EDEPDOM")
# (part, whole, largest share): beyond it one of the two is in another unit. A bank that fails may owe more
# than it has, and one that shrinks may have paid much on what it has left.
SHARES = (
    ("DEPDOM", "ASSET", 1.5),
    ("ERNAST", "ASSET", 1.5),
    ("DEPIDOM", "DEPDOM", 1.01),
    ("EDEPDOM", "DEPDOM", 1.0),
    ("NIM", "ASSET", 1.0),
)
# Amounts up to a million dollars say nothing about units.
SMALL = 1_000
NUMBER = re.compile(r"-?\d{1,18}(\.0*)?")
FIRST_YEAR, LAST_YEAR = 1984, 2049


def parse_margins(payload: Payload) -> Parsed:
    """Read one quarter's reports, JSON or CSV.

    Raises:
        Unreadable: it is not such an answer, lacks a field or reports, or most of it breaks a rule.
    """
    request = payload.request
    quarter = quarter_of(request)
    where = f"{payload.source}: {request.dataset}/{request.input}"
    if payload.extension == "csv":
        rows, total = _csv_reports(where, payload.content)
    else:
        rows, total = all_reports(where, payload.content)
    if len(rows) != total:
        raise Unreadable(f"{where}: field meta.total says {total:,} reports, the payload holds {len(rows):,}")
    if not rows:
        raise Unreadable(f"{where}: there is no report in it")
    require_fields(where, rows, ("CERT", "REPDTE", *COLUMNS))
    # Without any value there are no details.
    reports = [row for row in rows if any(row.get(name) is not None for name in COLUMNS)]
    banks = [row for row in reports if str(row.get(BRANCH)) not in ("1", "1.0")]
    kept, rejected = _sound(banks, quarter)
    _require_most(where, kept, rejected)
    frame = pd.DataFrame(
        {
            "cert": pd.Series([int(row["CERT"]) for row in kept], dtype="int64"),
            "quarter_end": pd.Series([quarter] * len(kept), dtype="datetime64[us]"),
            **{
                column: pd.Series([row.get(name) for row in kept], dtype="float64")
                for name, column in COLUMNS.items()
            },
        }
    )
    doubts = () if any(BRANCH in row for row in rows) else (f"{where}: {NO_BRANCHES}",)
    return Parsed(frame, rejected, doubts=doubts)


NO_BRANCHES = (
    f"field {BRANCH} is in no report, so insured branches of foreign banks are only told by their lack of"
    " income"
)


class FdicMargins(FdicFinancials):
    """Serves the reports of all banks, a row per bank and quarter."""

    fields: ClassVar[tuple[str, ...]] = (*COLUMNS, BRANCH)

    @staticmethod
    def parse(payload: Payload) -> Parsed:
        """Read one quarter."""
        return parse_margins(payload)


class FilesBankMargins(FilesAsServed):
    """`bank_margins/<QUARTER>.json` or `.csv`, as the API offers them."""

    subfolder = "bank_margins"
    extensions = ("json", "csv")

    def known_inputs(self) -> frozenset[str]:
        """Every quarter."""
        return _quarters()

    @staticmethod
    def parse(payload: Payload) -> Parsed:
        """Read one quarter."""
        return parse_margins(payload)


class SimulatedBankMargins(SimulatedProvider):
    """Sixty made-up banks whose deposit betas are known, in the API's own format."""

    extension = "json"

    def fetch(self, request: Request) -> Payload:
        """Make the answer for one quarter, once it is over."""
        quarter = quarter_of(request)
        if request.end < quarter:
            raise NotServed(f"simulated: {request.dataset}/{request.input}: the quarter is not over")
        return super().fetch(request)

    def _make(self, market: SimulatedMarket) -> Callable[[str, date, date], bytes]:
        return partial(bank_margins_json, _policy_rates())

    @staticmethod
    def parse(payload: Payload) -> Parsed:
        """Read one quarter."""
        return parse_margins(payload)


@cache
def _policy_rates() -> dict[date, float]:
    """Quarter averages of the simulated market's funds rate, by last day of the quarter."""
    content = simulated_market().fred_csv("DFF", date(2000, 1, 1), date(2028, 12, 31))
    rows = pd.read_csv(io.BytesIO(content), parse_dates=["observation_date"])
    means = rows.set_index("observation_date")["DFF"].resample("QE").mean()
    days = pd.DatetimeIndex(means.index).date
    return dict(zip(days, means.astype("float64").tolist(), strict=True))


@cache
def _quarters() -> frozenset[str]:
    ends = pd.date_range(f"{FIRST_YEAR}-01-01", f"{LAST_YEAR}-12-31", freq="QE")
    return frozenset(str(day.date()) for day in ends)


# ---- reading


def _csv_reports(where: str, content: bytes) -> tuple[list[dict[str, Any]], int]:
    """The reports of the API's CSV; a blank is null, a number is a number."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable(f"{where}: the file is not UTF-8") from None
    lines = list(csv.reader(io.StringIO(text)))
    header = [name.strip().upper() for name in lines[0]] if lines else []
    if "CERT" not in header or len(set(header)) != len(header):
        raise Unreadable(f"{where}: the first line does not name the fields, as in CERT,REPDTE,ASSET,...")
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        if not line:
            continue
        if len(line) != len(header):
            raise Unreadable(f"{where}: line {number} has {len(line)} fields, the first line {len(header)}")
        cells = zip(header, (cell.strip() for cell in line), strict=True)
        rows.append({name: _cell(name, cell) for name, cell in cells if cell})
    return rows, len(rows)


def _cell(name: str, text: str) -> Any:
    return int(text.partition(".")[0]) if name in COLUMNS and NUMBER.fullmatch(text) else text


def _sound(
    rows: list[dict[str, Any]], quarter: date
) -> tuple[list[dict[str, Any]], list[tuple[str, dict[str, Any]]]]:
    """The reports that break no rule, and the others with the rule that they break."""
    day = f"{quarter:%Y%m%d}"
    kept: dict[str, dict[str, Any]] = {}
    rejected: list[tuple[str, dict[str, Any]]] = []
    for row in rows:
        rule = _broken_rule(row, day)
        certificate = str(row.get("CERT"))
        if rule is None and certificate in kept:
            other = kept[certificate]
            same = all(row.get(name) == other.get(name) for name in COLUMNS)
            rule = SERVED_TWICE if same else "institution_has_one_report"
        if rule is None:
            kept[certificate] = row
        else:
            rejected.append((rule, row))
    return list(kept.values()), rejected


def _broken_rule(row: dict[str, Any], day: str) -> str | None:
    """The rule that a report breaks, or None."""
    # The API writes 20240630, its CSV may have 2024-06-30.
    if str(row.get("REPDTE")).replace("-", "") != day:
        return "report_is_of_the_quarter_asked"
    certificate = row.get("CERT")
    if isinstance(certificate, bool) or not re.fullmatch(r"[1-9]\d{0,6}", str(certificate)):
        return "cert_is_a_certificate_number"
    for name, column in COLUMNS.items():
        value = row.get(name)
        if value is None:
            continue
        if not isinstance(value, int | float) or not is_finite_number(value):
            return f"{column}_is_a_finite_number"
        if value != int(value):
            return f"{column}_is_in_whole_thousands"
        if value < 0 and name in NOT_NEGATIVE:
            return f"{column}_is_not_negative"
    for part, whole, largest in SHARES:
        of, outof = row.get(part), row.get(whole)
        if of is not None and outof is not None and abs(of) > max(SMALL, largest * outof):
            return f"{COLUMNS[part]}_fits_{COLUMNS[whole]}"
    return None


def _require_most(where: str, kept: list[dict[str, Any]], rejected: list[tuple[str, dict[str, Any]]]) -> None:
    """Refuse a quarter whose rejected reports hold a good part of the assets, or of which none is sound."""
    left_out = [(rule, row) for rule, row in rejected if rule != SERVED_TWICE]
    held = math.fsum(_assets(row) for row in kept)
    short = math.fsum(_assets(row) for _, row in left_out)
    if kept and short <= MOST_LEFT_OUT * held:
        return
    rules = ", ".join(sorted({rule for rule, _ in left_out})) or "there is none but of branches"
    share = short / (held + short) if held + short else 1.0
    largest = max(left_out, key=lambda entry: _assets(entry[1]), default=None)
    named = f", the largest of CERT {str(largest[1].get('CERT'))[:20]}" if largest else ""
    raise Unreadable(
        f"{where}: {len(left_out):,} reports break a rule ({rules}){named}; they hold {share:.1%} of the"
        " assets, and sums without them would be wrong"
    )


def _assets(row: dict[str, Any]) -> float:
    """What a report holds, also where its numbers came as text; without assets, its deposits."""
    for name in ("ASSET", "DEPDOM", "ERNAST"):
        try:
            amount = abs(float(row.get(name) or 0))
        except (TypeError, ValueError, OverflowError):
            continue
        if amount and math.isfinite(amount):
            return amount
    return 0.0
