"""What `make run` prints at the end: what was loaded, what failed, the headlines, the paths.

In: the settings, the run's hand-overs and `published/status.json`. Out: text and the exit code.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from cli.addresses import brief_file, file_address
from pipeline.state import (
    AuditSummary,
    BuildSummary,
    LoadSummary,
    RunPlan,
    RunState,
)
from warehouse.clock import utc_now
from warehouse.settings import Settings
from warehouse.status import read_small, status_file

SHOWN = 5


def print_summary(
    settings: Settings, session: date, code: int, log: Path, seconds: float, before: str | None
) -> int:
    """Print the outcome; returns the exit code. `before`: the run that wrote the status file last."""
    status = read_status(settings)
    if status.get("state") != "success" or status.get("run_id") == before or code:
        return _print_failure(settings, status, code, log, before, seconds)
    state = RunState(settings.home, str(status["run_id"]))
    loaded, audited = (
        state.read("loaded", LoadSummary) or LoadSummary(),
        state.read("audited", AuditSummary) or AuditSummary(),
    )
    print(f"\nSummary of {session} ({seconds:.0f} s)")
    _print_loaded(loaded)
    _print_not_taken(state.read("plan", RunPlan))
    if status.get("step") == "build":
        print(f"\nNothing new: {status['message']}. Nothing was published; make rebuild builds it anew.")
        print(f"  log        {log}")
        return 0
    if built := state.read("built", BuildSummary):
        print(f"  Build: {built.sentence}")
    _print_audited(audited)
    simulated = " (SIMULATED)" if settings.kind == "simulated" else ""
    print(f"\nHeadlines{simulated}")
    for sentence in status.get("headlines", []):
        print(f"  {sentence}")
    generation = settings.published / "current"
    print(
        f"\nPublished: generation {status['generation']} for {status['session_date']},"
        f" {audited.rules} rules checked, {len(audited.failed)} failed"
    )
    print(f"  brief      {file_address(brief_file(settings))}")
    print(f"  checks     {file_address(generation / 'validation.html')}")
    print(f"  all days   {file_address(settings.published / 'briefs' / 'index.html')}")
    print(f"  warehouse  {file_address(generation / 'warehouse.duckdb')} (make sql)")
    print(f"  parquet    {generation / 'parquet'}")
    print(f"  log        {log}")
    return 0


def print_up_to_date(last: Mapping[str, Any], seconds: float) -> int:
    """Print that there is nothing to run, and by what; returns exit code 0. `last`: the last run's status."""
    since = str(last["written_at_utc"])[:16].replace("T", " ")
    print(
        f"\nNothing new ({seconds:.1f} s): generation {last['generation']} for {last['session_date']} is up"
        f" to date. No input file, reference file, setting or code has changed since the run of {since} UTC."
        " Nothing was published; make rebuild builds it anew."
    )
    return 0


def read_status(settings: Settings) -> dict[str, Any]:
    """`published/status.json`; empty where it is missing or cannot be read."""
    return read_small(status_file(settings))


def _print_failure(
    settings: Settings, status: dict[str, Any], code: int, log: Path, before: str | None, seconds: float
) -> int:
    started = utc_now() - timedelta(seconds=seconds + 1)
    refused = read_small(settings.published / "refused.json")
    if status.get("state") == "failed" and status.get("run_id") != before:
        reason = f"at step {status['step']}: {status['message']}"
    elif refused and datetime.fromisoformat(refused["written_at_utc"]) >= started:
        reason = f"at step plan: {refused['message']}"
    else:
        reason = f"before any step could record why; see {log}"
    print(f"\nFAILED {reason}", file=sys.stderr)
    current = status.get("generation")
    stays = f"The last publication (generation {current}) stays in place."
    print(stays if current else "Nothing was published.", file=sys.stderr)
    print(f"Log: {log}", file=sys.stderr)
    return code or 1


def _print_loaded(loaded: LoadSummary) -> None:
    width = max((len(dataset) for dataset in loaded.datasets), default=0)
    for dataset, entry in loaded.datasets.items():
        print(
            f"  {dataset:<{width}} {entry.source:<10} {entry.fetched:>4} of {entry.inputs} inputs,"
            f" {entry.new_rows:>9,} new rows, {entry.quarantined} quarantined"
        )
        for rule, found in entry.quarantine_by_rule.items():
            print(f"           {rule}: {found.rows} rows, the first {found.example[:140]}")
    _print_refused(loaded.refused)
    others = [text for text in loaded.missing if text not in loaded.refused]
    _print_list("Not served (optional inputs)", others)


def _print_refused(sentences: Sequence[str]) -> None:
    """Every one of them, and whole: what is refused is there, and somebody believes it to be in."""
    if sentences:
        print(f"  Refused (optional inputs): {len(sentences)}")
        for sentence in sentences:
            print(f"    {sentence}")


def _print_not_taken(plan: RunPlan | None) -> None:
    """Every one of them: a file that is not read is data that somebody believes to be in."""
    if plan and plan.not_taken:
        print(f"  Files that were not read: {len(plan.not_taken)}")
        for sentence in plan.not_taken:
            print(f"    {sentence[:220]}")


def _print_audited(audited: AuditSummary) -> None:
    _print_list(
        "Failed checks",
        [
            f"[{found.severity}] {found.table_name}: {found.rule}: {found.failed_rows} rows: {found.sample}"
            for found in audited.failed
        ],
    )
    _print_list("Too old for this session, so history in the brief", audited.old)
    _print_list("Stale inputs", audited.stale)


def _print_list(title: str, entries: Sequence[str]) -> None:
    if entries:
        print(f"  {title}: {len(entries)}")
        for entry in entries[:SHOWN]:
            print(f"    {entry[:220]}")
        if len(entries) > SHOWN:
            print(f"    ... and {len(entries) - SHOWN} more (ops.validation_results, ops.freshness)")
