"""Is the publication fresh and sound? Asked by `make status` and by the DAG `rotation_watch`.

In: the home's `published/` folder, nothing else, so it works with Airflow stopped. Out: lines to print,
problems in whole sentences, and the stale inputs. Sound: no run has failed whose session (or a later one) did
not succeed since, the link leads to a file that opens, and no critical check failed. Fresh: a live warehouse,
and one that the schedule runs, holds the newest session that is due (`market_calendar.due`); one fed from
files or the simulation by hand alone holds the session that was last asked for; and no answer of it is older
than `expectations.ages` allows. One more check of a publication is a function in `CHECKS`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from expectations.ages import old_answers
from market_calendar.due import PUBLISHED_WITHIN, newest_due
from market_calendar.horizons import horizon_failures, horizon_warnings
from market_calendar.sessions import NotASession, is_session
from warehouse.database import HomeError, older_home, refuse_later_home
from warehouse.publication import current_generation
from warehouse.settings import Settings
from warehouse.status import FAILED, RUNNING, OpenRun, is_scheduled, open_runs, read_small, status_file

# The DAG's own limit for a run.
LONGEST_RUN = timedelta(hours=6)
# Of a failed run's message, and of a list of inputs: an alert is cut at 2,000 characters, and several
# problems must find room in it.
SHOWN_CHARACTERS, SHOWN_INPUTS = 400, 5
# The futures of all months together are one core input: the Fed marts have no other.
STRIP = "futures/strip"
# The audit's name for a mart that the weekly rebuild found to be another than its extension.
EXTENSION_RULE = "extension_equals_rebuild"
STATES = ("running", "success", "failed")


@dataclass(frozen=True)
class StaleInput:
    """One row of `ops.freshness` that is behind its own schedule; `last_date` is None when it was never
    served.
    """

    name: str
    last_date: date | None
    expected_date: date | None
    required: bool

    @property
    def core(self) -> bool:
        """Whether a family of marts depends on it: a required symbol or series, or the futures."""
        return self.required or self.name == STRIP

    def days_late(self) -> int | None:
        """Calendar days between the expected and the last date; None when nothing was ever served."""
        return (self.expected_date - self.last_date).days if self.last_date and self.expected_date else None

    def __str__(self) -> str:
        return (
            f"{self.name} ends {self.last_date}, expected {self.expected_date}"
            if self.last_date
            else f"{self.name} was never served"
        )


@dataclass
class PublicationState:
    """What a person reads, what will be wrong soon, what is wrong (empty when fresh and sound), and what is
    stale.
    """

    lines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    stale: list[StaleInput] = field(default_factory=list)


@dataclass(frozen=True)
class Publication:
    """What the checks look at: an open publication and what it says of itself."""

    connection: duckdb.DuckDBPyConnection
    session: date
    source: str
    critical: int
    stale: list[StaleInput]
    status: dict[str, Any]
    now: datetime
    settings: Settings


def check_publication(settings: Settings, now: datetime) -> PublicationState:
    """Check the publication.

    Args:
        settings: of the home.
        now: the present moment, with a time zone.
    """
    state = PublicationState()
    try:
        refuse_later_home(settings)
        if note := older_home(settings):
            state.lines.append(note)
    except HomeError as error:
        state.problems.append(str(error))
        return state
    try:
        status = read_status(settings)
    except (OSError, ValueError, RecursionError):
        state.problems.append(
            f"{settings.published / 'status.json'} cannot be read; the next `make run` replaces it."
        )
        return state
    if not status:
        state.problems.append(f"nothing has run in {settings.home}; start with `make run`.")
        return state
    _check_runs(state, status, now)
    current = current_generation(settings)
    if current is None:
        state.problems.append("there is no publication")
    else:
        try:
            _check_file(state, settings, current, status, now)
        except duckdb.Error as error:
            state.problems.append(f"the publication cannot be read: {str(error).splitlines()[0]}")
    return state


def _check_runs(state: PublicationState, status: dict[str, Any], now: datetime) -> None:
    """What failed and was not made up for, and what has not ended."""
    present = now.astimezone(UTC).replace(tzinfo=None)
    for run in open_runs(status):
        if _was_no_session(run):
            continue
        of_session = f" for {run.session}" if run.session else ""
        if run.state == FAILED:
            who = "the last run" if run.run_id == status.get("run_id") else f"the run{of_session}"
            when = "" if run.run_id == status.get("run_id") else f" on {run.at_utc:%Y-%m-%d %H:%M} UTC"
            state.problems.append(f"{who} failed{when} at step {run.step}: {_shortened(run.message)}")
            continue
        doing = f": {run.message}" if run.message else ""
        state.lines.append(
            f"a run{of_session} has not ended; last heard of at {run.at_utc:%Y-%m-%d %H:%M} UTC{doing}"
        )
        if present - run.at_utc > LONGEST_RUN:
            state.problems.append(
                f"that run{of_session} ended without recording a result (killed?); run the session again"
            )


def _was_no_session(run: OpenRun) -> bool:
    """Whether the run's day turned out to be a closure, so that nothing of it is missing."""
    try:
        return run.session is not None and not is_session(run.session)
    except NotASession:
        return False


