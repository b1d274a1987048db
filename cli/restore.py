"""`make restore BACKUP=<folder>`: put a verified backup into an empty home.

In: one dated folder of ROTATION_BACKUP_DIR and the settings of the home. Out: the home as it was, with the
briefs of past sessions and without the publication, which the next run makes; exit code 0 when everything is
there and verified, 2 when it was refused.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from operations.backup import BackupDamaged, BackupRefused, restore
from warehouse.database import HomeError, older_home
from warehouse.settings import Settings, SettingsError


def main(arguments: list[str]) -> int:
    """Restore a backup.

    Args:
        arguments: the folder of the backup.

    Returns:
        The exit code: 0 when everything is restored and verified, 2 when it was refused.
    """
    if len(arguments) != 1 or not arguments[0].strip():
        print(
            "Not restored: name one dated folder of ROTATION_BACKUP_DIR: make restore BACKUP=<folder>.",
            file=sys.stderr,
        )
        return 2
    started = time.monotonic()
    try:
        settings = Settings.from_environment()
        contents = restore(settings, Path(arguments[0]).expanduser().resolve())
    except (SettingsError, HomeError, BackupRefused, BackupDamaged) as error:
        print(f"Not restored: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(
            f"Not restored: {error.filename or settings.home}: {error.strerror}. Free space or make it"
            " writable, then run the same restore again.",
            file=sys.stderr,
        )
        return 2
    print(
        f"restored {settings.home} ({time.monotonic() - started:.1f} s): {contents.kind} data up to session"
        f" {contents.high_water_session}, {sum(contents.tables.values()):,} rows, verified\nThere is no"
        f" publication yet. Make it: run session {contents.high_water_session or '<the first>'}"
        f" (ROTATION_SESSION={contents.high_water_session} make run)."
    )
    if note := older_home(settings):
        print(note)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
