"""`make sql` and `make brief`: the shell on a publication, its errors, results as CSV and as workbooks."""

from __future__ import annotations

import csv
import datetime as dt
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import duckdb
import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli import brief as brief_command
from cli.addresses import brief_file, file_address
from doors import workbook
from doors.columns import Column
from doors.files import NotWritten, write_csv, write_result
from doors.named_queries import UnknownQuery, statement_of
from doors.opened import Facts, opened
from tests.shared_homes import HomeAfter, copied_home
from tests.small_market import run_unaudited
from warehouse.settings import REPOSITORY, Settings

FACTS = Facts(3, dt.date(2024, 7, 16), "files")


@pytest.fixture(scope="module")
def home(home_after: HomeAfter) -> Settings:
    """A published home, to be read only."""
    return home_after("2024-07-16")


def environment_of(home: Settings, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ROTATION_")}
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")]),
        "ROTATION_SOURCE": "files",
        "ROTATION_HOME": str(home.home),
        "ROTATION_FILES_DIR": str(home.files_dir),
        **more,
    }


def sql(home: Settings, text: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli.sql"],
        input=text,
        env=environment_of(home, **more),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


# ---- the shell


def test_one_statement_prints_its_rows_and_says_which_publication(home: Settings) -> None:
    answer = sql(home, Q="select max(session_date) as last from marts.instrument_daily")
    assert (answer.returncode, "2024-07-16" in answer.stdout) == (0, True)
    assert answer.stderr == "Publication: session 2024-07-16, generation 1, data source files\n"


def test_a_pipe_runs_statements_over_several_lines_and_commands(home: Settings) -> None:
    text = "select 'a;\nb' as told,\n  1 + 1 as two;\n.tables rotation_pair\n.schema rotation_state_daily\n"
    text += "select 3 as last"
    answer = sql(home, text)
    assert answer.returncode == 0, answer.stderr
    for words in ("told", "two", "marts.rotation_pair_daily", "quadrant ", "last"):
        assert words in answer.stdout


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("copy marts.daily_summary to 'x.csv';", "Files are closed here; write a result with .save <file>"),
        ("select * from read_text('/etc/passwd');", "Files are closed here"),
        ("attach '/tmp/other.duckdb';", "Files are closed here"),
        ("set threads = 3;", "The settings of this shell are fixed."),
        ("create table marts.mine (a integer);", "The publication cannot be changed"),
        ("from marts.nix;", ".tables lists the tables"),
        ("select nix from marts.daily_summary;", ".schema <table> lists the columns."),
        ("selec 1;", "syntax error"),
        (".tabels", "did you mean .tables?"),
        (".schema nix", "There is no table nix"),
        (".save x.csv", "Run a statement first"),
    ],
)
def test_an_error_is_one_line_that_says_what_to_do_and_the_exit_code_is_one(
    home: Settings, statement: str, said: str
) -> None:
    answer = sql(home, statement)
    assert answer.returncode == 1
    assert said in answer.stdout and len(answer.stdout.strip().splitlines()) == 1
    assert "Traceback" not in answer.stderr


def test_before_the_first_run_it_says_what_to_run(tmp_path: Path, home: Settings) -> None:
    answer = sql(home, Q="select 1", ROTATION_HOME=str(tmp_path / "empty"))
    assert answer.returncode == 2
    assert answer.stderr.startswith("There is no publication in ") and "`make run`" in answer.stderr


def in_a_terminal(home: Settings) -> tuple[int, int]:
    """A shell in a terminal of its own: the process and the terminal."""
    pid, handle = pty.fork()
    if pid == 0:
        os.chdir(REPOSITORY)
        os.execve(sys.executable, [sys.executable, "-m", "cli.sql"], environment_of(home, TERM="dumb"))
    return pid, handle


def read_until(handle: int, words: str, seconds: float = 60) -> str:
    seen, end = "", time.monotonic() + seconds
    while words not in seen and time.monotonic() < end:
        if select.select([handle], [], [], 0.2)[0]:
            seen += os.read(handle, 4096).decode("utf-8", "replace")
    assert words in seen, seen
    return seen


