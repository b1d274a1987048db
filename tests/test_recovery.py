"""What goes wrong and is put right again: restored files, damaged payloads, failed rules, gaps, full and
unwritable folders, a lost publication.
"""

from __future__ import annotations

import gzip
import json
import shutil
import zlib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cli import status
from datasets.base import Dataset, PlannedInput
from expectations import gate
from market_calendar.sessions import NEW_YORK
from pipeline import run_record, steps
from pipeline.context import Requested, RunContext
from pipeline.endings import Refused, StepFailed
from pipeline.state import LoadSummary
from sources.files import FilesFutures, FilesPrices
from sources.protocol import Unreadable
from tests.shared_homes import HomeAfter, copied_home
from tests.small_market import (
    START,
    built_digests,
    context,
    fetch_all,
    published,
    published_digests,
    run_day,
    run_to_build,
    run_unaudited,
    small_settings,
)
from warehouse.database import HomeError, MixedData, pipeline_database
from warehouse.payloads import Request
from warehouse.settings import Settings


@pytest.fixture(scope="module")
def market(small_market_files: Path) -> Path:
    """Files of the small market, kept as they are."""
    return small_market_files


@pytest.fixture
def settings(market: Path, home_after: HomeAfter, tmp_path: Path) -> Settings:
    """A copy of the market's files and of a home after one session, for a test to break."""
    files = shutil.copytree(market, tmp_path / "files")
    return copied_home(home_after("2024-07-16"), tmp_path / "home", files=files)


def load(settings: Settings, session: str, run_id: str) -> LoadSummary:
    """Plan, fetch and load alone."""
    run = context(settings, session, run_id)
    fetch_all(run)
    return steps.load(run)


def values(settings: Settings, sql: str) -> list[Any]:
    """First column of a query on the pipeline's database."""
    with pipeline_database(settings, read_only=True) as connection:
        return [row[0] for row in connection.execute(sql).fetchall()]


@pytest.mark.slow
def test_a_file_that_is_put_back_is_a_change_like_any_other(settings: Settings) -> None:
    assert settings.files_dir is not None
    path = settings.files_dir / "fred" / "DGS2.csv"
    good = path.read_text()
    line = next(line for line in good.splitlines() if line.startswith("2024-07-10"))
    before = published_digests(settings)
    path.write_text(good.replace(line, "2024-07-10,9.99"))
    with pytest.raises(StepFailed, match=r"critical rules? failed"):
        run_day(settings, "2024-07-16", "bad")
    path.write_text(good)
    run_to_build(settings, "2024-07-16", "restored")
    assert built_digests(settings) == before
    versions = values(
        settings,
        "select value from raw.fred_observations where series_id = 'DGS2' and observation_date = '2024-07-10'"
        " order by known_at_utc",
    )
    assert versions == [float(line.split(",")[1]), 9.99, float(line.split(",")[1])]


