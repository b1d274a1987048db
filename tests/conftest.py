"""Settings of all tests: no time limits on examples, because how long one takes says nothing about whether
it is right; the tests of the recorded market only where it is.
"""

from __future__ import annotations

from typing import Any

from hypothesis import settings

from tests.recorded_data import RECORDED, has_recorded_data

settings.register_profile("project", deadline=None)
settings.load_profile("project")

collect_ignore_glob = [] if has_recorded_data() else ["recorded/*"]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say that tests were not collected."""
    if collect_ignore_glob:
        terminalreporter.write_line(
            f"tests/recorded not collected: no recorded market data in {RECORDED} (ROTATION_REPLAY_DIR)"
        )
