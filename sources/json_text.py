"""Answers and files in JSON."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from sources.protocol import Unreadable


def json_document(what: str, content: bytes) -> Any:
    """The document of an answer or a file.

    Raises:
        Unreadable: it is none.
    """
    # The failure is raised outside of the handler: its message holds parts of the answer.
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(content.decode("utf-8-sig"))
    raise Unreadable(f"{what}: the answer is not JSON in UTF-8; it may be cut short")
