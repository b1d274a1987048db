"""The issuer's holdings files against a local server that speaks the document service: what is asked, what is
read, what is refused, what a folder may hold, and what is loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from datasets.base import Reach
from datasets.fund_holdings import FundHoldings, quarter_sessions
from datasets.registry import active_datasets
from pipeline.load_dataset import load_dataset
from sources.ishares import FilesFundHoldings, ISharesHoldings, SimulatedFundHoldings, funds
from sources.protocol import NotServed, Parsed, SourceError, SourceUnavailable, Unreadable
from sources.registry import open_provider
from sources.transport import Forbidden, NotData, RateLimited, Transport
from tests.faults.home import impatient, live_home
from tests.faults.ishares_server import LINES, ISharesServer, report
from tests.faults.server import Fault, hang_up, reset, silent, truncated
from warehouse.database import pipeline_database
from warehouse.landing import land
from warehouse.payloads import Payload, Request
from warehouse.settings import Settings, SettingsError

SETTINGS = Settings.from_environment({"ROTATION_SOURCE": "live"})
TODAY = date(2025, 9, 11)
NEWEST = date(2025, 9, 10)
MOMENT = datetime(2025, 9, 11, 22, 0)
IWM = "239710"


def request(item: str = "IWM") -> Request:
    return Request("fund_holdings", item, date(2020, 1, 2), TODAY)


def provider(server: ISharesServer) -> ISharesHoldings:
    return ISharesHoldings.open(SETTINGS, {"ROTATION_ISHARES_URL": server.url})


def read(text: str | bytes, item: str = "IWM", source: str = "ishares") -> Parsed:
    content = text if isinstance(text, bytes) else text.encode()
    return ISharesHoldings.parse(Payload(request(item), source, content, "csv", MOMENT))


def weights(parsed: Parsed, day: date | None = None) -> dict[str, float]:
    frame = parsed.frame
    if day is not None:
        frame = frame[frame["report_date"] == pd.Timestamp(day)]
    return dict(zip(frame["sector"], frame["sector_weight_pct"].round(6), strict=True))


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider's clock stands on the day of the server's world."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> Clock:  # type: ignore[override]
            return cls(2025, 9, 11, 22, 0)

    monkeypatch.setattr("sources.ishares.datetime", Clock)


# --- what is asked and what comes of it ----------------------------------------------------------------


def test_the_newest_report_and_that_of_a_day_are_asked_for_by_the_number_of_the_fund() -> None:
    with ISharesServer(TODAY) as server:
        newest = provider(server).fetch(request())
        dated = provider(server).fetch(request("IWM_20250630"))
        first, second = server.paths()
    assert first.startswith("/get-fund-document?portfolioId=239710&appType=PRODUCT_PAGE")
    assert "component=holdings" in first and "asOfDate" not in first and "asOfDate=20250630" in second
    assert set(ISharesHoldings.parse(newest).frame["report_date"]) == {pd.Timestamp(NEWEST)}
    frame = ISharesHoldings.parse(dated).frame
    assert set(frame["report_date"]) == {pd.Timestamp("2025-06-30")}
    assert set(frame["file_symbol"]) == {"IWM"}


def test_the_lines_of_a_sector_are_summed_and_cash_stands_apart() -> None:
    parsed = read(report(IWM, NEWEST))
    assert parsed.rejected == [] and parsed.doubts == ()
    by_hand = pd.DataFrame(LINES, columns=["t", "n", "sector", "a", "w"]).groupby("sector")["w"].sum()
    assert weights(parsed) == pytest.approx(by_hand.to_dict())
    rows = parsed.frame.set_index("sector")
    assert rows.loc["Financials", "sector_value_usd"] == pytest.approx(6e10 * 0.26)
    assert rows.loc["Financials", "sector_holdings"] == 2 and rows.loc["Health Care", "sector_holdings"] == 2
    assert rows.loc["Cash and/or Derivatives", "sector_weight_pct"] == pytest.approx(0.30)
    assert rows.loc["Cash and/or Derivatives", "sector_holdings"] == 4


def test_a_fund_with_two_weights_is_read_by_the_one_of_market_value() -> None:
    parsed = read(report("239763", NEWEST), "IJH")
    assert parsed.rejected == [] and weights(parsed) == weights(read(report(IWM, NEWEST)))
    assert int(parsed.frame.set_index("sector").loc["Consumer Discretionary", "sector_holdings"]) == 2


@pytest.mark.parametrize("item", sorted(funds()))
def test_every_fund_of_the_list_is_served(item: str) -> None:
    with ISharesServer(TODAY) as server:
        parsed = ISharesHoldings.parse(provider(server).fetch(request(item)))
    assert set(parsed.frame["file_symbol"]) == {item} and len(parsed.frame) == 12


def test_spelling_does_not_matter() -> None:
    plain = weights(read(report(IWM, NEWEST)))
    text = report(IWM, NEWEST)
    assert weights(read(b"\xef\xbb\xbf" + text.encode())) == plain
    assert weights(read(text.replace("\n", "\r\n"))) == plain
    assert weights(read(text.replace('"Sep 10, 2025"', "Sep 10, 2025"))) == plain
    assert weights(read(text.replace("iShares Russell 2000 ETF", "ISHARES® RUSSELL 2000  ETF"))) == plain


def test_an_input_that_is_no_fund_of_the_list_is_refused_before_it_is_asked() -> None:
    for item in ("QQQ", "IWM_20251345", "iwm", "IWM_2025", "IWM/20250630"):
        with pytest.raises(SourceError, match=r"is not a fund of fund_holdings_files\.csv"):
            ISharesHoldings.open(SETTINGS, {}).fetch(request(item))


# --- answers that fail ---------------------------------------------------------------------------------


def test_a_day_without_a_report_is_not_served_and_no_newest_one_is_no_answer() -> None:
    with ISharesServer(TODAY) as server:
        with pytest.raises(NotServed, match="the issuer has no holdings of 2025-06-29"):
            provider(server).fetch(request("IWM_20250629"))
        server.reports[IWM] = report(IWM, None)
        with pytest.raises(NotData, match="a table without a report"):
            provider(server).fetch(request())
    with pytest.raises(Unreadable, match="Fund Holdings as of reads '-'"):
        read(report(IWM, None))


PAGE = b"<!DOCTYPE html>\n<html lang='en-US'><head><title>iShares</title></head><body>" + b"x" * 3000
STATUS = {
    404: (SourceError, "status 404"),
    403: (Forbidden, "access was refused"),
    429: (RateLimited, "too many requests|asks to wait"),
    503: (SourceUnavailable, "status 503"),
}


@pytest.mark.parametrize("status", sorted(STATUS))
def test_an_answer_with_another_status_is_named(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    impatient(monkeypatch)
    kind, text = STATUS[status]
    with ISharesServer(TODAY) as server:
        server.fault = Fault(status=status, headers={"Retry-After": "30"} if status == 429 else None)
        with pytest.raises(kind, match=rf"fund_holdings/IWM: .*({text})"):
            provider(server).fetch(request())


def test_a_busy_server_is_asked_again() -> None:
    with ISharesServer(TODAY) as server:
        server.fault = Fault(status=503, times=1)
        source = provider(server)
        source.transport = Transport("iShares", requests_per_second=None, first_wait_seconds=0.01)
        assert not source.parse(source.fetch(request())).frame.empty
        server.fault = Fault(status=429, times=1, headers={"Retry-After": "0"})
        assert not source.parse(source.fetch(request())).frame.empty


BODIES: dict[str, tuple[Callable[[bytes], bytes], type[Exception], str]] = {
    "page with status 200": (lambda body: PAGE, NotData, "web page"),
    "empty": (lambda body: b" \n", NotData, "empty"),
    "sentence": (lambda body: b"Service is temporarily unavailable.", NotData, "sentence"),
    "not UTF-8": (lambda body: body.replace(b"JPMORGAN", b"JPM\xe9RGAN"), Unreadable, "UTF-8"),
    "binary": (lambda body: body.replace(b"JPM", b"J\x00M"), Unreadable, "UTF-8"),
    "JSON": (
        lambda body: b'{"componentData": {}, "x": "' + b"y" * 2000 + b'"}',
        Unreadable,
        "as of is missing",
    ),
    "cut off within a line": (lambda body: body[:2000], Unreadable, "not CSV|add up to"),
    "cut off between lines": (
        lambda body: b"\n".join(body.split(b"\n")[:18]),
        Unreadable,
        "the file ends inside the table, before the legal text: it is cut short",
    ),
    "no lines": (
        lambda body: b"\n".join([*body.split(b"\n")[:10], *body.split(b"\n")[-4:]]),
        Unreadable,
        "no line that could be read",
    ),
    "no table": (
        lambda body: body.replace(b"Ticker,Name", b"Symbol,Issuer"),
        Unreadable,
        "no line begins with",
    ),
    "a column renamed": (
        lambda body: body.replace(b"Weight (%)", b"% of fund"),
        Unreadable,
        r"column Weight \(%\) is missing; there are Ticker, Name",
    ),
    "no sector": (lambda body: body.replace(b",Sector,", b",Group,"), Unreadable, "column Sector is missing"),
    "no market value": (
        lambda body: body.replace(b"Market Value", b"Value"),
        Unreadable,
        "column Market Value is missing",
    ),
    "no asset class": (lambda body: body.replace(b"Asset Class", b"Class"), Unreadable, "column Asset Class"),
    "another fund": (
        lambda body: body.replace(b"iShares Russell 2000 ETF", b"iShares Core 40/60 Moderate Allocation ETF"),
        Unreadable,
        r"the file is of 'iShares Core 40/60 Moderate Allocation ETF', expected 'iShares Russell 2000 ETF'",
    ),
    "a day in the future": (
        lambda body: body.replace(b"Sep 10, 2025", b"Sep 12, 2025"),
        Unreadable,
        "reads 2025-09-12, which is after the 2025-09-11 of the fetch",
    ),
    "an old answer": (
        lambda body: body.replace(b"Sep 10, 2025", b"Aug 29, 2025"),
        Unreadable,
        "reads 2025-08-29, 13 days ago: an old answer",
    ),
    "a Sunday": (lambda body: body.replace(b"Sep 10, 2025", b"Sep 07, 2025"), Unreadable, "not a weekday"),
    "a day in another order": (
        lambda body: body.replace(b"Sep 10, 2025", b"10/09/2025"),
        Unreadable,
        "reads '10/09/2025', expected a day such as",
    ),
    "a day that there is not": (
        lambda body: body.replace(b"Sep 10, 2025", b"Sep 31, 2025"),
        Unreadable,
        "expected a day",
    ),
    "two reports": (lambda body: body + body, Unreadable, "holds 2 reports; one was asked for"),
    "every line twice": (
        lambda body: twice(body, change=True),
        Unreadable,
        "weights of 2025-09-10 add up to",
    ),
}


def twice(body: bytes, *, change: bool) -> bytes:
    """The lines of the table a second time, with another name or as they are."""
    lines = body.split(b"\n")
    table = [entry for entry in lines[10:] if entry.startswith(b'"') and b"Equity" in entry]
    again = [
        entry.replace(b"UNITED", b"U").replace(b"NASDAQ", b"NYSE") if change else entry for entry in table
    ]
    return b"\n".join([*lines[:10], *again, *lines[10:]])


@pytest.mark.parametrize("name", sorted(BODIES))
def test_an_answer_of_another_form_is_refused_by_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    impatient(monkeypatch)
    body, kind, text = BODIES[name]
    with ISharesServer(TODAY) as server:
        server.fault = Fault(body=body)
        with pytest.raises(kind, match=text) as raised:
            provider(server).fetch(request())
    assert "fund_holdings/IWM" in str(raised.value)


@pytest.mark.parametrize("send", [truncated, reset, hang_up, silent])
def test_a_connection_that_breaks_is_no_answer(
    send: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch, deadline=2.0, attempt=1.0)
    with ISharesServer(TODAY) as server:
        server.fault = Fault(send=send)
        with pytest.raises(SourceUnavailable):
            provider(server).fetch(request())


def test_a_redirect_to_a_page_and_a_body_too_large_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    impatient(monkeypatch)
    with ISharesServer(TODAY) as server:
        server.fault = Fault(on="fund-document", status=302, headers={"Location": "/us/products"})
        with pytest.raises(SourceError, match="status 404"):
            provider(server).fetch(request())
        server.fault = Fault(body=lambda body: body + b"x" * 200_000)
        source = provider(server)
        source.transport = Transport("iShares", requests_per_second=None, max_bytes=100_000)
        with pytest.raises(Unreadable, match="larger than"):
            source.fetch(request())


def test_an_answer_of_another_day_than_asked_is_refused() -> None:
    with ISharesServer(TODAY) as server:
        server.reports[IWM] = report(IWM, date(2025, 6, 27))
        with pytest.raises(Unreadable, match="reads 2025-06-27, and 2025-06-30 was asked for"):
            provider(server).fetch(request("IWM_20250630"))


def columns(text: str, name: str, change: Callable[[str], str], only: str = "") -> str:
    """The text with a column's cells changed, of all lines or those with a word."""
    lines = text.split("\n")
    start = next(place for place, entry in enumerate(lines) if entry.startswith("Ticker,"))
    place = lines[start].split(",").index(name)
    for number in range(start + 1, len(lines)):
        if not lines[number].startswith('"') or '","' not in lines[number]:
            break
        cells = lines[number][1:-1].split('","')
        if only in lines[number]:
            cells[place] = change(cells[place])
        lines[number] = '"' + '","'.join(cells) + '"'
    return "\n".join(lines)


