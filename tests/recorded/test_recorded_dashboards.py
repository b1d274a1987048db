"""The dashboards on the recorded market of 2024-07-16: the tests of tests/dashboards, on its publication.

In: the recorded files; `ROTATION_RECORDED_HOME` names a home that has run the session, otherwise it is run
here, which takes minutes. Out: the assertions of `tests.dashboards.test_dashboards_in_a_browser`; those of
the filters, nine minutes more, only on a home that is named: on the small market CI tries every filter.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dashboards.looked_at import Looks, looking
from tests.dashboards.test_dashboards_in_a_browser import (
    test_every_chart_has_data,
    test_every_chart_is_asked_and_answered_and_nothing_complains,
    test_nothing_wrong_is_seen,
    test_numbers_are_those_of_sql,
    test_tables_show_the_numbers_that_they_were_given,
)
from tests.recorded_data import RECORDED, REPOSITORY
from tests.shared_homes import made_once, session_folder

__all__ = [
    "test_every_chart_has_data",
    "test_every_chart_is_asked_and_answered_and_nothing_complains",
    "test_nothing_wrong_is_seen",
    "test_numbers_are_those_of_sql",
    "test_tables_show_the_numbers_that_they_were_given",
]
if os.environ.get("ROTATION_RECORDED_HOME"):
    from tests.dashboards.test_dashboards_in_a_browser import (  # noqa: F401
        test_every_filter_changes_what_its_charts_ask_and_the_numbers_follow,
    )
pytestmark = [pytest.mark.replay, pytest.mark.full, pytest.mark.slow, pytest.mark.timeout(1800)]
SESSION = "2024-07-16"


def recorded_home(factory: pytest.TempPathFactory) -> Path:
    """A home that ran the session on the recorded files."""
    named = os.environ.get("ROTATION_RECORDED_HOME")
    if named:
        return Path(named)

    def make(folder: Path) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ROTATION_")}
        settings = {
            "ROTATION_SOURCE": "files",
            "ROTATION_FILES_DIR": str(RECORDED),
            "ROTATION_HOME": str(folder),
            "ROTATION_SESSION": SESSION,
            "PYTHONPATH": str(REPOSITORY),
        }
        run = [sys.executable, "-m", "cli.run"]
        subprocess.run(run, cwd=REPOSITORY, env={**kept, **settings}, check=True, capture_output=True)

    return made_once(session_folder(factory), f"recorded home of {SESSION}", make)


@pytest.fixture(scope="module")
def looks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Looks]:
    """All dashboards of the recorded market."""
    with looking(tmp_path_factory, recorded_home(tmp_path_factory) / "published") as looked:
        yield looked
