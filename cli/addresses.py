"""`file://` addresses of the publication's files, to click on in a terminal."""

from __future__ import annotations

from pathlib import Path

import duckdb

from brief import archive
from doors.opened import facts_of
from warehouse.publication import current_generation
from warehouse.settings import Settings


def file_address(path: Path) -> str:
    """The address of a file, percent-encoded, with the link `current` in it."""
    return path.absolute().as_uri()


def brief_file(settings: Settings) -> Path:
    """The page to read: the newest session's, with links to the days before where the archive has it."""
    current = current_generation(settings)
    brief = settings.published / "current" / "brief.html"
    if current is None:
        return brief
    with duckdb.connect(str(current / "warehouse.duckdb"), read_only=True) as connection:
        session = facts_of(connection).session
    page = archive.archived_brief(settings, session)
    # A home that an earlier version published has no archive yet.
    return page if page.is_file() else brief
