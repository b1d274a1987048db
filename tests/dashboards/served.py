"""A real Superset for tests: made ready once per test session, started once per module that asks for it.

In: a home with a publication, and Superset's own environment (`.venv-dashboards`, made by its make target, or
the interpreter that `ROTATION_DASHBOARDS_PYTHON` names). Out: `Served`, a server on a free port of loopback
with its metadata in a folder of the test's, and clients that are signed in. Where the environment cannot be
made the tests are skipped with the reason.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.shared_homes import made_once, session_folder

REPOSITORY = Path(__file__).resolve().parent.parent.parent
ENVIRONMENT = ".venv-dashboards"
PEOPLE = ("admin", "analyst")
# A statement's limit here: long enough for every chart on a busy machine, short enough to be waited for.
SECONDS = 8
START_SECONDS = 120
COMMAND = ("gunicorn", "-c", str(REPOSITORY / "dashboards" / "gunicorn_config.py"))


def interpreter() -> Path:
    """Superset's interpreter; skips where there is none and none can be made."""
    named = os.environ.get("ROTATION_DASHBOARDS_PYTHON")
    if named:
        return Path(named)
    # Several workers ask at the same time.
    with (Path(tempfile.gettempdir()) / f"rotation-dashboards-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = subprocess.run(
            ["make", f"{ENVIRONMENT}/.installed"], cwd=REPOSITORY, capture_output=True, text=True, check=False
        )
    found = REPOSITORY / ENVIRONMENT / "bin" / "python"
    if made.returncode or not found.is_file():
        last = (made.stderr.strip() or made.stdout.strip() or "it made nothing").splitlines()[-1]
        pytest.skip(f"Superset's environment cannot be made here: make {ENVIRONMENT}/.installed: {last}")
    return found


def environment(folder: Path, published: Path, **others: str) -> dict[str, str]:
    """What Superset's processes are told; nothing of the settings of whoever runs the tests."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("ROTATION_", "SUPERSET_"))
    }
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return {
        **kept,
        "ROTATION_DASHBOARDS_SECRETS": str(folder / "secrets"),
        "ROTATION_DASHBOARDS_METADATA": f"sqlite:///{folder}/superset.db",
        "ROTATION_DASHBOARDS_SECONDS": str(SECONDS),
        "ROTATION_PUBLISHED": str(published),
        "SUPERSET_HOME": str(folder),
        "SUPERSET_CONFIG_PATH": str(REPOSITORY / "dashboards" / "superset_config.py"),
        "PYTHONPATH": str(REPOSITORY),
        "SCARF_ANALYTICS": "false",
        # Found by nobody: tests/dashboards/test_dashboards_are_shut.py looks for it.
        "ROTATION_CANARY": "canary-key-5e1d",
        **others,
    }


def prepare(python: Path, folder: Path, published: Path) -> str:
    """Run `dashboards/prepare.py` on a metadata folder; what it printed."""
    ran = subprocess.run(
        [str(python), str(REPOSITORY / "dashboards" / "prepare.py")],
        cwd=folder,
        env=environment(folder, published),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, f"dashboards/prepare.py ended with {ran.returncode}:\n{ran.stderr[-3000:]}"
    return ran.stdout


def prepared(factory: pytest.TempPathFactory, python: Path, published: Path) -> Path:
    """A metadata folder with the bundle imported, made once per test session; to be copied only."""

    def make(folder: Path) -> None:
        make_ready(python, folder, published)

    return made_once(session_folder(factory), "superset", make)


def make_ready(python: Path, folder: Path, published: Path) -> None:
    """A metadata folder with secrets of its own and the bundle imported."""
    (folder / "secrets").mkdir(parents=True)
    for name in ("superset_secret_key", *(f"dashboards_{person}_password" for person in PEOPLE)):
        (folder / "secrets" / name).write_text(secrets.token_urlsafe(32), encoding="utf-8")
    prepare(python, folder, published)


@dataclass
class Served:
    """A Superset that answers.

    Attributes:
        base: its address.
        folder: of its metadata and secrets.
        published: the folder with the link that it reads.
        python: its interpreter.
        process: its server.
    """

    base: str
    folder: Path
    published: Path
    python: Path
    process: subprocess.Popen[bytes]
    _people: dict[str, httpx.Client] = field(default_factory=dict)

    def password(self, person: str) -> str:
        """By its secret file."""
        return (self.folder / "secrets" / f"dashboards_{person}_password").read_text(encoding="utf-8")

    def client(self, address: str = "127.0.0.1") -> httpx.Client:
        """Somebody who is not signed in, at an address of loopback."""
        return httpx.Client(
            base_url=self.base, timeout=120, transport=httpx.HTTPTransport(local_address=address)
        )

    def signed_in(self, person: str) -> httpx.Client:
        """The same client each time: signing in is limited."""
        if person not in self._people:
            client = self.client()
            answer = sign_in(client, person, self.password(person))
            assert answer.status_code == 302 and "/login" not in answer.headers["location"]
            token = client.get("/api/v1/security/csrf_token/").json()["result"]
            # As Superset's pages ask: an error comes as words, not as a page.
            client.headers.update({"X-CSRFToken": token, "Referer": self.base, "Accept": "application/json"})
            self._people[person] = client
        return self._people[person]

    def cookies(self, person: str) -> list[dict[str, Any]]:
        """For a browser's context, so that it is signed in."""
        jar = self.signed_in(person).cookies.jar
        return [{"name": one.name, "value": str(one.value), "url": self.base} for one in jar]

    def log(self) -> str:
        """What the server has printed."""
        return (self.folder / "server.log").read_text(encoding="utf-8", errors="replace")

    def memory_mb(self) -> float:
        """Resident memory of the server's processes, by Linux."""
        sizes = [re.search(r"VmRSS:\s+(\d+)", (one / "status").read_text()) for one in self._processes()]
        return sum(int(size.group(1)) for size in sizes if size) / 1024

    def open_files(self) -> list[Path]:
        """What the server's processes have open, by Linux."""
        links = [link for one in self._processes() for link in (one / "fd").iterdir()]
        return [link.readlink() for link in links if link.is_symlink()]

    def _processes(self) -> list[Path]:
        own = Path("/proc") / str(self.process.pid)
        children = (own / "task" / own.name / "children").read_text().split()
        return [own, *(Path("/proc") / pid for pid in children)]


