"""`make status`: is the publication fresh and sound? Works with Airflow stopped; exit code 0 only when it is.

Sound: the last run succeeded, the link leads to a file that opens, and no critical check failed. Fresh: a live warehouse holds the last closed
session; one fed from files or the simulation holds the session that was last asked for.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from market_calendar.sessions import last_closed_session
from warehouse.publication import current_generation
from warehouse.settings import Settings, SettingsError

# The DAG's own limit for a run.
LONGEST_RUN = timedelta(hours=6)


def main() -> int:
    """Print the state in a few lines; 0 fresh and sound, 1 not, 2 wrong settings."""
    try:
        settings = Settings.from_environment()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    problems = []
    status_file = settings.published / "status.json"
    try:
        status = json.loads(status_file.read_text(encoding="utf-8")) if status_file.exists() else {}
    except (OSError, ValueError):
        print(f"NOT SOUND: {status_file} cannot be read; the next `make run` writes it anew.")
        return 1
    if not status:
        print(f"NOT SOUND: nothing has run in {settings.home}; start with `make run`.")
        return 1
    if status["state"] == "running":
        since = datetime.fromisoformat(status["written_at_utc"])
        print(f"a run for {status['session_date']} started at {since:%Y-%m-%d %H:%M} UTC and has not ended")
        if datetime.now(UTC).replace(tzinfo=None) - since > LONGEST_RUN:
            problems.append("that run has ended without a word (killed?); run the session again")
    elif status["state"] != "success":
        problems.append(f"the last run failed at step {status['step']}: {status['message']}")
    current = current_generation(settings)
    if current is None:
        problems.append("there is no publication")
    else:
        try:
            problems += _publication_problems(current, status)
        except duckdb.Error as error:
            problems.append(f"the publication cannot be read: {str(error).splitlines()[0]}")
    for problem in problems:
        print(f"NOT SOUND: {problem}")
    return 1 if problems else 0


def _publication_problems(current: Path, status: dict[str, Any]) -> list[str]:
    with duckdb.connect(str(current / "warehouse.duckdb"), read_only=True) as connection:
        row = connection.execute(
            "select generation, session_date, data_source, published_at_utc, run_id from ops.publication where generation = ?",
            [int(current.name)],
        ).fetchone()
        if row is None:
            return ["the publication has no entry in ops.publication"]
        generation, session, source, published, run_id = row
        counts = connection.execute(
            "select count(*), count(*) filter (not passed), count(*) filter (not passed and severity = 'critical') from ops.validation_results where run_id = ?",
            [run_id],
        ).fetchone()
        stale = connection.execute(
            "select dataset || '/' || input, last_date, expected_date, required from ops.freshness where stale order by required desc, 1"
        ).fetchall()
    checked, failed, critical = counts if counts else (0, 0, 0)
    print(
        f"generation {generation}, session {session}, data source {source}, published {published:%Y-%m-%d %H:%M} UTC"
    )
    print(f"{checked} rules checked, {failed} failed, {critical} of them critical; {len(stale)} inputs stale")
    for name, last, expected, required in stale[:5]:
        print(f"  stale: {name} ends {last}, expected {expected}{' (required)' if required else ''}")
    problems = []
    asked = (
        date.fromisoformat(status["session_date"])
        if status["session_date"] and status["state"] != "running"
        else session
    )
    expected_session = last_closed_session(datetime.now(UTC)) if source == "live" else asked
    if session < expected_session:
        problems.append(
            f"the publication ends with {session}, the session {expected_session} is missing; run it"
        )
    if critical:
        problems.append(f"{critical} critical rules failed")
    problems += [
        f"required input {name} ends {last}, expected {expected}"
        for name, last, expected, required in stale
        if required
    ]
    return problems


if __name__ == "__main__":
    sys.exit(main())