def test_ctrl_c_ends_a_statement_and_not_the_shell_and_newest_takes_up_a_new_generation(
    home: Settings, tmp_path: Path
) -> None:
    own = copied_home(home, tmp_path / "home")
    pid, handle = in_a_terminal(own)
    try:
        assert "session 2024-07-16, generation 1" in read_until(handle, "rotation> ")
        os.write(
            handle,
            b"select count(*) from range(10000000000) a, range(10000000000) b where a.range > b.range;\n",
        )
        time.sleep(1.5)
        os.kill(pid, signal.SIGINT)
        read_until(handle, "Stopped.")
        run_unaudited(own, "2024-07-17")
        os.write(handle, b"select max(session_date) as held from marts.instrument_daily;\n")
        read_until(handle, "2024-07-16")
        os.write(handle, b".newest\n")
        read_until(handle, "session 2024-07-17, generation 2")
        os.write(handle, b".quit\n")
        assert os.waitpid(pid, 0)[1] == 0
    finally:
        os.close(handle)
    assert "range(10000000000)" in (own.home / "tmp" / "sql_history").read_text()


# ---- names of queries


def test_a_query_is_named_by_its_file_and_number() -> None:
    first, second = statement_of("rotation_pair_daily"), statement_of("rotation_pair_daily:2")
    assert "IWM/QQQ" in first and "IWM/SPY" in second and ";" not in first
    assert statement_of(" select 1; ") == "select 1"
    with pytest.raises(UnknownQuery, match="close to it: rotation_pair_daily"):
        statement_of("rotation_pair_dayly")
    with pytest.raises(UnknownQuery, match="queries, and 99 is asked for"):
        statement_of("rotation_pair_daily:99")


# ---- files

VALUES = (
    "select date '2024-07-16' as session_date, 1.5::double as spread_pp, 0.25::double as cut_prob,"
    " 3 as up_sessions, timestamp '2024-07-16 20:00:00' as known_at_utc, true as inverted,"
    " null::double as slope_bp, '=1+1' as told,"
    " 0.1::double + 0.2::double as exact_pct, 123456789012345678 as many, -5.5::double as loss_usd,"
    " [1, 2] as list, date '1850-01-01' as early"
)


def written(home: Settings, target: Path, statement: str = VALUES, **more: Any) -> int:
    with opened(home) as (connection, facts):
        return write_result(connection, facts, statement, target, **more)


