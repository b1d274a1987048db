"""A running Airflow for tests: API server, scheduler with LocalExecutor, DAG processor and, when asked,
triggerer, on loopback and SQLite.

In: a folder and settings. Out: `RunningAirflow`, a context manager with the REST API, the command line and
the state of runs. Each component is a process of its own and is ended by its own process group. Caveat:
about 40 s until it is ready; everything that it writes is in the folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
DAG_ID = "rotation_daily"
ENDED = ("success", "failed")
# The bytes of a metadata database that nobody has used yet.
PREPARED: list[bytes] = []


class RunningAirflow:
    """The components of Airflow, started with `with` and ended with it."""

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str],
        *,
        triggerer: bool = False,
        dags_folder: Path = REPOSITORY / "dags",
    ) -> None:
        """`settings` are environment variables of the components; those of the calling process that concern
        the product are left out.
        """
        self.folder = folder
        self.port, log_port = _free_port(), _free_port()
        self.components = ["api-server", "scheduler", "dag-processor", *(["triggerer"] if triggerer else [])]
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        home = folder / "airflow"
        home.mkdir(parents=True, exist_ok=True)
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ROTATION_", "AIRFLOW", "FRED_", "FDIC_"))
        }
        self.environment = {
            **clean,
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags_folder),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "3",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{self.port}/execution/",
            "AIRFLOW__CORE__MP_FORKSERVER_PRELOAD": (
                "airflow.executors.local_executor,great_expectations,duckdb"
            ),
            "AIRFLOW__SCHEDULER__MP_START_METHOD": "forkserver",
            "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{self.port}",
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API__SECRET_KEY": secrets.token_hex(16),
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(log_port),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(_free_port()),
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "GX_ANALYTICS_ENABLED": "False",
            "PYTHONPATH": str(REPOSITORY),
            "PYTHONUNBUFFERED": "1",
            **settings,
        }

    def __enter__(self) -> RunningAirflow:
        self._prepare_database()
        self.airflow("dags", "reserialize")
        for component in self.components:
            self.start(component)
        self.wait(self._is_answering, "the API server to answer", 120)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for component in reversed(self.components):
            self.stop(component)

    def _prepare_database(self) -> None:
        """The metadata database with the pool: made once per process, then copied; two commands of Airflow
        take twenty seconds.
        """
        database = self.folder / "airflow" / "airflow.db"
        if PREPARED:
            database.write_bytes(PREPARED[0])
            return
        self.airflow("db", "migrate")
        self.airflow("pools", "set", "rotation_warehouse", "1", "one writer at a time: DuckDB")
        assert not list(database.parent.glob("airflow.db-*")), "the database is not whole without its journal"
        PREPARED.append(database.read_bytes())

    def start(self, component: str) -> None:
        """Start one component; its output goes to `<folder>/<component>.log`."""
        with (self.folder / f"{component}.log").open("ab") as log:
            self.processes[component] = subprocess.Popen(
                [self._program, component],
                env=self.environment,
                cwd=REPOSITORY,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def stop(self, component: str, *, kill: bool = False) -> None:
        """End one component with its children; `kill` gives it no chance to tidy up."""
        process = self.processes.pop(component, None)
        if process is None:
            return
        _signal_group(process, signal.SIGKILL if kill else signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
        _signal_group(process, signal.SIGKILL)
        process.wait(30)

    def airflow(
        self, *arguments: str, check: bool = True, seconds: float = 180
    ) -> subprocess.CompletedProcess[str]:
        """A command of the real command line, in the environment of the components."""
        result = subprocess.run(
            [self._program, *arguments],
            env=self.environment,
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if check and result.returncode:
            raise AssertionError(
                f"airflow {' '.join(arguments)} ended with {result.returncode}:"
                f" {result.stdout[-2000:]}{result.stderr[-2000:]}"
            )
        return result

    def api(self, path: str, body: dict[str, Any] | None = None, *, method: str | None = None) -> Any:
        """One request to `/api/v2`; raises AssertionError with the answer when it is refused."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/v2{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token()}", "Content-Type": "application/json"},
            method=method or ("GET" if body is None else "POST"),
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error.code} {error.read()[:2000]!r}") from None
        return json.loads(text) if text else None

    def page(self, path: str) -> tuple[int, str]:
        """Status and text of a page of the web interface, asked for by its path."""
        headers = {"Authorization": f"Bearer {self._token()}"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return int(answer.status), answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def unpause(self, dag_id: str = DAG_ID) -> None:
        """Let the scheduler run the DAG."""
        self.api(f"/dags/{dag_id}", {"is_paused": False}, method="PATCH")

    def trigger(self, session: str, dag_id: str = DAG_ID, *, rebuild: bool = False) -> str:
        """Start a run for one session by its partition key; the run's id."""
        conf = {"rebuild": True} if rebuild else {}
        body = {"logical_date": None, "partition_key": session, "conf": conf}
        return str(self.api(f"/dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def runs(self, dag_id: str = DAG_ID) -> list[dict[str, Any]]:
        """All runs of a DAG, oldest first."""
        found: list[dict[str, Any]] = []
        while True:
            # Airflow gives a hundred at most.
            page = self.api(f"/dags/{dag_id}/dagRuns?limit=100&offset={len(found)}&order_by=id")["dag_runs"]
            found += page
            if len(page) < 100:
                return found

    def tasks(self, run_id: str, dag_id: str = DAG_ID) -> list[dict[str, Any]]:
        """The task instances of a run."""
        found: list[dict[str, Any]] = self.api(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=100")[
            "task_instances"
        ]
        return found

    def wait_for_run(self, run_id: str, dag_id: str = DAG_ID, *, seconds: float = 300) -> str:
        """The state in which the run ended."""

        def ended() -> str | None:
            state = str(self.api(f"/dags/{dag_id}/dagRuns/{run_id}")["state"])
            return state if state in ENDED else None

        return str(self.wait(ended, f"run {run_id} to end", seconds))

    def wait(self, condition: Callable[[], Any], what: str, seconds: float, *, every: float = 0.5) -> Any:
        """Ask until the answer is true; fails when a component has ended or time is up."""
        end = time.monotonic() + seconds
        while True:
            answer = condition()
            if answer:
                return answer
            for component, process in self.processes.items():
                if process.poll() is not None:
                    raise AssertionError(
                        f"{component} ended with {process.returncode}: {self.log(component)[-3000:]}"
                    )
            if time.monotonic() > end:
                raise AssertionError(
                    f"waited {seconds:.0f} s for {what}; the scheduler's log ends with"
                    f" {self.log('scheduler')[-3000:]}"
                )
            time.sleep(every)

    def log(self, component: str) -> str:
        """What a component printed."""
        path = self.folder / f"{component}.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    @property
    def _program(self) -> str:
        return str(Path(sys.executable).with_name("airflow"))

    def _is_answering(self) -> bool:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}/api/v2/monitor/health", timeout=5
            ) as answer:
                health = json.load(answer)
        except (OSError, ValueError):
            return False
        return all(
            health[part]["status"] == "healthy" for part in ("metadatabase", "scheduler", "dag_processor")
        )

    def _token(self) -> str:
        if not hasattr(self, "_held_token"):
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/auth/token", timeout=30) as answer:
                self._held_token = str(json.load(answer)["access_token"])
        return self._held_token


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
