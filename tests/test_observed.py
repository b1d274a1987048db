"""What others learn of a run: the events of the assets and the metrics, from the operators as Airflow's
worker calls them, on one small market.

A real StatsD and a real OpenTelemetry collector on loopback receive what Airflow's own clients send; the
values are compared with the publication's. That a scheduler's tasks send them, and that a consumer runs once
per publication, is in `tests/test_scheduler.py`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk._shared.observability.metrics.base_stats_logger import NoStatsLogger
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.execution_time.context import OutletEventAccessors
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics import stats_utils

from datasets.registry import DATASETS
from orchestration import assets, lineage, metrics
from orchestration.facts import PublicationFacts, publication_facts
from orchestration.operators import (
    AuditOperator,
    BuildOperator,
    FetchOperator,
    LoadOperator,
    PlanOperator,
    PublishOperator,
)
from orchestration.params import DAILY_PARAMS
from pipeline.context import Requested, RunContext
from pipeline.state import NOTHING_LOADED, LoadSummary
from tests.metric_collectors import OtlpServer, StatsdServer
from tests.small_market import published, small_settings, write_small_market
from warehouse.catalog import load_catalog
from warehouse.database import pipeline_database
from warehouse.publication import (
    building_folder,
    mark_built,
    opened_publication,
    publish_link,
    quick_digests,
)
from warehouse.settings import Settings

REPOSITORY = Path(__file__).resolve().parent.parent
PAGE = (REPOSITORY / "docs" / "observe.md").read_text(encoding="utf-8")
SESSION = "2024-07-16"
STEPS = ("plan", "load", "build", "audit")

# Sends the figures of a home again, in a process that ends at once, as a task's does.
SEND_AGAIN = """
import sys
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics import stats_utils
from orchestration.facts import publication_facts
from orchestration.metrics import measure_publication, measured
from pipeline.context import RunContext
from warehouse.settings import Settings

stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=True)
run = RunContext(Settings.from_environment(), sys.argv[1])
for step in ("plan", "load", "build", "audit"):
    with measured(run, step):
        pass
measure_publication(publication_facts(run, 1))
"""


class Ran:
    """A home, the run that published it, what the collector received and what the events say."""

    def __init__(self, settings: Settings, statsd: StatsdServer, events: OutletEventAccessors) -> None:
        self.settings, self.statsd, self.events = settings, statsd, events
        self.run = RunContext(settings, "first")

    @property
    def facts(self) -> PublicationFacts:
        """Of its only publication."""
        return publication_facts(self.run, 1)

    def environment(self) -> dict[str, str]:
        """The settings as environment variables."""
        return {
            "ROTATION_SOURCE": "files",
            "ROTATION_FILES_DIR": str(self.settings.files_dir),
            "ROTATION_HOME": str(self.settings.home),
            "ROTATION_HISTORY_START": str(self.settings.history_start),
        }

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """A query on the publication."""
        with published(self.settings) as connection:
            return connection.execute(query).fetchall()


def context(run_id: str) -> dict[str, Any]:
    """Airflow's context of a task in a manual run that names its session by parameter."""
    return {
        "dag": SimpleNamespace(params=DAILY_PARAMS),
        "dag_run": SimpleNamespace(
            run_id=run_id,
            partition_key=None,
            logical_date=None,
            run_type="manual",
            conf={"session": SESSION},
        ),
        "params": {"session": SESSION},
        "ti": SimpleNamespace(
            dag_id="rotation_daily",
            get_dr_count=lambda **question: 1,
            try_number=1,
            max_tries=3,
            task=SimpleNamespace(retry_delay=timedelta(seconds=30), max_retry_delay=None),
            xcom_push=lambda **note: None,
        ),
        "outlet_events": OutletEventAccessors(),
    }


def initialize() -> None:
    """Airflow's client by the present settings, as the process of a task begins."""
    stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=True)


def send_again(ran: Ran) -> None:
    """The figures of the home once more, by the present settings."""
    initialize()
    for step in STEPS:
        with metrics.measured(ran.run, step):
            pass
    metrics.measure_publication(ran.facts)