def test_a_csv_has_iso_dates_full_precision_and_no_formula(home: Settings, tmp_path: Path) -> None:
    assert written(home, tmp_path / "x.csv") == 1
    with (tmp_path / "x.csv").open(encoding="utf-8", newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert (row["session_date"], row["known_at_utc"], row["told"]) == (
        "2024-07-16",
        "2024-07-16 20:00:00",
        "'=1+1",
    )
    assert (row["exact_pct"], row["loss_usd"], row["slope_bp"]) == ("0.30000000000000004", "-5.5", "")
    assert (row["inverted"], row["many"], row["list"]) == ("true", "123456789012345678", "[1, 2]")


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_every_number_of_a_csv_comes_back_to_the_bit(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[float]
) -> None:
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    write_csv(path, ["a"], iter([(number,) for number in numbers]))
    lines = path.read_text().splitlines()[1:]
    assert [float(line).hex() for line in lines] == [number.hex() for number in numbers]


STARTS = ("=", "+", "-", "@", "\t", "\r")


@given(st.builds(str.__add__, st.sampled_from((*STARTS, "a", "")), st.text(min_size=1)))
def test_no_text_of_a_csv_begins_like_a_formula(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    clean = text.encode("utf-8", "ignore").decode()
    write_csv(path, ["a"], iter([(clean, 1)]))
    with path.open(encoding="utf-8", newline="") as stream:
        _, (cell, _) = csv.reader(stream)
    assert not cell.startswith(STARTS)
    assert cell.replace("\r\n", "\n") in (clean.replace("\r\n", "\n"), "'" + clean.replace("\r\n", "\n"))


def test_a_workbook_has_dates_numbers_formats_and_a_sheet_of_meanings(home: Settings, tmp_path: Path) -> None:
    statement = (
        f"with v as ({VALUES}) select v.*, iwm_rsi_14 from v join marts.daily_summary using (session_date)"
    )
    assert written(home, tmp_path / "x.xlsx", statement) == 1
    book = openpyxl.load_workbook(tmp_path / "x.xlsx")
    names, cells = ([*row] for row in book["rows"].iter_rows())
    row = {name.value: cell for name, cell in zip(names, cells, strict=True)}
    assert (
        row["session_date"].value == dt.datetime(2024, 7, 16)
        and row["session_date"].number_format == "yyyy-mm-dd"
    )
    assert row["known_at_utc"].value == dt.datetime(2024, 7, 16, 20)
    assert (row["spread_pp"].value, row["spread_pp"].number_format) == (1.5, '0.00" pp"')
    assert (row["cut_prob"].value, row["cut_prob"].number_format) == (0.25, "0.0%")
    assert row["slope_bp"].value is None and row["inverted"].value is True
    assert (row["told"].value, row["told"].data_type) == ("=1+1", "s")
    assert row["many"].value == "123456789012345678" and row["early"].value == "1850-01-01"
    meanings = [[cell.value for cell in line] for line in book["columns"].iter_rows()]
    facts = {line[0]: line[1] for line in meanings[:4]}
    assert (facts["session"], facts["generation"], facts["data source"]) == ("2024-07-16", "1", "files")
    (described,) = [line for line in meanings if line[0] == "iwm_rsi_14"]
    with opened(home) as (connection, _):
        expected = connection.execute(
            "select type, unit, description, source from ops.data_dictionary"
            " where column_name = 'iwm_rsi_14' and schema_name = 'marts'"
        ).fetchone()
    assert tuple(described[1:]) == expected


def test_every_mart_can_be_written_as_a_workbook(home: Settings, tmp_path: Path) -> None:
    with opened(home) as (connection, facts):
        tables = connection.execute(
            "select table_name from duckdb_tables() where schema_name = 'marts' order by 1"
        ).fetchall()
        for (name,) in tables:
            statement = f"from marts.{name} limit 20"
            count = write_result(connection, facts, statement, tmp_path / f"{name}.xlsx")
            sheet = openpyxl.load_workbook(tmp_path / f"{name}.xlsx")["columns"]
            described = [line for line in sheet.iter_rows(min_row=6, values_only=True) if line[0] != "column"]
            assert all(line[3] for line in described if line[0]), f"{name}: a column without a meaning"
            assert count <= 20


def test_a_simulated_workbook_says_so_first(tmp_path: Path) -> None:
    facts = Facts(1, dt.date(2024, 7, 16), "simulated")
    with workbook.Workbook(tmp_path / "x.xlsx", [Column("a", "INTEGER")], facts, "select 1") as book:
        book.write(iter([(1,)]))
    first = openpyxl.load_workbook(tmp_path / "x.xlsx")["columns"]["A1"].value
    assert first == "SIMULATED"


def test_what_excel_cannot_hold_is_refused_and_nothing_is_left(
    home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbook, "MOST_ROWS", 5)
    assert written(home, tmp_path / "fits.xlsx", "from range(4)") == 4
    with pytest.raises(NotWritten, match=r"more than 4 rows, which is all that a sheet holds.*write \.csv"):
        written(home, tmp_path / "rows.xlsx", "from range(5)")
    with pytest.raises(NotWritten, match=r"column a: the text has 32,768 characters and a cell 32,767"):
        written(home, tmp_path / "text.xlsx", "select repeat('x', 32768) as a")
    with pytest.raises(NotWritten, match=r"16,385 columns and a sheet 16,384"):
        columns = [Column(str(number), "INTEGER") for number in range(16_385)]
        try:
            workbook.Workbook(tmp_path / "columns.xlsx", columns, FACTS, "")
        except workbook.TooLargeForExcel as error:
            raise NotWritten(str(error)) from None
    assert os.listdir(tmp_path) == ["fits.xlsx"]


def test_a_file_that_is_there_stays_unless_it_is_to_be_replaced(home: Settings, tmp_path: Path) -> None:
    target = tmp_path / "x.csv"
    target.write_text("mine")
    with pytest.raises(NotWritten, match=r"is there already\. Choose another name, or add OVERWRITE=1"):
        written(home, target)
    with pytest.raises(duckdb.Error):
        written(home, target, "select 1 / nix", replace=True)
    assert target.read_text() == "mine"
    answer = sql(home, Q="select 1 as one", TO=str(target), OVERWRITE="1")
    assert answer.returncode == 0 and target.read_text() == "one\n1\n"
    with pytest.raises(NotWritten, match=r"must end with \.csv or \.xlsx"):
        written(home, tmp_path / "x.parquet")
    with pytest.raises(NotWritten, match="is not there"):
        written(home, tmp_path / "none" / "x.csv")
    assert os.listdir(tmp_path) == ["x.csv"]


def test_a_link_a_long_name_and_two_statements(home: Settings, tmp_path: Path) -> None:
    (tmp_path / "nowhere.csv").symlink_to(tmp_path / "none" / "x.csv")
    with pytest.raises(NotWritten, match="is there already"):
        written(home, tmp_path / "nowhere.csv")
    (tmp_path / "kept.csv").write_text("mine")
    (tmp_path / "link.csv").symlink_to(tmp_path / "kept.csv")
    written(home, tmp_path / "link.csv", "select 1 as one", replace=True)
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "kept.csv").read_text() == "one\n1\n"
    with pytest.raises(NotWritten, match="cannot be written: File name too long"):
        written(home, tmp_path / f"{'x' * 255}.csv")
    with pytest.raises(NotWritten, match="this text has 2"):
        written(home, tmp_path / "two.csv", "select 1; select 2")
    assert sorted(os.listdir(tmp_path)) == ["kept.csv", "link.csv", "nowhere.csv"]


@pytest.mark.parametrize(
    ("statement", "cell"),
    [
        ("1234567890.12345::decimal(18, 5)", 1234567890.12345),
        ("1234567890.123456789::decimal(28, 9)", "1234567890.123456789"),
        ("1.7e308", "1.7e+308"),
        ("'nan'::double", "nan"),
    ],
)
def test_a_workbook_holds_a_number_or_its_text(
    home: Settings, tmp_path: Path, statement: str, cell: float | str
) -> None:
    written(home, tmp_path / "x.xlsx", f"select {statement} as it")
    assert openpyxl.load_workbook(tmp_path / "x.xlsx")["rows"]["A2"].value == cell


def test_excel_counts_an_emoji_twice(home: Settings, tmp_path: Path) -> None:
    with pytest.raises(NotWritten, match="the text has 40,000 characters"):
        written(home, tmp_path / "x.xlsx", "select repeat(chr(128512), 20000) as it")


@pytest.mark.parametrize("ending", ["", ".wal", ".wal.checkpoint", ".wal.recovery", ".tmp"])
def test_nothing_is_written_beside_the_database(home: Settings, tmp_path: Path, ending: str) -> None:
    """With the two settings of docs/connect.md alone, a write-ahead log could be put beside the database,
    and the next reader would take it over.
    """
    folder = copied_home(home, tmp_path / "home").published / "current"
    before = sorted((path.name, path.read_bytes()) for path in folder.iterdir() if path.is_file())
    target = (folder / f"warehouse.duckdb{ending}").resolve()
    copied = Settings(**{**vars(home), "home": tmp_path / "home"})
    for options in ("format csv", "format csv, use_tmp_file false", "format blob"):
        answer = sql(copied, f"copy (select 'x'::blob as b) to '{target}' ({options});")
        assert answer.returncode == 1 and "Files are closed here" in answer.stdout, answer.stdout
    assert sorted((path.name, path.read_bytes()) for path in folder.iterdir() if path.is_file()) == before


def test_make_passes_a_statement_on_as_it_is_typed(home: Settings, tmp_path: Path) -> None:
    made = tmp_path / "made"
    statement = f"select '$(shell touch {made}) $$ $HOME \"quoted\"' as told -- `touch {made}`"
    answer = subprocess.run(
        ["make", "-s", "sql", f"Q={statement}", f"TO={tmp_path / 'told $x.csv'}"],
        env=environment_of(home),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    told = (tmp_path / "told $x.csv").read_text()
    assert f'$(shell touch {made}) $$ $HOME ""quoted""' in told
    assert not made.exists()


# ---- the address of the brief


def test_the_brief_has_an_address_that_leads_to_its_page(
    home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own = copied_home(home, tmp_path / "a home ü%20")
    for name, value in environment_of(own).items():
        monkeypatch.setenv(name, value)
    assert brief_command.main() == 0
    address = capsys.readouterr().out.strip()
    assert re.fullmatch(r"file:///[A-Za-z0-9/_.~%-]+", address)
    page = Path(unquote(urlsplit(address).path))
    assert page == own.published / "briefs" / "2024-07-16.html" and page.is_file()
    page.unlink()
    assert file_address(brief_file(own)).endswith("/current/brief.html")
    monkeypatch.setenv("ROTATION_HOME", str(tmp_path / "empty"))
    assert brief_command.main() == 2 and "`make run`" in capsys.readouterr().err
