"""The size portfolios against a local server that serves the publisher's file: what is asked, what is read,
what is refused, what is loaded, and the premium against pandas.
"""

from __future__ import annotations

import functools
import random
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from datasets.base import Reach
from datasets.registry import DATASETS, active_datasets
from datasets.size_portfolios import SizePortfolios
from market_calendar.sessions import cutoff_utc
from pipeline.load_dataset import LoadReport, load_dataset
from sources.files import FilesAsServed
from sources.french import (
    INPUT,
    PORTFOLIOS,
    FilesSizePortfolios,
    FrenchPortfolios,
    SimulatedSizePortfolios,
    parse_portfolios,
)
from sources.protocol import NotServed, Parsed, SourceError, SourceUnavailable, Unreadable
from sources.registry import check_providers, provider_name
from sources.transport import MAX_BYTES, Forbidden, NotData, RateLimited
from tests.faults.french_server import FrenchServer, csv_text, zipped
from tests.faults.home import impatient
from tests.faults.server import Fault, hang_up, silent, truncated
from tests.model_fixture import build, empty_warehouse, fill
from transforms.marts.size_premium_monthly import grown, side_by_side, stretch_ranks
from warehouse.catalog import load_catalog
from warehouse.database import pipeline_database, prepare_home
from warehouse.landing import Landed, land
from warehouse.payloads import Payload, Request
from warehouse.settings import Settings, SettingsError

SETTINGS = Settings.from_environment({"ROTATION_SOURCE": "live"})
SESSION = date(2024, 7, 16)
MOMENT = datetime(2024, 7, 16, 22, 0)
REQUEST = Request("size_portfolios", INPUT, date(2000, 1, 3), SESSION)
LAST = "202405"  # what is out in the middle of July


@functools.cache
def text() -> str:
    return csv_text(SESSION)


def payload(content: str | bytes, extension: str = "csv", moment: datetime = MOMENT) -> Payload:
    body = content.encode() if isinstance(content, str) else content
    return Payload(REQUEST, "french", body, extension, moment)


def parse(content: str | bytes, extension: str = "csv") -> Parsed:
    return parse_portfolios(payload(content, extension))


def line_of(month: str, block: int = 0, content: str | None = None) -> str:
    """The row of a month in the monthly blocks: 0 by value, 1 equal."""
    return re.findall(rf"^{month},.*$", content or text(), re.MULTILINE)[block]


def with_row(month: str, change: Callable[[list[str]], list[str]], block: int = 0) -> str:
    """The text with the cells of one row changed."""
    line = line_of(month, block)
    changed = ",".join(change(line.split(",")))
    place = text().index(line) if block == 0 else text().index(line, text().index("Equal Weight"))
    return text()[:place] + changed + text()[place + len(line) :]


def cell(month: str, name: str, value: str, block: int = 0) -> str:
    """The text with one cell changed."""
    place = 1 + list(PORTFOLIOS).index(name)
    return with_row(month, lambda cells: [*cells[:place], value, *cells[place + 1 :]], block)


# --- what is asked and what is read ---------------------------------------------------------------------


def test_the_zip_is_asked_for_and_its_two_monthly_blocks_are_read() -> None:
    with FrenchServer(SESSION) as server:
        provider = FrenchPortfolios.open(SETTINGS, {"ROTATION_FRENCH_URL": f"{server.url}/ftp/"})
        served = provider.fetch(REQUEST)
        assert server.paths() == ["/ftp/Portfolios_Formed_on_ME_CSV.zip"]
    assert served.extension == "zip" and served.content.startswith(b"PK")
    parsed = provider.parse(served)
    assert not parsed.rejected and not parsed.doubts
    frame = parsed.frame
    assert list(frame.columns) == [
        *("portfolio_set", "weighting", "portfolio", "month_end", "portfolio_return_pct"),
    ]
    assert (frame["month_end"].min(), frame["month_end"].max()) == (
        pd.Timestamp("1926-07-31"),
        pd.Timestamp("2024-05-31"),
    )
    assert len(frame) == 2 * len(PORTFOLIOS) * ((2024 - 1926) * 12 - 1)
    assert set(frame.loc[frame["portfolio_return_pct"].isna(), "portfolio"]) == {"le_0"}
    value, equal = (line_of("202402", block).split(",") for block in (0, 1))
    of_month = frame[frame["month_end"] == "2024-02-29"].set_index(["weighting", "portfolio"])
    assert of_month.at[("value", "lo_30"), "portfolio_return_pct"] == float(value[2])
    assert of_month.at[("equal", "hi_10"), "portfolio_return_pct"] == float(equal[-1])