@pytest.fixture(autouse=True)
def no_client() -> Iterator[None]:
    """No client is left to the next test."""
    yield
    stats.initialize(factory=NoStatsLogger, export_legacy_names=True)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    """One run of all operators, with a StatsD server that has no tags."""
    folder = tmp_path_factory.mktemp("observed")
    settings = small_settings(write_small_market(folder / "market"), folder / "home")
    with pytest.MonkeyPatch.context() as patch, StatsdServer() as statsd:
        found = Ran(settings, statsd, OutletEventAccessors())
        for name, value in {**found.environment(), **statsd.settings()}.items():
            patch.setenv(name, value)
        initialize()
        airflow = context("first")
        for batch in PlanOperator(task_id="plan").execute(airflow):
            FetchOperator(task_id="fetch", batch=batch).execute(airflow)
        for operator in (LoadOperator, BuildOperator, AuditOperator, PublishOperator):
            operator(task_id=operator.step).execute(airflow)
        found.events = airflow["outlet_events"]
        statsd.wait_for("rotation.published_rows.summary")
        yield found


# ---- assets


def test_the_families_of_the_assets_are_the_catalog_s() -> None:
    wanted: dict[str, list[str]] = {}
    for table in load_catalog().in_schema("marts"):
        wanted.setdefault(table.family, []).append(table.full_name)
    assert assets.families() == dict(sorted(wanted.items()))
    assert [asset.name for asset in assets.OUTLETS] == [
        "rotation_warehouse_publication",
        *(f"rotation_marts_{family}" for family in sorted(wanted)),
    ]


def test_each_event_has_the_session_as_key_and_the_figures_of_its_tables(ran: Ran) -> None:
    with published(ran.settings) as connection:
        digests = {name: (rows, digest) for name, rows, digest in quick_digests(connection)}
        rows = {name: connection.table(name).count("*").fetchall()[0][0] for name in digests}
        checked = connection.execute(
            "select table_name, count(*), count(*) filter (not passed) from ops.validation_results group by 1"
        ).fetchall()
    for asset in assets.OUTLETS:
        event = ran.events[asset]
        assert event.partition_keys == {SESSION}, asset.name
        extra = event.extra
        json.dumps(extra)
        tables = asset.extra.get("tables", list(digests))
        assert extra["tables"] == tables
        assert extra["rows"] == sum(digests[name][0] for name in tables) == sum(rows[name] for name in tables)
        mine = [row for row in checked if asset is assets.PUBLICATION or row[0] in tables]
        assert extra["rules_checked"] == sum(row[1] for row in mine)
        assert extra["rules_failed"] == len(extra["failed_rules"]) == sum(row[2] for row in mine)
        assert {name: extra[name] for name in ("session", "generation", "data_source", "run_id")} == {
            "session": SESSION,
            "generation": 1,
            "data_source": "files",
            "run_id": "first",
        }
        assert (ran.settings.home / extra["folder"] / "warehouse.duckdb").is_file()
        for name in extra:
            assert f"`{name}`" in PAGE, f"docs/observe.md does not explain {name}"


def test_a_digest_changes_with_one_mart_of_its_family_and_no_other_does(ran: Ran) -> None:
    facts = ran.facts
    changed = dict(facts.marts)
    changed["marts.policy_path_daily"] = (changed["marts.policy_path_daily"][0], "0" * 16)
    other = replace(facts, marts=changed)
    differ = {name for name in assets.FAMILIES if facts.extra(name)["digest"] != other.extra(name)["digest"]}
    assert differ == {"fed"}
    assert facts.extra()["digest"] != other.extra()["digest"]
    assert facts.extra() == ran.events[assets.PUBLICATION].extra


def test_the_digest_of_a_mart_is_free_of_order_and_sees_every_column() -> None:
    import duckdb

    def digest(rows: str) -> str:
        with duckdb.connect() as connection:
            connection.execute(
                f"create schema marts; create table marts.t as from (values {rows}) as v(a, b)"
            )
            [(_, _, value)] = quick_digests(connection)
        return value

    assert digest("(1, 0.1), (2, 0.3)") == digest("(2, 0.3), (1, 0.1)")
    assert digest("(1, 0.1), (2, 0.3)") != digest("(1, 0.3), (2, 0.1)")
    assert digest("(1, 0.1), (2, null)") != digest("(1, 0.1), (2, 0)")


