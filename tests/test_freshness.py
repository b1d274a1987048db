"""Which inputs are behind: what ended before the history begins was not to be served."""

from __future__ import annotations

import duckdb
import pandas as pd
import pytest

from datasets.fred import FredSeries
from warehouse.catalog import load_catalog
from warehouse.reference_data import reference_frame

SESSION = pd.Timestamp("2024-07-16").date()


@pytest.mark.parametrize(
    ("begins", "last", "listed", "stale"),
    [
        ("2019-01-02", None, False, False),
        ("2000-01-03", None, True, True),
        ("2000-01-03", "2008-12-15", True, False),
        ("2000-01-03", "2007-06-01", True, True),
    ],
)
def test_a_series_that_was_given_up(begins: str, last: str | None, listed: bool, stale: bool) -> None:
    """DFEDTAR ended on 2008-12-15, when the target became a range."""
    connection = duckdb.connect()
    connection.execute("create schema ref; create schema staging")
    connection.register("series_rows", reference_frame("fred_series"))
    connection.execute(load_catalog()["ref.fred_series"].ddl())
    connection.execute("insert into ref.fred_series by name select * from series_rows")
    connection.execute(load_catalog()["staging.fred_observations"].ddl().replace(" not null", ""))
    for series, day in (("DGS2", begins), ("DFEDTAR", last)):
        if day:
            connection.execute(
                "insert into staging.fred_observations (series_id, observation_date, value) values (?, ?, 1)",
                [series, day],
            )
    found = {entry.input: entry.stale for entry in FredSeries().freshness(connection, SESSION)}
    assert ("DFEDTAR" in found) == listed
    assert found.get("DFEDTAR", False) == stale and found["DGS10"]
