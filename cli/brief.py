"""`make brief`: the address of the newest brief, opened where a person with a browser asks.

Out: the address; exit code 0, 2 when there is no brief yet. It is opened when standard output is a terminal
on a machine with a display; otherwise it is only printed.
"""

from __future__ import annotations

import os
import sys
import webbrowser

import duckdb

from cli.addresses import brief_file, file_address
from doors.opened import NoPublication, published_generation
from warehouse.settings import Settings, SettingsError


def main() -> int:
    """Print the address, and open it where that is possible."""
    try:
        settings = Settings.from_environment()
        published_generation(settings)
    except (SettingsError, NoPublication) as error:
        print(error, file=sys.stderr)
        return 2
    try:
        address = file_address(brief_file(settings))
    except duckdb.Error as error:
        reason = str(error).splitlines()[0].rstrip(".")
        print(
            f"The publication cannot be opened: {reason}. Make a new one with `make rebuild`.",
            file=sys.stderr,
        )
        return 2
    print(address)
    if sys.stdout.isatty() and has_display():
        webbrowser.open(address)
    return 0


def has_display() -> bool:
    """Whether a browser can show a window: always on a Mac, elsewhere with a display."""
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


if __name__ == "__main__":
    sys.exit(main())
