"""The data contract: valid by the standard's own schema and model, true to the published file; a broken one
is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import jsonschema
import pytest
import yaml
from open_data_contract_standard.model import OpenDataContractStandard
from pydantic import ValidationError

from expectations.data_contract import CONTRACT, Document, Facts, contract_text, data_contract
from tests.shared_homes import HomeAfter
from warehouse.catalog import load_catalog
from warehouse.publication import current_generation

FACTS = Facts(7, date(2024, 7, 16), "simulated", "0123456789ab+cdef")
LOCKED = {"enable_external_access": "false", "lock_configuration": "true"}
STANDARD = jsonschema.Draft201909Validator(json.loads(OpenDataContractStandard.json_schema()))


def errors(document: Document) -> list[str]:
    """What the standard's schema has against a document."""
    return [error.json_path for error in STANDARD.iter_errors(document)]


def all_tables() -> Document:
    return data_contract(load_catalog().tables.values(), FACTS)


def two_tables() -> Document:
    """A contract of little that is quickly validated."""
    catalog = load_catalog()
    return data_contract([catalog["marts.group_score_daily"], catalog["ref.groups"]], FACTS)


def test_the_whole_contract_is_valid_by_the_standard() -> None:
    text = contract_text(load_catalog().tables.values(), FACTS)
    document = yaml.safe_load(text)
    assert document == all_tables()
    assert errors(document) == []
    model = OpenDataContractStandard.from_string(text)
    assert model.apiVersion == "v3.2.0"
    tables = [
        table.full_name for table in load_catalog().tables.values() if table.schema in ("marts", "ref", "ops")
    ]
    assert sorted(entry.name or "" for entry in model.schema_ or []) == sorted(tables)


BREAKS: dict[str, Callable[[Document], Any]] = {
    "no version": lambda document: document.pop("version"),
    "an unknown version of the standard": lambda document: document.update(apiVersion="v9.0.0"),
    "a key that the standard has not": lambda document: document["schema"][0].update(owner="me"),
    "a type that the standard has not": lambda document: document["schema"][0]["properties"][0].update(
        logicalType="varchar"
    ),
    "a column without a name": lambda document: document["schema"][0]["properties"][0].pop("name"),
    "a reference without a target": lambda document: document["schema"][0]["properties"][0]["relationships"][
        0
    ].pop("to"),
    "a rule without what must hold": lambda document: document["schema"][0]["quality"][0].pop("mustBe"),
    "a limit of a wrong kind": lambda document: document["schema"][0]["properties"][1][
        "logicalTypeOptions"
    ].update(maximum=5),
    "a server without its file": lambda document: document["servers"][0].pop("database"),
    "a freshness without a value": lambda document: document.update(
        slaProperties=[{"property": "freshness"}]
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_contract_is_refused(name: str) -> None:
    document = two_tables()
    assert errors(document) == []
    BREAKS[name](document)
    assert errors(document) != []


def test_the_model_refuses_what_it_does_not_know() -> None:
    text = yaml.safe_dump(two_tables() | {"owner": "me"})
    with pytest.raises(ValidationError, match="owner"):
        OpenDataContractStandard.from_string(text)


def test_every_reference_leads_to_a_key() -> None:
    document = all_tables()
    keys = {
        f"schema/{table['id']}/properties/{column['id']}"
        for table in document["schema"]
        for column in table["properties"]
        if column.get("unique")
    }
    found = {
        relation["to"]
        for table in document["schema"]
        for column in table["properties"]
        for relation in column.get("relationships", ())
    }
    assert found
    assert found <= keys
    # A table that is not in the contract is not referred to.
    alone = data_contract([load_catalog()["marts.group_score_daily"]], FACTS)
    assert "relationships" not in json.dumps(alone)


def test_every_rule_and_unit_is_there_once() -> None:
    for table in all_tables()["schema"]:
        names = [rule["id"] for rule in table.get("quality", ())]
        assert len(set(names)) == len(names)
        assert all(re.fullmatch(r"[A-Za-z0-9_-]+", name) for name in names)
        for column in table["properties"]:
            assert [entry["property"] for entry in column["customProperties"]] == ["unit"]


@pytest.fixture(scope="module")
def publication(home_after: HomeAfter) -> Path:
    current = current_generation(home_after("2024-07-16"))
    assert current is not None
    return current


@pytest.fixture(scope="module")
def connection(publication: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(publication / "warehouse.duckdb"), read_only=True, config=LOCKED) as opened:
        yield opened


def test_a_published_contract_describes_the_file_beside_it(
    publication: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    path = publication / CONTRACT
    assert path.stat().st_mode & 0o777 == 0o444
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    promised = [
        (table["physicalName"], column["name"], column["physicalType"])
        for table in document["schema"]
        for column in table["properties"]
    ]
    held = connection.execute(
        "select schema_name || '.' || table_name, column_name, data_type from duckdb_columns()"
        " where schema_name in ('marts', 'ref', 'ops')"
        " order by column_index"
    ).fetchall()
    assert sorted(promised) == sorted(held)
    generation, session, code = connection.execute(
        "select generation, session_date, code_version from ops.publication order by generation desc limit 1"
    ).fetchall()[0]
    assert document["version"] == code
    facts = {entry["property"]: entry["value"] for entry in document["customProperties"]}
    assert facts == {"dataSource": "files", "sessionDate": str(session), "generation": generation}
    assert (publication / document["servers"][0]["database"]).is_file()
    assert len(list(publication.glob(document["servers"][1]["path"]))) > 20


def test_rules_of_the_contract_run_in_any_duckdb_and_agree_with_the_gate(
    publication: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    document = yaml.safe_load((publication / CONTRACT).read_text(encoding="utf-8"))
    known = dict(
        connection.execute(
            "select table_name || ' ' || rule, failed_rows from ops.validation_results where run_id ="
            " (select run_id from ops.publication order by generation desc limit 1)"
        ).fetchall()
    )
    asked = 0
    for table in document["schema"]:
        for rule in table.get("quality", ()):
            if rule["type"] == "sql":
                answer = connection.execute(rule["query"]).fetchone()
                assert answer == (known[f"{table['name']} {rule['name']}"],), rule["name"]
                asked += 1
    assert asked > 50


def test_keys_of_the_contract_are_those_of_ops_table_keys(
    publication: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    document = yaml.safe_load((publication / CONTRACT).read_text(encoding="utf-8"))
    names = {table["id"]: table["name"] for table in document["schema"]}
    promised = set()
    for table in document["schema"]:
        key = sorted(
            (column["primaryKeyPosition"], column["name"])
            for column in table["properties"]
            if "primaryKey" in column
        )
        if key:
            promised.add((table["name"], "primary", ", ".join(name for _, name in key), None, None))
        for column in table["properties"]:
            for relation in column.get("relationships", ()):
                _, target, _, referenced = relation["to"].split("/")
                promised.add((table["name"], "foreign", column["name"], names[target], referenced))
    assert set(connection.execute("from ops.table_keys").fetchall()) == promised


def test_a_simulated_publication_says_so() -> None:
    assert "simulated data" in two_tables()["description"]["limitations"]
    real = data_contract([load_catalog()["ref.groups"]], Facts(1, date(2024, 7, 16), "live", "x"))
    assert "simulated" not in json.dumps(real["description"])
