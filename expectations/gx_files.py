"""The files of a home's Great Expectations project: `great_expectations.yml`, and per table a suite, a
validation definition and a checkpoint.

In: a folder, and per table its items. Out: files with what Great Expectations itself writes for them
(tests/test_suspects.py compares); `gx.get_context(mode="file", context_root_dir=…)` opens the folder. No run
reads them. They are written here because Great Expectations takes seconds to be imported and seconds to write
them, and a table in which SQL finds nothing to judge needs neither. A file whose content is right already
stays as it is; a damaged one is replaced.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from expectations.rules import Item, rule_name
from warehouse.catalog import load_catalog
from warehouse.durable import replace_durably

DATA_SOURCE = "warehouse"
BATCH = "rows"
# Counts and a few values are enough where nothing is wrong; where something is, every row is needed. Naming
# the rows costs Great Expectations a third of its time, found or not.
COUNTED = {"result_format": "BASIC", "include_unexpected_rows": False}
NAMESPACE = uuid.UUID("6f0c2c59-54a5-4a53-9a0b-7c2d5c1f5d11")
STORES = {
    "expectations_store": ("ExpectationsStore", "expectations"),
    "validation_definition_store": ("ValidationDefinitionStore", "validation_definitions"),
    "checkpoint_store": ("CheckpointStore", "checkpoints"),
    "validation_results_store": ("ValidationResultsStore", "validations"),
}
Document = dict[str, Any]


def keep_project(folder: Path, name: str, items: Sequence[Item]) -> None:
    """Write the project's own file and those of one table, where they are not there or others.

    Args:
        folder: the project.
        name: the table, which is the name of its suite, validation definition and checkpoint.
        items: the rules.
    """
    suite, definition = _named(name, "suite"), _named(name, "definition")
    data = {"datasource": _named(DATA_SOURCE), "asset": _named(name), "batch_definition": _batch(name)}
    checkpoint = _named(name, "checkpoint") | {
        "actions": [],
        "result_format": COUNTED,
        "validation_definitions": [definition],
    }
    documents: dict[str, Document] = {
        f"expectations/{name.replace('.', '/')}.json": _suite(name, items),
        f"validation_definitions/{name}.json": definition | {"data": data, "suite": suite},
        f"checkpoints/{name}.json": checkpoint,
    }
    _keep(folder / "great_expectations.yml", _project_file())
    for path, document in documents.items():
        _keep(folder / path, json.dumps(document, indent=2, sort_keys=True))


def identity(*parts: str) -> str:
    """The same identity in every process, so that the project's files stay as they are."""
    return str(uuid.uuid5(NAMESPACE, "/".join(parts)))


def expectations(name: str, items: Sequence[Item]) -> list[Document]:
    """The items of a table as Great Expectations takes them, with our name and reason beside each."""
    return [
        {
            "id": identity(name, "expectation", str(position)),
            "type": item["type"],
            "kwargs": item["kwargs"],
            "severity": item["severity"],
            "meta": {"position": position, "rule": rule_name(item)},
            "notes": item.get("meta", {}).get("why", ""),
        }
        for position, item in enumerate(items)
    ]


def notes(name: str) -> str:
    """What the suite of a table is."""
    return (
        f"Rules on {name} that Great Expectations judges: those of the catalog, and the `expectations:` of"
        f" expectations/{name.replace('.', '/')}.yml. The frame holds the rows that could break one, picked"
        " by SQL; before the load, a sample of the newest, too. What runs as SQL alone is in"
        " ops.validation_results."
    )


def assets() -> list[str]:
    """The tables that have rules."""
    return [table.full_name for table in load_catalog().tables.values() if table.schema != "ops"]


def backend(folder: str) -> Document:
    """A store in files."""
    return {"class_name": "TupleFilesystemStoreBackend", "base_directory": folder}


def _named(name: str, *part: str) -> Document:
    return {"id": identity(name, *part), "name": name}


def _batch(name: str) -> Document:
    return {"id": identity(name, BATCH), "name": BATCH}


def _suite(name: str, items: Sequence[Item]) -> Document:
    def written(value: Any) -> Any:
        return value.isoformat() if hasattr(value, "isoformat") else value

    entries = [
        entry
        | {"kwargs": {key: written(value) for key, value in entry["kwargs"].items() if value is not None}}
        for entry in expectations(name, items)
    ]
    meta = {"great_expectations_version": version("great_expectations")}
    return _named(name, "suite") | {"expectations": entries, "notes": notes(name), "meta": meta}


def _keep(path: Path, content: str) -> None:
    try:
        if path.read_bytes() == content.encode("utf-8"):
            return
    except FileNotFoundError:
        pass
    replace_durably(path, content)


@cache
def _project_file() -> str:
    """`great_expectations.yml`: where the parts are, for whoever opens the project."""
    tables = {
        name: {
            "id": identity(name),
            "type": "dataframe",
            "batch_metadata": {},
            "batch_definitions": {BATCH: {"id": identity(name, BATCH), "partitioner": None}},
        }
        for name in assets()
    }
    content = {
        "config_version": 4.0,
        "stores": {
            name: {"class_name": kind, "store_backend": backend(f"{folder}/")}
            for name, (kind, folder) in STORES.items()
        },
        **{f"{name}_name": name for name in STORES if name != "validation_definition_store"},
        "data_docs_sites": {
            "local_site": {
                "class_name": "SiteBuilder",
                "show_how_to_buttons": False,
                "store_backend": backend("data_docs/"),
                "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            }
        },
        "fluent_datasources": {
            DATA_SOURCE: {"type": "pandas", "id": identity(DATA_SOURCE), "assets": tables}
        },
        "plugins_directory": None,
        "config_variables_file_path": None,
    }
    return yaml.safe_dump(content, sort_keys=False)
