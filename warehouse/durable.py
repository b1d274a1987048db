"""The one way in which the product writes a small file: a reader sees the old content or the new one, after a
power loss too.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from pathlib import Path
from typing import Any

# Of Linux; other systems refuse it, and the file is copied.
FICLONE = 0x40049409


def replace_durably(path: Path, content: str | bytes) -> None:
    """Replace a file in one step; folders that are missing are created.

    The content is on the disk before the name points to it, and the folder is synced, so that a rename that
    was reported survives.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as stream:
        stream.write(content.encode("utf-8") if isinstance(content, str) else content)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)
    sync(path.parent)


def replace_json(path: Path, document: Any) -> None:
    """The same for a JSON document; what JSON does not know (a date) is written as text."""
    replace_durably(path, json.dumps(document, indent=1, default=str) + "\n")


def clone_file(source: Path, target: Path) -> None:
    """Copy a file; where the file system can, both share their blocks until one of them is changed."""
    with source.open("rb") as stream, target.open("wb") as copy:
        try:
            fcntl.ioctl(copy.fileno(), FICLONE, stream.fileno())
        except OSError:
            # Not on this file system. The copy is made by the kernel all the same.
            shutil.copyfile(source, target)


def sync(path: Path) -> None:
    """Force a file's content, or a folder's list of names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
