"""The spellings of file names, one input with two files, and files that no input is read from."""

from __future__ import annotations

import gzip
from datetime import date
from pathlib import Path

import pytest

from sources.file_names import contracts_of, split_name, symbol_of
from sources.files import FilesFutures, FilesPrices, FilesProvider, FilesSeries
from sources.protocol import NotServed, SourceError, Unreadable
from warehouse.payloads import Request

DAY = date(2024, 7, 16)
ROWS = b"date,settle\n2024-07-15,94.675\n2024-07-16,94.68\n"
PRICES = b"date,open,high,low,close,adj_close,volume,dividend,split\n2024-07-16,1.5,2.5,1,2,1.9,200,0.1,\n"


def drop(folder: Path, name: str, content: bytes = ROWS) -> None:
    """Write a file below the folder."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if name.lower().endswith(".gz") else content)


@pytest.mark.parametrize(
    ("name", "contract"),
    [
        ("ZQU24.csv", "ZQU24"),
        ("ZQU4.csv", "ZQU24"),
        ("ZQV2024.csv", "ZQV24"),
        ("FFX24.csv", "ZQX24"),
        ("zqz24.csv", "ZQZ24"),
        ("ZQF25.CSV", "ZQF25"),
        ("ffx4.csv.gz", "ZQX24"),
        ("ZQU24.CBT.csv", "ZQU24"),
        ("FFZ2024.CSV.GZ", "ZQZ24"),
    ],
)
def test_the_usual_spellings_of_a_contract_are_read(tmp_path: Path, name: str, contract: str) -> None:
    drop(tmp_path, f"futures/{name}")
    source = FilesFutures(tmp_path)
    assert source.contracts(DAY, DAY) == [contract] and source.not_taken() == []
    parsed = source.parse(source.fetch(Request("futures", contract, DAY, DAY)))
    assert parsed.frame["contract"].unique().tolist() == [contract] and len(parsed.frame) == 2


@pytest.mark.parametrize(
    ("days", "contract"),
    [
        (("2024-07-15", "2024-09-30"), "ZQU24"),
        (("2013-01-15", "2014-09-30"), "ZQU14"),
        (("2003-01-15", "2003-09-30"), "ZQU04"),
        (("1993-01-15", "1994-01-31"), "ZQU94"),
        (("2029-10-01", "2030-01-31"), "ZQU34"),
    ],
)
def test_a_year_of_one_digit_is_of_the_decade_of_its_rows(
    tmp_path: Path, days: tuple[str, str], contract: str
) -> None:
    drop(tmp_path, "futures/ZQU4.csv", f"date,settle\n{days[0]},94.67\n{days[1]},94.68\n".encode())
    assert FilesFutures(tmp_path).contracts(DAY, DAY) == [contract]


@pytest.mark.parametrize(
    "rows", ["", "2024-07-15,94.67\n2014-07-15,99.9\n", "2024-10-01,94.67\n", "2024-07-15 16:00,94.67\n"]
)
def test_a_year_of_one_digit_that_the_rows_do_not_tell_is_named(tmp_path: Path, rows: str) -> None:
    drop(tmp_path, "futures/ZQU4.csv", f"date,settle\n{rows}".encode())
    source = FilesFutures(tmp_path)
    assert source.contracts(DAY, DAY) == []
    [sentence] = source.not_taken()
    assert sentence.startswith("futures/ZQU4.csv is not read: its rows do not show of which decade")


@pytest.mark.parametrize("days", [("2014-07-15", "2014-07-16"), ("2024-10-01", "2024-10-02")])
def test_rows_of_another_contract_are_refused_by_name(tmp_path: Path, days: tuple[str, str]) -> None:
    drop(tmp_path, "futures/ZQU24.csv", f"date,settle\n{days[0]},94.67\n{days[1]},94.68\n".encode())
    source = FilesFutures(tmp_path)
    with pytest.raises(Unreadable, match=r"futures/ZQU24: its rows are of .* delivers in 2024-09"):
        source.parse(source.fetch(Request("futures", "ZQU24", DAY, DAY)))


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("_RUT.csv", "^RUT"),
        ("^RUT.csv", "^RUT"),
        ("^rut.CSV", "^RUT"),
        ("iwm.csv", "IWM"),
        ("IWM.Csv.gz", "IWM"),
        ("Iwm.CSV", "IWM"),
    ],
)
def test_the_usual_spellings_of_a_symbol_are_read(tmp_path: Path, name: str, symbol: str) -> None:
    drop(tmp_path, f"Prices/{name}", PRICES)
    source = FilesPrices(tmp_path)
    assert source.last_session(symbol) == DAY and source.not_taken() == []


def test_a_series_in_small_letters_is_read(tmp_path: Path) -> None:
    drop(tmp_path, "fred/dgs2.csv", b"observation_date,dgs2\n2024-07-15,4.46\n")
    source = FilesSeries(tmp_path)
    assert source.parse(source.fetch(Request("fred", "DGS2", DAY, DAY))).frame["value"].tolist() == [4.46]


@pytest.mark.parametrize(
    ("provider", "dataset", "item", "names"),
    [
        (FilesPrices, "prices", "IWM", ("IWM.csv", "iwm.CSV.gz")),
        (FilesPrices, "prices", "^RUT", ("^RUT.csv", "_RUT.csv")),
        (FilesFutures, "futures", "ZQU24", ("FFU24.csv", "ZQU4.csv")),
        (FilesFutures, "futures", "ZQU24", ("ZQU2024.csv", "ZQU24.csv")),
        (FilesSeries, "fred", "DGS2", ("DGS2.csv", "dgs2.csv")),
    ],
)
def test_two_files_of_one_input_are_both_named(
    tmp_path: Path, provider: type[FilesProvider], dataset: str, item: str, names: tuple[str, str]
) -> None:
    for name in names:
        drop(tmp_path, f"{provider.subfolder}/{name}")
    with pytest.raises(SourceError, match="more than one file") as caught:
        provider(tmp_path).fetch(Request(dataset, item, DAY, DAY))
    assert all(name in str(caught.value) for name in names)


@pytest.mark.parametrize(
    ("name", "provider"),
    [
        ("price/IWM.csv", FilesPrices),
        ("etfs/iwm.CSV.GZ", FilesPrices),
        ("future/ZQU4.csv", FilesFutures),
        ("FRED data/DGS2.csv", FilesSeries),
    ],
)
def test_a_file_in_a_folder_of_another_name_is_named(
    tmp_path: Path, name: str, provider: type[FilesProvider]
) -> None:
    """But not a copy of a file that is read, nor what else people keep beside the data."""
    drop(tmp_path, name, ROWS if provider is FilesFutures else PRICES)
    drop(tmp_path, "docs/notes.csv")
    assert provider(tmp_path).not_taken() == [f"{name} is not read: move it into {provider.subfolder}/"]
    inside = name.partition("/")[2]
    drop(tmp_path, f"{provider.subfolder}/{inside}", ROWS if provider is FilesFutures else PRICES)
    assert provider(tmp_path).not_taken() == []


def test_every_file_that_is_not_taken_is_named(tmp_path: Path) -> None:
    for name in ("prices/IWM.csv", "prices/IVM.csv", "prices/notes.txt", "prices/2023/IWM.csv", "QQQ.csv"):
        drop(tmp_path, name, PRICES)
    for name in ("futures/ZQU24.csv", "futures/ESU24.csv", "futures/ZQU1924.csv", "ZQV24.csv"):
        drop(tmp_path, name)
    for name in ("fred/DGS2.csv", "fred/DSG10.csv"):
        drop(tmp_path, name)
    for name in ("prices/.DS_Store", "prices/SPY.csv.part", "futures/ZQX24.csv.tmp", "fred/DGS10.csv~"):
        drop(tmp_path, name)
    drop(tmp_path, "MANIFEST.csv")
    said = [
        sentence
        for provider in (FilesPrices, FilesFutures, FilesSeries)
        for sentence in provider(tmp_path).not_taken()
    ]
    assert [sentence.partition(" is not read: ")[0] for sentence in said] == [
        "prices/2023",
        "prices/IVM.csv",
        "prices/notes.txt",
        "QQQ.csv",
        "futures/ESU24.csv",
        "futures/ZQU1924.csv",
        "ZQV24.csv",
        "fred/DSG10.csv",
    ]
    assert all("; " in sentence or "move it" in sentence or "not a .csv" in sentence for sentence in said)


def test_an_unknown_name_serves_nothing(tmp_path: Path) -> None:
    drop(tmp_path, "prices/IVM.csv", PRICES)
    with pytest.raises(NotServed, match=r"prices/IWM has no file; expected prices/IWM\.csv"):
        FilesPrices(tmp_path).fetch(Request("prices", "IWM", DAY, DAY))


def test_names_that_are_none() -> None:
    assert split_name("IWM.xlsx") is None and split_name(".csv") is None
    assert contracts_of("ESU24") == () and contracts_of("ZQA24") == () and contracts_of("ZQU1924") == ()
    assert contracts_of("ZQU4")[:2] == ("ZQU94", "ZQU04") and symbol_of("_rut") == "^RUT"