def _shortened(message: str | None) -> str:
    text = message or "it left no message; see its log"
    if len(text) <= SHOWN_CHARACTERS:
        return text
    return f"{text[:SHOWN_CHARACTERS]}… (published/status.json has all of it)"


def read_status(settings: Settings) -> dict[str, Any]:
    """`published/status.json`; empty when nothing has run.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not what a run writes.
    """
    path = status_file(settings)
    document = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if not isinstance(document, dict):
        raise ValueError(f"{path} does not contain a JSON object")
    if document:
        _require_fields(document)
    return document


def _require_fields(document: dict[str, Any]) -> None:
    """Refuse a status that a run did not write, or of which a part is missing.

    Raises:
        ValueError: says which field.
    """
    if document.get("state") not in STATES:
        raise ValueError(f"state {document.get('state')!r} is not one of {', '.join(STATES)}")
    for name, read in (("session_date", date.fromisoformat), ("written_at_utc", datetime.fromisoformat)):
        value = document.get(name)
        if value is None and name == "session_date" and name in document:
            continue
        if not isinstance(value, str):
            raise ValueError(f"{name} {value!r} is not a date")
        read(value)


def publication_in_place(settings: Settings) -> str:
    """What readers see at this moment, in a few words."""
    current = current_generation(settings)
    if current is None:
        return "nothing: there is no publication"
    try:
        with duckdb.connect(str(current / "warehouse.duckdb"), read_only=True) as connection:
            row = connection.execute(
                "select session_date from ops.publication where generation = ?", [int(current.name)]
            ).fetchone()
    except duckdb.Error:
        row = None
    return (
        f"generation {current.name} of session {row[0]}" if row else f"generation {current.name}, unreadable"
    )


def _check_file(
    state: PublicationState, settings: Settings, current: Path, status: dict[str, Any], now: datetime
) -> None:
    with duckdb.connect(str(current / "warehouse.duckdb"), read_only=True) as connection:
        row = connection.execute(
            "select generation, session_date, data_source, published_at_utc, run_id from ops.publication"
            " where generation = ?",
            [int(current.name)],
        ).fetchone()
        if row is None:
            state.problems.append("the publication has no entry in ops.publication")
            return
        generation, session, source, published, run_id = row
        counts = connection.execute(
            "select count(*), count(*) filter (not passed), count(*) filter (not passed and severity ="
            " 'critical') from ops.validation_results where run_id = ?",
            [run_id],
        ).fetchone()
        checked, failed, critical = counts if counts else (0, 0, 0)
        inputs = connection.execute(
            "select dataset || '/' || input, last_date, expected_date, required, stale from ops.freshness"
            " order by required desc, 1"
        ).fetchall()
        state.stale = [StaleInput(*entry[:4]) for entry in inputs if entry[4]]
        state.lines += [
            (
                f"generation {generation}, session {session}, data source {source}, published"
                f" {published:%Y-%m-%d %H:%M} UTC"
            ),
            f"{checked} rules checked, {failed} failed, {critical} of them critical",
            *_lines_on_inputs([StaleInput(*entry[:4]) for entry in inputs], state.stale),
            *_lines_on_stand_ins(connection),
        ]
        seen = Publication(connection, session, source, critical, state.stale, status, now, settings)
        for check in CHECKS:
            state.problems += check(seen)
        try:
            due = _due_session(seen)
        except NotASession:  # beyond the calendar, which is a problem of its own
            due = session
        check_horizons(state, due, simulated=source == "simulated")


def _lines_on_inputs(inputs: list[StaleInput], stale: list[StaleInput]) -> list[str]:
    """The core inputs first, each that is behind with its dates; of the others how many."""
    core = [entry for entry in inputs if entry.core]
    late = [entry for entry in stale if entry.core]
    others, others_late = len(inputs) - len(core), len(stale) - len(late)
    return [
        f"core inputs: {len(core) - len(late)} of {len(core)} are up to date (required symbols and series,"
        " fed funds futures)",
        *(f"  behind: {entry}{' (required)' if entry.required else ''}" for entry in late),
        f"other inputs: {others - others_late} of {others} are up to date"
        + ("; ops.freshness lists the others" if others_late else ""),
    ]


