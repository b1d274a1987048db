"""Metrics of the daily run, sent through Airflow's own settings (`[metrics]` statsd_on, otel_on …).

In: the hand-overs that a step has written. Out: gauges in Airflow's client, which adds its prefix and knows
the collector (docs/observe.md has the list, made by `table`). Every metric is a gauge: a run has one figure
of a kind, and a process that lives for a minute has no rates. Without a setting nothing is read or sent.
Imported when a task runs. Caveat: plain StatsD has no tags; there the values of the tags follow in the name.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from airflow.sdk.configuration import conf
from airflow.sdk.observability import stats

from datasets.registry import DATASETS
from orchestration.assets import FAMILIES
from orchestration.facts import PublicationFacts
from pipeline.context import RunContext
from pipeline.state import NOTHING_LOADED, AuditSummary, BuildSummary, LoadSummary
from warehouse.database import pipeline_database

LOG = logging.getLogger(__name__)
BACKENDS = ("statsd_on", "statsd_datadog_enabled", "otel_on")


@dataclass(frozen=True)
class Metric:
    """One metric: a gauge with its unit in its name.

    Attributes:
        name: without Airflow's prefix.
        sent_by: the step after which it is sent.
        tags: names of its tags, in the order in which plain StatsD has their values in the name.
        meaning: for the documentation.
    """

    name: str
    sent_by: str
    tags: tuple[str, ...]
    meaning: str


METRICS = {
    metric.name: metric
    for metric in (
        Metric(
            "rotation.step_duration_seconds", "every step", ("step",), "how long the step took, failed or not"
        ),
        Metric(
            "rotation.fetch_duration_seconds",
            "fetch",
            ("dataset", "batch"),
            "the same for each batch of `fetch`",
        ),
        Metric(
            "rotation.inputs_planned",
            "plan",
            ("dataset",),
            "inputs that the run asks the providers for, by kind",
        ),
        Metric("rotation.inputs_missing", "load", ("dataset",), "of these, inputs that brought no payload"),
        Metric("rotation.served_rows", "load", ("dataset",), "rows in the payloads"),
        Metric("rotation.new_rows", "load", ("dataset",), "rows appended to raw: new days and new versions"),
        Metric(
            "rotation.quarantined_rows", "load", ("dataset",), "rows that broke a rule and were set aside"
        ),
        Metric("rotation.built_rows", "build", ("schema",), "rows of all models, by `staging` and `marts`"),
        Metric("rotation.rules_checked", "audit", (), "rules checked in the run, those of the load included"),
        Metric("rotation.rules_failed", "audit", ("severity",), "of these, failed; sent when it is 0, too"),
        Metric("rotation.inputs_stale", "audit", ("dataset",), "inputs that end before their own schedule"),
        Metric(
            "rotation.input_behind_days",
            "audit",
            ("dataset", "input"),
            "calendar days between the last day of an input and the one it should have; 0 is up to date;"
            " an input that was never served has none and counts as stale",
        ),
        Metric(
            "rotation.answers_too_old", "audit", (), "families of answers that are history at the session"
        ),
        Metric("rotation.generation", "publish", (), "number of the publication"),
        Metric("rotation.session_age_days", "publish", (), "calendar days since the published session"),
        Metric("rotation.publication_bytes", "publish", (), "size of the publication's files"),
        Metric("rotation.published_rows", "publish", ("family",), "rows of the marts of a family"),
    )
}


@dataclass(frozen=True)
class Measure:
    """One value of a metric."""

    name: str
    value: float
    tags: dict[str, str] = field(default_factory=dict)


def enabled() -> bool:
    """Whether Airflow sends metrics anywhere."""
    return any(conf.getboolean("metrics", option, fallback=False) for option in BACKENDS)


def table() -> str:
    """The metrics as the table of docs/observe.md."""
    rows = [
        f"| `{metric.name}` | {', '.join(f'`{tag}`' for tag in metric.tags) or '–'} | {metric.sent_by} |"
        f" {metric.meaning} |"
        for metric in METRICS.values()
    ]
    return "\n".join(["| gauge | tags | sent by | what it is |", "| --- | --- | --- | --- |", *rows])


@contextmanager
def measured(run: RunContext, step: str) -> Iterator[None]:
    """Send the figures of a step when it has ended, its duration when it has failed as well.

    Args:
        run: the run.
        step: its name.
    """
    if not enabled():
        yield
        return
    started, moment, ended_well = time.monotonic(), time.time(), False
    try:
        yield
        ended_well = True
    finally:
        seconds = time.monotonic() - started
        _safely(lambda: send([_duration(run, step, seconds)]))
        _safely(lambda: send(list(_figures(run, step, moment, ended_well))))


def measure_publication(facts: PublicationFacts) -> None:
    """Send the figures of a publication."""
    if not enabled():
        return
    today = datetime.now(UTC).astimezone(ZoneInfo("America/New_York")).date()
    _safely(lambda: send(list(_of_publication(facts, today))))


def send(measures: list[Measure]) -> None:
    """Hand measures to Airflow's client.

    Args:
        measures: the names and tags must be among `METRICS`.
    """
    tagged = _backend_has_tags()
    for measure in measures:
        tags = {tag: _plain(measure.tags[tag]) for tag in METRICS[measure.name].tags}
        if tagged:
            stats.gauge(measure.name, measure.value, tags=tags)
        else:
            name = ".".join([measure.name, *(value.replace(".", "_") for value in tags.values())])
            stats.gauge(name, measure.value)


def _safely(work: Callable[[], None]) -> None:
    """A collector that is down or set up wrongly must not fail a run: the log says that nothing was sent."""
    try:
        work()
    except Exception as error:
        LOG.warning("No metrics were sent: %s: %s", type(error).__name__, error)


def _backend_has_tags() -> bool:
    """In the order in which Airflow chooses its client."""
    if conf.getboolean("metrics", "statsd_datadog_enabled", fallback=False):
        return bool(conf.getboolean("metrics", "statsd_datadog_metrics_tags", fallback=True))
    if conf.getboolean("metrics", "statsd_on", fallback=False):
        return bool(conf.getboolean("metrics", "statsd_influxdb_enabled", fallback=False))
    return True


def _plain(value: str) -> str:
    """A value that every backend takes in a name or a tag: `^RUT` is `_RUT`, as in the names of files."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", value)


