"""Great Expectations runs a table's suite on a frame, as the checkpoint of that table.

In: a folder for results (or none), and per validation a table's items and a frame. Out: the checkpoint's
result, and in the folder every validation result as its own JSON. Suites and checkpoints are made in memory,
because Great Expectations reads stored ones again at every step; `gx_files` writes the copies that a reader
of the project finds. This module imports Great Expectations, which takes seconds: import it where it is used.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import great_expectations as gx
import pandas as pd
from great_expectations.core.batch_definition import BatchDefinition
from great_expectations.core.expectation_suite import ExpectationSuite
from great_expectations.core.run_identifier import RunIdentifier
from great_expectations.data_context.store.validation_results_store import ValidationResultsStore
from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults
from great_expectations.datasource.fluent import PandasDatasource
from great_expectations.datasource.fluent.pandas_datasource import DataFrameAsset

from expectations.gx_files import (
    BATCH,
    COUNTED,
    DATA_SOURCE,
    assets,
    backend,
    expectations,
    identity,
    notes,
)
from expectations.gx_held import held_while_running
from expectations.rules import Item

RESULTS = "kept_results"
NAMED = {"result_format": "COMPLETE", "include_unexpected_rows": False}
# So many of a rule's unexpected values are kept in the stored result; all of them are counted in it.
KEPT_VALUES = 20
FULL_LISTS = ("unexpected_list", "unexpected_index_list", "unexpected_index_query")


class ShortenedResultsStore(ValidationResultsStore):  # type: ignore[misc]
    """Stores results without the full lists of unexpected rows: a wrong file would make them as large as
    itself, and the rows are in the quarantine.
    """

    def store_validation_results(self, suite_validation_result: Any, *args: Any, **kwargs: Any) -> Any:
        """Store a result with at most `KEPT_VALUES` entries in each list."""
        shortened = copy.copy(suite_validation_result)
        shortened.results = [_shortened(result) for result in suite_validation_result.results]
        return super().store_validation_results(shortened, *args, **kwargs)


def _has_rows_to_name(result: Any) -> bool:
    """Whether a counted result is about rows that broke the item; it names a few of them at most."""
    return bool((result.result or {}).get("unexpected_count"))


def _shortened(result: Any) -> Any:
    detail = result.result or {}
    if not any(len(detail.get(name) or ()) > KEPT_VALUES for name in FULL_LISTS):
        return result
    kept = copy.copy(result)
    kept.result = {name: value for name, value in detail.items() if name != "unexpected_index_query"} | {
        name: detail[name][:KEPT_VALUES] for name in FULL_LISTS[:2] if detail.get(name)
    }
    return kept


class Project:
    """The context of one process, with its results in a folder or, without one, in memory."""

    def __init__(self, folder: Path | None) -> None:
        self.context = _context(folder)
        self._source = self.context.data_sources.add_or_update_pandas(_data_source())
        self._checkpoints: dict[str, tuple[str, Any]] = {}

    def validate(
        self, table_name: str, items: Sequence[Item], frame: pd.DataFrame, run_name: str
    ) -> list[Any]:
        """Run the table's checkpoint on a frame.

        Args:
            table_name: the table, which is the name of its suite, validation definition and checkpoint.
            items: the rules.
            frame: the rows.
            run_name: the name under which the result is stored.

        Returns:
            Great Expectations' results, in no certain order; `meta.position` is the place of the item.
        """
        with held_while_running():
            return self._validate(table_name, items, frame, run_name)

    def _validate(
        self, table_name: str, items: Sequence[Item], frame: pd.DataFrame, run_name: str
    ) -> list[Any]:
        checkpoint = self._checkpoint(table_name, items)
        name = re.sub(r"[^A-Za-z0-9.-]", "_", run_name)  # it becomes a folder
        identifier = RunIdentifier(run_name=name, run_time=datetime.now(UTC))
        rows = {"dataframe": frame}
        [counted] = checkpoint.run(batch_parameters=rows, run_id=identifier).run_results.values()
        if not any(_has_rows_to_name(result) for result in counted.results):
            return list(counted.results)
        [definition] = checkpoint.validation_definitions
        named = definition.run(
            checkpoint_id=checkpoint.id, batch_parameters=rows, result_format=NAMED, run_id=identifier
        )
        return list(named.results)

    def _checkpoint(self, name: str, items: Sequence[Item]) -> Any:
        """The table's checkpoint; made anew when its rules are others than last time."""
        rules = repr(items)
        held = self._checkpoints.get(name)
        if held and held[0] == rules:
            return held[1]
        batch = self._source.get_asset(name).get_batch_definition(BATCH)
        suite = ExpectationSuite(
            name, id=identity(name, "suite"), expectations=expectations(name, items), notes=notes(name)
        )
        definition = gx.ValidationDefinition(
            name=name, id=identity(name, "definition"), data=batch, suite=suite
        )
        checkpoint = gx.Checkpoint(
            name=name,
            id=identity(name, "checkpoint"),
            validation_definitions=[definition],
            result_format=COUNTED,
        )
        # Set, not added: to add something draws its identity anew.
        for store, part in (
            (self.context.expectations_store, suite),
            (self.context.validation_definition_store, definition),
            (self.context.checkpoint_store, checkpoint),
        ):
            store.set(store.get_key(name=name, id=None), part)
        self._checkpoints[name] = rules, checkpoint
        return checkpoint


@cache
def project(folder: Path | None) -> Project:
    """The project of a folder, once per process."""
    return Project(folder)


def _data_source() -> Any:
    """One data source with an asset per table, made at once: each later change would be saved anew."""
    tables = [
        DataFrameAsset(
            name=name,
            id=identity(name),
            batch_definitions=[BatchDefinition(name=BATCH, id=identity(name, BATCH))],
        )
        for name in assets()
    ]
    return PandasDatasource(name=DATA_SOURCE, id=identity(DATA_SOURCE), assets=tables)


def _context(folder: Path | None) -> Any:
    """A context in memory, but for the results where there is a folder."""
    defaults = InMemoryStoreBackendDefaults(init_temp_docs_sites=False)
    config = DataContextConfig(store_backend_defaults=defaults, progress_bars={"globally": False})
    context = gx.get_context(mode="ephemeral", project_config=config)
    if folder is not None:
        # Added afterwards: a class of ours that is named in the configuration is passed over.
        context.add_store(
            RESULTS,
            {
                "class_name": ShortenedResultsStore.__name__,
                "module_name": ShortenedResultsStore.__module__,
                "store_backend": backend(str(folder / "validations")),
            },
        )
        context.validation_results_store_name = RESULTS
    return context
