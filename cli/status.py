"""`make status`: is the publication fresh and sound? Works with Airflow stopped; exit code 0 only when it is.

Sound: the last run succeeded, the link leads to a file that opens, and no critical check failed. Fresh: a live warehouse holds the last closed
session; one fed from files or the simulation holds the session that was last asked for.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime

import duckdb

from market_calendar.sessions import last_closed_session
from warehouse.publication import current_generation
from warehouse.settings import Settings, SettingsError


def main() -> int:
    """Print the state in a few lines; 0 fresh and sound, 1 not, 2 wrong settings."""
    try:
        settings = Settings.from_environment()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    problems = []
    status_file = settings.published / "status.json"
    status = json.loads(status_file.read_text(encoding="utf-8")) if status_file.exists() else {}
    if not status:
        print(f"NOT SOUND: nothing has run in {settings.home}; start with `make run`.")
        return 1
    if status["state"] != "success":
        problems.append(f"the last run failed at step {status['step']}: {status['message']}")
    current = current_generation(settings)
    if current is None:
        problems.append("there is no publication")
    else:
        try:
            problems += _publication_problems(
                settings, str(current / "warehouse.duckdb"), date.fromisoformat(status["session_date"])
            )
        except duckdb.Error as error:
            problems.append(f"the publication cannot be read: {str(error).splitlines()[0]}")
    for problem in problems:
        print(f"NOT SOUND: {problem}")
    return 1 if problems else 0


def _publication_problems(settings: Settings, path: str, asked: date) -> list[str]:
    with duckdb.connect(path, read_only=True) as connection:
        row = connection.execute(
            "select generation, session_date, data_source, published_at_utc, run_id from ops.publication order by generation desc limit 1"
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
