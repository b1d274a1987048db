"""A small market in a folder of files: seven symbols, seven series and the futures strip from 2022, cut
from the simulation; the whole of it has two sector funds and files of every publisher as well.

Small enough that the whole daily run takes seconds; the whole market large enough that nearly every mart has
rows. `write_small_market` fills a folder in the layout of the source `files`; `run_day` runs the steps of the
DAG in this process.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from datasets.bank_financials import quarter_inputs
from market_calendar.release_rules import available_at_utc
from pipeline import steps
from pipeline.context import Requested, RunContext
from pipeline.endings import TryAgain
from pipeline.fetch import ATTEMPTS
from pipeline.state import Published
from sources.cftc import SimulatedPositions
from sources.fdic_margins import SimulatedBankMargins
from sources.french import INPUT, SimulatedSizePortfolios
from sources.ishares import SimulatedFundHoldings
from sources.sec import SimulatedConcepts
from sources.simulated import SimulatedProvider, simulated_market
from sources.simulated_market.fund_holdings import SECTORS
from warehouse.payloads import Request
from warehouse.publication import building_folder, current_generation, digests
from warehouse.reference_data import reference_frame
from warehouse.settings import Settings

SYMBOLS = ("SPY", "IWM", "QQQ", "KRE", "JPM", "^RUT", "^GSPC")
SERIES = ("DGS2", "DGS10", "DGS3MO", "DFF", "CPIAUCSL", "ICSA", "VIXCLS")
# The sectors of the small market, to which every other one of a report counts, and their funds.
SECTOR_FUNDS = {"Financials": "XLF", "Information Technology": "XLK"}
HELD_FUNDS, REPORTED_CONTRACTS, FILING_BANKS = ("IWM", "IVV"), ("239742", "13874A"), ("JPM", "KEY")
START, END = date(2022, 1, 3), date(2024, 8, 30)
# Banks and the funds rate of the whole market begin two ends of quarters earlier, so that what deposits cost
# before the first hike of 2022 is known.
QUARTERS_BEFORE = timedelta(days=95)
HISTORY_START = START - QUARTERS_BEFORE


def write_small_market(folder: Path, *, end: date = END, start: date = START, whole: bool = False) -> Path:
    """Write the market's files from `start` to `end`; a later end adds rows and changes none (no split is
    inside). The whole market takes a run a fifth longer.
    """
    market = simulated_market()
    for name in ("prices", "futures", "fred"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for symbol in (*SYMBOLS, *(SECTOR_FUNDS.values() if whole else ())):
        (folder / "prices" / f"{symbol.replace('^', '_')}.csv").write_bytes(
            market.prices_csv(symbol, start, end)
        )
    for series in SERIES:
        (folder / "fred" / f"{series}.csv").write_bytes(released(series, market.fred_csv(series, start, end)))
    for contract in market.contracts(start, end):
        (folder / "futures" / f"{contract}.csv").write_bytes(market.futures_csv(contract, start, end))
    if whole:
        write_publishers_files(folder, start, end)
    return folder


def released(series_id: str, content: bytes) -> bytes:
    """A series' file without what FRED would not have released by now.

    What a file holds was known by then, so a market that ends today would be as old as its first run, and no
    two homes equal.
    """
    series = reference_frame("fred_series").set_index("series_id").loc[series_id]
    head, *lines = content.splitlines(keepends=True)
    days = pd.Series(pd.to_datetime([line.split(b",")[0].decode() for line in lines]))
    available = available_at_utc(series["release_rule"], series["frequency"], days)
    now = datetime.now(UTC).replace(tzinfo=None)
    return head + b"".join(line for line, known in zip(lines, available <= now, strict=True) if known)


def write_publishers_files(folder: Path, start: date, end: date) -> None:
    """Write the kinds of input whose files are read as their publishers serve them, and the funds rate of the
    quarters before.

    The size portfolios' file begins in 1926: a shorter one is refused.
    """
    since = start - QUARTERS_BEFORE
    (folder / "fred" / "DFF.csv").write_bytes(simulated_market().fred_csv("DFF", since, end))
    served: dict[str, tuple[SimulatedProvider, Sequence[str]]] = {
        "size_portfolios": (SimulatedSizePortfolios(), (INPUT,)),
        "futures_positions": (SimulatedPositions(), REPORTED_CONTRACTS),
        "bank_income": (SimulatedConcepts(), FILING_BANKS),
        "bank_margins": (SimulatedBankMargins(), quarter_inputs(since, end)),
        "fund_holdings": (SimulatedFundHoldings(), HELD_FUNDS),
    }
    for kind, (provider, names) in served.items():
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for name in names:
            payload = provider.fetch(Request(kind, name, start, end))
            content = in_two_sectors(payload.content) if kind == "fund_holdings" else payload.content
            (folder / kind / f"{name}.{payload.extension}").write_bytes(content)


def in_two_sectors(report: bytes) -> bytes:
    """A holdings file whose sectors are those of `SECTOR_FUNDS`: the small market has no fund of another."""
    *_, counted_to = SECTOR_FUNDS
    for sector in set(SECTORS) - set(SECTOR_FUNDS):
        report = report.replace(f'"{sector}"'.encode(), f'"{counted_to}"'.encode())
    return report


def small_settings(folder: Path, home: Path, **changes: str) -> Settings:
    """Settings of the source `files` on a small market."""
    return Settings.from_environment(
        {
            "ROTATION_SOURCE": "files",
            "ROTATION_FILES_DIR": str(folder),
            "ROTATION_HOME": str(home),
            "ROTATION_HISTORY_START": str(HISTORY_START),
            **changes,
        }
    )


def context(
    settings: Settings, session: str, run_id: str | None = None, *, rebuild: bool = False, **changes: Any
) -> RunContext:
    """The context of a run for a session that its parameter names; with `rebuild` it publishes even where
    nothing is new.
    """
    requested = Requested(parameter=session, rebuild=rebuild)
    return RunContext(settings, run_id or f"test-{session}", requested, **changes)


def fetch_all(run: RunContext) -> None:
    """Plan, then fetch every batch, as often as Airflow would, without its waits."""
    for batch in steps.plan(run).batches:
        fetch_batch(run, batch.number)


def fetch_batch(run: RunContext, number: int, attempts: int = ATTEMPTS) -> None:
    """One batch; what the last attempt did not get is an error in its hand-over."""
    for _ in range(attempts):
        with contextlib.suppress(TryAgain):
            steps.fetch(run.for_batch(number))
            break


def run_to_build(settings: Settings, session: str, run_id: str | None = None, **changes: Any) -> RunContext:
    """Plan, fetch, load, build: half of a run's time, for what the marts alone tell."""
    run = context(settings, session, run_id, **changes)
    fetch_all(run)
    steps.load(run)
    steps.build(run)
    return run