def number(cell: str) -> float:
    return float(cell.replace(",", ""))


@pytest.mark.parametrize(
    ("name", "change", "text"),
    [
        ("Weight (%)", lambda cell: f"{number(cell) / 100:.4f}", r"add up to 1\.00, expected about 100"),
        ("Weight (%)", lambda cell: f"{number(cell) * 1000:.2f}", r"add up to 100,000"),
        ("Weight (%)", lambda cell: "-", r"no line that could be read|add up to 0\.00"),
        (
            "Market Value",
            lambda cell: f"{number(cell) * 1000:,.2f}",
            "Market Value adds up to 60,000,000,000,000",
        ),
        (
            "Market Value",
            lambda cell: f"{number(cell) / 1000:,.2f}",
            "Market Value adds up to 60,000,000 USD",
        ),
        ("Market Value", lambda cell: "1,000,000,000.00", "by Weight .%. and .* by Market Value"),
        ("Market Value", lambda cell: "n/a", "no line that could be read"),
        ("Sector", lambda cell: "", "Sector has names that sector_funds.csv does not know"),
        ("Sector", lambda cell: "Banks", "Sector has names that sector_funds.csv does not know, for 100 %"),
    ],
)
def test_a_column_in_another_unit_or_without_values_is_refused(
    name: str, change: Callable[[str], str], text: str
) -> None:
    with pytest.raises(Unreadable, match=text):
        read(columns(report(IWM, NEWEST), name, change))