def test_a_failed_critical_rule_is_judged_again_not_forgotten(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings.files_dir is not None
    path = settings.files_dir / "prices" / "JPM.csv"
    header, *lines = path.read_text().splitlines()
    row = dict(zip(header.split(","), lines[-1].split(","), strict=True))
    row |= {"date": "2024-09-03", "volume": "1", "dividend": "0"}
    path.write_text("\n".join([header, *lines, ",".join(row.values())]) + "\n")
    strict = {
        "type": "expect_column_values_to_be_between",
        "kwargs": {"column": "volume", "min_value": 2},
        "severity": "critical",
        "meta": {"name": "volume_is_large"},
    }
    rules = gate.handwritten
    with monkeypatch.context() as patch:
        patch.setattr(
            gate,
            "handwritten",
            lambda table: {
                **rules(table),
                "expectations": [strict] if table.name == "equity_prices" and table.schema == "raw" else [],
            },
        )
        for run_id in ("first", "second"):
            with pytest.raises(StepFailed, match="volume_is_large"):
                load(settings, "2024-07-17", run_id)
    load(settings, "2024-07-17", "without-the-rule")
    assert values(
        settings, "select close from raw.equity_prices where symbol = 'JPM' and session_date = '2024-09-03'"
    ) == [float(row["close"])]


def test_one_wild_settlement_is_caught_also_when_its_neighbours_came_before(settings: Settings) -> None:
    assert settings.files_dir is not None
    path = settings.files_dir / "futures" / "ZQU24.csv"
    line = next(line for line in path.read_text().splitlines() if line.startswith("2024-07-10"))
    path.write_text(path.read_text().replace(line, "2024-07-10,85.0"))
    load(settings, "2024-07-17", "wild")
    assert values(settings, "select count(*) from raw.fed_funds_futures where settle = 85") == [0]
    assert values(settings, "select rule from ops.quarantine where run_id = 'wild'") == [
        "settlement_is_near_its_neighbours"
    ]


@pytest.fixture
def few_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the whole simulated market, the required symbols, the contracts and the required series alone."""
    plan = Dataset.plan

    def few(dataset: Dataset, *arguments: Any) -> list[PlannedInput]:
        return [item for item in plan(dataset, *arguments) if item.required or dataset.name == "futures"]

    monkeypatch.setattr(Dataset, "plan", few)


@pytest.mark.slow
def test_contracts_that_expired_in_a_gap_are_completed(tmp_path: Path, few_inputs: None) -> None:
    held = []
    for name, sessions in (("cut", ("2024-06-14", "2024-08-15")), ("once", ("2024-08-15",))):
        home = {
            "ROTATION_SOURCE": "simulated",
            "ROTATION_HOME": str(tmp_path / name),
            "ROTATION_HISTORY_START": "2024-06-03",
        }
        for session in sessions:
            load(Settings.from_environment(home), session, session)
        held.append(
            values(
                Settings.from_environment(home),
                "select contract || settlement_date || settle from raw.fed_funds_futures order by 1",
            )
        )
    assert held[0] == held[1]
    assert len(held[0]) > 1000


@pytest.mark.slow
def test_an_earlier_start_is_fetched_from_a_source_that_serves_ranges(
    tmp_path: Path, few_inputs: None
) -> None:
    home = {"ROTATION_SOURCE": "simulated", "ROTATION_HOME": str(tmp_path / "home")}
    late = Settings.from_environment({**home, "ROTATION_HISTORY_START": "2024-06-03"})
    early = Settings.from_environment({**home, "ROTATION_HISTORY_START": "2024-05-01"})
    load(late, "2024-07-16", "late")
    load(early, "2024-07-16", "early")
    assert values(early, "select min(session_date) from raw.equity_prices where symbol = 'SPY'") == [
        date(2024, 5, 1)
    ]
    load(early, "2024-07-17", "next")
    assert values(early, "select request from ops.payloads where input = 'SPY' and run_id = 'next'") == [
        "prices/SPY 2024-07-02..2024-07-17"
    ]


def test_a_session_before_the_start_names_the_setting(market: Path, tmp_path: Path) -> None:
    settings = small_settings(market, tmp_path / "home", ROTATION_HISTORY_START="2024-07-17")
    with pytest.raises(StepFailed, match="Session 2024-07-16 lies before ROTATION_HISTORY_START=2024-07-17"):
        run_day(settings, "2024-07-16")


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-30]),
        lambda path: path.unlink(),
        lambda path: path.write_bytes(gzip.compress(b"evil")),
    ],
)
def test_a_damaged_payload_is_fetched_once_more(settings: Settings, damage: Any) -> None:
    assert settings.files_dir is not None
    path = settings.files_dir / "prices" / "JPM.csv"
    header, *lines = path.read_text().splitlines()
    row = dict(zip(header.split(","), lines[-1].split(","), strict=True))
    row |= {"date": "2024-09-03", "volume": "1", "dividend": "0"}
    path.write_text("\n".join([header, *lines, ",".join(row.values())]) + "\n")
    run = context(settings, "2024-07-17", "damaged")
    fetch_all(run)
    damage(max((settings.landing / "prices" / "JPM").glob("*.gz"), key=lambda item: item.name))
    steps.load(run)
    assert (
        values(
            settings,
            "select message from ops.runs where run_id = 'damaged' and step = 'load' and message like"
            " '%prices/JPM%'",
        )
        != []
    )
    load(settings, "2024-07-17", "again")
    assert values(
        settings, "select close from raw.equity_prices where symbol = 'JPM' and session_date = '2024-09-03'"
    ) == [float(row["close"])]


def test_an_optional_file_with_a_flipped_byte_is_named_and_stops_nothing(settings: Settings) -> None:
    assert settings.files_dir is not None
    plain = settings.files_dir / "prices" / "JPM.csv"
    packed = bytearray(gzip.compress(plain.read_bytes()))
    broken = 0
    for place in range(40, len(packed), len(packed) // 25):
        flipped = packed.copy()
        flipped[place] ^= 0x55
        try:
            zlib.decompress(bytes(flipped), wbits=31)
        except zlib.error:
            broken += 1
        plain.with_suffix(".csv.gz").write_bytes(bytes(flipped))
        if plain.exists():
            plain.unlink()
        source = FilesPrices(settings.files_dir)
        with pytest.raises(Unreadable, match="prices/JPM"):
            source.parse(source.fetch(Request("prices", "JPM", START, START)))
    assert broken > 3
    load(settings, "2024-07-17", "flipped")
    assert (
        "prices/JPM"
        in values(settings, "select message from ops.runs where run_id = 'flipped' and step = 'load'")[0]
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("date,settle,settle\n2024-07-16,94,94\n", "settle is duplicated"),
        ("date,settle\n2024-07-16," + "9" * 150_000 + "\n", "not readable CSV"),
    ],
)
def test_a_strange_table_is_refused_by_name(settings: Settings, line: str, said: str) -> None:
    assert settings.files_dir is not None
    (settings.files_dir / "futures" / "ZQU24.csv").write_text(line)
    source = FilesFutures(settings.files_dir)
    with pytest.raises(Unreadable, match=said) as caught:
        source.parse(source.fetch(Request("futures", "ZQU24", START, START)))
    assert "futures/ZQU24" in str(caught.value)


def test_dates_of_a_frame_s_parquet_are_dates(settings: Settings) -> None:
    assert settings.files_dir is not None
    path = settings.files_dir / "prices" / "SPY.csv"
    source = FilesPrices(settings.files_dir)
    before = source.parse(source.fetch(Request("prices", "SPY", START, START))).frame
    duckdb.execute(
        f"copy (select * replace (date::timestamp as date) from read_csv('{path}')) to"
        f" '{path.with_suffix('.parquet')}' (format parquet)"
    )
    path.unlink()
    parsed = source.parse(source.fetch(Request("prices", "SPY", START, START)))
    assert parsed.rejected == []
    assert parsed.frame["session_date"].equals(before["session_date"])


def test_one_bad_row_does_not_move_the_last_session(settings: Settings) -> None:
    assert settings.files_dir is not None
    path = settings.files_dir / "prices" / "SPY.csv"
    before = FilesPrices(settings.files_dir).last_session("SPY")
    path.write_text(
        path.read_text().rstrip("\n") + "\n2024-08-31,1,1,1,1,1,1,0,\n2028-01-05,1,1,1,1,1,1,0,\n"
    )
    assert before == FilesPrices(settings.files_dir).last_session("SPY") == date(2024, 8, 30)


def test_a_failed_fetch_is_in_the_status(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("ROTATION_HOME", "ROTATION_FILES_DIR", "ROTATION_SOURCE"):
        monkeypatch.setenv(
            name,
            {
                "ROTATION_HOME": str(settings.home),
                "ROTATION_FILES_DIR": str(settings.files_dir),
                "ROTATION_SOURCE": "files",
            }[name],
        )
    assert status.main() == 0
    shutil.rmtree(settings.landing)
    settings.landing.write_text("in the way")
    with pytest.raises(HomeError, match="cannot be written"):
        load(settings, "2024-07-17", "blocked")
    assert json.loads((settings.published / "status.json").read_text())["state"] == "failed"
    assert status.main() == 1
    (settings.published / "status.json").write_text("")
    assert status.main() == 1
    assert "cannot be read" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("session", "said"),
    [
        ("2024-07-04", "is a Thursday on which the NYSE was closed"),
        ("2024-02-30", "is not a date"),
        ("20240716", "is not a date; write it as 2024-07-16"),
        ("2024-7-16", "is not a date"),
        ("2024-07-16T00:00:00", "is not a date"),
        ("today", "is not a date"),
        ("null", "is not a date"),
        ("2024-07-01..2024-07-16", "a range as 2014-07-17/2024-07-16, both ends included"),
        ("2024-07-01, 2024-07-16", "names more than one date"),
        (20240716, "is 20240716, not a date in quotes"),
        (["2024-07-16"], "not a date in quotes"),
        ({"from": "2024-07-16"}, "not a date in quotes"),
        (True, "not a date in quotes"),
        ("1989-07-17", "lies before"),
        ("1999-07-16", "lies before ROTATION_HISTORY_START"),
        ("2999-07-16", "outside the market calendar"),
        ("2024-07-18", "has not closed yet; the last closed session is 2024-07-17"),
        ("2024-07-19", "has not closed yet"),
    ],
)
def test_a_trigger_that_names_no_session_is_refused_and_changes_nothing(
    settings: Settings, session: Any, said: str
) -> None:
    before = {path: path.stat().st_mtime_ns for path in settings.home.rglob("*") if path.is_file()}
    # Before the close of the 18th.
    run = context(settings, session, "asked", clock=lambda: datetime(2024, 7, 18, 19, 59))
    with pytest.raises(Refused) as caught:
        steps.plan(run)
    assert said in str(caught.value)
    note = settings.published / "refused.json"
    assert json.loads(note.read_text())["message"] == str(caught.value)
    after = {path: path.stat().st_mtime_ns for path in settings.home.rglob("*") if path.is_file()}
    assert {path: moment for path, moment in after.items() if path != note} == before


def test_a_misspelt_parameter_is_refused(settings: Settings) -> None:
    run = RunContext(settings, "asked", Requested(unknown=("sesion",)))
    with pytest.raises(Refused, match="There is no parameter sesion; the session's parameter is"):
        steps.plan(run)
    run = RunContext(settings, "asked", Requested(unknown=(*(f"k{n}" for n in range(90)), "z" * 1024)))
    with pytest.raises(Refused, match=r"There is no parameter k0 or k1 or .* or 86 more") as many:
        steps.plan(run)
    assert len(str(many.value)) < 200


@pytest.mark.parametrize("session", [None, "", "   ", "\t"])
def test_a_trigger_without_a_session_is_for_the_newest_one_that_is_due(
    settings: Settings, session: str | None
) -> None:
    def planned(new_york: str) -> str:
        moment = datetime.fromisoformat(new_york).replace(tzinfo=NEW_YORK).astimezone(UTC)
        run = context(settings, session, "asked", clock=lambda: moment.replace(tzinfo=None))
        return str(steps.plan(run).session)

    # The 17th is due at 18:30.
    assert planned("2024-07-17 18:29") == "2024-07-16"
    assert planned("2024-07-17 18:30") == "2024-07-17"


def test_a_full_disk_is_said_before_the_work_starts(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        run_record.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9 - 10**6, 10**6)
    )
    with pytest.raises(StepFailed, match=r"has 1 MB left and a run needs about \d+ MB"):
        load(settings, "2024-07-17", "full")


def test_an_error_without_space_names_the_folder(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device", str(settings.landing / "x"))

    monkeypatch.setattr("pipeline.fetch.land", full)
    with pytest.raises(StepFailed, match=r"No space left on device\. Free space or make .* writable"):
        load(settings, "2024-07-17", "no-space")


@pytest.mark.parametrize("content", ["", "{}", "[]", "{"])
def test_an_unreadable_marker_of_the_home_says_what_it_must_hold(settings: Settings, content: str) -> None:
    (settings.home / "home.json").write_text(content)
    with pytest.raises(HomeError, match="it must hold"):
        load(settings, "2024-07-17", "marker")


def test_a_refused_mixture_touches_nothing(settings: Settings, tmp_path: Path) -> None:
    before = (settings.published / "status.json").read_bytes()
    simulated = Settings.from_environment(
        {"ROTATION_SOURCE": "simulated", "ROTATION_HOME": str(settings.home)}
    )
    with pytest.raises(MixedData):
        load(simulated, "2024-07-17", "mixed")
    assert (settings.published / "status.json").read_bytes() == before
    assert values(settings, "select count(*) from ops.runs where run_id = 'mixed'") == [0]
    elsewhere = {
        "ROTATION_SOURCE": "simulated",
        "ROTATION_HOME": str(tmp_path / "other"),
        "ROTATION_WAREHOUSE": str(settings.warehouse),
    }
    with pytest.raises(MixedData, match="ROTATION_WAREHOUSE"):
        load(Settings.from_environment(elsewhere), "2024-07-17", "mixed")


@pytest.mark.slow
def test_a_lost_publication_is_made_again_with_a_new_number(settings: Settings) -> None:
    before = published_digests(settings)
    shutil.rmtree(settings.published)
    run_unaudited(settings, "2024-07-16", "again")
    assert published_digests(settings) == before
    assert values(settings, "select generation from ops.publication order by 1") == [1, 2]
    with published(settings) as connection:
        assert connection.execute("select max(generation) from ops.publication").fetchall() == [(2,)]


@pytest.mark.slow
def test_a_damaged_publication_is_replaced(settings: Settings) -> None:
    before = published_digests(settings)
    damaged = settings.published / "generations" / "1" / "warehouse.duckdb"
    damaged.chmod(0o644)
    damaged.write_bytes(damaged.read_bytes()[:5000])
    run_unaudited(settings, "2024-07-16", "again")
    assert published_digests(settings) == before
