"""The recorded contracts: the rows that SQL picks give the result of all rows."""

from __future__ import annotations

import duckdb
import pandas as pd

from datasets.registry import DATASETS
from expectations.gate import check_rows
from tests.recorded_data import RECORDED
from warehouse.catalog import load_catalog

FIRST, LAST = "2000-01-01", "2004-12-31"


def recorded_contracts() -> pd.DataFrame:
    """Every settlement of five years, as the load hands it to the gate."""
    frames = []
    for path in sorted((RECORDED / "futures").glob("*.csv")):
        rows = pd.read_csv(path)
        days = pd.to_datetime(rows.iloc[:, 0])
        rows = pd.DataFrame({"settlement_date": days, "settle": rows["settle"].astype(float)})
        rows = rows[rows["settlement_date"].between(FIRST, LAST)]
        frames.append(rows.assign(contract=path.stem))
    every = pd.concat(frames, ignore_index=True)
    months = dict(zip("FGHJKMNQUVXZ", range(1, 13), strict=True))
    return every.assign(
        contract=every["contract"].astype("str"),
        delivery_month=pd.to_datetime(
            {
                "year": 2000 + every["contract"].str[-2:].astype(int),
                "month": every["contract"].str[-3].map(months),
                "day": 1,
            }
        ),
        source=pd.Series("files", index=every.index, dtype="str"),
        known_at_utc=pd.Timestamp("2026-11-20 12:00:00"),
        payload_sha256=pd.Series("x", index=every.index, dtype="str"),
    )


def test_picked_rows_give_the_result_of_all_rows() -> None:
    table, dataset = load_catalog()["raw.fed_funds_futures"], DATASETS["futures"]
    with duckdb.connect() as connection:
        connection.execute("create schema raw")
        connection.execute(table.ddl())
        rows = dataset.with_context(connection, dataset.with_availability(recorded_contracts()))
        picked = check_rows(table, rows, connection)
    whole = check_rows(table, rows)
    assert whole.broken.sum() > 10
    assert picked.results == whole.results
    assert picked.broken.equals(whole.broken)
    assert picked.first_rule.equals(whole.first_rule)