@pytest.mark.parametrize(
    ("name", "change", "only", "rule"),
    [
        ("Weight (%)", "NaN", "HECLA", "weight_is_a_number"),
        ("Weight (%)", "Infinity", "HECLA", "weight_is_a_number"),
        ("Weight (%)", "4.00%", "HECLA", "weight_is_a_number"),
        ("Weight (%)", "4,00", "HECLA", "weight_is_a_number"),
        ("Weight (%)", "-", "HECLA", "weight_and_value_go_together"),
        ("Market Value", "-", "HECLA", "weight_and_value_go_together"),
        ("Market Value", "2.4e9", "HECLA", "market_value_is_a_number"),
        ("Market Value", "many", "HECLA", "market_value_is_a_number"),
        ("Market Value", "-2,400,000,000.00", "HECLA", "shares_are_not_negative"),
        ("Weight (%)", "-4.00", "HECLA", "shares_are_not_negative"),
    ],
)
def test_a_line_that_matters_refuses_the_file_and_one_that_does_not_is_named(
    name: str, change: str, only: str, rule: str
) -> None:
    """A line of 4 % cannot be left out; one of half a per cent can."""
    with pytest.raises(Unreadable, match=r"add up to 96\.00"):
        read(columns(report(IWM, NEWEST), name, lambda cell: change, only))
    small = report(IWM, NEWEST).replace('"2,400,000,000.00","4.00"', '"300,000,000.00","0.50"')
    small = small.replace('"8,400,000,000.00","14.00"', '"10,500,000,000.00","17.50"', 1)
    smaller = change.replace("4.00", "0.50").replace("2,400", "300")
    parsed = read(columns(small, name, lambda cell: smaller, only))
    [(broken, row)] = parsed.rejected
    assert broken == rule and row["Ticker"] == "HL" and row["file_symbol"] == "IWM"
    assert "Materials" not in weights(parsed)


