"""This project's own models, from raw prices to marts.instrument_daily, by the pipeline's runner.

In: `pipeline.duckdb` of benchmarks/peers/bars.py. Out: `models.duckdb` with the tables.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from benchmarks.peers.bars import LAST
from market_calendar.sessions import cutoff_utc
from transforms.runner import build_models, models_to_build
from warehouse.catalog import load_catalog
from warehouse.database import limits
from warehouse.publication import copy_tables

MART = "marts.instrument_daily"


def prepare() -> None:
    """Import what the models need."""
    for table in models_to_build(MART):
        assert table.model is not None
        if table.model.suffix == ".py":
            __import__(f"transforms.{table.schema}.{table.name}")


def run(folder: Path) -> None:
    """Build the staging tables of prices and the mart."""
    target = folder / "models.duckdb"
    target.unlink(missing_ok=True)
    with duckdb.connect(config=limits(folder)) as con:
        con.execute(f"attach '{target}' as publication")
        con.execute("use publication")
        con.execute(f"attach '{folder / 'pipeline.duckdb'}' as pipeline (read_only)")
        copy_tables(con, load_catalog(), "ref")
        build_models(con, session=LAST, cutoff_utc=cutoff_utc(LAST), data_source="files", only=MART)
        con.execute("use memory")
        con.execute("checkpoint publication")