def copy_of_the_home(ran: Ran, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A copy of the home to change, named by the environment as in a task."""
    shutil.copytree(ran.settings.home, folder / "home", symlinks=True)
    for name, value in {**ran.environment(), "ROTATION_HOME": str(folder / "home")}.items():
        monkeypatch.setenv(name, value)
    return small_settings(ran.settings.files_dir, folder / "home")  # type: ignore[arg-type]


def test_an_audit_that_stops_the_run_sends_its_failures_and_no_event(
    ran: Ran, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = copy_of_the_home(ran, tmp_path, monkeypatch)
    # The build of the run, once more, with yields that cannot be.
    shutil.copytree(settings.published / "generations" / "1", building_folder(settings))
    (building_folder(settings) / "warehouse.duckdb").chmod(0o644)
    mark_built(settings, "first")
    with opened_publication(settings) as connection:
        connection.execute("update marts.yield_curve_daily set y2_pct = 999")
    airflow = context("first")
    with StatsdServer() as statsd:
        for name, value in statsd.settings(statsd_influxdb_enabled="True").items():
            monkeypatch.setenv(name, value)
        initialize()
        with pytest.raises(AirflowFailException, match=r"critical rules? failed"):
            AuditOperator(task_id="audit").execute(airflow)
        statsd.wait_for("rotation.inputs_stale")
    with pipeline_database(settings, read_only=True) as connection:
        [(failed,)] = connection.execute(
            "select count(*) from ops.validation_results where run_id = 'first' and not passed"
            " and severity = 'critical'"
        ).fetchall()
    assert statsd.value("rotation.rules_failed", severity="critical") == failed > 0
    assert statsd.value("rotation.step_duration_seconds", step="audit") > 0
    assert "rotation.generation" not in statsd.names()
    assert not airflow["outlet_events"]


def test_a_publication_that_is_finished_after_a_kill_has_the_same_events(
    ran: Ran, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Airflow sends them with the end of the task, so the attempt that was killed sent none."""
    folder = copy_of_the_home(ran, tmp_path, monkeypatch).published
    # As the kill left it: moved into place, not linked, not finished.
    (folder / "generations" / "1" / ".run").write_text("first")
    (folder / "current").unlink()
    airflow = context("first")
    assert PublishOperator(task_id="publish").execute(airflow) == {"generation": 1}
    for asset in assets.OUTLETS:
        assert airflow["outlet_events"][asset].extra == ran.events[asset].extra
        assert airflow["outlet_events"][asset].partition_keys == {SESSION}


def test_a_publication_that_is_cleared_says_the_same_again_until_a_later_one_is_there(
    ran: Ran, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = copy_of_the_home(ran, tmp_path, monkeypatch)
    home = settings.home
    airflow = context("first")
    assert PublishOperator(task_id="publish").execute(airflow) == {"generation": 1}
    for asset in assets.OUTLETS:
        assert airflow["outlet_events"][asset].extra == ran.events[asset].extra
    shutil.copytree(home / "published" / "generations" / "1", home / "published" / "generations" / "2")
    publish_link(settings, 2)
    status = (home / "published" / "status.json").read_bytes()
    with pytest.raises(AirflowFailException, match="already, as generation 1, and generation 2 came after"):
        PublishOperator(task_id="publish").execute(context("first"))
    assert (home / "published" / "status.json").read_bytes() == status


# ---- lineage


def test_what_brought_nothing_wrote_nothing(
    ran: Ran, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = copy_of_the_home(ran, tmp_path, monkeypatch)
    run, names = RunContext(settings, "first"), lineage.Names(settings, "owner")

    def fetched(number: int) -> list[str]:
        return [one.name for one in lineage._fetched(run.for_batch(number), names)]

    def loaded() -> list[str]:
        return [one.name for one in lineage._loaded(run, names)]

    # None of the first twenty symbols is in the small market.
    brought = {
        batch.number: batch.dataset
        for batch in run.plan.batches
        if any(entry.landed for entry in run.state.fetched(batch.number).inputs.values())
    }
    assert 0 not in brought and set(brought.values()) == {"prices", "futures", "fred"}
    assert {number: fetched(number) for number in range(len(run.plan.batches))} == {
        number: [brought[number]] if number in brought else [] for number in range(len(run.plan.batches))
    }
    assert loaded() == ["prices", "futures", "fred"]
    summary = run.state.read("loaded", LoadSummary)
    assert summary is not None
    nothing = dict.fromkeys(summary.datasets, NOTHING_LOADED)
    # A payload that was loaded again from landing was not fetched, and was read.
    replayed = {**nothing, "fred": NOTHING_LOADED.model_copy(update={"replayed": 3})}
    run.state.write("loaded", summary.model_copy(update={"datasets": replayed}))
    assert loaded() == ["fred"]


# ---- metrics


def values(ran: Ran) -> dict[tuple[str, ...], float]:
    """What each gauge must say, by name and the values of its tags, from the publication's own tables."""
    audited = json.loads((ran.run.state.folder / "audited.json").read_text())
    loaded = json.loads((ran.run.state.folder / "loaded.json").read_text())["datasets"]
    expected: dict[tuple[str, ...], float] = {
        ("rotation.generation",): 1,
        ("rotation.rules_checked",): audited["rules"],
        ("rotation.answers_too_old",): len(audited["old"]),
        ("rotation.publication_bytes",): sum(
            path.stat().st_size for path in ran.facts.folder.rglob("*") if path.is_file()
        ),
    }
    for severity in ("critical", "warning", "info"):
        [(failed,)] = ran.rows(
            f"select count(*) from ops.validation_results where not passed and severity = '{severity}'"
        )
        expected["rotation.rules_failed", severity] = failed
    assert 0 < len(loaded) < len(DATASETS), "some kinds are turned off"
    for dataset in DATASETS:
        summary = loaded.get(dataset, dict.fromkeys(next(iter(loaded.values())), 0))
        expected["rotation.inputs_planned", dataset] = summary["inputs"]
        expected["rotation.inputs_missing", dataset] = summary["inputs"] - summary["fetched"]
        for name in ("served_rows", "new_rows"):
            expected[f"rotation.{name}", dataset] = summary[name]
        expected["rotation.quarantined_rows", dataset] = summary["quarantined"]
    for dataset, stale in ran.rows("select dataset, count(*) filter (stale) from ops.freshness group by 1"):
        expected["rotation.inputs_stale", dataset] = stale
    for dataset, name, behind in ran.rows(
        "select dataset, replace(input, '^', '_'), greatest(0, coalesce(expected_date - last_date, 0))"
        " from ops.freshness where last_date is not null"
    ):
        expected["rotation.input_behind_days", dataset, name] = behind
    for schema in ("staging", "marts"):
        built = json.loads((ran.run.state.folder / "built.json").read_text())["rows"]
        expected["rotation.built_rows", schema] = sum(
            rows for name, rows in built.items() if name.startswith(schema)
        )
    for family in assets.FAMILIES:
        expected["rotation.published_rows", family] = ran.events[assets.FAMILIES[family]].extra["rows"]
    return expected


def without_clock(name: str) -> bool:
    """Whether a gauge says the same whenever it is sent."""
    return "duration" not in name and not name.startswith("rotation.session_age_days")


def test_plain_statsd_receives_every_figure_with_the_tags_in_the_name(ran: Ran) -> None:
    received = {name: value for (name, tags), value in ran.statsd.values.items()}
    assert {tags for _, tags in ran.statsd.values} == {frozenset()}
    assert {name: value for name, value in received.items() if without_clock(name)} == {
        ".".join(key): value for key, value in values(ran).items()
    }
    steps = {name.rsplit(".", 1)[1] for name in received if name.startswith("rotation.step_duration_seconds")}
    assert steps == {"plan", "load", "build", "audit", "publish"}
    batches = len(ran.run.plan.batches)
    assert sum(name.startswith("rotation.fetch_duration_seconds.") for name in received) == batches
    # July 2024 is long ago.
    assert received["rotation.session_age_days"] > 365


def test_statsd_with_tags_receives_the_same(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    with StatsdServer() as statsd:
        for name, value in statsd.settings(statsd_influxdb_enabled="True").items():
            monkeypatch.setenv(name, value)
        send_again(ran)
        statsd.wait_for("rotation.published_rows")
        time.sleep(0.1)
    assert tagged(statsd.values) == values(ran)


def test_opentelemetry_receives_the_same_from_a_process_that_ends_at_once(ran: Ran) -> None:
    with OtlpServer() as collector:
        started = time.monotonic()
        send_in_a_process(ran, collector.settings())
        assert time.monotonic() - started < 60
    assert tagged(collector.values) == values(ran)


def tagged(received: dict[Any, float]) -> dict[tuple[str, ...], float]:
    """What came, by name and the values of its tags in their order."""
    found = {}
    for (name, tags), value in received.items():
        assert {tag for tag, _ in tags} == set(metrics.METRICS[name].tags), name
        if without_clock(name):
            found[(name, *(dict(tags)[tag] for tag in metrics.METRICS[name].tags))] = value
    return found


def send_in_a_process(ran: Ran, settings: dict[str, str]) -> str:
    """Run the program; its log."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW__METRICS")}
    result = subprocess.run(
        [sys.executable, "-c", SEND_AGAIN, "first"],
        env={**others, **ran.environment(), **settings, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout + result.stderr


def test_every_metric_is_sent_and_the_page_lists_them(ran: Ran) -> None:
    received = {name for (name, _) in ran.statsd.values}
    for name, metric in metrics.METRICS.items():
        assert any(key == name or key.startswith(f"{name}.") for key in received), name
        assert name.startswith("rotation."), name
        assert metric.meaning
    assert metrics.table() in PAGE


def test_nothing_is_read_or_sent_without_a_setting(
    tmp_path: Path, ran: Ran, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for option in metrics.BACKENDS:
        monkeypatch.delenv(f"AIRFLOW__METRICS__{option.upper()}", raising=False)
    assert not metrics.enabled()
    # Reading would fail: there is no home.
    nowhere = RunContext(small_settings(tmp_path, tmp_path / "nowhere"), "first")
    for step in STEPS:
        with metrics.measured(nowhere, step):
            pass
    assert "metrics" not in caplog.text


def test_a_dry_run_sends_how_long_it_took_and_warns_of_nothing(
    tmp_path: Path, ran: Ran, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in ran.statsd.settings().items():
        monkeypatch.setenv(name, value)
    sent: list[metrics.Measure] = []
    monkeypatch.setattr(metrics, "send", sent.extend)
    # It leaves no plan, and may be of a home that is not there yet.
    dry = RunContext(small_settings(tmp_path, tmp_path / "nowhere"), "dry", Requested(dry_run=True))
    with metrics.measured(dry, "plan"):
        pass
    assert [(measure.name, measure.tags) for measure in sent] == [
        ("rotation.step_duration_seconds", {"step": "plan"})
    ]
    assert "metrics" not in caplog.text


@pytest.mark.parametrize(
    "wrong",
    [
        {"AIRFLOW__METRICS__STATSD_HOST": "collector.invalid"},
        {"AIRFLOW__METRICS__METRICS_ALLOW_LIST": "("},
        {"AIRFLOW__METRICS__STATSD_PORT": "1"},
    ],
    ids=["no such host", "a pattern that is none", "nobody listens"],
)
def test_a_collector_that_is_not_there_fails_no_step(
    ran: Ran, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, str]
) -> None:
    for name, value in {**ran.statsd.settings(), **wrong}.items():
        monkeypatch.setenv(name, value)
    started = time.monotonic()
    send_again(ran)
    assert time.monotonic() - started < 10


def test_a_failure_to_send_is_in_the_log_and_the_step_s_own_error_goes_on(
    ran: Ran, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in {**ran.statsd.settings(), "AIRFLOW__METRICS__METRICS_ALLOW_LIST": "("}.items():
        monkeypatch.setenv(name, value)
    initialize()
    with pytest.raises(RuntimeError, match="of the step"), metrics.measured(ran.run, "build"):
        raise RuntimeError("of the step")
    assert "No metrics were sent" in caplog.text