def test_a_line_without_every_cell_or_served_twice_is_named() -> None:
    text = report(IWM, NEWEST)
    [utilities] = [entry for entry in text.split("\n") if "ORMAT" in entry]
    parsed = read(text.replace(utilities, f"{utilities}\n{utilities}"))
    assert [rule for rule, _ in parsed.rejected] == ["holding_is_served_once"]
    assert weights(parsed) == weights(read(text))
    doubled = twice(text.encode(), change=False)
    assert len(read(doubled).rejected) == 13 + 1 and weights(read(doubled)) == weights(read(text))
    cash = '"USD","USD CASH"'
    parsed = read(text.replace(cash, f'"USD"\n{cash}'))
    assert weights(parsed)["Cash and/or Derivatives"] == pytest.approx(0.33), "a single cell ends the table"
    parsed = read(text.replace(cash, f'"USD","CASH","x"\n{cash}'))
    assert [rule for rule, _ in parsed.rejected] == ["line_has_every_cell"]


def test_a_sector_that_nobody_knows_is_said() -> None:
    parsed = read(report(IWM, NEWEST).replace('"Utilities"', '"Water"').replace('"Energy"', '"Energy & Oil"'))
    assert parsed.doubts == (
        "ishares: fund_holdings/IWM: sector 'Energy & Oil' (4.5 % on 2025-09-10) is not in sector_funds.csv",
        "ishares: fund_holdings/IWM: sector 'Water' (1.5 % on 2025-09-10) is not in sector_funds.csv",
    )
    assert weights(parsed)["Water"] == 1.5


