"""Files as vendors export them: recognised by the header, mapped, and what they do not say is said."""

from __future__ import annotations

from datetime import date, datetime

import pandas as pd
import pytest

from sources.protocol import Parsed, Unreadable
from sources.registry import parse_payload
from warehouse.payloads import Payload, Request

DAY = date(2024, 7, 16)
YAHOO = "Date,Open,High,Low,Close,Adj Close,Volume\n"
YFINANCE = "Date,Open,High,Low,Close,Adj Close,Volume,Dividends,Stock Splits,Capital Gains\n"
NASDAQ = "Date,Close/Last,Volume,Open,High,Low\n"
BARCHART = "Time,Open,High,Low,Latest,Change,%Change,Volume\n"
OLD_BARCHART = "Symbol,Time,Open,High,Low,Last,Change,%Chg,Volume,Open Int\n"
FOOTER = '"Downloaded from Barchart.com as of 07-16-2024 05:30pm CDT"\n'
STOOQ = "Date,Open,High,Low,Close,Volume\n"
STOOQ_BULK = "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\n"


def parse(text: str, dataset: str = "prices", item: str = "IWM") -> Parsed:
    """Parse text as if a file of it had been fetched."""
    request = Request(dataset, item, DAY, DAY)
    return parse_payload(Payload(request, "files", text.encode(), "csv", datetime(2026, 11, 20)))


EXPORTS = {
    "Yahoo": YAHOO + "2024-07-15,1.5,2,1,1.75,1.7,1000\n2024-07-16,1.75,2.5,1.5,2,1.9,2000\n",
    "Yahoo's page": "Date\tOpen\tHigh\tLow\tClose Close price adjusted for splits.\t"
    + "Adj CloseAdjusted close price adjusted for splits and dividend and/or capital gain distributions.\t"
    + "Volume\nJul 16, 2024\t1.75\t2.5\t1.5\t2\t1.9\t2,000\nJul 15, 2024\t1.5\t2\t1\t1.75\t1.7\t1,000\n",
    "yfinance": YFINANCE
    + "2024-07-15 00:00:00-04:00,1.5,2,1,1.75,1.7,1000,0.0,0.0,0.0\n"
    + "2024-07-16 00:00:00-04:00,1.75,2.5,1.5,2,1.9,2000,0.1,0.0,0.0\n",
    "Nasdaq": NASDAQ
    + '07/16/2024,$2.00,"2,000",$1.75,$2.50,$1.50\n07/15/2024,$1.75,1000,$1.50,$2.00,$1.00\n',
    "Barchart": BARCHART
    + "2024-07-16,1.75,2.5,1.5,2,0.25,+14.29%,2000\n2024-07-15,1.5,2,1,1.75,0.1,+1.00%,1000\n"
    + FOOTER,
    "older Barchart": OLD_BARCHART
    + "IWM,07/16/2024,1.75,2.5,1.5,2,0.25,14.29%,2000,0\nIWM,07/15/2024,1.5,2,1,1.75,0.1,1%,1000,0\n"
    + FOOTER,
    "Stooq": STOOQ + "2024-07-15,1.5,2,1,1.75,1000\n2024-07-16,1.75,2.5,1.5,2,2000\n",
    "Stooq's archive": STOOQ_BULK
    + "IWM.US,D,20240715,000000,1.5,2,1,1.75,1000,0\nIWM.US,D,20240716,000000,1.75,2.5,1.5,2,2000,0\n",
    "Polish Stooq": STOOQ.replace(
        "Date,Open,High,Low,Close", "Data,Otwarcie,Najwyzszy,Najnizszy,Zamkniecie"
    ).replace("Volume", "Wolumen")
    + "2024-07-15,1.5,2,1,1.75,1000\n2024-07-16,1.75,2.5,1.5,2,2000\n",
}
WITH_TOTAL_RETURN = {"Yahoo", "Yahoo's page", "yfinance"}


@pytest.mark.parametrize("vendor", EXPORTS)
def test_an_export_is_read_and_nothing_is_made_up(vendor: str) -> None:
    parsed = parse(EXPORTS[vendor])
    rows = parsed.frame.sort_values("session_date").reset_index(drop=True)
    assert parsed.rejected == [] and [str(day.date()) for day in rows["session_date"]] == [
        "2024-07-15",
        "2024-07-16",
    ]
    for column, values in {
        "open": [1.5, 1.75],
        "high": [2, 2.5],
        "low": [1, 1.5],
        "close": [1.75, 2],
        "volume": [1000, 2000],
    }.items():
        assert rows[column].tolist() == values, column
    if vendor in WITH_TOTAL_RETURN:
        assert rows["adj_close"].tolist() == [1.7, 1.9] and parsed.doubts == ()
    else:
        assert rows["adj_close"].isna().all()
        [doubt] = parsed.doubts
        assert doubt.startswith("prices/IWM: exported by ") and "total return is not known" in doubt
    assert rows["dividend"].isna().all() == (vendor != "yfinance")


def test_yahoo_writes_a_dash_where_an_index_has_no_volume() -> None:
    parsed = parse(YAHOO + "2024-07-15,1.5,2,1,1.75,1.75,-\n2024-07-16,-,-,-,-,-,-\n", item="^RUT")
    assert parsed.rejected == [] and parsed.frame["close"].tolist() == [1.75]
    assert parsed.frame["volume"].isna().all()


