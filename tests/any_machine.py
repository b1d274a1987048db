"""Load a folder of files as a process of its own and print what raw then holds, as `tests.test_any_machine`
asks; with `build` and `run`, the day as far as the build or whole, and the marts.
"""

from __future__ import annotations

import contextlib
import json
import locale
import sys
from datetime import date
from pathlib import Path

from tests.faults.home import LiveHome, raw_digest
from tests.small_market import built_digests, published_digests, run_day, run_to_build, small_settings
from warehouse.database import pipeline_database, prepare_home
from warehouse.reference_data import load_reference

INPUTS = [("prices", "JPM"), ("futures", "ZQU24"), ("fred", "VIXCLS")]
SESSION = date(2024, 7, 16)


def main(folder: str, home: str, what: str) -> None:
    """Load, or run the day, and print the digests."""
    # A library may do the same; without it Python stays in the C locale. A machine need not have the locale.
    with contextlib.suppress(locale.Error):
        locale.setlocale(locale.LC_ALL, "")
    settings = small_settings(
        Path(folder),
        Path(home),
        **({} if what in ("build", "run") else {"ROTATION_HISTORY_START": "2024-06-03"}),
    )
    if what == "build":
        run_to_build(settings, str(SESSION))
        print(json.dumps(built_digests(settings)))
        return
    if what == "run":
        run_day(settings, str(SESSION))
        print(json.dumps(published_digests(settings)))
        return
    prepare_home(settings)
    with pipeline_database(settings) as connection:
        load_reference(connection)
    loaded = LiveHome(settings)
    loaded.run(INPUTS, SESSION)
    assert not loaded.errors and loaded.missing == [] and loaded.stopped is None, loaded
    print(json.dumps([raw_digest(settings), loaded.raw()["raw.equity_prices"][-1][:2]], default=str))


if __name__ == "__main__":
    main(*sys.argv[1:])