# --- files ---------------------------------------------------------------------------------------------


def folder_with(folder: Path, **files: str) -> FilesFundHoldings:
    (folder / "fund_holdings").mkdir(parents=True)
    for name, text in files.items():
        (folder / "fund_holdings" / f"{name}.csv").write_text(text, encoding="utf-8")
    return FilesFundHoldings(folder)


def test_a_folder_holds_reports_under_the_fund_and_under_fund_and_day(tmp_path: Path) -> None:
    several = report(IWM, date(2025, 6, 30)) + report(IWM, date(2025, 8, 29), {"Utilities": 1.2})
    source = folder_with(
        tmp_path,
        IWM=several,
        IVV_holdings=report("239726", date(2019, 3, 29)),
        iwn_20250829=report("239712", date(2025, 8, 29)),
        notes="x",
    )
    assert source.present_inputs() == ["IVV", "IWM", "IWN_20250829"]
    assert source.not_taken() == [
        "fund_holdings/notes.csv is not read: notes is not one of IJH, IJR, IVE, IVV, IVW, IWB, IWC, IWD,"
        " IWF, IWM, IWN, IWO; name the file IWM.csv, or IWM_20250630.csv with the day of the report"
    ]
    parsed = source.parse(source.fetch(request("IWM")))
    assert weights(parsed, date(2025, 6, 30))["Utilities"] == 1.5
    assert weights(parsed, date(2025, 8, 29))["Utilities"] == 1.8
    assert parsed.frame["_not_before_utc"].isna().all()
    assert len(source.parse(source.fetch(request("IWN_20250829"))).frame) == 12
    old = source.parse(source.fetch(request("IVV")))
    assert set(old.frame["report_date"]) == {pd.Timestamp("2019-03-29")}, "a file may be of any age"
    with pytest.raises(NotServed, match="fund_holdings/IWC has no file"):
        source.fetch(request("IWC"))


