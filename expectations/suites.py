"""Native items run by Great Expectations on a frame.

In: a table, a frame and items, and where the results are kept. Out: one `Outcome` per item, in their order.
A rule that raises has the exception in its outcome; it never raises here.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from expectations.gx_files import keep_project
from expectations.rules import Item

# Great Expectations names each function that it does not document, hundreds of them, while it is imported.
TALKATIVE = (
    "great_expectations",
    "great_expectations._docs_decorators",
    "great_expectations.data_context.types.base",
)


PROJECT_FOLDER = "great_expectations"


@dataclass(frozen=True)
class Record:
    """Where Great Expectations keeps its project and its results: a folder of the home, and the run."""

    folder: Path | None = None
    run_id: str = "no run"

    def keep_suite(self, table_name: str, items: Sequence[Item]) -> None:
        """Keep the suite of a table for readers of the project, whether or not there is anything to judge."""
        if self.folder is not None:
            keep_project(self.folder, table_name, items)

    @classmethod
    def of_run(cls, home: Path, run_id: str) -> Record:
        """The project of a home, with the results of one run."""
        return cls(home / PROJECT_FOLDER, run_id)


@dataclass(frozen=True)
class Outcome:
    """The result of one Great Expectations item."""

    success: bool
    rows: npt.NDArray[np.int_] | None = None  # positions of the unexpected rows, where it is about rows
    observed: object = None
    exception: str | None = None


def run_items(table_name: str, frame: pd.DataFrame, items: Sequence[Item], record: Record) -> list[Outcome]:
    """Run a table's items on all rows of a frame, as the checkpoint of that table."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Great Expectations 1.24 does not know the text type of pandas 3 by any name; as objects
        # the values themselves are checked.
        plain = frame.reset_index(drop=True).astype(dict.fromkeys(frame.select_dtypes("str").columns, object))
        project = _great_expectations().project(record.folder)
        results = project.validate(table_name, items, plain, record.run_id)
    by_position = {result.expectation_config.meta["position"]: result for result in results}
    return [_outcome(by_position.get(position)) for position in range(len(items))]


@cache
def _great_expectations() -> ModuleType:
    """The part that imports Great Expectations: that alone takes seconds, so it waits until here."""
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    from expectations import gx_project

    return gx_project


def _outcome(result: Any) -> Outcome:
    if result is None:
        return Outcome(False, exception="no result came back")
    raised = result.exception_info or {}
    messages = [raised] if "raised_exception" in raised else list(raised.values())
    for entry in messages:
        if isinstance(entry, dict) and entry.get("raised_exception"):
            return Outcome(False, exception=str(entry.get("exception_message"))[:300])
    detail = result.result or {}
    unexpected = detail.get("unexpected_index_list")
    positions = np.array(sorted(unexpected), dtype=int) if unexpected else None
    if not result.success and positions is None and detail.get("unexpected_count"):
        return Outcome(False, exception="rows failed but were not named")
    return Outcome(bool(result.success), positions, detail.get("observed_value"))
