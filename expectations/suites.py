"""Native items run by Great Expectations on a frame.

In: a frame and items. Out: one `Outcome` per item, in their order. A rule that raises has the exception in
its outcome; it never raises here.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from expectations.rules import Item


@dataclass(frozen=True)
class Outcome:
    """The result of one Great Expectations item."""

    success: bool
    rows: npt.NDArray[np.int_] | None = None  # positions of the unexpected rows, where it is about rows
    observed: object = None
    exception: str | None = None


def run_items(frame: pd.DataFrame, items: Sequence[Item]) -> list[Outcome]:
    """Run native items on all rows of a frame."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from great_expectations.core.expectation_suite import ExpectationSuite

        # Great Expectations 1.24 does not know the text type of pandas 3 by any name; as objects
        # the values themselves are checked.
        plain = frame.reset_index(drop=True).astype(dict.fromkeys(frame.select_dtypes("str").columns, object))
        batch = _batch_definition().get_batch({"dataframe": plain})
        numbered = [
            {"type": item["type"], "kwargs": item["kwargs"], "meta": {"position": position}}
            for position, item in enumerate(items)
        ]
        suite = ExpectationSuite("rules", expectations=numbered)
        suite_result = batch.validate(
            suite, result_format={"result_format": "COMPLETE", "include_unexpected_rows": False}
        )
    by_position = {result.expectation_config.meta["position"]: result for result in suite_result.results}
    return [_outcome(by_position.get(position)) for position in range(len(items))]


@cache
def _batch_definition() -> Any:
    """One in-memory Great Expectations context per process; the import alone takes seconds, so it waits
    until here.
    """
    import great_expectations as gx

    for logger in (
        "great_expectations",
        "great_expectations._docs_decorators",
        "great_expectations.data_context.types.base",
    ):
        logging.getLogger(logger).setLevel(logging.WARNING)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("frames").add_dataframe_asset("frame")
    return asset.add_batch_definition_whole_dataframe("whole")


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
