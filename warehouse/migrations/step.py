"""One step from a layout to the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from warehouse.settings import Settings


def no_documents(settings: Settings) -> list[Path]:
    """For a step that changes tables only."""
    del settings
    return []


def nothing(settings: Settings) -> None:
    """The same."""
    del settings


@dataclass(frozen=True)
class Step:
    """What leads to a layout from the one before it.

    Attributes:
        layout: where it leads to.
        says: what it changes, in one sentence, for the log and the documents.
        change_tables: the database's part; called in a transaction.
        documents: the files that the next one may change, make or remove; those that are there are copied.
        change_documents: the part of the files in landing and `runs/`. It may have been begun before and must
            then come to the same end.
    """

    layout: int
    says: str
    change_tables: Callable[[duckdb.DuckDBPyConnection], None]
    documents: Callable[[Settings], list[Path]] = no_documents
    change_documents: Callable[[Settings], None] = nothing
