"""The Great Expectations project of a home: a suite, a validation definition and a checkpoint per table.

In: a folder (or none), and per validation a table's items and a frame. Out: the checkpoint's result, and in
the folder a project that Great Expectations opens: `great_expectations.yml`, suites, validation definitions,
checkpoints, and every validation result as its own JSON. Suites and checkpoints are kept in memory while they
run, because Great Expectations reads them again at every step; the folder holds copies, rewritten when a rule
changed, so a damaged copy never stops a run. This module imports Great Expectations, which takes seconds:
import it where it is used.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import great_expectations as gx
import pandas as pd
import yaml
from great_expectations.core.batch_definition import BatchDefinition
from great_expectations.core.expectation_suite import ExpectationSuite
from great_expectations.core.run_identifier import RunIdentifier
from great_expectations.data_context.store.validation_results_store import ValidationResultsStore
from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults
from great_expectations.datasource.fluent import PandasDatasource
from great_expectations.datasource.fluent.pandas_datasource import DataFrameAsset

from expectations.gx_held import held_while_running
from expectations.rules import Item, rule_name
from warehouse.catalog import load_catalog
from warehouse.durable import replace_durably

DATA_SOURCE = "warehouse"
BATCH = "rows"
RESULTS = "kept_results"
# Counts and a few values are enough where nothing is wrong; where something is, every row is needed. Naming
# the rows costs Great Expectations a third of its time, found or not.
COUNTED = {"result_format": "BASIC", "include_unexpected_rows": False}
NAMED = {"result_format": "COMPLETE", "include_unexpected_rows": False}
# So many of a rule's unexpected values are kept in the stored result; all of them are counted in it.
KEPT_VALUES = 20
FULL_LISTS = ("unexpected_list", "unexpected_index_list", "unexpected_index_query")
NAMESPACE = uuid.UUID("6f0c2c59-54a5-4a53-9a0b-7c2d5c1f5d11")
STORES = {
    "expectations_store": ("ExpectationsStore", "expectations"),
    "validation_definition_store": ("ValidationDefinitionStore", "validation_definitions"),
    "checkpoint_store": ("CheckpointStore", "checkpoints"),
    "validation_results_store": ("ValidationResultsStore", "validations"),
}


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
        self.folder = folder
        if folder is not None:
            replace_durably(folder / "great_expectations.yml", _project_file())
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
        if held:
            for made in (self.context.checkpoints, self.context.validation_definitions, self.context.suites):
                made.delete(name)
        batch = self._source.get_asset(name).get_batch_definition(BATCH)
        digest = hashlib.sha256(f"{gx.__version__} {rules}".encode()).hexdigest()
        suite = self.context.suites.add(
            ExpectationSuite(
                name, expectations=_expectations(items), notes=_notes(name), meta={"rules_sha256": digest}
            )
        )
        definition = self.context.validation_definitions.add(
            gx.ValidationDefinition(name=name, data=batch, suite=suite)
        )
        checkpoint = self.context.checkpoints.add(
            gx.Checkpoint(name=name, validation_definitions=[definition], result_format=COUNTED)
        )
        self._checkpoints[name] = rules, checkpoint
        if self.folder is not None:
            _keep_copies(self.folder, name, digest, (suite, definition, checkpoint), self.context)
        return checkpoint


@cache
def project(folder: Path | None) -> Project:
    """The project of a folder, once per process."""
    return Project(folder)


def _expectations(items: Sequence[Item]) -> list[dict[str, Any]]:
    """The items as Great Expectations takes them, with our name and reason beside each."""
    return [
        {
            "type": item["type"],
            "kwargs": item["kwargs"],
            "severity": item["severity"],
            "meta": {"position": position, "rule": rule_name(item)},
            "notes": item.get("meta", {}).get("why", ""),
        }
        for position, item in enumerate(items)
    ]


def _notes(name: str) -> str:
    return (
        f"Rules on {name} that Great Expectations judges: those of the catalog, and the `expectations:` of"
        f" expectations/{name.replace('.', '/')}.yml. The frame holds the rows that could break one, picked"
        " by SQL, and a sample of the newest. What runs as SQL alone is in ops.validation_results."
    )


def _data_source() -> Any:
    """One data source with an asset per table, made at once: each later change would be saved anew."""
    names = [table.full_name for table in load_catalog().tables.values() if table.schema != "ops"]
    assets = [
        DataFrameAsset(
            name=name, id=_id(name), batch_definitions=[BatchDefinition(name=BATCH, id=str(_id(name, BATCH)))]
        )
        for name in names
    ]
    return PandasDatasource(name=DATA_SOURCE, id=_id(DATA_SOURCE), assets=assets)


def _id(*parts: str) -> uuid.UUID:
    """The same identity in every process, so that the project's files stay as they are."""
    return uuid.uuid5(NAMESPACE, "/".join(parts))


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
                "store_backend": _backend(str(folder / "validations")),
            },
        )
        context.validation_results_store_name = RESULTS
    return context


def _backend(folder: str) -> dict[str, Any]:
    return {"class_name": "TupleFilesystemStoreBackend", "base_directory": folder}


def _project_file() -> str:
    """`great_expectations.yml`: where the parts are, for whoever opens the project."""
    assets = {
        asset.name: {
            "id": str(asset.id),
            "type": "dataframe",
            "batch_metadata": {},
            "batch_definitions": {BATCH: {"id": str(_id(asset.name, BATCH)), "partitioner": None}},
        }
        for asset in _data_source().assets
    }
    content = {
        "config_version": 4.0,
        "stores": {
            name: {"class_name": kind, "store_backend": _backend(f"{folder}/")}
            for name, (kind, folder) in STORES.items()
        },
        **{f"{name}_name": name for name in STORES if name != "validation_definition_store"},
        "data_docs_sites": {
            "local_site": {
                "class_name": "SiteBuilder",
                "show_how_to_buttons": False,
                "store_backend": _backend("data_docs/"),
                "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            }
        },
        "fluent_datasources": {
            DATA_SOURCE: {"type": "pandas", "id": str(_id(DATA_SOURCE)), "assets": assets}
        },
        "plugins_directory": None,
        "config_variables_file_path": None,
    }
    return yaml.safe_dump(content, sort_keys=False)


def _keep_copies(folder: Path, name: str, digest: str, parts: tuple[Any, Any, Any], context: Any) -> None:
    """Write a table's suite, validation definition and checkpoint, unless the folder holds them for the same
    rules. They refer to each other, so all of them or none; Great Expectations is slow to write them.
    """
    suite, definition, checkpoint = (
        folder / "expectations" / f"{name.replace('.', '/')}.json",
        folder / "validation_definitions" / f"{name}.json",
        folder / "checkpoints" / f"{name}.json",
    )
    try:
        held, *_ = (json.loads(path.read_text(encoding="utf-8")) for path in (suite, definition, checkpoint))
        if held["meta"]["rules_sha256"] == digest:
            return
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        pass  # missing or damaged: written anew
    replace_durably(suite, context.expectations_store.serialize(parts[0]))
    replace_durably(definition, context.validation_definition_store.serialize(parts[1]))
    replace_durably(checkpoint, context.checkpoint_store.serialize(parts[2]))
