"""One compose stack for the test: its project, its secrets, its market, and the calls that the test makes
on it.

In: the repository and a Docker engine. Out: a project of its own name, with its own port, secrets and
volumes, so that a stack that is at work on this machine is left alone. Settings of the environment and of
`.env` do not reach it.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from market_calendar.sessions import last_closed_session
from tests.small_market import START, write_small_market

REPOSITORY = Path(__file__).resolve().parent.parent.parent
PROJECT, IMAGE = "rotation-test", "rotation-warehouse:test"
DASHBOARDS_IMAGE = "rotation-dashboards:test"
EVERYTHING = ("--profile", "celery", "--profile", "bi")
DAG = "rotation_daily"
LOGS = "/var/lib/rotation/logs"

# Read by a second container from the published volume alone; the digests are the project's own.
READ_PUBLICATION = """
import json, duckdb
from warehouse.publication import digests
with duckdb.connect("/published/current/warehouse.duckdb", read_only=True) as connection:
    # `python -c` counts as interactive: a query of more than two seconds would draw its bar on the output.
    connection.execute("set enable_progress_bar = false")
    row = connection.execute(
        "select generation, session_date from ops.publication order by generation desc limit 1"
    ).fetchone()
    found = digests(connection)
print(json.dumps({"generation": row[0], "session": str(row[1]), "digests": found}))
"""
TRY_TO_WRITE = """
import errno, sys
for path, mode in (("/published/new", "w"), ("/published/current/warehouse.duckdb", "ab")):
    try:
        open(path, mode)
    except OSError as error:
        if error.errno in (errno.EROFS, errno.EACCES):
            continue
    sys.exit(f"{path} could be written")
"""
# Waits in the container until the build has begun to write, then kills: argv[1] is the task's process
# title, or -1 for all processes.
KILL_IN_BUILD = """
import os, signal, sys, time
from pathlib import Path
building = Path("/var/lib/rotation/home/published/generations/building/warehouse.duckdb")
limit = time.monotonic() + 60
def task():
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and sys.argv[1] in (entry / "cmdline").read_text().split(chr(0))[0]:
                return int(entry.name)
        except OSError:
            continue
while not (building.exists() and (sys.argv[1] == "-1" or task())):
    if time.monotonic() > limit:
        sys.exit("the build did not begin to write within 60 s")
    time.sleep(0.05)