def test_the_real_layout_is_read() -> None:
    """Lines of the publisher's file of December 2017: padded cells, notes, blocks, and a sum that the file
    itself gives, the year 1927.
    """
    columns = "," + ",".join(PORTFOLIOS)
    months = [f"{year}{month:02}" for year, month in [(1926, m) for m in range(7, 13)]]
    months += [f"1927{month:02}" for month in range(1, 13)]
    lo_30 = [0.14, 3.21, -1.74, -2.94, -0.38, 4.15]
    lo_30 += [1.21, 6.41, -1.96, 3.80, 9.41, -2.34, 4.80, -0.36, 0.92, -4.46, 12.82, 2.15]
    rows = [
        f"{month},  -99.99," + ",".join([f"{value + shift:8.2f}" for _ in range(18)])
        for shift in (0.0, 0.5)
        for month, value in zip(months, lo_30, strict=True)
    ]
    content = "\n".join(
        [
            "This file was created by CMPT_ME_RETS using the 201712 CRSP database.  It contains",
            "value- and equal-weighted returns for size portfolios.  Each record contains returns for:",
            "",
            "",
            "  Value Weight Returns -- Monthly",
            columns,
            *rows[:18],
            "",
            "",
            "  Equal Weight Returns -- Monthly",
            columns,
            *rows[18:],
            "",
            "",
            "  Value Weight Returns -- Annual from January to December",
            columns,
            "  1927,  -99.99," + ",".join(["   35.88"] * 18),
            "",
            "  Average Firm Size",
            columns,
            "192607,    -99.99," + ",".join(["  228.01"] * 18),
            "",
            "Copyright 2017 Kenneth R. French",
        ]
    )
    parsed = parse(content)
    assert not parsed.rejected and not parsed.doubts
    assert parsed.frame.groupby("weighting").size().to_dict() == {"equal": 18 * 19, "value": 18 * 19}
    wrong = parse(content.replace("   35.88", "   38.88"))
    assert "1927 lo_30 (38.88 %, its months 35.88 %)" in wrong.doubts[0]


@pytest.mark.parametrize(
    "title",
    [
        "Average Value Weighted Returns -- Monthly",
        "  Aerage Value Weighted Returns -- Monthly",  # as some files of the library spell it
        "Value Weight Returns -- Monthly",
    ],
)
def test_titles_as_the_library_spells_them(title: str) -> None:
    parsed = parse(text().replace("  Value Weight Returns -- Monthly", title))
    assert len(parsed.frame) == len(parse(text()).frame)


@pytest.mark.parametrize("missing", ["-99.99", "  -999", "-999.00", ""])
def test_a_missing_return_is_null(missing: str) -> None:
    parsed = parse(cell("200803", "Dec 4", missing))
    frame = parsed.frame.set_index(["weighting", "portfolio", "month_end"])["portfolio_return_pct"]
    assert np.isnan(frame[("value", "dec_4", "2008-03-31")]) and not parsed.rejected
    assert np.isfinite(frame[("equal", "dec_4", "2008-03-31")])


def test_line_ends_and_a_byte_order_mark_do_not_matter() -> None:
    for content in (text().replace("\n", "\r\n"), "\ufeff" + text(), text() + "\n\n"):
        pd.testing.assert_frame_equal(parse(content).frame, parse(text()).frame)


# --- rows that are wrong --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("n/a", "return_is_a_finite_number"),
        ("NaN", "return_is_a_finite_number"),
        ("Infinity", "return_is_a_finite_number"),
        ("1_0", "return_is_a_finite_number"),
        ("3.4%", "return_is_a_finite_number"),
        ("-100.5", "return_is_not_below_minus_100_pct"),
    ],
)
def test_a_cell_that_is_no_return_is_named_and_the_others_count(value: str, rule: str) -> None:
    parsed = parse(cell("199910", "Lo 10", value))
    assert [(found, row["month"], row["portfolio"], row["return"]) for found, row in parsed.rejected] == [
        (rule, "199910", "lo_10", value)
    ]
    october = parsed.frame[parsed.frame["month_end"] == "1999-10-31"]
    assert len(october) == 2 * len(PORTFOLIOS) - 1