def test_a_file_of_another_fund_or_day_or_two_of_one_day_are_refused(tmp_path: Path) -> None:
    source = folder_with(
        tmp_path,
        IWN=report(IWM, NEWEST),
        IWM_20250630=report(IWM, date(2025, 6, 27)),
        IWM=report(IWM, NEWEST) + report(IWM, NEWEST, {"Utilities": 1.2}),
        IVV=report("239726", NEWEST),
        IVV_holdings=report("239726", NEWEST),
    )
    for item, text in (
        ("IWN", "expected 'iShares Russell 2000 Value ETF': another fund's holdings"),
        ("IWM_20250630", "reads 2025-06-27, and 2025-06-30 was asked for"),
        ("IWM", "two reports of 2025-09-10 that differ"),
    ):
        with pytest.raises(Unreadable, match=text):
            source.parse(source.fetch(request(item)))
    with pytest.raises(SourceError, match="more than one file"):
        source.fetch(request("IVV"))


def test_a_folder_without_holdings_is_silent(tmp_path: Path) -> None:
    settings = Settings.from_environment(
        {
            "ROTATION_SOURCE": "files",
            "ROTATION_FILES_DIR": str(tmp_path),
            "ROTATION_HOME": str(tmp_path / "h"),
        }
    )
    source = open_provider(settings, "fund_holdings", {})
    assert isinstance(source, FilesFundHoldings)
    assert source.present_inputs() == [] and source.not_taken() == []
    (tmp_path / "IWM.csv").write_text("date,close\n")
    assert source.not_taken() == [], "a bare symbol is of prices"


# --- simulated -----------------------------------------------------------------------------------------


def test_simulated_reports_are_read_by_the_same_parser_and_lie_before_the_end() -> None:
    source = SimulatedFundHoldings()
    end = date(2025, 8, 28)
    for item in sorted(funds()):
        parsed = source.parse(source.fetch(Request("fund_holdings", item, date(2000, 1, 3), end)))
        assert parsed.rejected == [] and parsed.doubts == ()
        assert parsed.frame["report_date"].max() == pd.Timestamp("2025-07-31")
        totals = parsed.frame.groupby("report_date")["sector_weight_pct"].sum()
        assert len(totals) == 43 and totals.between(99.9, 100.1).all()
    longer = source.parse(source.fetch(Request("fund_holdings", "IWM", date(2000, 1, 3), date(2026, 8, 31))))
    shorter = source.parse(source.fetch(Request("fund_holdings", "IWM", date(2000, 1, 3), end)))
    cut = longer.frame[longer.frame["report_date"] <= pd.Timestamp("2025-07-31")]
    pd.testing.assert_frame_equal(cut, shorter.frame)
    with pytest.raises(NotServed):
        SimulatedFundHoldings().fetch(Request("fund_holdings", "QQQ", date(2000, 1, 3), end))


def test_simulated_small_value_holds_more_financials_than_small_growth() -> None:
    source = SimulatedFundHoldings()
    held = {
        item: weights(
            source.parse(source.fetch(Request("fund_holdings", item, date(2025, 7, 1), date(2025, 8, 1))))
        )["Financials"]
        for item in ("IWN", "IWM", "IWO", "IVV")
    }
    assert held["IWN"] > held["IWM"] > held["IVV"] > held["IWO"]


# --- the kind of input ---------------------------------------------------------------------------------


def test_the_kind_can_be_turned_off() -> None:
    off = Settings.from_environment({"ROTATION_SOURCE": "live", "ROTATION_FUND_HOLDINGS_SOURCE": "none"})
    assert "fund_holdings" not in [dataset.name for dataset in active_datasets(off)]
    assert "fund_holdings" in [dataset.name for dataset in active_datasets(SETTINGS)]
    with pytest.raises(SettingsError, match="ROTATION_ISHARES_URL is not an address"):
        ISharesHoldings.open(SETTINGS, {"ROTATION_ISHARES_URL": "ishares"})


def test_a_quarter_is_asked_for_on_its_last_session() -> None:
    assert quarter_sessions(date(2024, 1, 1), date(2024, 7, 15)) == [date(2024, 3, 28), date(2024, 6, 28)]


