"""Homes that several test files begin with, each made once per test session, whatever the number of workers;
and what they ask of the source `files` (`asked`).

In: pytest's folder of the session, which its workers share. Out: `small_market_files`, the files of the small
market, and `home_after(session)`, a home that ran that one session; both to be read only or copied
(`copied_home`), never changed. The first worker that asks makes it, the others wait for it. A home that a
test needs otherwise (another start, other files, several runs) it makes itself.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from sources.files import FilesProvider
from tests.small_market import run_day, small_settings, write_small_market
from warehouse.payloads import Payload, Request
from warehouse.settings import Settings

HomeAfter = Callable[[str], Settings]
"""Settings of the home that ran one session of the small market."""


def session_folder(factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this test session share; each worker's own lies one below it."""
    own = factory.getbasetemp()
    folder = (own.parent if own.name.startswith("popen-") else own) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


def made_once(folder: Path, name: str, make: Callable[[Path], object]) -> Path:
    """The folder `name`, made by the first process that asks for it; complete, or not there."""
    made = folder / name
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            unfinished = folder / f"{name}.unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            make(unfinished)
            unfinished.rename(made)
    return made


def copied_home(home: Settings, folder: Path, *, files: Path | None = None) -> Settings:
    """A copy of a shared home to work on, with the same files or with others."""
    assert home.files_dir is not None
    return small_settings(files or home.files_dir, shutil.copytree(home.home, folder, symlinks=True))


@pytest.fixture(scope="session")
def small_market_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of the whole small market, to be read only."""
    make = partial(write_small_market, whole=True)
    return made_once(session_folder(tmp_path_factory), "market", make)


@pytest.fixture(scope="session")
def home_after(small_market_files: Path, tmp_path_factory: pytest.TempPathFactory) -> HomeAfter:
    """Makes, once, a home that ran one session; to be read or copied only."""

    def home(session: str) -> Settings:
        def make(folder: Path) -> None:
            run_day(small_settings(small_market_files, folder), session)

        folder = made_once(session_folder(tmp_path_factory), f"home after {session}", make)
        return small_settings(small_market_files, folder)

    return home


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Request]]:
    """Every request to the source."""
    requests: list[Request] = []
    fetch = FilesProvider.fetch

    def watched(source: FilesProvider, request: Request) -> Payload:
        requests.append(request)
        return fetch(source, request)

    monkeypatch.setattr(FilesProvider, "fetch", watched)
    yield requests
