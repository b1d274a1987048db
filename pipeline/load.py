"""The third step: validate what was fetched and append what is new to the raw tables.

In: the run's context, the fetched batches, and what the plan takes from landing. Out: rows in `raw.*`, and
`loaded.json`. It stops when a required input is missing or unreadable, when a critical rule fails, or when no
symbol has the session. A required input that did not answer does not stop it while a second source supplies
its newest days.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import duckdb

from datasets.base import Dataset
from datasets.registry import DATASETS, active_datasets
from datasets.stand_in import StandIn, stand_in_sentences
from pipeline.context import RunContext
from pipeline.endings import StepFailed
from pipeline.inputs import remember_unserved
from pipeline.load_dataset import LoadReport, load_dataset
from pipeline.log import LEVELS, LOG, log_detail
from pipeline.patience import waited_sentence
from pipeline.presence import (
    Presence,
    cut,
    listed,
    passed_over_sentence,
    required_ended_sentence,
    required_that_ended,
    session_presence,
    sessions_passed_over,
)
from pipeline.range_gaps import range_gaps
from pipeline.run_record import StepLog, record_step, step
from pipeline.state import DatasetSummary, FailedRule, Fetched, LoadSummary, QuarantinedRule, RunPlan
from sources.protocol import NotServed
from sources.registry import provider_name
from warehouse.database import high_water_session, pipeline_database, transaction
from warehouse.landing import Landed
from warehouse.settings import Settings

NOT_FETCHED = Fetched(error="was not fetched", kind="NotFetched")
SHOWN_ROWS, SHOWN_INPUTS = 5, 5
# A gigabyte of memory, as frames: bars of a thousand symbols come in several groups.
BYTES_AT_ONCE = 64_000_000
# An alert has room for 2,000 characters.
LONGEST_REASONS = 1500
Key = tuple[str, str]
"""Kind of input and input."""


@dataclass
class _Outcome:
    """What the load found, for the decision whether the run goes on."""

    summaries: dict[str, DatasetSummary] = field(default_factory=dict)
    problems: dict[Key, str] = field(default_factory=dict)
    required: set[Key] = field(default_factory=set)
    critical: list[FailedRule] = field(default_factory=list)
    presence: Presence | None = None
    passed_over: list[date] = field(default_factory=list)
    ended: list[tuple[str, date, int]] = field(default_factory=list)
    noted: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    unanswered: set[Key] = field(default_factory=set)
    stand_ins: list[StandIn] = field(default_factory=list)
    never_served: set[Key] = field(default_factory=set)
    refusals: dict[Key, str] = field(default_factory=dict)
    reaching: dict[Key, date] = field(default_factory=dict)
    gaps: list[str] = field(default_factory=list)

    @property
    def missing(self) -> dict[Key, str]:
        """Why required inputs are missing that neither what is held nor a second source covers."""
        supplied = {(entry.dataset, entry.input) for entry in self.stand_ins if entry.complete}
        covered = (supplied | self.reaching.keys()) & self.unanswered
        return {
            key: text for key, text in self.problems.items() if key in self.required and key not in covered
        }


def load(run: RunContext) -> LoadSummary:
    """Validate and load what was fetched.

    Raises:
        StepFailed: a required input is missing or unreadable, a critical rule failed, or the session has no
            prices.
    """
    plan = run.plan
    fetch_log = StepLog()
    with step(run, "load", plan.session) as log:
        fetched = _fetched(run, plan)
        # The mapped fetches share no database; their one line in ops.runs is written here.
        fetch_log.rows = sum(
            entry.landed is not None for entries in fetched.values() for entry in entries.values()
        )
        record_step(run, "fetch", plan.session, plan.started_at_utc, fetch_log, "success", None)
        outcome = _Outcome()
        with pipeline_database(run.settings) as connection:
            for name, entries in fetched.items():
                _load_one(run, connection, DATASETS[name], entries, plan.replay.get(name, ()), outcome)
            _one_result_per_rule(connection, run.run_id)
            failed = failed_rules_of_load(connection, run.run_id)
            outcome.critical = [rule for rule in failed if rule.severity == "critical"]
            for rule in failed:
                log_detail(LEVELS[rule.severity], rule.sentence)
            _look_for_sessions(connection, plan, fetched, outcome)
            _look_for_stand_ins(run.settings, connection, plan, outcome)
            if plan.first:
                datasets = active_datasets(run.settings)
                outcome.gaps = range_gaps(connection, datasets, plan.first, plan.session)
        log.rows = sum(entry.new_rows for entry in outcome.summaries.values())
        summary = _note(run, log, fetched, outcome)
        _decide(outcome, waited_sentence(run, plan))
    return summary


def _fetched(run: RunContext, plan: RunPlan) -> dict[str, dict[str, Fetched]]:
    """Per kind of input what came of each input."""
    found: dict[str, dict[str, Fetched]] = {dataset.name: {} for dataset in active_datasets(run.settings)}
    for batch in plan.batches:
        inputs = run.state.fetched(batch.number).inputs
        for item in batch.inputs:
            found[batch.dataset][item.input] = inputs.get(item.input, NOT_FETCHED)
    return found


def _load_one(
    run: RunContext,
    connection: duckdb.DuckDBPyConnection,
    dataset: Dataset,
    fetched: dict[str, Fetched],
    replay: tuple[Landed, ...],
    outcome: _Outcome,
) -> None:
    landed = [entry.landed for entry in fetched.values() if entry.landed is not None]
    # Payloads of one input go in one after the other, as they were served: a later one is a later version.
    report = LoadReport(dataset.name)
    for payloads in (*rounds_by_input(replay), landed):
        for some in _in_memory(payloads):
            report.add(load_dataset(connection, run.settings, dataset, some, run.run_id))
    errors = {name: entry.error for name, entry in fetched.items() if entry.error}
    for name, text in (errors | report.unreadable).items():
        outcome.problems[dataset.name, name] = text
    required = dataset.required(connection, run.session)
    for name, text in report.unreadable.items():
        level = logging.ERROR if name in required else logging.WARNING
        log_detail(level, "load: %s/%s is not taken: %s", dataset.name, name, text)
    outcome.noted[dataset.name] = report.noted
    outcome.unanswered |= {(dataset.name, name) for name, entry in fetched.items() if entry.retryable}
    outcome.required |= {(dataset.name, name) for name in required}
    outcome.summaries[dataset.name] = DatasetSummary(
        source=provider_name(run.settings, dataset.name) or "",
        inputs=len(fetched),
        fetched=len(landed),
        replayed=len(replay),
        unchanged_payloads=report.unchanged_payloads,
        served_rows=report.served_rows,
        new_rows=report.new_rows,
        quarantined=len(report.quarantined),
        quarantine_by_rule=_by_rule(report.quarantined),
    )
    LOG.info(
        "load: %s: %s new rows of %s, %s quarantined, %s payloads unchanged",
        dataset.name,
        f"{report.new_rows:,}",
        f"{report.served_rows:,}",
        len(report.quarantined),
        report.unchanged_payloads,
    )


def _look_for_sessions(
    connection: duckdb.DuckDBPyConnection,
    plan: RunPlan,
    fetched: dict[str, dict[str, Fetched]],
    outcome: _Outcome,
) -> None:
    """Whether the session took place, by the kind of input that proves it."""
    # An input that returned nothing, or nothing readable, cannot tell whether the session took place.
    failed: dict[str, str] = {}
    for name in (name for name in fetched if DATASETS[name].proves_sessions):
        failed |= {item: "Unreadable" for kind, item in outcome.problems if kind == name}
        failed |= {item: str(entry.kind) for item, entry in fetched[name].items() if entry.error}
    outcome.presence = session_presence(connection, plan.target, failed)
    outcome.passed_over = sessions_passed_over(connection, high_water_session(connection), plan.target)
    if outcome.presence.with_bar:
        outcome.ended = required_that_ended(connection, plan.target)


def _look_for_stand_ins(
    settings: Settings, connection: duckdb.DuckDBPyConnection, plan: RunPlan, outcome: _Outcome
) -> None:
    """What second sources supply, and which required inputs have no history that could be continued."""
    for dataset in DATASETS.values():
        outcome.stand_ins += dataset.stand_ins(connection, plan.target)
    second = [dataset for dataset in active_datasets(settings) if dataset.stands_in_for]
    for kind in sorted({dataset.stands_in_for for dataset in second}):
        silent = {name for name in _missing_of(outcome, kind) if (kind, name) in outcome.unanswered}
        reaching = DATASETS[kind].reaching(connection, plan.target, silent)
        outcome.reaching |= {(kind, name): day for name, day in reaching.items()}
        held = DATASETS[kind].held_until(connection, plan.target)
        outcome.never_served |= {(kind, name) for name in _missing_of(outcome, kind) if name not in held}
        for dataset in (entry for entry in second if entry.stands_in_for == kind):
            why = dataset.refusals(connection, plan.target, silent - reaching.keys())
            outcome.refusals |= {(kind, name): text for name, text in why.items()}


def _missing_of(outcome: _Outcome, kind: str) -> set[str]:
    """The required inputs of one kind that are missing so far."""
    return {name for found, name in outcome.missing if found == kind}


def _note(
    run: RunContext, log: StepLog, fetched: dict[str, dict[str, Fetched]], outcome: _Outcome
) -> LoadSummary:
    """Record what was loaded and what is missing, before the run stops because of it."""
    for sentence in stand_in_sentences(outcome.stand_ins, outcome.unanswered):
        log.warn(sentence)
    if complete := sorted(outcome.reaching):
        names = ", ".join(f"{dataset}/{name}" for dataset, name in complete)
        log.warn(f"{names}: no answer; nothing later than {min(outcome.reaching.values())} was due")
    optional = {key: text for key, text in outcome.problems.items() if key not in outcome.required}
    remember_unserved(
        run.settings,
        asked=(f"{dataset}/{name}" for dataset, entries in fetched.items() for name in entries),
        unserved=(f"{dataset}/{name}" for dataset, name in optional),
    )
    if optional:
        absent = [f"{dataset}/{name}" for dataset, name in sorted(optional)]
        count = f"{len(absent)} optional inputs missing or unreadable"
        more = f" and {len(absent) - SHOWN_INPUTS} more" if len(absent) > SHOWN_INPUTS else ""
        log.warn(
            f"{count}: {', '.join(absent)}",
            shown=f"{count}: {', '.join(absent[:SHOWN_INPUTS])}{more}; the logs of fetch and load name each"
            " with its reason",
        )
    refused = [text for key, text in sorted(optional.items()) if _is_refused(fetched, outcome, key)]
    for text in refused:
        log.warn(text)
    for dataset, noted in outcome.noted.items():
        for sentence in dict.fromkeys(text for text, _ in noted):
            rows = sorted({row for text, row in noted if text == sentence})
            more = ", ..." if len(rows) > SHOWN_ROWS else ""
            log.warn(f"{dataset}: {len(rows)} rows are {sentence}: {', '.join(rows[:SHOWN_ROWS])}{more}.")
    for text in outcome.gaps:
        log.warn(text)
    presence = outcome.presence
    if presence and presence.verdict == "late" and presence.required_without_bar:
        log.warn(presence.sentence)
    summary = LoadSummary(
        datasets=outcome.summaries,
        missing=tuple(sorted(optional.values())),
        refused=tuple(refused),
        gaps=tuple(outcome.gaps),
    )
    run.state.write("loaded", summary)
    return summary


def _is_refused(fetched: dict[str, dict[str, Fetched]], outcome: _Outcome, key: Key) -> bool:
    """Whether the input is there and was not taken; else nobody has it, or nobody answered."""
    entry = fetched[key[0]].get(key[1])
    return key not in outcome.unanswered and not (entry and entry.kind == NotServed.__name__)


def _decide(outcome: _Outcome, waited: str) -> None:
    """Stop the run where what was loaded is not enough; `waited` says how long it was waited for."""
    if outcome.presence and outcome.presence.verdict == "nothing_served":
        raise StepFailed(f"{outcome.presence.sentence} {waited}".strip())
    if outcome.passed_over:
        raise StepFailed(passed_over_sentence(outcome.passed_over))
    if outcome.missing:
        raise StepFailed(f"{_missing_sentence(outcome)} {waited}".strip())
    if outcome.ended:
        raise StepFailed(required_ended_sentence(outcome.ended))
    if outcome.critical:
        raise StepFailed(critical_sentence(outcome.critical))


def _missing_sentence(outcome: _Outcome) -> str:
    """Why nothing is published, and why no second source helps; the inputs come last, because they may be
    many.
    """
    # What to do about a reason is at its end: a few are quoted whole, many are cut.
    longest = max(240, LONGEST_REASONS // max(len(outcome.missing), 1))
    reasons = [cut(text, longest) for text in outcome.missing.values()]
    count = f" ({len(reasons)} of them)" if len(reasons) > SHOWN_ROWS else ""
    more = f"; and {len(reasons) - SHOWN_ROWS} more" if len(reasons) > SHOWN_ROWS else ""
    text = (
        f"Required input missing or unreadable, nothing is published{count}:"
        f" {'; '.join(reasons[:SHOWN_ROWS])}{more}."
    )
    if outcome.never_served:
        names = listed([name for _, name in sorted(outcome.never_served)])
        text += f" This home holds no history of {names} yet, so a second source has nothing to continue."
    refusals = dict.fromkeys(cut(reason, longest) for _, reason in sorted(outcome.refusals.items()))
    return " ".join([text, *list(refusals)[:SHOWN_ROWS]])


def failed_rules_of_load(connection: duckdb.DuckDBPyConnection, run_id: str) -> list[FailedRule]:
    """The rules on raw tables that failed in a run so far."""
    rows = connection.execute(
        "select table_name, rule, severity, failed_rows, sample from ops.validation_results"
        " where run_id = ? and not passed and table_name like 'raw.%' order by table_name, rule",
        [run_id],
    ).fetchall()
    return [
        FailedRule(table_name=table, rule=rule, severity=severity, failed_rows=failed, sample=sample)
        for table, rule, severity, failed, sample in rows
    ]


def critical_sentence(failures: list[FailedRule]) -> str:
    """Why nothing is published."""
    shown = "; ".join(
        f"{found.table_name}: {found.rule} ({found.failed_rows} rows: {cut(found.sample or '')})"
        for found in failures[:SHOWN_ROWS]
    )
    more = f"; and {len(failures) - SHOWN_ROWS} more" if len(failures) > SHOWN_ROWS else ""
    rules = "rule" if len(failures) == 1 else "rules"
    return f"{len(failures)} critical {rules} failed, nothing is published: {shown}{more}."


def _by_rule(quarantined: list[dict[str, Any]]) -> dict[str, QuarantinedRule]:
    """Number of rows and one example per rule."""
    rules: dict[str, QuarantinedRule] = {}
    for row in quarantined:
        before = rules.get(row["rule"])
        rules[row["rule"]] = QuarantinedRule(
            rows=before.rows + 1 if before else 1, example=before.example if before else row["row"]
        )
    return rules


def _one_result_per_rule(connection: duckdb.DuckDBPyConnection, run_id: str) -> None:
    """Put the results of what was loaded in several groups or rounds together."""
    several = """
        create or replace temp table several as
        select
            run_id,
            table_name,
            rule,
            any_value(column_name) as column_name,
            any_value(severity) as severity,
            bool_and(passed) as passed,
            sum(checked_rows) as checked_rows,
            sum(failed_rows) as failed_rows,
            any_value(sample) as sample
        from ops.validation_results
        where run_id = ?
        group by all
        having count(*) > 1
    """
    with transaction(connection):
        connection.execute(several, [run_id])
        connection.execute(
            "delete from ops.validation_results as results using several where results.run_id ="
            " several.run_id and results.table_name = several.table_name and results.rule = several.rule"
        )
        connection.execute("insert into ops.validation_results by name from several")
        connection.execute("drop table several")


def _in_memory(landed: Sequence[Landed]) -> Iterator[list[Landed]]:
    """The payloads in groups whose rows have room in memory; most often one. A group is one transaction."""
    group: list[Landed] = []
    size = 0
    for entry in landed:
        if group and size + entry.byte_count > BYTES_AT_ONCE:
            yield group
            group, size = [], 0
        group.append(entry)
        size += entry.byte_count
    yield group


def rounds_by_input(landed: Iterable[Landed]) -> list[list[Landed]]:
    """The payloads in rounds: the first of every input, the second of every input, and so on."""
    rounds: list[list[Landed]] = []
    seen: dict[str, int] = defaultdict(int)
    for entry in landed:
        if seen[entry.input] == len(rounds):
            rounds.append([])
        rounds[seen[entry.input]].append(entry)
        seen[entry.input] += 1
    return rounds
