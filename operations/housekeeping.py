"""Deletes what is safe to delete from the home and from Airflow, and reports the sizes of the rest.

In: the settings, the age of files, `published/status.json`. Out: folders and files removed, and a `Report` of
what was removed, how large each part of the home is and how much room is left. Removed: generations beyond
the kept ones, a half-built publication without a run, old folders of runs, old logs, leftover temporary
files. Never removed: `landing/` and the tables of the warehouse. A payload that a newer one replaces still
dates its rows: without it a replay of landing would know them later and lose their first values. The `ops`
tables grow by some kilobytes a run, and deleting rows would give less back than it hides (docs/operations.md
has the figures); and so no writer's lock is taken here.

Every removal is safe beside a run and can be repeated after a kill: a folder is renamed out of the way
first, and no link is followed.
"""

from __future__ import annotations

import configparser
import errno
import fcntl
import fnmatch
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from expectations.suites import PROJECT_FOLDER
from warehouse.database import HomeError, refuse_later_home
from warehouse.migrations.copies import copy_folder
from warehouse.publication import building_folder, kept_generations, old_generations, space_needed_bytes
from warehouse.settings import Settings, SettingsError, environment

KEEP_RUNS_DAYS = 90
# The DAG gives a run six hours; what was not written to for a day belongs to no active run.
ORPHAN_DAYS = 1
REMOVED = ".removed-"
DAY_SECONDS = 86_400
CLEAN_TIMEOUT_SECONDS = 1800
# What the supervisor of a task puts in place of Airflow's database.
BLOCKED_CONNECTION = "airflow-db-not-allowed"
CONNECTION_VARIABLES = ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CORE__SQL_ALCHEMY_CONN")


class HousekeepingFailed(RuntimeError):
    """Something could not be cleaned, or room is short; the message says what to do."""


@dataclass
class Removed:
    """How much of one kind was removed."""

    entries: int = 0
    freed_bytes: int = 0


@dataclass
class Report:
    """What housekeeping did and what it found."""

    removed: dict[str, Removed] = field(default_factory=dict)
    sizes_bytes: dict[str, int] = field(default_factory=dict)
    free_bytes: int = 0
    needed_bytes: int = 0
    notes: list[str] = field(default_factory=list)

    def text(self) -> str:
        """The report as a short table."""
        lines = [f"{'removed':<34}{'entries':>9}{'freed':>14}"]
        lines += [
            f"  {what:<32}{part.entries:>9,}{_megabytes(part.freed_bytes):>14}"
            for what, part in self.removed.items()
        ]
        if self.sizes_bytes:
            lines.append("sizes")
            lines += [
                f"  {what:<32}{_megabytes(size):>23}"
                for what, size in (*self.sizes_bytes.items(), ("total", sum(self.sizes_bytes.values())))
            ]
            lines.append(
                f"free {_megabytes(self.free_bytes)}; the next run needs about"
                f" {_megabytes(self.needed_bytes)}"
            )
        return "\n".join([*lines, *self.notes])


def clean_home(settings: Settings) -> Report:
    """Remove what is safe to remove and measure the rest; a home in use by `make run` is only measured."""
    keep, run_days = kept_generations(), days_setting("ROTATION_KEEP_RUNS_DAYS", KEEP_RUNS_DAYS)
    assert run_days is not None
    report = Report()
    if not settings.home.is_dir():
        report.notes.append(f"{settings.home} does not exist yet: nothing has run.")
        return report
    try:
        refuse_later_home(settings)
    except HomeError as error:
        raise HousekeepingFailed(str(error)) from None
    with between_runs(settings.home) as free:
        if free:
            _clean(settings, keep, run_days, report)
        else:
            report.notes.append(f"A run is in progress in {settings.home}: nothing was removed this time.")
    places = {
        "landing": settings.landing,
        "warehouse": settings.warehouse,
        "published": settings.published,
        "runs": settings.home / "runs",
        "copy of a migration": copy_folder(settings),
        "great_expectations": settings.home / PROJECT_FOLDER,
        "logs": settings.home / "logs",
        "tmp": settings.home / "tmp",
    }
    report.sizes_bytes = {what: total_bytes(path) for what, path in places.items()}
    report.needed_bytes = space_needed_bytes(settings)
    report.free_bytes = shutil.disk_usage(
        settings.published if settings.published.is_dir() else settings.home
    ).free
    return report


def require_room(settings: Settings, report: Report) -> None:
    """Fail, so that an alert is sent, while there is still room for one more run."""
    if report.free_bytes < 2 * report.needed_bytes:
        raise HousekeepingFailed(
            f"{settings.home} has {_megabytes(report.free_bytes)} left and each run needs about"
            f" {_megabytes(report.needed_bytes)}. Make room, or set ROTATION_KEEP_GENERATIONS to 2."
        )