INVESTING = '"Date","Price","Open","High","Low","Vol.","Change %"\n'


@pytest.mark.parametrize(
    "row",
    [
        '"07/16/2024","2,263.67","2,200.00","2,264.00","2,199.00","63.12M","3.50%"',
        '"16/07/2024","2,263.67","2,200.00","2,264.00","2,199.00","-","3.50%"',
        '"Jul 16, 2024","2,263.67","2,200.00","2,264.00","2,199.00","63.12M","3.50%"',
    ],
)
def test_an_export_of_investing_is_read_without_its_rounded_volume(row: str) -> None:
    parsed = parse(INVESTING + row + "\n")
    assert parsed.frame[["open", "high", "low", "close"]].to_numpy().tolist() == [[2200, 2264, 2199, 2263.67]]
    assert parsed.frame[["volume", "dividend", "adj_close"]].isna().all(axis=None)
    assert parsed.frame["session_date"].dt.date.tolist() == [DAY]
    assert "exported by Investing.com: it has neither dividends" in parsed.doubts[0]
    with pytest.raises(Unreadable, match="may be day before month or month before day"):
        parse(INVESTING + row.replace(row.split('"')[1], "07/06/2024") + "\n")


@pytest.mark.parametrize(
    ("stated", "item", "read"),
    [
        ("ZQU4", "ZQU24", True),
        ("zqu24", "ZQU24", True),
        ("FFU2024", "ZQU24", True),
        ("ZQU24", "ZQU14", False),
        ("ZQV4", "ZQU24", False),
    ],
)
def test_the_contract_that_a_file_names_is_read_in_its_spellings(stated: str, item: str, read: bool) -> None:
    year = int(item[3:]) + 2000
    text = OLD_BARCHART + f"{stated},07/16/{year},94.68,94.69,94.675,94.685,0.005,0.01%,1,2\n"
    if read:
        assert parse(text, "futures", item).frame["settle"].tolist() == [94.685]
    else:
        with pytest.raises(Unreadable, match="its name says"):
            parse(text, "futures", item)


def test_a_payment_of_capital_gains_leaves_the_return_to_the_adjusted_close() -> None:
    parsed = parse(EXPORTS["yfinance"].replace("0.1,0.0,0.0\n", "0.1,0.0,0.5\n"))
    assert parsed.frame["dividend"].isna().all() and parsed.frame["adj_close"].notna().all()


def test_us_dates_of_an_export_need_no_proof_and_are_contradicted_by_one() -> None:
    text = EXPORTS["Nasdaq"].replace("07/16/", "07/03/").replace("07/15/", "07/02/")
    days = sorted(str(day.date()) for day in parse(text).frame["session_date"])
    assert days == ["2024-07-02", "2024-07-03"]
    with pytest.raises(Unreadable, match="two orders"):
        parse(EXPORTS["Nasdaq"] + "16/07/2024,$2.00,1,$1.75,$2.50,$1.50\n")


@pytest.mark.parametrize("word", ["N/A", "--"])
def test_an_index_of_nasdaq_has_no_volume(word: str) -> None:
    parsed = parse(NASDAQ + f"07/16/2024,2247.76,{word},2240.1,2250.2,2230.3\n", item="^RUT")
    assert parsed.frame["close"].tolist() == [2247.76] and parsed.frame["volume"].isna().all()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (EXPORTS["Stooq's archive"].replace("IWM.US", "QQQ.US"), "about 'QQQ.US', and its name says IWM"),
        (EXPORTS["older Barchart"].replace("IWM", "QQQ"), "about 'QQQ', and its name says IWM"),
        (EXPORTS["Stooq's archive"].replace(",D,", ",60,"), "not daily"),
        (
            "Date,Open,High,Low,Close,Volume,Dividends,Stock Splits\n2024-07-16,1,2,1,1,1,0,0\n",
            "auto_adjust=False",
        ),
        ("Date,Open,High,Low,Close,Volume,Sentiment\n2024-07-16,1,2,1,1,1,0\n", "adj_close.* is missing"),
    ],
)
def test_an_export_of_something_else_is_refused_by_name(text: str, said: str) -> None:
    with pytest.raises(Unreadable, match=said) as caught:
        parse(text)
    assert "prices/IWM" in str(caught.value)


@pytest.mark.parametrize("vendor", ["Yahoo", "Barchart", "Stooq"])
def test_a_contracts_export_gives_its_closes_as_settlements(vendor: str) -> None:
    text = EXPORTS[vendor].replace("1.75", "94.67").replace(",2,", ",94.68,")
    parsed = parse(text, "futures", "ZQU24")
    assert set(parsed.frame.columns) == {"contract", "delivery_month", "settlement_date", "settle"}
    assert 94.67 in parsed.frame["settle"].tolist()
    assert parsed.frame["delivery_month"].unique().tolist() == [pd.Timestamp("2024-09-01")]
    assert parsed.doubts == (
        f"futures/ZQU24: exported by {vendor}: its closing prices are taken as settlements",
    )