def run_day(settings: Settings, session: str, run_id: str | None = None, **changes: Any) -> Published:
    """Plan, fetch, load, build, audit, publish, as the DAG's tasks do."""
    run = run_to_build(settings, session, run_id, **changes)
    steps.audit(run)
    return steps.publish(run)


def run_unaudited(settings: Settings, session: str, run_id: str | None = None, **changes: Any) -> Published:
    """A whole run but for the audit, a third of its time: for what happens to a publication."""
    return steps.publish(run_to_build(settings, session, run_id, **changes))


def built(settings: Settings) -> duckdb.DuckDBPyConnection:
    """The build that waits to be published, read-only."""
    return duckdb.connect(str(building_folder(settings) / "warehouse.duckdb"), read_only=True)


def built_digests(settings: Settings) -> list[tuple[str, int, str]]:
    """Digest of every mart of the build that waits to be published."""
    with built(settings) as connection:
        return digests(connection)


def published(settings: Settings) -> duckdb.DuckDBPyConnection:
    """The current publication, read-only."""
    current = current_generation(settings)
    assert current is not None
    return duckdb.connect(str(current / "warehouse.duckdb"), read_only=True)


def published_digests(settings: Settings) -> list[tuple[str, int, str]]:
    """Digest of every mart of the current publication."""
    with published(settings) as connection:
        return digests(connection)