def _clean(settings: Settings, keep: int, run_days: int, report: Report) -> None:
    generations, runs = settings.published / "generations", settings.home / "runs"
    report.removed["old generations"] = _discard(
        generations,
        [path.name for path in old_generations(settings, keep)] if _is_real_folder(generations) else [],
    )
    report.removed["abandoned publications"] = _discard(generations, _orphaned_building(settings))
    report.removed["folders of old runs"] = _discard(runs, _old_folders(settings, runs, run_days))
    report.removed["old results of validations"] = remove_old_files(
        settings.home / PROJECT_FOLDER / "validations", "*.json", run_days
    )
    report.removed["old logs of make run"] = remove_old_files(settings.home / "logs", "*.log", run_days)
    leftovers = [
        remove_old_files(settings.home / "tmp", "*", ORPHAN_DAYS),
        *(
            remove_old_files(folder, "*.tmp", ORPHAN_DAYS, folders=False)
            for folder in (settings.landing, settings.published, runs)
        ),
    ]
    report.removed["leftover temporary files"] = Removed(
        sum(part.entries for part in leftovers), sum(part.freed_bytes for part in leftovers)
    )


def _orphaned_building(settings: Settings) -> list[str]:
    """The half-built publication when its run is over and it was left alone for a day."""
    building = building_folder(settings)
    if not _is_real_folder(building) or _newest_change(building) > time.time() - ORPHAN_DAYS * DAY_SECONDS:
        return []
    marker = building / ".run"
    owner = marker.read_text(encoding="utf-8") if marker.is_file() and not marker.is_symlink() else None
    state, run_id = _last_status(settings)
    return [] if state == "running" and owner in (None, run_id) else [building.name]


def _old_folders(settings: Settings, runs: Path, run_days: int) -> list[str]:
    """Folders of runs in which nothing was written for so many days, but never the present run's."""
    if not _is_real_folder(runs):
        return []
    _, run_id = _last_status(settings)
    present = re.sub(r"[^A-Za-z0-9.-]", "_", run_id or "")
    limit = time.time() - run_days * DAY_SECONDS
    return sorted(
        path.name
        for path in runs.iterdir()
        if _is_real_folder(path) and path.name != present and _newest_change(path) < limit
    )


def _last_status(settings: Settings) -> tuple[str | None, str | None]:
    """State and run of `published/status.json`; an unreadable one counts as a run in progress."""
    path = settings.published / "status.json"
    try:
        status = json.loads(path.read_text(encoding="utf-8"))
        return status["state"], status["run_id"]
    except FileNotFoundError:
        return None, None
    except (OSError, ValueError, KeyError, TypeError):
        return "running", None


def _discard(parent: Path, names: list[str]) -> Removed:
    """Remove whole folders; also those that an earlier attempt had renamed and not removed."""
    removed = Removed()
    if not _is_real_folder(parent):
        return removed
    for name in names:
        try:
            os.rename(parent / name, parent / f"{REMOVED}{name}")
        except FileNotFoundError:
            continue  # a publication that ends at this moment removes old generations too
    for path in sorted(parent.glob(f"{REMOVED}*")):
        if _is_real_folder(path):
            size = total_bytes(path)
            shutil.rmtree(path)
            removed.entries += 1
            removed.freed_bytes += size
    return removed


def remove_old_files(top: Path, pattern: str, age_days: float, *, folders: bool = True) -> Removed:
    """Remove the files below `top` whose name matches and which were not written to for so long, then
    the old folders that are empty.

    Works through handles of folders: a link is neither followed nor removed, and swapping a folder for a
    link meanwhile leads nowhere else.
    """
    removed, limit = Removed(), time.time() - age_days * DAY_SECONDS
    was_old: dict[str, bool] = {}
    if not _is_real_folder(top):
        return removed
    for folder, children, files, handle in os.fwalk(top, topdown=False, follow_symlinks=False):
        was_old[folder] = os.fstat(handle).st_mtime < limit
        for name in fnmatch.filter(files, pattern):
            try:
                found = os.lstat(name, dir_fd=handle)
                if stat.S_ISREG(found.st_mode) and found.st_mtime < limit:
                    os.unlink(name, dir_fd=handle)
                    removed.entries += 1
                    removed.freed_bytes += found.st_size if found.st_nlink == 1 else 0
            except FileNotFoundError:
                continue  # its owner removed it meanwhile
        for name in children if folders else []:
            if was_old.get(os.path.join(folder, name)):
                try:
                    os.rmdir(name, dir_fd=handle)
                except OSError as error:
                    if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT, errno.ENOTDIR):
                        raise
    return removed


def clean_airflow_logs() -> Removed:
    """Remove Airflow's log files that are older than ROTATION_AIRFLOW_LOG_KEEP_DAYS; nothing when that is
    not set.
    """
    days = days_setting("ROTATION_AIRFLOW_LOG_KEEP_DAYS", None)
    if days is None:
        return Removed()
    from airflow.configuration import conf

    return remove_old_files(
        Path(conf.get_mandatory_value("logging", "base_log_folder")).resolve(), "*.log", days
    )