victim = -1 if sys.argv[1] == "-1" else task()
os.kill(victim, signal.SIGKILL)
print("all processes" if victim == -1 else f"process {victim}")
"""


class StackError(AssertionError):
    """The stack does not do what it must; says what."""


class Stack:
    """The stack under test; used as a context, it removes all that it made."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="rotation-compose-"))
        self.folder.chmod(0o755)
        self.session = last_closed_session(datetime.now(UTC))
        self.port, self.dashboards_port = _free_port(), _free_port()
        self.token = ""
        self.peak_mib: dict[str, float] = {}
        self.secrets = self._make_secrets()
        self.environment = self._environment()

    def __enter__(self) -> Stack:
        return self

    def __exit__(self, *_: object) -> None:
        self.compose(*EVERYTHING, "down", "--volumes", "--timeout", "1", check=False)
        run(["docker", "image", "rm", "--force", IMAGE, DASHBOARDS_IMAGE], check=False)
        shutil.rmtree(self.folder)

    def _make_secrets(self) -> dict[str, str]:
        """What `make secrets` makes, in a folder of its own; the optional ones hold values that must never
        be seen again.
        """
        tree = self.folder / "tree"
        (tree / "deploy").mkdir(parents=True)
        shutil.copy(REPOSITORY / "deploy" / "secrets.sh", tree / "deploy")
        environment = {key: value for key, value in os.environ.items() if key != "ROTATION_SECRETS_DIR"}
        run(["sh", str(tree / "deploy" / "secrets.sh")], env=environment)
        canaries = {
            "fred_api_key": "canaryfredkey0123456789abcdef0",
            "fdic_api_key": "canaryfdickey0123456789abcdef0",
            "smtp_default": "smtp://alerts:canarysmtppassword01@127.0.0.1:2525",
            "alert_webhook": "https://127.0.0.1:9/services/canarywebhook0123456789",
        }
        for name, text in canaries.items():
            (tree / "secrets" / name).write_text(text)
        made = {path.name: path.read_text().strip() for path in (tree / "secrets").iterdir()}
        made["smtp_default"], made["alert_webhook"] = "canarysmtppassword01", "canarywebhook0123456789"
        return made

    def _environment(self) -> dict[str, str]:
        outside = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("ROTATION_", "COMPOSE_", "AIRFLOW_"))
        }
        market = self.folder / "market"
        market.mkdir()
        write_small_market(market, end=self.session)
        override = self.folder / "override.yml"
        # The time after which a dead worker's task is tried again; the only thing that differs from
        # production.
        override.write_text(
            "services:\n  scheduler:\n    environment:\n     "
            " AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT: 30\n"
        )
        bridge = run(["docker", "network", "inspect", "bridge"], check=False).stdout
        options = (json.loads(bridge or "[]") or [{}])[0].get("Options") or {}
        return {
            **outside,
            "ROTATION_IMAGE": IMAGE,
            "ROTATION_DASHBOARDS_IMAGE": DASHBOARDS_IMAGE,
            "ROTATION_DASHBOARDS_PORT": str(self.dashboards_port),
            "ROTATION_SECRETS_DIR": str(self.folder / "tree" / "secrets"),
            "ROTATION_SOURCE": "files",
            "ROTATION_FILES_DIR": str(market),
            "ROTATION_HISTORY_START": str(START),
            "ROTATION_PORT": str(self.port),
            "ROTATION_MTU": options.get("com.docker.network.driver.mtu", "1500"),
            "ROTATION_CPUS": str(min(2, os.cpu_count() or 1)),
            "ROTATION_COMMIT": (
                run(["git", "-C", str(REPOSITORY), "rev-parse", "HEAD"], check=False).stdout.strip()
            ),
        }

    def use_init_where_there_is_one(self) -> str | None:
        """Some packages of Docker lack docker-init; says so, and runs without it then."""
        probe = ["docker", "run", "--rm", "--init", "--entrypoint", "true", IMAGE]
        if run(probe, check=False).returncode == 0:
            return None
        self.environment["ROTATION_INIT"] = "false"
        return "this engine has no docker-init: the containers run without `init: true`"

    def compose(self, *arguments: str, check: bool = True, **environment: str | None) -> Any:
        """Run docker compose on this project; a None takes a variable away."""
        merged = {**self.environment, **environment}
        files = ["-f", str(REPOSITORY / "docker-compose.yml"), "-f", str(self.folder / "override.yml")]
        return run(
            [
                "docker",
                "compose",
                "-p",
                PROJECT,
                "--env-file",
                "/dev/null",
                "--progress",
                "quiet",
                *files,
                *arguments,
            ],
            env={key: value for key, value in merged.items() if value is not None},
            check=check,
        )

    def up(self, *profile: str) -> float:
        """Start and wait until every service is healthy; the seconds that it took."""
        started = time.monotonic()
        self.compose(*profile, "up", "--detach", "--wait", "--wait-timeout", "600", "--no-build")
        self.token = ""
        return time.monotonic() - started

    def services(self) -> list[dict[str, Any]]:
        """State of every container, ended ones too."""
        lines = self.compose(*EVERYTHING, "ps", "--all", "--format", "json").stdout.splitlines()
        return sorted((json.loads(line) for line in lines), key=lambda entry: entry["Service"])

    def restarts(self) -> dict[str, int]:
        """How often the engine has restarted each service."""
        found = {}
        for entry in self.services():
            count = run(["docker", "inspect", "--format", "{{.RestartCount}}", entry["ID"]]).stdout
            found[entry["Service"]] = int(count)
        return found

    def sample_memory(self) -> None:
        """Remember the most memory that each service was seen to use."""
        listing = ["docker", "stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}"]
        for line in run(listing, check=False).stdout.splitlines():
            name, used = line.split()[:2]
            if name.startswith(f"{PROJECT}-"):
                service = name.removeprefix(f"{PROJECT}-").rpartition("-")[0]
                self.peak_mib[service] = max(self.peak_mib.get(service, 0.0), _mib(used))

    def api(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One call of Airflow's REST API as the user admin."""
        if not self.token:
            credentials = {"username": "admin", "password": self.secrets["admin_password"]}
            self.token = self._http("POST", "/auth/token", credentials)["access_token"]
        return self._http(method, f"/api/v2{path}", body)

    def _http(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            document: dict[str, Any] = json.load(answer)
        return document

    def trigger(self, session: date) -> str:
        """Ask for one session by its partition key, built anew even where nothing is new; the run's id."""
        body = {"logical_date": None, "partition_key": str(session), "conf": {"rebuild": True}}
        return str(self.api("POST", f"/dags/{DAG}/dagRuns", body)["dag_run_id"])

    def tasks(self, run_id: str) -> list[dict[str, Any]]:
        """The task instances of a run."""
        found = self.api("GET", f"/dags/{DAG}/dagRuns/{urllib.parse.quote(run_id)}/taskInstances")
        return list(found["task_instances"])

    def wait_for_task(self, run_id: str, task: str, limit_seconds: float = 180) -> dict[str, Any]:
        """The task instance, once it runs."""
        limit = time.monotonic() + limit_seconds
        while time.monotonic() < limit:
            for entry in self.tasks(run_id):
                if entry["task_id"] == task and entry["state"] == "running":
                    return entry
                if entry["state"] in ("failed", "upstream_failed"):
                    raise StackError(f"task {entry['task_id']} of {run_id} is {entry['state']}")
            time.sleep(0.2)
        raise StackError(f"task {task} of {run_id} did not start within {limit_seconds} s")

    def wait_for_success(self, run_id: str, limit_seconds: float = 300) -> list[dict[str, Any]]:
        """The tasks of a run that has ended in success; the API may be away for a while, when the database
        is.
        """
        limit = time.monotonic() + limit_seconds
        state = "unknown"
        while time.monotonic() < limit:
            try:
                state = self.api("GET", f"/dags/{DAG}/dagRuns/{urllib.parse.quote(run_id)}")["state"]
            except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
                state = f"unknown ({error})"
            if state == "success":
                return self.tasks(run_id)
            if state == "failed":
                raise StackError(f"{run_id} failed: {self.status().get('message')}")
            self.sample_memory()
        raise StackError(f"{run_id} is {state} after {limit_seconds} s")

    def status(self) -> dict[str, Any]:
        """published/status.json, read in the scheduler's container."""
        path = "/var/lib/rotation/home/published/status.json"
        document: dict[str, Any] = json.loads(
            self.compose("exec", "-T", "scheduler", "cat", path, check=False).stdout or "{}"
        )
        return document

    def kill_in_build(self, service: str, title: str) -> str:
        """SIGKILL in a service's container as soon as the build writes; what was killed."""
        result = self.compose("exec", "-T", service, "python", "-IS", "-c", KILL_IN_BUILD, title, check=False)
        # An exec in a container that dies of its own kill ends with a code of the engine's.
        if title != "-1" and result.returncode:
            raise StackError(f"nothing was killed: {result.stdout}{result.stderr}")
        return str(result.stdout.strip() or "all processes")

    def read_publication(self) -> dict[str, Any]:
        """Generation, session and digests, as a BI tool's container sees them: another user, no network,
        read-only.
        """
        document: dict[str, Any] = json.loads(self._reader(READ_PUBLICATION).stdout)
        return document

    def refuse_writing(self) -> None:
        """The mounted publication cannot be written."""
        self._reader(TRY_TO_WRITE)

    def _reader(self, program: str) -> subprocess.CompletedProcess[str]:
        volume = f"{PROJECT}_published:/published:ro"
        return run(
            [
                "docker",
                "run",
                "--rm",
                "--read-only",
                "--network",
                "none",
                "--user",
                "1234:1234",
                "--volume",
                volume,
                "--entrypoint",
                "python",
                IMAGE,
                "-c",
                program,
            ]
        )

    def plant_secret(self) -> None:
        """Write one secret into the logs' volume, so that the search has something to find."""
        self.compose("exec", "-T", "scheduler", "cp", "/run/secrets/fdic_api_key", f"{LOGS}/planted.log")

    def remove_planted_secret(self) -> None:
        """Take it away again."""
        self.compose("exec", "-T", "scheduler", "rm", f"{LOGS}/planted.log")

    def found_secrets(self) -> list[str]:
        """Where a secret's value can be read that is not its own file: `place: secret`."""
        ids = [entry["ID"] for entry in self.services()]
        places = {
            "docker inspect": run(["docker", "inspect", *ids]).stdout,
            "docker logs": self.compose(*EVERYTHING, "logs", "--no-color").stdout,
            "docker history": run(["docker", "history", "--no-trunc", IMAGE]).stdout,
            "image": run(["docker", "image", "inspect", IMAGE]).stdout,
            "metadata": self.compose("exec", "-T", "postgres", "pg_dump", "-U", "airflow", "airflow").stdout,
        }
        if run(["docker", "image", "inspect", DASHBOARDS_IMAGE], check=False).returncode == 0:
            places["image of the dashboards"] = run(
                ["docker", "history", "--no-trunc", DASHBOARDS_IMAGE]
            ).stdout
        dump = self.compose("exec", "-T", "postgres", "pg_dump", "-U", "airflow", "superset", check=False)
        places["metadata of the dashboards"] = dump.stdout
        found = [
            f"{place}: {name}"
            for place, text in places.items()
            for name, value in self.secrets.items()
            if value in text
        ]
        # The search runs in the container, so that the values go in by its mounts and not on a command line.
        search = (
            "import sys, pathlib; values = sys.stdin.read().split(); roots = ['/var/lib/rotation/home',"
            " '/var/lib/rotation/logs', '/opt/rotation'];print(*[p for r in roots for p in"
            " pathlib.Path(r).rglob('*') if p.is_file() and any(v.encode() in p.read_bytes() for v in"
            " values)])"
        )
        command = ["docker", "compose", "-p", PROJECT, "exec", "-T", "scheduler", "python", "-c", search]
        listed = run(command, env=self.environment, text_in="\n".join(self.secrets.values())).stdout.split()
        return found + listed


def run(
    command: list[str], *, env: dict[str, str] | None = None, check: bool = True, text_in: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command; its output is in the error when it fails."""
    result = subprocess.run(command, env=env, input=text_in, capture_output=True, text=True, check=False)
    if check and result.returncode:
        shown = " ".join(part if len(part) < 80 else "..." for part in command)
        raise StackError(
            f"{shown} ended with {result.returncode}:\n{result.stdout[-3000:]}{result.stderr[-3000:]}"
        )
    return result


def engine_problem() -> str | None:
    """Why there is no engine to test with, or None."""
    if not shutil.which("docker"):
        return "there is no docker command here"
    for command in (["docker", "info"], ["docker", "compose", "version"]):
        result = run(command, check=False)
        if result.returncode:
            return f"{' '.join(command)} says: {(result.stderr or result.stdout).strip().splitlines()[-1]}"
    return None


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _mib(text: str) -> float:
    for unit, factor in (("GiB", 1024.0), ("MiB", 1.0), ("KiB", 1 / 1024), ("B", 1 / 1024**2)):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    raise ValueError(f"{text} is no size")
