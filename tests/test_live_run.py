"""The whole live path against the server on this machine, and where the keys are afterwards: nowhere."""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
import subprocess
import sys
from datetime import date
from pathlib import Path

import duckdb
import pytest

from pipeline import steps
from pipeline.endings import StepFailed
from tests.faults.canary import hits
from tests.faults.feed import Feed
from tests.faults.home import impatient
from tests.faults.second_sources import SecondSourcesServer
from tests.faults.server import Fault, Server
from tests.small_market import SERIES, SYMBOLS, context, fetch_all, published, run_day
from warehouse.publication import current_generation
from warehouse.settings import REPOSITORY, Settings

CANARY = "canary0key0in0the0environment000"
OTHER_CANARY = "canary0key0in0a0connection000000"
CONTRACTS = ("ZQN24", "ZQQ24", "ZQU24", "ZQV24", "ZQX24", "ZQZ24", "ZQF25")


def small_feed(as_of: date) -> Feed:
    return Feed(as_of, only=frozenset({*SYMBOLS, *SERIES, *CONTRACTS}))


def environ_of(server: Server, home: Path) -> dict[str, str]:
    return {
        "ROTATION_SOURCE": "live",
        "ROTATION_HOME": str(home),
        "ROTATION_HISTORY_START": "2022-01-03",
        "ROTATION_FRED_URL": server.url,
        "ROTATION_YAHOO_URL": server.url,
        "ROTATION_FDIC_URL": server.url,
        "ROTATION_SIZE_PORTFOLIOS_SOURCE": "none",
        "ROTATION_FUND_HOLDINGS_SOURCE": "none",
        "ROTATION_FUTURES_POSITIONS_SOURCE": "none",
        "ROTATION_BANK_INCOME_SOURCE": "none",
        "ROTATION_BANK_MARGINS_SOURCE": "none",
        "ROTATION_CHECK_SOURCES": "none",
        "FRED_API_KEY": CANARY,
        "AIRFLOW_CONN_FRED_DEFAULT": json.dumps(
            {"conn_type": "http", "host": "api.stlouisfed.org", "password": OTHER_CANARY}
        ),
    }


def until_load(settings: Settings, session: str, run_id: str) -> None:
    run = context(settings, session, run_id)
    fetch_all(run)
    steps.load(run)


@pytest.mark.slow
def test_two_sessions_live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Range once, then a trailing window; the same session again asks again and changes nothing; no key
    anywhere.
    """
    home = tmp_path / "home"
    with Server(small_feed(date(2024, 7, 15)), key=CANARY) as server:
        for name, value in environ_of(server, home).items():
            monkeypatch.setenv(name, value)
        impatient(monkeypatch)
        settings = Settings.from_environment()
        until_load(settings, "2024-07-15", "monday")
        first = server.paths("chart/SPY")[0]
        server.requests.clear()
        server.feed.as_of = date(2024, 7, 16)
        run_day(settings, "2024-07-16")
        second = server.paths("chart/SPY")
        assert len(second) == 1
        assert _days(first) > 900 and _days(second[0]) < 20, "a trailing window the second time"
        before = _counts(settings)
        until_load(settings, "2024-07-16", "again")
        assert _counts(settings) == before
        # A failure with everything that the server says about the key must not leave a trace either.
        server.fault = Fault(
            on="/fred/",
            status=400,
            body=lambda body: f'<error code="400" message="api_key {CANARY} is wrong"/>'.encode(),
        )
        with pytest.raises(StepFailed, match="DGS2"):
            until_load(settings, "2024-07-16", "refused")
    generation = current_generation(settings)
    assert generation is not None
    with duckdb.connect(str(generation / "warehouse.duckdb"), read_only=True) as connection:
        row = connection.execute(
            "select max(session_date), any_value(data_source), count(distinct symbol) from"
            " marts.instrument_daily"
        ).fetchone()
        assert row == (date(2024, 7, 16), "live", len(SYMBOLS))
        assert connection.execute("select count(*) from ops.series_metadata").fetchone() == (len(SERIES),)
    printed = capfd.readouterr()
    assert CANARY not in printed.out + printed.err and OTHER_CANARY not in printed.out + printed.err
    assert hits([home], [CANARY, OTHER_CANARY]) == []


@pytest.mark.slow
def test_a_live_day_on_which_fred_is_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest yields and the funds rate come from the second sources, and the publication says so."""
    monday, tuesday = date(2024, 7, 15), date(2024, 7, 16)
    with (
        Server(small_feed(monday), key=CANARY) as server,
        SecondSourcesServer(Feed(monday)) as second,
    ):
        environ = environ_of(server, tmp_path / "home") | {
            "ROTATION_CHECK_SOURCES": "newyorkfed,treasury",
            "ROTATION_NEWYORKFED_URL": second.url,
            "ROTATION_TREASURY_URL": second.url,
        }
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        impatient(monkeypatch)
        monkeypatch.setattr("pipeline.fetch.ATTEMPTS", 1)
        settings = Settings.from_environment()
        server.feed.as_of = date(2024, 7, 12)
        until_load(settings, "2024-07-12", "friday")
        server.feed.as_of = second.feed.as_of = tuesday
        server.fault = Fault(on="/fred/", status=503)
        run_day(settings, "2024-07-16")
    with published(settings) as connection:
        newest = connection.execute("""
            select series_id, max(observation_date), max_by(source, observation_date)
            from staging.fred_observations where series_id in ('DFF', 'DGS2', 'VIXCLS') group by 1 order by 1
        """).fetchall()
        assert newest == [
            ("DFF", monday, "newyorkfed"),
            ("DGS2", monday, "treasury"),
            ("VIXCLS", date(2024, 7, 12), "fred"),
        ]
        assert connection.execute(
            "select last_date, expected_date, stale, source from ops.freshness where input = 'DGS2'"
        ).fetchall() == [(monday, monday, False, "treasury")]
        warned = connection.execute(
            "select outcome, message from ops.runs where step = 'load' and session_date = ?", [tuesday]
        ).fetchall()
        assert warned[0][0] == "warning"
        assert (
            "DGS10, DGS2, DGS3MO: FRED did not answer; 1 day (2024-07-15) from the Treasury, marked"
            " source=treasury" in warned[0][1]
        )