def sign_in(client: httpx.Client, person: str, password: str) -> httpx.Response:
    """Fill in the form as a browser does."""
    page = client.get("/login/", follow_redirects=True).text
    token = re.search(r'csrf_token"[^>]*value="([^"]+)"|csrf_token&#34;: &#34;([^&]+)', page)
    data = {"username": person, "password": password}
    if token:
        data["csrf_token"] = token.group(1) or token.group(2)
    return client.post("/login/", data=data)


def ask_sql(client: httpx.Client, statement: str, **others: Any) -> tuple[int, dict[str, Any]]:
    """What SQL Lab answers: the status, and the body."""
    found = client.get("/api/v1/database/").json()["result"]
    database = next(one for one in found if one["database_name"] == "Rotation Warehouse")
    answer = client.post(
        "/api/v1/sqllab/execute/",
        json={
            "database_id": database["id"],
            "sql": statement,
            "schema": "marts",
            "runAsync": False,
            "client_id": secrets.token_hex(5),
            "expand_data": True,
            # As SQL Lab sends it; it replaces a limit at the end of the statement.
            "queryLimit": 1_000,
            **others,
        },
    )
    return answer.status_code, answer.json()


def words(body: dict[str, Any]) -> str:
    """All that an answer says of what went wrong."""
    return " ".join(str(error.get("message", "")) for error in body.get("errors", [])) + str(
        body.get("message", "")
    )


def ask_chart(client: httpx.Client, name: str) -> httpx.Response:
    """What the server answers to the chart of that name, asked without filters."""
    found = client.get("/api/v1/chart/", params={"q": "(page_size:500)"}).json()["result"]
    chart = next(one for one in found if one["slice_name"] == name)
    return client.get(f"/api/v1/chart/{chart['id']}/data/")


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


@contextmanager
def served(python: Path, ready: Path, folder: Path, published: Path, **others: str) -> Iterator[Served]:
    """Start a server on a copy of a metadata folder; ends it."""
    shutil.copytree(ready, folder)
    port = free_port()
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [str(python), "-m", *COMMAND, "-b", f"127.0.0.1:{port}", "superset.app:create_app()"],
            cwd=folder,
            env=environment(folder, published, **others),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            server = Served(f"http://127.0.0.1:{port}", folder, published, python, process)
            _wait(server)
            yield server
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait(server: Served) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and server.process.poll() is None:
        try:
            if httpx.get(f"{server.base}/health").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(f"Superset did not start:\n{server.log()[-3000:]}")