def test_reports_are_loaded_once_known_from_the_next_morning_and_never_backward(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with ISharesServer(TODAY) as server:
        home = live_home(
            monkeypatch,
            tmp_path / "home",
            server.url,
            ROTATION_ISHARES_URL=server.url,
            ROTATION_FUND_HOLDINGS_SOURCE="ishares",
            ROTATION_HISTORY_START="2025-01-02",
        )
        dataset, source = FundHoldings(), open_provider(home.settings, "fund_holdings")
        assert isinstance(source, ISharesHoldings)
        with pipeline_database(home.settings) as connection:
            held = dataset.held_until(connection, TODAY)
            names = dataset.inputs(connection, home.settings, source, Reach(TODAY, TODAY), held)
            assert len(names) == 12 * 3 and "IWM_20250331" in names and "IWN_20250630" in names
            asked = [request(item) for item in ("IWM", "IWM_20250331", "IWM_20250630")]
            landed = [land(home.settings.landing, source.fetch(entry)) for entry in asked]
            loaded = load_dataset(connection, home.settings, dataset, landed, "run-1")
            assert loaded.new_rows == 36 and not loaded.unreadable and not loaded.quarantined
            rows = connection.execute(
                "select report_date::varchar, min(available_at_utc)::varchar, count(*) from raw.fund_holdings"
                " group by all order by 1"
            ).fetchall()
            # Nine in the morning of New York; the newest one not before it was fetched.
            assert rows == [
                ("2025-03-31", "2025-04-01 13:00:00", 12),
                ("2025-06-30", "2025-07-01 13:00:00", 12),
                ("2025-09-10", "2025-09-11 22:00:00", 12),
            ]
            held = dataset.held_until(connection, TODAY)
            again = dataset.inputs(connection, home.settings, source, Reach(TODAY, TODAY), held)
            assert "IWM" in again and "IWM_20250331" not in again and "IWN_20250630" in again
            [fresh] = dataset_freshness(connection, dataset)
            assert fresh == (date(2025, 9, 10), False)


def dataset_freshness(connection: object, dataset: FundHoldings) -> list[tuple[date | None, bool]]:
    class Attached:
        def execute(self, sql: str, parameters: list[object]) -> object:
            return connection.execute(sql.replace("pipeline.raw.", "raw."), parameters)  # type: ignore[attr-defined]

    return [(row.last_date, row.stale) for row in dataset.freshness(Attached(), TODAY)]  # type: ignore[arg-type]


def test_a_report_that_does_not_continue_the_one_before_is_not_loaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with ISharesServer(TODAY) as server:
        home = live_home(monkeypatch, tmp_path / "home", server.url, ROTATION_HISTORY_START="2025-01-02")
    dataset = FundHoldings()

    def load(item: str, text: str, run: str) -> tuple[int, dict[str, str]]:
        moment = MOMENT + timedelta(hours=int(run[-1]))
        payload = Payload(request(item), "ishares", text.encode(), "csv", moment)
        with pipeline_database(home.settings) as connection:
            landed = land(home.settings.landing, payload)
            found = load_dataset(connection, home.settings, dataset, [landed], run)
        return found.new_rows, found.unreadable

    assert load("IWM_20250630", report(IWM, date(2025, 6, 30)), "run-1") == (12, {})
    rows, refused = load("IWM_20250829", report(IWM, date(2025, 8, 29), assets=6e11), "run-2")
    assert (
        rows == 0
        and "Market Value adds up to 600.00 bn USD on 2025-08-29, after 60.00 on 2025-06-30"
        in (refused["IWM_20250829"])
    )
    other = {"Financials": 2.0, "Health Care": 0.0, "Industrials": 5 / 17}
    rows, refused = load("IWM_20250829", report(IWM, date(2025, 8, 29), other), "run-3")
    assert (
        rows == 0
        and "Financials is 52.0 % of the fund on 2025-08-29, after 26.0 %" in (refused["IWM_20250829"])
    )
    # A corrected report is a new version of all its sectors, also where one is gone.
    without = {"Utilities": 0.0, "Energy": 6 / 4.5}
    text = "\n".join(
        entry for entry in report(IWM, date(2025, 6, 30), without).split("\n") if "Utilities" not in entry
    )
    assert load("IWM_20250630", text, "run-4") == (11, {})
    assert load("IWM_20250630", text, "run-5") == (0, {}), "the same again is nothing new"
