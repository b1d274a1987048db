"""`make dashboards`: Superset on this machine, without containers.

In: the home by the settings (ROTATION_SOURCE, ROTATION_HOME), `ROTATION_DASHBOARDS_PORT`. Out: a server on
loopback until Ctrl-C, and the folder `.superset` with its metadata (SQLite), its secrets and its logs. What
the bundle makes is made at the first start and when one of its inputs has changed. `--export` writes what
was edited back into the files. Needs no package itself; Superset runs in the environment that `make`
installs for it.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from warehouse.settings import REPOSITORY, Settings, SettingsError, environment, path_of

HERE = Path(__file__).resolve().parent
INTERPRETER = REPOSITORY / ".venv-dashboards" / "bin" / "python"
LOCK = REPOSITORY / "requirements-dashboards.lock"
PORT = 8088
# Bytes of randomness; passwords are typed by people.
SECRETS = {"superset_secret_key": 32, "dashboards_admin_password": 12, "dashboards_analyst_password": 12}
# What warehouse.database reads in Superset's processes.
SETTINGS = ("ROTATION_MEMORY_LIMIT", "ROTATION_THREADS")
# The whole first start takes less on a slow machine.
LONGEST_START_SECONDS = 300
TELL_EVERY_SECONDS = 10
LONGEST_END_SECONDS = 15


class StartError(RuntimeError):
    """The dashboards cannot be started; the message says what to do."""


def main(arguments: list[str]) -> int:
    """Start, or export; the exit code."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    # What Superset writes is for you alone.
    os.umask(0o077)
    try:
        if arguments == ["--export"]:
            return export()
        serve()
    except (StartError, SettingsError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


def serve() -> None:
    """Prepare what has to be, run the server until it is told to stop.

    Raises:
        StartError: there is no publication, the port is taken, or Superset does not start.
    """
    began = time.monotonic()
    settings = Settings.from_environment()
    port = wanted_port()
    require_publication(settings)
    folder = state_folder()
    make_secrets(folder / "secrets")
    env = superset_environment(settings, folder)
    if is_first := not (folder / "superset.db").exists():
        print("The first start takes a minute or two, later ones some seconds.", flush=True)
    prepare(folder, env, is_first)
    with server(folder, env, port) as process:
        wait_until_healthy(process, port, folder)
        print(
            f"\nThe dashboards: http://127.0.0.1:{port}/dashboard/list/   (ready after"
            f" {time.monotonic() - began:.0f} s)"
            f"\nSign in as admin (edits) or analyst (reads); the passwords are in "
            f"{_shown(folder / 'secrets')}:"
            "\n  dashboards_admin_password, dashboards_analyst_password"
            f"\nPublication: {_shown(settings.published)}. A new one is seen at the next query. Ctrl-C ends.",
            flush=True,
        )
        code = process.wait()
    raise StartError(f"Superset ended with code {code}; the reason is in {_shown(folder / 'server.log')}.")


def export() -> int:
    """Write what Superset holds into the files of the bundle.

    Raises:
        StartError: there is nothing to export yet.
    """
    folder = state_folder()
    if not (folder / "superset.db").exists():
        raise StartError(f"{_shown(folder)} holds no dashboards yet. Make them first with `make dashboards`.")
    env = superset_environment(Settings.from_environment(), folder)
    stamp = folder / "prepared"
    is_current = stamp.exists() and stamp.read_text(encoding="utf-8") == inputs(folder)
    with (folder / "export.log").open("w", encoding="utf-8") as log:
        result = subprocess.run(
            [interpreter(), "-m", "dashboards.bundle"],
            env=env, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=log, text=True, check=False,
        )  # fmt: skip
    if result.returncode:
        raise StartError(f"The export failed; the reason is in {_shown(folder / 'export.log')}.")
    if is_current:
        # Superset holds what the files now say: to undo them is a change, to keep them is none.
        stamp.write_text(inputs(folder), encoding="utf-8")
    print("\n".join(line[2:] for line in result.stdout.splitlines() if line.startswith("▸ ")))
    return 0


def wanted_port() -> int:
    """The port by ROTATION_DASHBOARDS_PORT, which nothing else listens on.

    Raises:
        StartError: it is no port, or it is taken.
    """
    text = environment().get("ROTATION_DASHBOARDS_PORT", "").strip() or str(PORT)
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise StartError(f"ROTATION_DASHBOARDS_PORT={text!r} is no port; give a number such as {PORT}.")
    with socket.socket() as listener:
        # As the server binds it: what only just ended does not count as taken.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", int(text)))
        except OSError:
            raise StartError(
                f"Port {text} is taken, perhaps by another `make dashboards`. Choose a free one:"
                f" ROTATION_DASHBOARDS_PORT={int(text) % 65535 + 1} make dashboards"
            ) from None
    return int(text)


def require_publication(settings: Settings) -> None:
    """Raise StartError when there is nothing to show."""
    if not (settings.published / "current" / "warehouse.duckdb").is_file():
        raise StartError(
            f"There is no publication in {_shown(settings.home)} yet. Make the first one with `make run`, or"
            " set ROTATION_HOME and ROTATION_SOURCE to a home that has one."
        )


def state_folder() -> Path:
    """Superset's own folder, which only you can open."""
    text = environment().get("ROTATION_DASHBOARDS_HOME", "").strip() or ".superset"
    folder = path_of("ROTATION_DASHBOARDS_HOME", text)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def make_secrets(folder: Path) -> None:
    """Make what is missing; what is there is never touched, and nothing is printed."""
    folder.mkdir(mode=0o700, exist_ok=True)
    for name, size in SECRETS.items():
        path = folder / name
        if not path.exists():
            partial = path.with_suffix(".partial")
            partial.unlink(missing_ok=True)
            handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(f"{secrets.token_urlsafe(size)}\n")
            partial.rename(path)


def superset_environment(settings: Settings, folder: Path) -> dict[str, str]:
    """The variables of every process that runs Superset; of `.env` only what it reads, no key of a source."""
    read = {
        name: value
        for name, value in environment().items()
        if name in SETTINGS or name.startswith("ROTATION_DASHBOARDS_")
    }
    return {
        **{name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")},
        **read,
        "PYTHONPATH": str(REPOSITORY),
        "SUPERSET_CONFIG_PATH": str(HERE / "superset_config.py"),
        "SUPERSET_HOME": str(folder),
        "ROTATION_PUBLISHED": str(settings.published),
        "ROTATION_DASHBOARDS_SECRETS": str(folder / "secrets"),
        "ROTATION_DASHBOARDS_METADATA": f"sqlite:///{folder / 'superset.db'}",
    }


def prepare(folder: Path, env: dict[str, str], is_first: bool) -> None:
    """Metadata as the files say, when one of its inputs has changed since the last time.

    Raises:
        StartError: it failed; what was done so far is done again at the next start.
    """
    stamp, wanted = folder / "prepared", inputs(folder)
    reset = bool(env.get("ROTATION_DASHBOARDS_RESET"))
    if not is_first and not reset and stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    stamp.unlink(missing_ok=True)
    log_path = folder / "prepare.log"
    with _open_log(log_path) as log:
        process = subprocess.Popen(
            [interpreter(), "-m", "dashboards.prepare"],
            env=env, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if line.startswith("▸ "):
                    print(line[2:].rstrip(), flush=True)
                else:
                    log.write(line)
            code = process.wait()
        finally:
            process.kill()
    if code:
        raise StartError(f"Superset could not be prepared; the reason is in {_shown(log_path)}.")
    stamp.write_text(wanted, encoding="utf-8")


def inputs(folder: Path) -> str:
    """A hash over all that the metadata is made from: bundle, code, Superset's version, passwords."""
    files = [*HERE.rglob("*.yaml"), *HERE.glob("*.py"), LOCK, *(folder / "secrets").iterdir()]
    made = hashlib.sha256()
    for path in sorted(files):
        made.update(f"{path}\0".encode())
        made.update(hashlib.sha256(path.read_bytes()).digest())
    return made.hexdigest()


def interpreter() -> str:
    """Superset's Python.

    Raises:
        StartError: it is not installed.
    """
    if not INTERPRETER.exists():
        raise StartError("Superset is not installed yet. `make dashboards` installs it.")
    return str(INTERPRETER)


@contextmanager
def server(folder: Path, env: dict[str, str], port: int) -> Iterator[subprocess.Popen[str]]:
    """The server, which ends with this context."""
    command = [
        interpreter(), "-m", "gunicorn", "--config", "python:dashboards.gunicorn_config",
        "--bind", f"127.0.0.1:{port}", "superset.app:create_app()",
    ]  # fmt: skip
    with _open_log(folder / "server.log") as log:
        process = subprocess.Popen(
            command, env=env, cwd=REPOSITORY, stdout=log, stderr=subprocess.STDOUT, text=True
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(LONGEST_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
            print("\nThe dashboards have ended.", flush=True)


def wait_until_healthy(process: subprocess.Popen[str], port: int, folder: Path) -> None:
    """Return once the server answers.

    Raises:
        StartError: it ended, or does not answer in time.
    """
    began = told = time.monotonic()
    print("starting the server", flush=True)
    while process.poll() is None and time.monotonic() - began < LONGEST_START_SECONDS:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
        if time.monotonic() - told > TELL_EVERY_SECONDS:
            told = time.monotonic()
            print(f"  still starting, {told - began:.0f} s", flush=True)
    raise StartError(f"Superset did not start; the reason is in {_shown(folder / 'server.log')}.")


def _open_log(path: Path) -> TextIO:
    """A log of this start alone, for you alone."""
    path.touch(mode=0o600)
    return path.open("w", encoding="utf-8")


def _shown(path: Path) -> str:
    return str(path.relative_to(REPOSITORY) if path.is_relative_to(REPOSITORY) else path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