def _lines_on_stand_ins(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Inputs whose newest day a second source has supplied; a publication of an earlier version does not say
    who did.
    """
    says = connection.execute(
        "select count(*) from duckdb_columns() where schema_name = 'ops' and table_name = 'freshness' and"
        " column_name = 'source'"
    ).fetchone()
    if not says or not says[0]:
        return []
    # A second source's own inputs have no other; those that it completes have their provider's, too.
    rows = connection.execute("""
        select
            source,
            string_agg(dataset || '/' || input || ' ' || last_date, ', ' order by required desc, input)
        from ops.freshness as inputs
        where source in (
            select others.source from ops.freshness as others where others.dataset <> inputs.dataset
        )
        and dataset in (
            select dataset from ops.freshness group by dataset having count(distinct source) > 1
        )
        group by source
        order by source
    """).fetchall()
    return [f"  from a second source, {source}: {names}" for source, names in rows]


def _due_session(seen: Publication) -> date:
    """The session that should be published by now."""
    if seen.source == "live" or is_scheduled(seen.settings):
        return newest_due(seen.now, PUBLISHED_WITHIN)
    return _asked_session(seen.status, seen.session)


def _missing_session(seen: Publication) -> Iterable[str]:
    """The session that must be there by now."""
    try:
        expected = _due_session(seen)
    except NotASession as error:
        yield str(error)
        return
    if seen.session >= expected:
        return
    fact = f"Latest published session is {seen.session}; {expected} is due."
    if any(run.state == RUNNING and run.session == expected for run in open_runs(seen.status)):
        yield f"{fact} Its run has not ended yet."
    elif is_scheduled(seen.settings):
        last = read_small(seen.settings.published / "scheduled.json").get("session_date")
        of_session = f" (last for {last})" if last else ""
        yield (
            f"{fact} Trigger rotation_daily for it. The schedule has run this home{of_session}; if it"
            f" should no longer, delete {seen.settings.published / 'scheduled.json'}."
        )
    else:
        yield f"{fact} Run `ROTATION_SESSION={expected} make run`."


def _critical_rules(seen: Publication) -> Iterable[str]:
    if seen.critical:
        yield f"{seen.critical} critical rules failed"


def _required_inputs(seen: Publication) -> Iterable[str]:
    late = [entry for entry in seen.stale if entry.required]
    yield from (f"required input {entry}" for entry in late[:SHOWN_INPUTS])
    if len(late) > SHOWN_INPUTS:
        yield f"and {len(late) - SHOWN_INPUTS} more required inputs are behind (ops.freshness)"


def _no_futures(seen: Publication) -> Iterable[str]:
    """A source that has a strip must have served it; a folder of files may do without the Fed marts."""
    never = any(entry.name == STRIP and entry.last_date is None for entry in seen.stale)
    if never and seen.source != "files":
        yield (
            "No fed funds futures have ever been served, so the Fed marts are empty. The log of the task"
            " `fetch` says why; see docs/runbook/stale-inputs.md."
        )


def _old_answers(seen: Publication) -> Iterable[str]:
    """Answers that are older than allowed at the session, so that the brief calls them history."""
    for age in old_answers(seen.connection, seen.session):
        yield f"{age.sentence} {age.family.remedy}"


def _wrong_extensions(seen: Publication) -> Iterable[str]:
    """Marts that the weekly rebuild found to be others than those that were published before."""
    rows = seen.connection.execute(
        "select distinct table_name from ops.validation_results where not passed and rule = ?"
        " and run_id = (select max_by(run_id, generation) from ops.publication) order by 1",
        [EXTENSION_RULE],
    ).fetchall()
    if rows:
        names = ", ".join(name for (name,) in rows[:SHOWN_INPUTS])
        more = f" and {len(rows) - SHOWN_INPUTS} more" if len(rows) > SHOWN_INPUTS else ""
        yield (
            f"The rebuild of {seen.session} differs from the extended tables before it: {names}{more}. What"
            " is published now is right; what was published since the rebuild before may not be"
            " (docs/operations.md, Extension and rebuild)."
        )


# Each takes the publication and gives problems in whole sentences.
CHECKS: tuple[Callable[[Publication], Iterable[str]], ...] = (
    _missing_session,
    _critical_rules,
    _required_inputs,
    _no_futures,
    _old_answers,
    _wrong_extensions,
)


def check_horizons(state: PublicationState, due: date, *, simulated: bool = False) -> None:
    """Reference data that ends soon is a warning; a list that ended before the due session is a problem, but
    not of a simulated market, which nobody can serve with the real dates.
    """
    state.warnings += horizon_warnings(due)
    ended = horizon_failures(due)
    if simulated:
        state.warnings += ended
    else:
        state.problems += ended


def _asked_session(status: dict[str, Any], published: date) -> date:
    """The session that was last requested; while a run is in progress, the published one."""
    asked = status["session_date"]
    return date.fromisoformat(asked) if asked and status["state"] != "running" else published
