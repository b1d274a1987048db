"""A strip of futures under the names of other months is refused, and a contract that comes as another one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from datasets.registry import DATASETS
from sources.tabular import CONTRACT_MONTHS, delivery_month
from tests.small_market import write_small_market
from warehouse.catalog import load_catalog
from warehouse.raw import insert_new_versions

KNOWN = pd.Timestamp("2026-11-20 12:00:00")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the small market."""
    return write_small_market(tmp_path_factory.mktemp("strip"))


@pytest.fixture(scope="module")
def strip(folder: Path) -> pd.DataFrame:
    """Its settlements, as the load has them before the gate."""
    frames = [pd.read_csv(path).assign(contract=path.stem) for path in (folder / "futures").glob("*.csv")]
    rows = pd.concat(frames, ignore_index=True)
    return pd.DataFrame(
        {
            "contract": rows["contract"].astype("str"),
            "delivery_month": pd.to_datetime(rows["contract"].map(delivery_month)),
            "settlement_date": pd.to_datetime(rows["date"]),
            "settle": rows["settle"].astype(float),
            "source": "files",
            "payload_sha256": "x",
            "known_at_utc": KNOWN,
        }
    )


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("create schema raw")
        connection.execute(load_catalog()["raw.fed_funds_futures"].ddl())
        yield connection


def renamed(contract: str, months: int) -> str:
    month = delivery_month(contract) + pd.DateOffset(months=months)
    return f"ZQ{CONTRACT_MONTHS[month.month - 1]}{month.year % 100:02}"


def moved(rows: pd.DataFrame, months: int) -> pd.DataFrame:
    """Every contract under the name of another month."""
    names = rows["contract"].map(lambda name: renamed(name, months)).astype("str")
    return rows.assign(contract=names, delivery_month=pd.to_datetime(names.map(delivery_month)))


def until(rows: pd.DataFrame, day: str) -> pd.DataFrame:
    return rows[rows["settlement_date"] <= day].reset_index(drop=True)


def refused(connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame) -> dict[str, str]:
    return dict(DATASETS["futures"].broken_continuity(connection, rows))


def load(connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame) -> None:
    rows = DATASETS["futures"].with_availability(rows).assign(run_id="run")
    insert_new_versions(connection, load_catalog()["raw.fed_funds_futures"], rows)


@pytest.mark.parametrize("day", ["2022-04-12", "2024-07-16", "2024-07-31", "2024-08-30"])
def test_a_good_strip_is_taken(connection: duckdb.DuckDBPyConnection, strip: pd.DataFrame, day: str) -> None:
    assert refused(connection, until(strip, day)) == {}


@pytest.mark.parametrize(
    ("months", "sentence"),
    [
        (1, "did so 1 month before their own"),
        (-1, "did so 1 month after their own"),
        (3, "did so 3 months before their own"),
        (12, "did so 12 months before their own"),
    ],
)
def test_a_relabelled_strip_is_refused_whole(
    connection: duckdb.DuckDBPyConnection, strip: pd.DataFrame, months: int, sentence: str
) -> None:
    rows = moved(until(strip, "2024-07-16"), months)
    found = refused(connection, rows)
    assert set(found) == set(rows["contract"])
    assert all(sentence in reason for reason in found.values())
    assert all(reason.endswith("ROTATION_ACCEPT_SETTLEMENTS=strip") for reason in found.values())


def test_it_is_taken_when_it_is_accepted(
    connection: duckdb.DuckDBPyConnection, strip: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROTATION_ACCEPT_SETTLEMENTS", "strip")
    assert refused(connection, moved(strip, 1)) == {}


def test_a_few_contracts_without_their_last_days_hide_nothing(
    connection: duckdb.DuckDBPyConnection, strip: pd.DataFrame
) -> None:
    rows = moved(until(strip, "2024-07-16"), 1)
    cut = (rows["contract"] == "ZQH24") & (rows["settlement_date"] > "2024-02-20")
    assert refused(connection, rows[~cut])


def test_contracts_that_were_last_downloaded_at_a_month_end_are_taken(
    connection: duckdb.DuckDBPyConnection, strip: pd.DataFrame
) -> None:
    """Their files end on one day, which is as many months from the month of each as it happens."""
    fresh = strip["contract"].isin(["ZQU24", "ZQQ24"])
    rows = pd.concat([until(strip[~fresh], "2024-06-28"), strip[fresh]])
    assert refused(connection, rows[rows["contract"] >= "ZQ"]) == {}


def test_a_neighbour_under_the_name_of_a_held_contract_is_refused(
    connection: duckdb.DuckDBPyConnection, strip: pd.DataFrame
) -> None:
    load(connection, until(strip, "2024-07-16"))
    one = strip[strip["contract"] == "ZQV24"].assign(contract="ZQZ24")
    one["delivery_month"] = pd.Timestamp("2024-12-01")
    [(name, reason)] = refused(connection, one.reset_index(drop=True)).items()
    assert name == "ZQZ24" and "newest days that are held come with another settlement" in reason
    assert reason.endswith("ROTATION_ACCEPT_SETTLEMENTS=ZQZ24")


@pytest.mark.parametrize("factor", [0.01, 1.001])
def test_settlements_in_another_unit_are_refused(
    connection: duckdb.DuckDBPyConnection, strip: pd.DataFrame, factor: float
) -> None:
    load(connection, until(strip, "2024-07-16"))
    rows = strip[strip["contract"] == "ZQV24"].reset_index(drop=True)
    assert list(refused(connection, rows.assign(settle=rows["settle"] * factor))) == ["ZQV24"]


def test_corrections_and_closes_beside_the_settlement_are_taken(
    connection: duckdb.DuckDBPyConnection, strip: pd.DataFrame
) -> None:
    load(connection, until(strip, "2024-07-16"))
    rows = strip.assign(settle=strip["settle"] + 0.01)
    rows.loc[rows["settlement_date"] == "2024-07-15", "settle"] += 0.2
    assert refused(connection, rows) == {}
