"""`make status`: is the publication fresh and sound? Works with Airflow stopped; exit code 0 only when it is.

The checks themselves are in `alerts.checks`, which the DAG `rotation_watch` asks as well.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from alerts.checks import check_publication
from warehouse.settings import Settings, SettingsError


def main() -> int:
    """Print the state in a few lines; 0 fresh and sound, 1 not, 2 wrong settings."""
    try:
        settings = Settings.from_environment()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    state = check_publication(settings, datetime.now(UTC))
    for line in state.lines:
        print(line)
    for warning in state.warnings:
        print(f"WARNING: {warning}")
    for problem in state.problems:
        print(f"NOT SOUND: {problem}")
    return 1 if state.problems else 0


if __name__ == "__main__":
    sys.exit(main())
