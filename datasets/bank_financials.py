"""Securities of all FDIC-insured institutions by quarter, as the banks report them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import duckdb
import pandas as pd

from datasets.base import Dataset, Reach
from sources.protocol import Provider
from warehouse.landing import Landed
from warehouse.settings import Settings

# The reports are asked for from this quarter on, and once they can be complete: about 55 days after its end.
FIRST_QUARTER, REPORT_DAYS = date(2020, 1, 1), 60


class BankFinancials(Dataset):
    """One quarter is one input, written as its last day."""

    name = "bank_financials"
    table = "raw.bank_financials"
    key = "quarter_end"
    day = "quarter_end"
    batch_size = 10
    # Amended reports change a quarter for about half a year.
    trailing_days = 200
    awaited = False
    release_rule = f"days:{REPORT_DAYS}@12:00"
    frequency = "quarterly"

    def inputs(
        self,
        connection: duckdb.DuckDBPyConnection,
        settings: Settings,
        provider: Provider,
        reach: Reach,
        held: Mapping[str, date],
    ) -> list[str]:
        """The quarters that are not held, and those that may still be amended."""
        first = max(settings.history_start, FIRST_QUARTER)
        recent = str(reach.session - timedelta(days=self.trailing_days))
        quarters = quarter_inputs(first, reach.until - timedelta(days=REPORT_DAYS))
        return [name for name in quarters if name not in held or name >= recent]

    def gone(
        self, connection: duckdb.DuckDBPyConnection, landed: list[Landed], rows: pd.DataFrame
    ) -> list[tuple[str, date, date, int]] | None:
        """A quarter is asked for by name, so nothing inside a range can be missing."""
        return None


def quarter_inputs(start: date, end: date) -> list[str]:
    """The inputs for all quarters that end within a range of dates."""
    ends = pd.date_range(start, end, freq="QE")
    return [str(day.date()) for day in ends]
