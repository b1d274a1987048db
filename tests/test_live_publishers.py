"""CFTC, SEC, iShares, Kenneth French and the FDIC in live runs, all at once: what is asked for, what a
publisher that is down, sends a page or another unit leaves behind, and where contact and key are afterwards.

Over real HTTP against one server per publisher (`tests/faults/publishers.py`).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from urllib.parse import unquote

import pytest

from pipeline.state import LoadSummary, RunState
from sources.french import INPUT
from tests.faults.canary import hits
from tests.faults.feed import Feed
from tests.faults.home import LiveHome, impatient, live_home
from tests.faults.publishers import CONTACT, KINDS, OTHER_UNIT, Publishers
from tests.faults.server import Fault, Server, truncated
from tests.small_market import SERIES, SYMBOLS, published, run_day
from tests.test_live_run import CANARY, CONTRACTS, environ_of, until_load
from warehouse.database import pipeline_database
from warehouse.settings import REPOSITORY, Settings

MONDAY, TUESDAY = date(2024, 7, 15), date(2024, 7, 16)
# The iShares service serves its newest report of today, whatever session a run is for.
TODAY = date.today()
PAGE = b"<!DOCTYPE html><html><body>Scheduled maintenance</body></html>"
FDIC_CANARY = "canary0key0of0the0fdic0000000000"
SECTORS = ("XLB", "XLC", "XLE", "XLF", "XLI", "XLK", "XLP", "XLRE", "XLU", "XLV", "XLY")
MORE = ("IWN", "IWO", "IWB", "IWD", "IWF", "DFEDTARU", "DFEDTARL", *SECTORS)
RAW = tuple(f"raw.{kind}" for kind in KINDS.values())
MARTS = (
    "bank_income",
    "bank_margins",
    "deposit_betas",
    "fund_score_daily",
    "fund_sector_weights",
    "futures_positioning",
    "size_premium_monthly",
    "size_premium_overlap",
    "spread_attribution_daily",
    "spread_attribution_sectors",
)


def feed(as_of: date) -> Feed:
    return Feed(as_of, only=frozenset({*SYMBOLS, *SERIES, *CONTRACTS, *MORE}))


def rows_of(settings: Settings) -> dict[str, tuple[int, str]]:
    """Rows and a hash of each raw table of the five kinds."""
    with pipeline_database(settings, read_only=True) as connection:
        found = {}
        for name in RAW:
            row = connection.execute(
                f"select count(*), md5(coalesce(string_agg(held::varchar, '|' order by held::varchar), ''))"
                f" from {name} as held"
            ).fetchone()
            assert row is not None
            found[name] = (int(row[0]), str(row[1]))
        return found


# --- below the DAG: one publisher misbehaves ---------------------------------------------------------------

INPUTS = {
    "cftc": ("futures_positions", "239742"),
    "sec": ("bank_income", "BAC"),
    "ishares": ("fund_holdings", "IWM_20240328"),
    "french": ("size_portfolios", INPUT),
    "fdic": ("bank_margins", "2024-03-31"),
}
BEHAVIOUR = {
    "down": Fault(status=503, body=lambda body: b""),
    "a page": Fault(body=lambda body: PAGE),
    "refused": Fault(status=403, body=lambda body: PAGE),
    "too many": Fault(status=429, headers={"Retry-After": "120"}, body=lambda body: b""),
    "cut off": Fault(send=truncated),
    "a quarter, announced so": Fault(body=lambda body: body[: len(body) // 4]),
    "another unit": Fault(),
}
SAID = {
    "down": "status 503",
    "a page": "web page",
    "refused": "refused",
    "too many": "asks to wait 120 s",
    "cut off": "cut short",
    "a quarter, announced so": "cut short|something other than a page of reports|add up to",
    "another unit": "another unit|in another unit|not in per cent|expected about 100",
}


@pytest.fixture(scope="module")
def held(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[LiveHome, Publishers, pytest.MonkeyPatch]]:
    """A home that holds one input of each kind."""
    with pytest.MonkeyPatch.context() as monkeypatch, Publishers(MONDAY, TODAY) as publishers:
        folder = tmp_path_factory.mktemp("publishers") / "home"
        environ = publishers.environ()
        home = live_home(
            monkeypatch,
            folder,
            publishers.servers["fdic"].url,
            **{**environ, "ROTATION_HISTORY_START": "2022-01-03", "ROTATION_CHECK_SOURCES": "none"},
        )
        home.run([("bank_margins", "2023-12-31"), *INPUTS.values()], MONDAY)
        assert not home.errors and not home.missing and home.stopped is None
        assert all(rows for rows, _ in rows_of(home.settings).values()), rows_of(home.settings)
        yield home, publishers, monkeypatch


@pytest.mark.slow
@pytest.mark.parametrize("behaviour", BEHAVIOUR)
@pytest.mark.parametrize("publisher", KINDS)
def test_a_publisher_that_misbehaves_leaves_what_is_held_and_is_named(
    held: tuple[LiveHome, Publishers, pytest.MonkeyPatch], publisher: str, behaviour: str
) -> None:
    home, publishers, _ = held
    kind, item = INPUTS[publisher]
    before = rows_of(home.settings)
    publishers.asked()
    server, template = publishers.servers[publisher], BEHAVIOUR[behaviour]
    fault = Fault(status=template.status, headers=template.headers, body=template.body, send=template.send)
    if behaviour == "another unit" and publisher == "french":
        server.served = _hundredths  # type: ignore[attr-defined]
    elif behaviour == "another unit":
        fault.body = OTHER_UNIT[publisher]
    server.fault = fault
    try:
        home.run([INPUTS[name] for name in KINDS], TUESDAY, trailing=True)
    finally:
        server.fault = None
        if publisher == "french":
            server.served = str  # type: ignore[attr-defined]
    assert rows_of(home.settings) == before, "nothing wrong is loaded, and what is held stays"
    [sentence] = home.missing
    assert f"{kind}/{item}" in sentence and re.search(SAID[behaviour], sentence), sentence
    others = {name: count for name, count in publishers.asked().items() if name != publisher}
    assert set(others.values()) == {1}, "the others were asked once each"


def _hundredths(text: str) -> str:
    """French's returns as fractions."""
    return re.sub(
        r"(?<=,)\s*-?\d+\.\d\d\b",
        lambda found: found[0] if float(found[0]) == -99.99 else f"{float(found[0]) / 100:.4f}",
        text,
    )


