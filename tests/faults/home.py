"""A home that runs the real fetch and load steps for a few chosen inputs, against the local server."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from datasets.base import PlannedInput, Reach
from datasets.registry import DATASETS
from pipeline import steps
from pipeline.context import RunContext
from pipeline.endings import StepFailed
from pipeline.state import FetchBatch, LoadSummary, RunPlan, RunState
from sources.registry import open_provider
from sources.transport import Transport
from tests.small_market import context, fetch_batch
from warehouse.catalog import load_catalog
from warehouse.clock import utc_now
from warehouse.database import LAYOUT, pipeline_database, prepare_home
from warehouse.reference_data import load_reference
from warehouse.settings import Settings

RAW = ("raw.equity_prices", "raw.fed_funds_futures", "raw.fred_observations")
START = date(2024, 6, 3)


@dataclass
class LiveHome:
    """Settings of a live home and how its fetches went."""

    settings: Settings
    runs: int = 0
    errors: dict[str, dict[str, Any]] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    stopped: str | None = None

    def run(
        self, inputs: list[tuple[str, str]], session: date, *, trailing: bool = False, attempts: int = 1
    ) -> None:
        """Fetch and load the inputs as the tasks do; what failed is in `errors`, what stopped the load in
        `stopped`.
        """
        self.runs += 1
        state = RunState(self.settings.home, f"run-{self.runs}")
        plan = RunPlan(
            run_id=state.run_id,
            layout=LAYOUT,
            session=session,
            target=session,
            source="live",
            started_at_utc=utc_now(),
            batches=self._batches(inputs, session, trailing),
        )
        state.write("plan", plan)
        run = self.context(session)
        self.errors = {}
        for batch in plan.batches:
            fetch_batch(run, batch.number, attempts)
            fetched = state.fetched(batch.number).inputs
            self.errors |= {
                name: {"error": entry.error, "kind": entry.kind}
                for name, entry in fetched.items()
                if entry.error
            }
        self.stopped = None
        try:
            steps.load(run)
        except StepFailed as error:
            self.stopped = str(error)
        loaded = state.read("loaded", LoadSummary)
        assert loaded is not None
        self.summary = {name: entry.model_dump() for name, entry in loaded.datasets.items()}
        self.missing = list(loaded.missing)

    def context(self, session: date) -> RunContext:
        """The context of the last run."""
        return context(self.settings, str(session), f"run-{self.runs}")

    def _batches(
        self, inputs: list[tuple[str, str]], session: date, trailing: bool
    ) -> tuple[FetchBatch, ...]:
        """One batch per kind of input: a trailing window where the run plans one, else the whole history."""
        batches = []
        with pipeline_database(self.settings) as connection:
            for number, name in enumerate(dict.fromkeys(kind for kind, _ in inputs)):
                dataset, provider = DATASETS[name], open_provider(self.settings, name)
                assert provider is not None
                planned = dataset.plan(connection, self.settings, provider, Reach(session, session))
                held = {item.input: item for item in planned if trailing}
                start = self.settings.history_start
                chosen = [
                    held.get(item, PlannedInput(item, start, session))
                    for kind, item in inputs
                    if kind == name
                ]
                batches.append(FetchBatch(number=number, dataset=name, inputs=tuple(chosen)))
        return tuple(batches)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """A query on the pipeline's database."""
        with pipeline_database(self.settings, read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def raw(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of the raw tables, what the pipeline added left out."""
        return {
            name: self.rows(
                f"select * exclude (known_at_utc, run_id, payload_sha256) from {name} order by all"
            )
            for name in RAW
        }

    def digest(self, *, newest_prices: bool = False) -> dict[str, tuple[int, str]]:
        """Rows and an order-free hash of each raw table, without what the pipeline added."""
        return raw_digest(self.settings, newest_prices=newest_prices)

    def landed(self) -> list[str]:
        """The payloads in landing."""
        return sorted(str(path) for path in self.settings.landing.rglob("*.gz"))

    def rule(self, name: str) -> tuple[bool, int, str | None]:
        """passed, failed rows and sample of a rule in the last run."""
        found = self.rows(
            f"select passed, failed_rows, sample from ops.validation_results where rule = '{name}' and run_id"
            f" = 'run-{self.runs}' order by passed"
        )
        return (bool(found[0][0]), int(found[0][1]), found[0][2])


def raw_digest(settings: Settings, *, newest_prices: bool = False) -> dict[str, tuple[int, str]]:
    """Rows and an order-free hash of each raw table, `known_at_utc`, `run_id` and `payload_sha256` left
    out; of prices every version or the newest of each bar.
    """
    newest = (
        "(from raw.equity_prices qualify row_number() over (partition by symbol, session_date"
        " order by known_at_utc desc) = 1)"
    )
    found = {}
    with pipeline_database(settings, read_only=True) as connection:
        for table in (load_catalog()[name] for name in RAW):
            names = [
                c.name for c in table.columns if c.name not in ("known_at_utc", "run_id", "payload_sha256")
            ]
            text = " || '|' || ".join(f"""coalesce("{name}"::varchar, '∅')""" for name in names)
            source = newest if newest_prices and table.name == "equity_prices" else table.full_name
            rows, total = connection.execute(
                f"select count(*), coalesce(sum(md5_number_lower({text})::hugeint), 0) from {source}"
            ).fetchall()[0]
            found[table.full_name] = (int(rows), f"{int(total) % 2**64:016x}")
    return found


def live_home(
    monkeypatch: pytest.MonkeyPatch, folder: Path, url: str, key: str | None = None, **changes: str
) -> LiveHome:
    """A new live home whose clients talk to `url` and give up early."""
    environ = {
        "ROTATION_SOURCE": "live",
        "ROTATION_HOME": str(folder),
        "ROTATION_FRED_URL": url,
        "ROTATION_YAHOO_URL": url,
        "ROTATION_FDIC_URL": url,
        "ROTATION_SIZE_PORTFOLIOS_SOURCE": "none",
        "ROTATION_FUND_HOLDINGS_SOURCE": "none",
        "ROTATION_FUTURES_POSITIONS_SOURCE": "none",
        "ROTATION_BANK_INCOME_SOURCE": "none",
        "ROTATION_BANK_MARGINS_SOURCE": "none",
        "ROTATION_NEWYORKFED_URL": url,
        "ROTATION_TREASURY_URL": url,
        "ROTATION_HISTORY_START": str(START),
        **({"FRED_API_KEY": key} if key else {}),
        **changes,
    }
    for name in ("FRED_API_KEY", "AIRFLOW_CONN_FRED_DEFAULT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    impatient(monkeypatch)
    settings = Settings.from_environment(environ)
    prepare_home(settings)
    with pipeline_database(settings) as connection:
        load_reference(connection)
    return LiveHome(settings)


def impatient(
    monkeypatch: pytest.MonkeyPatch, deadline: float = 8.0, attempt: float = 6.0, **options: float
) -> None:
    """Short deadlines, so that a test of silence takes a second; `options` are further ones of the
    transport.
    """
    defaults = Transport.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "deadline_seconds", deadline)
    monkeypatch.setitem(defaults, "attempt_seconds", attempt)
    for name, value in {"attempts": 1, **options}.items():
        monkeypatch.setitem(defaults, name, value)