def _duration(run: RunContext, step: str, seconds: float) -> Measure:
    if run.batch is None:
        return Measure("rotation.step_duration_seconds", seconds, {"step": step})
    dataset = run.plan.batches[run.batch].dataset
    tags = {"dataset": dataset, "batch": str(run.batch)}
    return Measure("rotation.fetch_duration_seconds", seconds, tags)


def _figures(run: RunContext, step: str, started: float, ended_well: bool) -> Iterator[Measure]:
    """What a step wrote down; an audit that stops the run has written it, too, and a dry run nothing."""
    if run.requested.dry_run:
        return
    if step == "audit" and (ended_well or _written_since(run, "audited", started)):
        yield from _of_audit(run)
    elif ended_well and step in FIGURES:
        yield from FIGURES[step](run)


def _written_since(run: RunContext, name: str, moment: float) -> bool:
    path = run.state.folder / f"{name}.json"
    return path.exists() and path.stat().st_mtime >= moment


def _of_plan(run: RunContext) -> Iterator[Measure]:
    # A gauge keeps its last value: a kind of which nothing is asked, or that was turned off, is a 0.
    planned = dict.fromkeys(DATASETS, 0)
    for batch in run.plan.batches:
        planned[batch.dataset] += len(batch.inputs)
    for dataset, inputs in planned.items():
        yield Measure("rotation.inputs_planned", inputs, {"dataset": dataset})


def _of_load(run: RunContext) -> Iterator[Measure]:
    loaded = run.state.read("loaded", LoadSummary) or LoadSummary()
    for dataset in DATASETS:
        tags, summary = {"dataset": dataset}, loaded.datasets.get(dataset, NOTHING_LOADED)
        yield Measure("rotation.inputs_missing", summary.inputs - summary.fetched, tags)
        yield Measure("rotation.served_rows", summary.served_rows, tags)
        yield Measure("rotation.new_rows", summary.new_rows, tags)
        yield Measure("rotation.quarantined_rows", summary.quarantined, tags)


def _of_build(run: RunContext) -> Iterator[Measure]:
    rows: dict[str, int] = {}
    for name, count in (run.state.read("built", BuildSummary) or BuildSummary()).rows.items():
        schema = name.split(".")[0]
        rows[schema] = rows.get(schema, 0) + count
    for schema, count in rows.items():
        yield Measure("rotation.built_rows", count, {"schema": schema})


def _of_audit(run: RunContext) -> Iterator[Measure]:
    audited: AuditSummary = run.state.read("audited", AuditSummary) or AuditSummary()
    yield Measure("rotation.rules_checked", audited.rules)
    for severity in ("critical", "warning", "info"):
        count = sum(rule.severity == severity for rule in audited.failed)
        yield Measure("rotation.rules_failed", count, {"severity": severity})
    yield Measure("rotation.answers_too_old", len(audited.old))
    yield from _of_inputs(run)


def _of_inputs(run: RunContext) -> Iterator[Measure]:
    """How far each input is behind its own schedule, as the audit has just recorded it."""
    with pipeline_database(run.settings, read_only=True) as connection:
        rows = connection.execute(
            "select dataset, input, last_date, expected_date, stale from ops.freshness order by 1, 2"
        ).fetchall()
    stale: dict[str, int] = {}
    for dataset, name, last, expected, is_stale in rows:
        stale[dataset] = stale.get(dataset, 0) + bool(is_stale)
        if last is not None:
            behind = max(0, (expected - last).days) if expected is not None else 0
            yield Measure("rotation.input_behind_days", behind, {"dataset": dataset, "input": name})
    for dataset, count in stale.items():
        yield Measure("rotation.inputs_stale", count, {"dataset": dataset})


def _of_publication(facts: PublicationFacts, today: date) -> Iterator[Measure]:
    yield Measure("rotation.generation", facts.generation)
    yield Measure("rotation.session_age_days", (today - facts.session).days)
    yield Measure("rotation.publication_bytes", facts.size_bytes)
    for name in FAMILIES:
        rows = sum(facts.marts[table][0] for table in facts.family(name))
        yield Measure("rotation.published_rows", rows, {"family": name})


# `audit` and `publish` are measured by functions of their own.
FIGURES: dict[str, Callable[[RunContext], Iterator[Measure]]] = {
    "plan": _of_plan,
    "load": _of_load,
    "build": _of_build,
}
