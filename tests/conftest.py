"""Settings of all tests: no time limits on examples, because how long one takes says nothing about whether
it is right; the tests of the recorded market only where it is; coverage is not measured inside Great
Expectations.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache, wraps
from types import ModuleType
from typing import Any

import pytest
from hypothesis import settings

from expectations import suites
from tests.recorded_data import RECORDED, has_recorded_data
from tests.shared_homes import asked, home_after, small_market_files

__all__ = ["asked", "home_after", "small_market_files"]

settings.register_profile("project", deadline=None)
settings.load_profile("project")

# The tests' worlds are small and two workers run side by side: a second thread of DuckDB costs a sixth more
# CPU for nothing. What the tests start inherits it.
os.environ.setdefault("ROTATION_THREADS", "1")

# Files of some minutes each, the longest first; a file is one worker's.
LONGEST = (
    "test_scheduler",
    "test_extension",
    "test_dashboards_in_a_browser",
    "test_daily_run",
    "test_extended_home",
    "test_recovery",
    "test_turns",
    "test_changing_world",
    "test_dashboards_are_shut",
    "test_dashboards_follow_the_publication",
    "test_alerts",
    "test_brief",
)

collect_ignore_glob = [] if has_recorded_data() else ["recorded/*"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files come first, then those with the most slow tests: a long file that starts last is
    waited for alone.

    The workers take file by file in this order (`--no-loadscope-reorder`; by itself xdist begins with the
    files that have the most tests, which are the quick ones).
    """
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (place.get(item.path.stem, len(LONGEST)), -slow[item.path]))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say that tests were not collected."""
    if collect_ignore_glob:
        terminalreporter.write_line(
            f"tests/recorded not collected: no recorded market data in {RECORDED} (ROTATION_REPLAY_DIR)"
        )


@pytest.fixture(scope="session", autouse=True)
def great_expectations_is_not_traced() -> Iterator[None]:
    """Coverage's tracer sees every call of Great Expectations only to pass it over, which doubles the time of
    a load and of an audit; it rests while they judge a table.
    """
    tracer = sys.gettrace()
    if tracer is None:
        yield
        return
    original = suites._great_expectations

    def untraced(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def called(*arguments: Any, **named: Any) -> Any:
            traced = sys.gettrace()
            sys.settrace(None)
            try:
                return function(*arguments, **named)
            finally:
                sys.settrace(traced)

        return called

    @cache
    def loaded() -> ModuleType:
        module = original()
        module.Project.validate = untraced(module.Project.validate)
        return module

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(suites, "_great_expectations", loaded)
        yield
