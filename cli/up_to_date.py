"""Whether a run would find anything new, from the files alone: `make run` need not start Airflow to say no.

In: the settings, their session, and `.up-to-date` in the home, which the last run that ended well left
there. Out: the last run's status when everything that a run reads is the same as then: the input files and
the product's own files by content, the settings, the publication and the pipeline's database by size and
time. Whatever differs, or cannot be told without asking a provider, means that the run has to look.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tomllib
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

from cli.run_summary import read_status
from warehouse.durable import replace_durably
from warehouse.publication import current_generation
from warehouse.settings import REPOSITORY, Settings, environment

STAMP = ".up-to-date"
# Providers that read nothing but files and code; of the others only asking tells.
LOCAL = {"files", "simulated"}


def up_to_date(settings: Settings, session: date, inputs: str) -> dict[str, Any] | None:
    """The status of the last run, when one more for the session would publish nothing; else None.

    Args:
        settings: of the home.
        session: that was asked for.
        inputs: as `inputs_now` says.
    """
    status = read_status(settings)
    if not inputs or status.get("state") != "success" or status.get("session_date") != str(session):
        return None
    try:
        stamp = (settings.home / STAMP).read_text(encoding="utf-8")
    except OSError:
        return None
    return status if stamp == _stamp(settings, session, inputs) else None


def remember(settings: Settings, session: date, inputs: str) -> None:
    """After a run that ended well: what it read (`inputs`, taken before it), and what it left."""
    if inputs:
        replace_durably(settings.home / STAMP, _stamp(settings, session, inputs))


def inputs_now(settings: Settings) -> str:
    """A hash of everything that a run of a home with local providers reads: the input files and the product's
    own with their contents, the settings, the interpreter. Empty for other homes, and where a file cannot be
    read: that is for the run to say.
    """
    if not _reads_files_only(settings):
        return ""
    try:
        return _hash_of_inputs(settings)
    except OSError:
        return ""


def _hash_of_inputs(settings: Settings) -> str:
    found = hashlib.sha256(f"{sys.version}\0".encode())
    for name, value in sorted(environment().items()):
        if name.startswith("ROTATION_") and name != "ROTATION_SESSION":
            found.update(f"{name}={value}\0".encode())
    for path in [*_code(), *(_files(settings.files_dir) if settings.files_dir else ())]:
        with path.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").digest()
        found.update(str(path).encode() + b"\0" + content)
    return found.hexdigest()


def _reads_files_only(settings: Settings) -> bool:
    return {settings.source, *settings.overrides.values()} <= LOCAL and not settings.check_sources


def _code() -> Iterator[Path]:
    project = REPOSITORY / "pyproject.toml"
    yield from (project, REPOSITORY / "requirements.lock")
    for package in tomllib.loads(project.read_text(encoding="utf-8"))["tool"]["importlinter"][
        "root_packages"
    ]:
        yield from (path for path in _files(REPOSITORY / package) if path.suffix != ".pyc")


def _files(folder: Path) -> list[Path]:
    return sorted(Path(root, name) for root, _, names in os.walk(folder) for name in names)


def _stamp(settings: Settings, session: date, inputs: str) -> str:
    generation = current_generation(settings)
    left = [settings.warehouse, *(_files(generation) if generation else ())]
    return "\n".join([str(session), inputs, *_as_left(left), ""])


def _as_left(paths: Iterable[Path]) -> Iterator[str]:
    for path in paths:
        found = path.stat()
        yield f"{path} {found.st_size} {found.st_mtime_ns}"