def clean_airflow_metadata() -> Removed:
    """Remove rows older than ROTATION_AIRFLOW_KEEP_DAYS from Airflow's database with its own `airflow db
    clean`; nothing when that is not set.

    Airflow 3 keeps DAG code away from its database, on purpose, and its REST API deletes single runs only,
    with a password that no task should hold. So the operator's command runs as a process of its own, as
    cron would start it, with the connection that the deployment gives to every `airflow` command:
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD or _SECRET, or the same in `airflow.cfg`. Where tasks have no
    such connection, leave the setting out and run `airflow db clean` beside Airflow.
    """
    days = days_setting("ROTATION_AIRFLOW_KEEP_DAYS", None)
    if days is None:
        return Removed()
    before = datetime.now(UTC) - timedelta(days=days)
    command = [
        sys.executable,
        "-m",
        "airflow",
        "db",
        "clean",
        "--clean-before-timestamp",
        before.isoformat(timespec="seconds"),
        "--yes",
        "--skip-archive",
        "--error-on-cleanup-failure",
    ]
    result = subprocess.run(
        command,
        env=_operator_environment(),
        capture_output=True,
        text=True,
        timeout=CLEAN_TIMEOUT_SECONDS,
        check=False,
    )
    if result.returncode:
        last = (result.stderr.strip() or result.stdout.strip() or "no output").splitlines()[-1]
        raise HousekeepingFailed(
            f"airflow db clean ended with {result.returncode}: {last[:500]}. Run it by hand beside Airflow,"
            " or leave ROTATION_AIRFLOW_KEEP_DAYS out."
        )
    if "Table dag_run not found" in result.stdout + result.stderr:
        # Airflow exits with 0 even when the database has none of its tables.
        raise HousekeepingFailed(
            "airflow db clean found none of Airflow's tables: AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD points"
            " to another database. It must print the address that the scheduler uses, without a newline at"
            " its end."
        )
    counts = re.findall(r"Found (\d+) rows meeting deletion criteria", result.stdout)
    return Removed(sum(int(count) for count in counts))


def _operator_environment() -> dict[str, str]:
    """The environment without the false address that blocks a task's access; refuses when no other address
    is left.
    """
    env = dict(os.environ)
    blocked = [name for name in CONNECTION_VARIABLES if env.get(name, "").startswith(BLOCKED_CONNECTION)]
    for name in blocked:
        del env[name]
    env.pop("_AIRFLOW_PROCESS_CONTEXT", None)
    given = any(
        f"{name}{suffix}" in env for name in CONNECTION_VARIABLES for suffix in ("", "_CMD", "_SECRET")
    )
    if blocked and not given and not _connection_in_config(env):
        # Without an address Airflow would take the SQLite file of a new airflow.cfg and clean
        # nothing, or the wrong thing.
        raise HousekeepingFailed(
            "ROTATION_AIRFLOW_KEEP_DAYS is set and a task cannot see the address of Airflow's database: set"
            " AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD, or leave ROTATION_AIRFLOW_KEEP_DAYS out and run"
            " `airflow db clean` beside Airflow."
        )
    return env


def _connection_in_config(env: dict[str, str]) -> bool:
    home = env.get("AIRFLOW_HOME") or os.path.expanduser("~/airflow")
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.read(env.get("AIRFLOW_CONFIG") or os.path.join(home, "airflow.cfg"))
    return any(parser.has_option("database", f"sql_alchemy_conn{suffix}") for suffix in ("_cmd", "_secret"))


def days_setting(name: str, default: int | None) -> int | None:
    """A number of days from the environment; at least one."""
    text = environment().get(name, "").strip()
    if not text:
        return default
    if not text.isdecimal() or int(text) < 1:
        raise SettingsError(f"{name}={text!r} must be a whole number of days, 1 or more; or leave it out.")
    return int(text)


def total_bytes(path: Path) -> int:
    """Size of a file, or of all files below a folder; what vanishes meanwhile counts as nothing."""
    if path.is_file():
        return path.stat().st_size
    total = 0
    for folder, _, files in os.walk(path):
        for name in files:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size
            except FileNotFoundError:
                continue
    return total


@contextmanager
def between_runs(home: Path) -> Iterator[bool]:
    """Whether no `make run` is in progress in the home; none starts meanwhile. Airflow's own runs are kept
    apart by the pool.
    """
    handle = os.open(home / ".run.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)


def _is_real_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _newest_change(folder: Path) -> float:
    """The latest change of anything in a folder, in seconds since the epoch."""
    newest = folder.lstat().st_mtime
    for below, folders, files in os.walk(folder):
        for name in (*folders, *files):
            try:
                newest = max(newest, os.lstat(os.path.join(below, name)).st_mtime)
            except FileNotFoundError:
                continue
    return newest


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
