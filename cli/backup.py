"""`make backup`: a verified copy of the home in a dated folder of ROTATION_BACKUP_DIR
(`operations.backup`).
"""

from __future__ import annotations

import sys
import time

from operations.backup import BackupDamaged, BackupRefused, backup_folder, make_backup
from warehouse.database import HomeError
from warehouse.settings import Settings, SettingsError


def main() -> int:
    """Make one backup.

    Returns:
        The exit code: 0 when the backup is verified, 2 when none was made.
    """
    started = time.monotonic()
    try:
        settings = Settings.from_environment()
        made = make_backup(settings, backup_folder(settings))
    except (SettingsError, HomeError, BackupRefused, BackupDamaged) as error:
        print(f"No backup was made: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(
            f"No backup was made: {error.filename or 'ROTATION_BACKUP_DIR'}: {error.strerror}. Free space or"
            " make it writable, then try again.",
            file=sys.stderr,
        )
        return 2
    contents = made.description
    print(
        f"backup {made.folder} ({time.monotonic() - started:.1f} s)\n  {contents.kind} data up to session"
        f" {contents.high_water_session}, {sum(contents.tables.values()):,} rows in"
        f" {len(contents.tables)} tables\n  {made.copied:,} files copied"
        f" ({made.copied_bytes / 1e6:,.1f} MB), {made.linked:,} linked to the"
        f" previous backup; {made.total_bytes / 1e6:,.1f} MB in all, each read back and verified"
    )
    for warning in contents.warnings:
        print(f"  WARNING: {warning}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