def test_a_row_with_a_cell_too_few_is_named() -> None:
    parsed = parse(with_row("199910", lambda cells: cells[:-1]))
    assert [rule for rule, _ in parsed.rejected] == ["row_has_a_return_of_every_portfolio"]
    assert ((parsed.frame["month_end"] == "1999-10-31").sum()) == len(PORTFOLIOS)


def test_a_month_twice_counts_once_and_another_value_is_named() -> None:
    line = line_of("199910")
    twice = text().replace(line, f"{line}\n{line}", 1)
    assert not parse(twice).rejected and len(parse(twice).frame) == len(parse(text()).frame)
    cells = line.split(",")
    other = ",".join([*cells[:2], "1.00", *cells[3:]])
    parsed = parse(text().replace(line, f"{line}\n{other}", 1))
    assert [rule for rule, _ in parsed.rejected] == ["month_is_served_once"]


def test_a_month_that_is_not_over_is_named() -> None:
    lines = {block: line_of(LAST, block) for block in (0, 1)}
    content = text()
    for line in lines.values():
        content = content.replace(line, "\n".join([line, f"202406{line[6:]}", f"202407{line[6:]}"]), 1)
    parsed = parse(content)
    assert [(rule, row["month"]) for rule, row in parsed.rejected] == [("month_is_over", "202407")] * 2
    assert parsed.frame["month_end"].max() == pd.Timestamp("2024-06-30")


def test_a_row_of_something_else_is_named() -> None:
    line = line_of("199910")
    parsed = parse(text().replace(line, f"{line}\nsee the notes\n199913{line[6:]}", 1))
    assert sorted(rule for rule, _ in parsed.rejected) == [
        "month_is_a_month",
        "row_is_a_month_with_its_returns",
    ]


# --- files that are refused -----------------------------------------------------------------------------


def times(factor: float) -> str:
    """The text with every monthly and yearly return in another unit."""

    def scaled(found: re.Match[str]) -> str:
        number = float(found[0])
        return found[0] if number == -99.99 else f"{number * factor:.4f}"

    return re.sub(r"(?<=,)\s*-?\d+\.\d\d\b", scaled, text())