def _days(path: str) -> float:
    query = dict(part.split("=") for part in path.split("?")[1].split("&"))
    return (int(query["period2"]) - int(query["period1"])) / 86400


def _counts(settings: Settings) -> list[tuple[str, int]]:
    with duckdb.connect(str(settings.warehouse), read_only=True) as connection:
        names = connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() where schema_name = 'raw' order"
            " by 1"
        ).fetchall()
        return [
            (name, connection.execute(f"select count(*) from {name}").fetchall()[0][0]) for (name,) in names
        ]


def test_the_search_for_keys_finds_a_planted_one(tmp_path: Path) -> None:
    """Positive control: one secret in each kind of file that a run writes."""
    (tmp_path / "run.log").write_text(f"GET ...&api_key={CANARY}\n")
    (tmp_path / "payload.json.gz").write_bytes(gzip.compress(CANARY.encode()))
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute("create schema ops; create table ops.runs (message varchar)")
        connection.execute("insert into ops.runs select 'filler ' || range from range(5000)")
        connection.execute("insert into ops.runs values (?)", [f"refused {CANARY}"])
        connection.execute(f"copy ops.runs to '{tmp_path}/runs.parquet' (compression zstd)")
    with sqlite3.connect(tmp_path / "airflow.db") as database:
        database.execute("create table xcom (value text)")
        database.execute("insert into xcom values (?)", [json.dumps({"key": CANARY})])
    found = hits([tmp_path], [CANARY, OTHER_CANARY])
    assert [Path(entry.split(": ")[0]).name for entry in found] == [
        "airflow.db",
        "payload.json.gz",
        "run.log",
        "runs.parquet",
        "warehouse.duckdb",
    ]


@pytest.mark.full
def test_make_run_live_under_airflow(tmp_path: Path) -> None:
    """`make run` itself: the DAG under Airflow, with XCom, task logs and rendered fields searched as well."""
    home, airflow = tmp_path / "home", REPOSITORY / ".airflow"
    with Server(small_feed(date(2024, 7, 16)), key=CANARY) as server:
        environ = {
            **os.environ,
            **environ_of(server, home),
            "ROTATION_SESSION": "2024-07-16",
            "PYTHONPATH": str(REPOSITORY),
        }
        result = subprocess.run(
            [sys.executable, "-m", "cli.run"],
            cwd=REPOSITORY,
            env=environ,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    assert "Published: generation 1 for 2024-07-16" in result.stdout
    (tmp_path / "output.txt").write_text(result.stdout + result.stderr)
    assert hits([tmp_path, airflow], [CANARY, OTHER_CANARY]) == []