# --- whole runs --------------------------------------------------------------------------------------------


@pytest.mark.full
@pytest.mark.timeout(1500)
def test_all_kinds_in_one_run_under_airflow_and_the_sessions_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`make run` with every kind from servers, the next session, and one on which three publishers fail."""
    home, airflow = tmp_path / "home", REPOSITORY / ".airflow"
    with Server(feed(MONDAY), key=CANARY) as server, Publishers(MONDAY, TODAY) as publishers:
        environ = {**environ_of(server, home), **publishers.environ(), "FDIC_API_KEY": FDIC_CANARY}
        result = subprocess.run(
            [sys.executable, "-m", "cli.run"],
            cwd=REPOSITORY,
            env={**os.environ, **environ, "ROTATION_SESSION": str(MONDAY), "PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-2000:]
        (tmp_path / "output.txt").write_text(result.stdout + result.stderr)
        first = publishers.asked()
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        impatient(monkeypatch)
        monkeypatch.setattr("pipeline.fetch.ATTEMPTS", 1)
        settings = Settings.from_environment()
        assert {name for name, rows in _marts(settings).items() if not rows} == set(), _marts(settings)
        # Eight contracts that are listed, 22 banks, twelve funds with ten quarters and the newest report, a
        # zip, and of the FDIC nine quarters of securities and of margins.
        assert first == {"cftc": 8, "sec": 22, "ishares": 132, "french": 1, "fdic": 18}
        server.feed.as_of = TUESDAY
        publishers.to(TUESDAY)
        until_load(settings, str(TUESDAY), "tuesday")
        paths = {name: entry.paths() for name, entry in publishers.servers.items()}
        second = publishers.asked()
        before = rows_of(settings)
        _check_second(second, paths)
        publishers.servers["cftc"].fault = Fault(status=503)
        publishers.servers["ishares"].fault = Fault(body=lambda body: PAGE)
        publishers.servers["sec"].fault = Fault(body=OTHER_UNIT["sec"])
        server.feed.as_of = WEDNESDAY
        publishers.to(WEDNESDAY)
        run_day(settings, str(WEDNESDAY))
        _check_third(settings, before)
    assert hits([tmp_path, airflow], [CANARY, FDIC_CANARY, CONTACT]) == []


WEDNESDAY = date(2024, 7, 17)


def _check_second(counts: dict[str, int], paths: dict[str, list[str]]) -> None:
    """A run on the next session asks for what may be new, and for nothing else."""
    assert counts == {"cftc": 8, "sec": 22, "ishares": 12, "french": 0, "fdic": 4}
    assert not [path for path in paths["ishares"] if "asOfDate" in path]
    asked_from = {
        day
        for path in paths["cftc"]
        for day in re.findall(r"between '(\S+?)T", unquote(path).replace("+", " "))
    }
    assert min(asked_from) >= "2024-03-01", "a trailing window"
    quarters = {day for path in paths["fdic"] for day in re.findall(r"REPDTE(?::|%3A)(\d+)", path)}
    assert quarters == {"20231231", "20240331"}, "those that may be amended"


def _check_third(settings: Settings, before: dict[str, tuple[int, str]]) -> None:
    """Published, with what was held and a sentence for each of the three."""
    after = rows_of(settings)
    same = ("raw.futures_positions", "raw.bank_income", "raw.fund_holdings", "raw.size_portfolios")
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    with published(settings) as connection:
        row = connection.execute("select max(session_date) from marts.instrument_daily").fetchone()
        assert row == (WEDNESDAY,)
        [(outcome,)] = connection.execute(
            "select outcome from ops.runs where step = 'load' and session_date = ?", [WEDNESDAY]
        ).fetchall()
        built = connection.execute(
            "select message from ops.runs where step = 'build' and session_date = ?", [WEDNESDAY]
        ).fetchall()
    assert "could not be extended" not in str(built)
    assert outcome == "warning"
    loaded = RunState(settings.home, f"test-{WEDNESDAY}").read("loaded", LoadSummary)
    assert loaded is not None
    said = "\n".join(loaded.missing)
    assert "the last was cftc: futures_positions/" in said and "status 503" in said
    assert "fund_holdings/IWM: a web page was returned instead of data" in said
    refused = [text for text in loaded.refused if "bank_income" in text]
    assert len(refused) == 22 and all("field val is" in text and "another unit" in text for text in refused)
    assert {name for name, rows in _marts(settings).items() if not rows} == set()


def _marts(settings: Settings) -> dict[str, int]:
    with published(settings) as connection:
        return {
            name: int(connection.execute(f"select count(*) from marts.{name}").fetchall()[0][0])
            for name in MARTS
        }