REFUSED = {
    "empty": (lambda: "", "do not say that these are size portfolios"),
    "a page": (lambda: "<html><body>moved</body></html>", "size portfolios"),
    "another file of the library": (
        lambda: text().replace("size portfolios", "portfolios formed on BE/ME"),
        "another file of the library",
    ),
    "a fraction": (lambda: times(0.01), "not in per cent"),
    "thousands": (lambda: times(1000), "not in per cent"),
    "no value block": (
        lambda: text().replace("  Value Weight Returns -- Monthly", "  Value Weight Returns -- Daily"),
        "block 'Value Weight Returns -- Monthly' is missing; there are: Value Weight Returns -- Daily;",
    ),
    "an equal block twice": (
        lambda: text().replace("  Value Weight Returns -- Monthly", "  Equal Weight Returns -- Monthly"),
        "is missing",
    ),
    "cut after the first block": (
        lambda: text()[: text().index("  Equal Weight Returns -- Monthly")],
        "block 'Equal Weight Returns -- Monthly' is missing",
    ),
    "cut in the second block": (
        lambda: text()[: text().index(line_of("199910", 1)) + 40],
        "the month 199911 is in one of the two monthly blocks only",
    ),
    "cut in the first block": (lambda: text()[: text().index(line_of("199910")) + 40], "is missing"),
    "a renamed column": (
        lambda: text().replace("Lo 30", "Small"),
        "missing Lo 30; unknown or twice Small",
    ),
    "a missing column": (lambda: text().replace(",Dec 5", ""), "missing Dec 5"),
    "a column twice": (lambda: text().replace("Dec 5", "Dec 4"), "missing Dec 5; unknown or twice Dec 4"),
    "a column missing everywhere": (
        lambda: re.sub(r"^(\d{6},[^,\n]*),[^,\n]*", r"\1,  -99.99", text(), flags=re.MULTILINE),
        "column 'Lo 30' has no value",
    ),
    "a month that is left out": (
        lambda: text().replace(line_of("195001") + "\n", "").replace(line_of("195001", 1) + "\n", ""),
        "1 months are missing, the first is 195001",
    ),
    "a month of one block that is left out": (
        lambda: text().replace(line_of(LAST, 1) + "\n", "", 1),
        f"the month {LAST} is in one of the two monthly blocks only",
    ),
    "a shorter history": (
        lambda: re.sub(r"^(19[2-5]\d|196[0-2])\d\d,.*\n", "", text(), flags=re.MULTILINE),
        "begins with 196301, the publisher's begins with 192607",
    ),
    "one block in place of two": (
        lambda: (
            text()[: text().index("  Equal Weight Returns -- Monthly")]
            + text()[
                text().index("  Value Weight Returns -- Monthly") : text().index("  Equal Weight")
            ].replace("Value", "Equal")
        ),
        "both weightings have the same returns",
    ),
    "words in place of numbers": (
        lambda: re.sub(r"^(2\d{5}),.*$", r"\1" + ",none" * 19, text(), flags=re.MULTILINE),
        "returns break a rule (return_is_a_finite_number)",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_not_the_publishers_is_refused_by_name(name: str) -> None:
    make, said = REFUSED[name]
    with pytest.raises(Unreadable, match=re.escape(said)) as caught:
        parse(make())
    assert f"french: size_portfolios/{INPUT}" in str(caught.value)


def test_a_text_in_another_encoding_is_refused() -> None:
    for content in (text().encode("utf-16"), text().replace("Jun", "Jün").encode("latin-1")):
        with pytest.raises(Unreadable, match=r"not UTF-8|size portfolios"):
            parse(content)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PK\x05\x06" + b"\0" * 18, "holds nothing"),
        (b"nothing like a zip", "damaged or cut short"),
        (lambda: zipped(text())[:-200], "damaged or cut short"),
        (lambda: zipped(text(), "Portfolios_Formed_on_BE-ME.csv"), "holds Portfolios_Formed_on_BE-ME.csv"),
        (lambda: zipped(text(), "readme.txt"), "holds readme.txt"),
        (lambda: _flipped(zipped(text())), "damaged"),
        (lambda: zipped(b"0" * 40_000_000), "bytes unpacked"),
    ],
)
def test_a_zip_that_is_not_whole_or_holds_something_else_is_refused(
    content: bytes | Callable[[], bytes], said: str
) -> None:
    with pytest.raises(Unreadable, match=said):
        parse(content if isinstance(content, bytes) else content(), "zip")


@pytest.mark.parametrize("seed", range(8))
def test_a_zip_with_some_bytes_changed_is_refused_or_says_the_same(seed: int) -> None:
    """Its directory, its headers and its data, each by the hundreds."""
    whole, draw = zipped(text()), random.Random(seed)
    same, refused = parse(whole, "zip").frame, 0
    for _ in range(60):
        damaged = bytearray(whole)
        for _ in range(draw.choice((1, 2, 4))):
            places = (draw.randrange(60), draw.randrange(len(whole)), len(whole) - 1 - draw.randrange(140))
            damaged[draw.choice(places)] = draw.randrange(256)
        try:
            found = parse(bytes(damaged), "zip").frame
        except Unreadable:
            refused += 1
        else:
            pd.testing.assert_frame_equal(found, same)
    assert refused > 30


def _flipped(content: bytes) -> bytes:
    """One byte in the middle of the packed content changed."""
    place = len(content) // 2
    return content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]


