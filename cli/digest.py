"""`make digest`: one line per mart of the current publication: table, rows, an order-free hash of its whole
content.
"""

from __future__ import annotations

import sys

import duckdb

from warehouse.database import HomeError, refuse_later_home
from warehouse.publication import current_generation, digests
from warehouse.settings import Settings, SettingsError


def main() -> int:
    """Print the digests of the current publication."""
    try:
        settings = Settings.from_environment()
        refuse_later_home(settings)
    except (SettingsError, HomeError) as error:
        print(error, file=sys.stderr)
        return 2
    current = current_generation(settings)
    if current is None:
        print(f"No publication in {settings.home}; make one with `make run`.", file=sys.stderr)
        return 1
    with duckdb.connect(str(current / "warehouse.duckdb"), read_only=True) as connection:
        for name, rows, digest in digests(connection):
            print(f"{name:<32} {rows:>10} {digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
