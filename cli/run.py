"""`make run`: prepare Airflow in the project's own folder, run the daily DAG for one session, print the
outcome.

In: the settings and, here alone, `ROTATION_SESSION`. Out: progress, a summary, exit code 0 when a
publication was made. Airflow's own log of the run goes to a file whose path is printed.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import re
import sys
import time
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path

from cli.progress import Progress, run_logged
from cli.run_summary import print_summary, print_up_to_date, read_status
from cli.up_to_date import inputs_now, remember, up_to_date
from datasets.registry import last_session_served
from market_calendar.sessions import CalendarError, last_closed_session, require_session, session_close_utc
from operations.from_landing import put_back, set_aside
from pipeline.log import MARK
from sources.protocol import SourceError
from sources.registry import check_providers
from warehouse.database import HomeError, refuse_later_home
from warehouse.settings import REPOSITORY, Settings, SettingsError, environment, parse_date

AIRFLOW_HOME = REPOSITORY / ".airflow"
DAG_ID = "rotation_daily"
# How Airflow's log says that `dags test` begins a task.
TASK_STARTS = re.compile(r"\[DAG TEST\] starting task_id=(\w+)")


def main(*, rebuild: bool = False, from_landing: bool = False) -> int:
    """Run one session.

    Args:
        rebuild: whether every table is built anew.
        from_landing: whether raw is loaded anew from landing first.

    Returns:
        The exit code of the run.
    """
    started = time.monotonic()
    try:
        settings = Settings.from_environment()
        refuse_later_home(settings)
        check_providers(settings)
        print_banner(settings)
        session = chosen_session(settings)
    except (SettingsError, HomeError, CalendarError, RunRefused) as error:
        return refuse(str(error))
    try:
        (settings.home / "logs").mkdir(parents=True, exist_ok=True)
        lock_file = (settings.home / ".run.lock").open("w")
    except OSError as error:
        return refuse(
            f"ROTATION_HOME={settings.home} cannot be written: {error.strerror}. Choose another folder."
        )
    before, inputs = read_status(settings).get("run_id"), inputs_now(settings)
    with lock_file as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return refuse(f"Another run is in progress in {settings.home}; wait for it to end.")
        if not rebuild and (last := up_to_date(settings, session, inputs)):
            return print_up_to_date(last, time.monotonic() - started)
        log = settings.home / "logs" / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{session}.log"
        env = airflow_environment(settings)
        progress = Progress(started=started)
        try:
            kept = set_aside(settings) if from_landing else None
        except HomeError as error:
            return refuse(str(error))
        code = run_dag(env, session, log, progress, rebuild=rebuild)
        code = print_summary(settings, session, code, log, time.monotonic() - started, before)
        if not code:
            remember(settings, session, inputs)
        if kept and code:
            put_back(settings, kept)
            print("The database that was there before is back in its place.", file=sys.stderr)
        elif kept:
            print(f"  before     {kept} (delete it when you no longer need it)")
    return code


class RunRefused(RuntimeError):
    """The run cannot start; the message says why."""


def refuse(message: str) -> int:
    """Print why the run does not start; returns exit code 2."""
    print(f"Not started: {message}", file=sys.stderr)
    return 2


def print_banner(settings: Settings) -> None:
    """Print the source and the home, and a clear warning when the data is simulated."""
    if settings.kind == "simulated":
        print("=" * 78)
        print("SIMULATED MARKET: every number below is made up. Nothing here is market data.")
        if settings.source_was_chosen_for_you:
            print("No FRED_API_KEY was found, so ROTATION_SOURCE=simulated was chosen.")
        print("=" * 78)
    print(f"source {settings.source} · home {settings.home}")


def chosen_session(settings: Settings) -> date:
    """ROTATION_SESSION, else the last session for which the provider of prices has SPY."""
    text = environment().get("ROTATION_SESSION", "")
    now = datetime.now(UTC).replace(tzinfo=None)
    if text:
        session = require_session(parse_date("ROTATION_SESSION", text))
        if session_close_utc(session) > now:
            raise RunRefused(
                f"ROTATION_SESSION={session} has not closed yet; the last closed session is"
                f" {last_closed_session(now)}."
            )
        return session
    try:
        provider, last = last_session_served(settings, "SPY")
    except SourceError as error:
        raise RunRefused(f"the last session cannot be determined from the prices of SPY: {error}.") from None
    if last is None:
        raise RunRefused(f"the source {provider} has no close of SPY; check its prices.")
    return require_session(last)


def airflow_environment(settings: Settings) -> dict[str, str]:
    """The environment for Airflow: its home in the project's folder, SQLite, this process's settings."""
    return {
        **environment(),
        "AIRFLOW_HOME": str(AIRFLOW_HOME),
        "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{AIRFLOW_HOME / 'airflow.db'}",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(AIRFLOW_HOME / "logs"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "GX_ANALYTICS_ENABLED": "False",
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONUNBUFFERED": "1",
        "ROTATION_SOURCE": settings.source,
        "ROTATION_HOME": str(settings.home),
        "ROTATION_SESSION": "",
        # The lock on the home is held, so there is no other run to wait for.
        "ROTATION_MAKE_RUN": "1",
    }


def run_dag(env: dict[str, str], session: date, log: Path, progress: Progress, *, rebuild: bool) -> int:
    """Run the DAG itself in one process; its progress lines are shown, everything goes to the log."""
    parameters = {"session": str(session), "rebuild": rebuild}
    AIRFLOW_HOME.mkdir(exist_ok=True)
    prepared = AIRFLOW_HOME / f"prepared-{version('apache-airflow')}"
    command = [sys.executable, "-m", "cli.in_airflow", str(prepared)]
    command += ["dags", "test", DAG_ID, "-c", json.dumps(parameters)]

    def shown(line: str) -> None:
        if task := TASK_STARTS.search(line):
            progress.doing = f"at {task[1]}"
        elif line.startswith(MARK):
            progress.say(line[len(MARK) :].strip())

    progress.doing = "starting Airflow"
    progress.say(progress.doing)
    return run_logged(command, env, log, progress, shown)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", str(REPOSITORY))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rebuild", action="store_true")
    parser.add_argument("--from", dest="origin", choices=["raw", "landing"], default="raw")
    given = parser.parse_args()
    sys.exit(main(rebuild=given.rebuild, from_landing=given.origin == "landing"))