# --- answers that fail ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "expected", "said"),
    [
        (Fault(status=404), SourceError, "status 404"),
        (Fault(status=429, headers={"Retry-After": "3600"}), RateLimited, "asks to wait 3600 s"),
        (Fault(status=503), SourceUnavailable, "503"),
        (Fault(status=403), Forbidden, "403"),
        (Fault(body=lambda body: b"<!DOCTYPE html><html>maintenance</html>"), NotData, "web page"),
        (Fault(body=lambda body: b""), NotData, "empty"),
        (Fault(body=lambda body: b"Too Many Requests"), RateLimited, "slow down|too many|wait"),
        (Fault(body=lambda body: body[: len(body) // 2]), NotData, "not a whole zip"),
        (Fault(body=lambda body: b"{}" * 600), NotData, "not a whole zip"),
        (Fault(send=truncated), SourceUnavailable, INPUT),
        (Fault(send=hang_up), SourceUnavailable, INPUT),
        (Fault(send=silent), SourceUnavailable, INPUT),
        (Fault(status=302, headers={"Location": "/elsewhere.html"}, times=1), SourceError, "404"),
        (Fault(body=lambda body: b"PK" + b"0" * (MAX_BYTES + 1)), Unreadable, "the answer is larger than"),
    ],
)
def test_an_answer_that_fails_has_the_error_of_its_class(
    monkeypatch: pytest.MonkeyPatch, fault: Fault, expected: type[Exception], said: str
) -> None:
    impatient(monkeypatch, deadline=4.0, attempt=3.0)
    fault.played = 0
    with FrenchServer(SESSION) as server:
        server.fault = fault
        provider = FrenchPortfolios.open(SETTINGS, {"ROTATION_FRENCH_URL": server.url})
        with pytest.raises(expected, match=said) as caught:
            provider.fetch(REQUEST)
    assert type(caught.value) is expected
    assert INPUT in str(caught.value)


def test_a_redirect_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    impatient(monkeypatch)
    with FrenchServer(SESSION) as server:
        moved = {"Location": f"{server.url}/new/{INPUT}_CSV.zip"}
        server.fault = Fault(status=301, headers=moved, times=1)
        provider = FrenchPortfolios.open(SETTINGS, {"ROTATION_FRENCH_URL": server.url})
        assert len(provider.parse(provider.fetch(REQUEST)).frame) > 40_000
        assert server.paths()[1] == f"/new/{INPUT}_CSV.zip"


def test_no_other_file_is_asked_for() -> None:
    provider = FrenchPortfolios.open(SETTINGS, {})
    with pytest.raises(SourceError, match=f"is not {INPUT}"):
        provider.fetch(replace(REQUEST, input="Portfolios_Formed_on_BE-ME"))
    with pytest.raises(SettingsError, match="ROTATION_FRENCH_URL"):
        FrenchPortfolios.open(SETTINGS, {"ROTATION_FRENCH_URL": "ftp.example"})


# --- files and the simulation ---------------------------------------------------------------------------


def files_of(folder: Path) -> FilesSizePortfolios:
    return FilesSizePortfolios.open(
        Settings.from_environment({"ROTATION_SOURCE": "files", "ROTATION_FILES_DIR": str(folder)}), {}
    )


@pytest.mark.parametrize(
    "name",
    [
        "Portfolios_Formed_on_ME_CSV.zip",
        "portfolios_formed_on_me_csv.zip",
        "Portfolios_Formed_on_ME.csv",
        "Portfolios_Formed_on_ME.CSV",
    ],
)
def test_the_publishers_file_is_read_from_a_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "size_portfolios"
    folder.mkdir()
    assert files_of(tmp_path).present_inputs() == []
    (folder / name).write_bytes(zipped(text()) if name.endswith("zip") else text().encode())
    provider = files_of(tmp_path)
    assert provider.present_inputs() == [INPUT] and provider.not_taken() == []
    read = provider.parse(provider.fetch(REQUEST))
    pd.testing.assert_frame_equal(read.frame, parse(text()).frame)


def test_two_files_of_one_input_are_refused_and_others_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "size_portfolios"
    folder.mkdir()
    (folder / "F-F_Research_Data_Factors_CSV.zip").write_bytes(b"x")
    provider = files_of(tmp_path)
    assert provider.present_inputs() == []
    assert f"is not one of {INPUT}" in provider.not_taken()[0]
    with pytest.raises(NotServed, match=rf"size_portfolios/{INPUT}\.zip"):
        provider.fetch(REQUEST)
    for name in (f"{INPUT}.csv", f"{INPUT}_CSV.zip"):
        (folder / name).write_bytes(b"x")
    with pytest.raises(SourceError, match="more than one file"):
        files_of(tmp_path).fetch(REQUEST)
    (folder / f"{INPUT}_CSV.zip").unlink()
    provider = files_of(tmp_path)
    with pytest.raises(Unreadable, match=r"^files: size_portfolios"):
        provider.parse(provider.fetch(REQUEST))


def test_the_simulated_file_is_the_same_each_time_and_grows_by_months() -> None:
    provider = SimulatedSizePortfolios.open(SETTINGS, {})
    first, again = provider.fetch(REQUEST), provider.fetch(REQUEST)
    assert first.content == again.content
    early = provider.parse(first).frame
    later = provider.parse(provider.fetch(replace(REQUEST, end=date(2025, 3, 31)))).frame
    assert later["month_end"].max() == pd.Timestamp("2025-01-31")
    both = early.merge(later, on=["weighting", "portfolio", "month_end"], suffixes=("", "_later"))
    assert len(both) == len(early)
    pd.testing.assert_series_equal(
        both["portfolio_return_pct"], both["portfolio_return_pct_later"], check_names=False, check_exact=True
    )
    with pytest.raises(NotServed):
        provider.fetch(replace(REQUEST, input="F-F_Research_Data_Factors"))


@pytest.mark.parametrize(("end", "last"), [("2024-07-05", "2024-04-30"), ("2024-07-06", "2024-05-31")])
def test_a_simulated_month_is_out_five_weeks_after_its_end(end: str, last: str) -> None:
    provider = SimulatedSizePortfolios.open(SETTINGS, {})
    frame = provider.parse(provider.fetch(replace(REQUEST, end=date.fromisoformat(end)))).frame
    assert frame["month_end"].max() == pd.Timestamp(last)


def test_it_can_be_turned_off_and_no_folder_is_no_problem(tmp_path: Path) -> None:
    environment = {"ROTATION_SOURCE": "files", "ROTATION_FILES_DIR": str(tmp_path)}
    settings = Settings.from_environment(environment)
    assert provider_name(settings, "size_portfolios") == "files"
    check_providers(settings)
    for source, name in (("live", "french"), ("simulated", "simulated")):
        assert (
            provider_name(Settings.from_environment({"ROTATION_SOURCE": source}), "size_portfolios") == name
        )
    off = Settings.from_environment(environment | {"ROTATION_SIZE_PORTFOLIOS_SOURCE": "none"})
    assert "size_portfolios" not in [dataset.name for dataset in active_datasets(off)]


# --- what is planned and loaded -------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    settings = Settings.from_environment(
        {"ROTATION_SOURCE": "live", "ROTATION_HOME": str(tmp_path), "ROTATION_HISTORY_START": "2022-01-03"}
    )
    prepare_home(settings)
    return settings


def loaded(settings: Settings, content: str, moment: datetime = MOMENT) -> LoadReport:
    landed: Landed = land(settings.landing, payload(zipped(content), "zip", moment))
    with pipeline_database(settings) as connection:
        return load_dataset(connection, settings, DATASETS["size_portfolios"], [landed], f"run-{moment:%d}")


def rows(settings: Settings, sql: str) -> list[tuple[object, ...]]:
    with pipeline_database(settings, read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_the_whole_history_is_loaded_and_a_restated_month_is_a_new_version(home: Settings) -> None:
    report = loaded(home, text())
    assert report.new_rows == report.served_rows == len(parse(text()).frame)
    [(first, available)] = rows(
        home,
        "select min(month_end), max(available_at_utc) filter (where month_end = '2024-04-30')"
        " from raw.size_portfolios",
    )
    assert first == date(1926, 7, 31), "older than ROTATION_HISTORY_START"
    assert available == datetime(2024, 7, 1, 16, 0), "60 days are a Saturday; noon in New York on Monday"
    again = loaded(home, cell("193207", "Lo 10", "47.55"), datetime(2024, 8, 9, 22, 0))
    assert again.new_rows == 1
    assert rows(
        home,
        "select count(*) from raw.size_portfolios where month_end = '1932-07-31' and portfolio = 'lo_10'"
        " and weighting = 'value'",
    ) == [(2,)]


def test_an_older_file_and_one_in_another_unit_are_refused(home: Settings) -> None:
    assert loaded(home, text()).new_rows
    older = loaded(home, csv_text(date(2024, 3, 15)), datetime(2024, 8, 9, 22, 0))
    assert older.new_rows == 0
    assert "end with 2024-01, and those that are held with 2024-05" in older.unreadable[INPUT]
    other = loaded(home, times(2.0), datetime(2024, 8, 10, 22, 0))
    assert other.new_rows == 0 and "most yearly returns are far from those" in other.unreadable[INPUT]
    without_years = times(1.1).split("  Value Weight Returns -- Annual")[0]
    tenth = loaded(home, without_years, datetime(2024, 8, 10, 23, 0))
    assert tenth.new_rows == 0 and "in another unit, or of other portfolios" in tenth.unreadable[INPUT]
    fraction = loaded(home, times(0.01), datetime(2024, 8, 11, 22, 0))
    assert fraction.new_rows == 0 and "not in per cent" in fraction.unreadable[INPUT]


def test_a_return_that_is_no_longer_served_is_kept_and_a_wrong_cell_is_in_the_quarantine(
    home: Settings,
) -> None:
    loaded(home, text())
    report = loaded(home, cell("199910", "Lo 10", "n/a"), datetime(2024, 8, 9, 22, 0))
    assert [entry["rule"] for entry in report.quarantined] == ["return_is_a_finite_number"]
    assert report.new_rows == 0
    huge = loaded(home, cell("199910", "Lo 10", "5000.00"), datetime(2024, 8, 10, 22, 0))
    assert [entry["rule"] for entry in huge.quarantined] == ["portfolio_return_pct_values_to_be_between"]


def test_what_is_asked_for_and_how_far_it_should_reach(home: Settings) -> None:
    dataset = SizePortfolios()
    provider = FrenchPortfolios.open(home, {})
    with pipeline_database(home) as connection:

        def asked(session: str, until: str | None = None) -> list[str]:
            day = date.fromisoformat(session)
            reach = Reach(day, date.fromisoformat(until) if until else day)
            return [item.input for item in dataset.plan(connection, home, provider, reach)]

        assert asked("2024-07-16") == [INPUT]
    loaded(home, text())
    with pipeline_database(home) as connection:
        # May is held; June may be out from 25 July on.
        assert asked("2024-07-24") == [] and asked("2024-07-25") == [INPUT]
        assert dataset.known_inputs(connection, home, provider, Reach(SESSION, SESSION)) == [INPUT]


def test_freshness_is_what_the_release_rule_promises() -> None:
    with duckdb.connect() as connection:
        connection.execute("attach ':memory:' as pipeline; create schema pipeline.raw")
        ddl = load_catalog()["raw.size_portfolios"].ddl().replace(" not null", "")
        connection.execute(ddl.replace("raw.size", "pipeline.raw.size"))
        dataset = SizePortfolios()
        assert dataset.freshness(connection, SESSION) == []
        connection.execute(
            "insert into pipeline.raw.size_portfolios (portfolio_set, month_end, source, available_at_utc)"
            f" values ('{INPUT}', '2024-03-31', 'french', '2024-05-30 16:00')"
        )
        [fresh] = dataset.freshness(connection, date(2024, 6, 28))
        assert (fresh.last_date, fresh.expected_date, fresh.stale) == (
            date(2024, 3, 31),
            date(2024, 3, 31),
            False,
        )
        [stale] = dataset.freshness(connection, SESSION)
        assert (stale.expected_date, stale.stale, stale.required) == (date(2024, 4, 30), True, False)


# --- the premium, by another route ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def premium() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The mart at a session, and the monthly returns that it is made of."""
    con = empty_warehouse(str(SESSION), data_source="simulated")
    frame = parse(text()).frame
    dataset = SizePortfolios()
    raw = dataset.with_availability(frame).assign(source="simulated", known_at_utc=pd.Timestamp(MOMENT))
    fill(con, "raw.size_portfolios", raw)
    build(con, "staging.size_portfolios")
    return build(con, "marts.size_premium_monthly"), con.execute("from staging.size_portfolios").df()


def test_only_months_that_could_be_had_are_used(premium: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    mart, months = premium
    assert months["month_end"].max() == pd.Timestamp("2024-04-30"), "May counts from the end of July on"
    assert mart["month_end"].max() == pd.Timestamp("2024-04-30")
    assert (mart["available_at_utc"] <= pd.Timestamp(cutoff_utc(SESSION))).all()


def test_the_premium_is_that_of_pandas(premium: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    """Every row of every pair, weighting and window: log growth by rolling sums, ranks by pandas, "since" by
    looking back, stretches by taking the smallest first.
    """
    mart, months = premium
    wide = months.pivot(index="month_end", columns=["weighting", "portfolio"], values="portfolio_return_pct")
    compared = 0
    for key, part in mart.groupby(["size_pair", "weighting", "window_months"]):
        pair, weighting, length = str(key[0]), str(key[1]), int(key[2])
        small, large = (
            np.expm1(np.log1p(wide[(weighting, name)] / 100).rolling(length).sum()) * 100
            for name in pair.split("/")
        )
        expected = (small - large).dropna()
        rows = part.set_index("month_end")
        assert rows.index.equals(expected.index)
        np.testing.assert_allclose(rows["small_return_pct"], small.dropna(), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(rows["premium_pp"], expected, rtol=1e-9, atol=1e-8)
        ratio = 100 * ((1 + small / 100) / (1 + large / 100) - 1)
        np.testing.assert_allclose(rows["premium_ratio_return_pct"], ratio.dropna(), rtol=1e-9, atol=1e-8)
        values = rows["premium_pp"].to_numpy()
        answered = np.arange(len(values)) >= 59
        above = rows["premium_pp"].expanding().apply(lambda x: (x > x[-1]).sum() + 1, raw=True)
        below = rows["premium_pp"].expanding().apply(lambda x: (x < x[-1]).sum() + 1, raw=True)
        np.testing.assert_array_equal(rows["premium_rank"].astype(float), np.where(answered, above, np.nan))
        np.testing.assert_array_equal(
            rows["premium_rank_from_below"].astype(float), np.where(answered, below, np.nan)
        )
        enough = np.arange(len(values)) + 1 >= max(60, 20 * length)
        history = rows["premium_pp"].expanding()
        z = (rows["premium_pp"] - history.mean()) / history.std()
        np.testing.assert_allclose(rows["premium_z"], np.where(enough, z, np.nan), rtol=1e-7, atol=1e-7)
        assert rows["premium_percentile"].notna().tolist() == enough.tolist()
        stretches = rows["premium_stretch_rank_from_below"].astype(float).to_numpy()
        for place in [*range(55, len(values), 97), len(values) - 1]:
            earlier = np.flatnonzero(values[:place] <= values[place])
            since = rows.index[earlier[-1]] if len(earlier) and place >= 59 else pd.NaT
            found = rows["last_undercut_month_end"].iloc[place]
            assert found == since or (pd.isna(found) and pd.isna(since))
            wanted = taken_one_by_one(values, place, length) if place >= 59 else np.nan
            assert stretches[place] == wanted or np.isnan([stretches[place], wanted]).all()
            compared += 1
        assert (rows["n_nonoverlapping"] == (np.arange(len(values)) // length) + 1).all()
    assert compared > 150 and mart["premium_z"].notna().any()
    assert mart.loc[mart["window_months"] == 120, "premium_z"].isna().all()


def taken_one_by_one(values: np.ndarray, place: int, length: int) -> int:
    """1 + the worse stretches before, taken from the smallest on."""
    left = [other for other in range(place - length + 1) if values[other] < values[place]]
    taken = 0
    while left:
        worst = min(left, key=lambda other: (values[other], other))
        taken += 1
        left = [other for other in left if abs(other - worst) >= length]
    return 1 + taken


def test_no_row_changes_when_later_months_come() -> None:
    rng = np.random.default_rng(5)
    values = np.round(rng.normal(0, 5, 400), 1)
    values[[17, 200]] = np.nan
    for length in (1, 12, 120):
        whole = stretch_ranks(values, length)
        np.testing.assert_array_equal(stretch_ranks(values[:300], length), whole[:300])
        np.testing.assert_array_equal(grown(values[:300], length), grown(values, length)[:300])


def test_a_missing_month_leaves_every_window_over_it_unanswered() -> None:
    returns = np.full(40, 1.0)
    returns[20] = np.nan
    there = np.isfinite(grown(returns, 12))
    assert np.flatnonzero(~there).tolist() == [*range(11), *range(20, 32)]
    # 12..20, 21 is gone; the next whole window is that of months 21..32.
    assert side_by_side(there, 12).tolist()[-1] == 2


def test_stretches_by_hand() -> None:
    #        0   1   2   3   4   5   6   7
    values = np.array([-3.0, -9.0, -8.0, 1.0, -5.0, 2.0, -7.0, -6.0])
    # Windows of 2. For the last (-6): before it begins are 0 to 5; worse are -9 and -8, which share a month:
    # one stretch, so the second.
    assert stretch_ranks(values, 2).tolist() == [1, 1, 1, 2, 2, 3, 2, 2]


def test_two_monthly_weightings_are_two_histories(premium: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    mart, _ = premium
    assert mart.groupby("weighting").size().nunique() == 1
    assert mart["size_pair"].unique().tolist() == ["lo_10/hi_10", "lo_20/hi_20", "lo_30/hi_30"]
    assert isinstance(FilesSizePortfolios(Path()), FilesAsServed)
