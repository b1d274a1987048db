"""The views of the newest day: which marts have one, what they show, in a file under any name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from tests.model_fixture import create, empty_warehouse
from tests.shared_homes import HomeAfter
from warehouse.catalog import Catalog, CatalogError, Table, load_catalog
from warehouse.latest import create_latest_views, daily_marts, described, drop_latest_views
from warehouse.publication import current_generation

DAILY = daily_marts(load_catalog())
NAMES = [table.name for table in DAILY]


@pytest.fixture(scope="module")
def publication(home_after: HomeAfter) -> Path:
    current = current_generation(home_after("2024-07-16"))
    assert current is not None
    return current / "warehouse.duckdb"


@pytest.fixture(scope="module")
def attached(publication: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The file under another name than it was made with, with the two settings of docs/connect.md."""
    connection = duckdb.connect()
    connection.execute(f"attach '{publication}' as elsewhere (read_only)")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
    yield connection
    connection.close()


def test_daily_marts_have_a_view_and_others_have_none(attached: duckdb.DuckDBPyConnection) -> None:
    rows = attached.execute(
        "select view_name from duckdb_views() where schema_name = 'latest' order by 1"
    ).fetchall()
    assert [name for (name,) in rows] == NAMES
    assert {"daily_summary", "rotation_pair_daily", "macro_daily", "fomc_meetings_daily"} <= set(NAMES)
    assert not {
        "calendar",
        "claim_checks",
        "event_responses",
        "what_followed_episodes",
        "fomc_calibration",
    } & set(NAMES)


@pytest.mark.parametrize("table", DAILY, ids=NAMES)
def test_a_view_has_the_rows_of_the_newest_day(attached: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Against the definition, worked out in Python from the rows of the mart."""
    assert table.latest is not None
    places = [table.column_names.index(name) for name in (*table.latest, table.day)]
    mart = attached.execute(
        f"select {', '.join(table.column_names)} from elsewhere.marts.{table.name}"
    ).fetchall()
    newest: dict[tuple[object, ...], object] = {}
    for row in mart:
        *key, day = (row[place] for place in places)
        newest[tuple(key)] = max(newest.get(tuple(key), day), day)
    wanted = [row for row in mart if newest[tuple(row[place] for place in places[:-1])] == row[places[-1]]]
    found = attached.execute(f"from elsewhere.latest.{table.name}")
    assert [column[0] for column in found.description] == table.column_names
    assert sorted(found.fetchall(), key=repr) == sorted(wanted, key=repr)
    assert bool(wanted) == bool(mart)


def test_views_and_their_columns_have_comments(attached: duckdb.DuckDBPyConnection) -> None:
    views = dict(
        attached.execute(
            "select view_name, comment from duckdb_views() where schema_name = 'latest'"
        ).fetchall()
    )
    assert views == {table.name: described(table) for table in DAILY}
    columns = attached.execute(
        "select table_name, column_name, comment from duckdb_columns() where schema_name = 'latest'"
    ).fetchall()
    catalog = load_catalog()
    assert len(columns) == sum(len(table.columns) for table in DAILY)
    for _, name, comment in columns:
        assert comment == f"{catalog.columns[name].description} Unit: {catalog.columns[name].unit}."


def test_the_dictionary_lists_them(attached: duckdb.DuckDBPyConnection) -> None:
    rows = attached.execute(
        "select table_name, column_name, source from elsewhere.ops.data_dictionary"
        " where schema_name = 'latest'"
    ).fetchall()
    wanted = {(table.name, name, table.full_name) for table in DAILY for name in table.column_names}
    assert set(rows) == wanted


def test_an_empty_mart_has_an_empty_view_and_a_mart_that_is_gone_none() -> None:
    with empty_warehouse() as connection:
        for name in ("marts.macro_daily", "marts.daily_summary", "marts.bank_rate_betas"):
            create(connection, name)
        names = ["latest.bank_rate_betas", "latest.daily_summary", "latest.macro_daily"]
        assert create_latest_views(connection, load_catalog()) == names
        for name in names:
            assert connection.execute(f"from {name}").fetchall() == []
        connection.execute("drop table marts.macro_daily")
        assert create_latest_views(connection, load_catalog()) == names[:2]
        drop_latest_views(connection)
        assert (
            connection.execute("select view_name from duckdb_views() where schema_name = 'latest'").fetchall()
            == []
        )


def test_a_view_follows_the_columns_of_its_mart() -> None:
    catalog = load_catalog()
    table = catalog["marts.daily_summary"]
    shorter = replace(table, columns=(*table.columns[:1], table.columns[-1]))
    with empty_warehouse() as connection:
        create(connection, table.full_name)
        create_latest_views(connection, catalog)
        drop_latest_views(connection)
        connection.execute("drop table marts.daily_summary")
        connection.execute(shorter.ddl())
        create_latest_views(connection, Catalog(catalog.columns, {shorter.full_name: shorter}))
        found = connection.execute("from latest.daily_summary").description
        assert [column[0] for column in found] == shorter.column_names


@pytest.mark.parametrize("latest", [["value"], ["observation_date"], ["series_id", "nothing"]])
def test_a_key_that_is_not_of_the_grain_is_refused(
    latest: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    import yaml

    import warehouse.catalog as module

    shutil.copytree(module.TRANSFORMS, tmp_path / "transforms")
    path = tmp_path / "transforms" / "marts" / "macro_daily.yml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"latest": latest}))
    monkeypatch.setattr(module, "TRANSFORMS", tmp_path / "transforms")
    with pytest.raises(CatalogError, match=r"macro_daily: latest: must be false, or columns of the grain"):
        load_catalog.__wrapped__()
