"""Securities of all FDIC-insured institutions by quarter, as the banks report them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import duckdb
import pandas as pd

from datasets.base import Dataset, Freshness, Reach
from sources.protocol import Provider
from warehouse.landing import Landed
from warehouse.reference_data import reference_frame
from warehouse.settings import Settings

# The reports are asked for from this quarter on, and once they can be complete: about 55 days after its end.
FIRST_QUARTER, REPORT_DAYS = date(2020, 1, 1), 60
# All banks together held securities of 4 to 6.5 trillion dollars since 2020.
LEAST_USD_BN, MOST_USD_BN = 1_000, 30_000
# The largest change from one quarter to the next was about a tenth; the number of banks falls by one in a
# hundred.
LARGEST_CHANGE, LARGEST_DECLINE = 0.25, 0.1
# The recorded losses that were compared agree within one per cent.
FAR_FROM_RECORDED, A_QUARTER = 0.2, timedelta(days=100)
COST = "afs_amortised_cost_usd_thousand + htm_amortised_cost_usd_thousand"


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
        recent = str(reach.since - timedelta(days=self.trailing_days))
        quarters = quarter_inputs(first, reach.until - timedelta(days=REPORT_DAYS))
        return [name for name in quarters if name not in held or name >= recent]

    def freshness(self, connection: duckdb.DuckDBPyConnection, session: date) -> list[Freshness]:
        """Once quarters were served, the last one that the release rule promises should be there."""
        return self.against_its_rule(connection, session, "all_banks")

    def broken_continuity(
        self, connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame
    ) -> Mapping[str, str]:
        """Quarters whose sums are in another unit, lack banks or contradict the recorded losses."""
        recorded = _recorded_losses()
        accepted = {day: (cost, banks) for day, cost, banks in _held(connection)}
        broken: dict[str, str] = {}
        for row in rows.sort_values("quarter_end").to_dict("records"):
            quarter: date = row["quarter_end"].date()
            cost = (row["afs_amortised_cost_usd_thousand"] + row["htm_amortised_cost_usd_thousand"]) / 1e6
            if pd.isna(cost):
                continue
            loss = (row["afs_fair_value_usd_thousand"] + row["htm_fair_value_usd_thousand"]) / 1e6 - cost
            before = [accepted[day] for day in sorted(accepted) if quarter - A_QUARTER < day < quarter]
            reason = (
                _out_of_range(cost)
                or _other_than_recorded(loss, recorded.get(quarter))
                or _jumps(cost, int(row["institutions"]), before)
            )
            if reason:
                broken[str(quarter)] = f"fdic: bank_financials/{quarter}: {reason} Nothing new was loaded."
            else:
                accepted[quarter] = (cost, int(row["institutions"]))
        return broken

    def gone(
        self, connection: duckdb.DuckDBPyConnection, landed: list[Landed], rows: pd.DataFrame
    ) -> list[tuple[str, date, date, int]] | None:
        """A quarter is asked for by name, so nothing inside a range can be missing."""
        return None


def quarter_inputs(start: date, end: date) -> list[str]:
    """The inputs for all quarters that end within a range of dates."""
    ends = pd.date_range(start, end, freq="QE")
    return [str(day.date()) for day in ends]


def _held(connection: duckdb.DuckDBPyConnection) -> list[tuple[date, float, int]]:
    """Quarter, amortised cost in billions and number of banks of the latest versions that are held."""
    return connection.execute(
        f"""
        select quarter_end, ({COST}) / 1e6, institutions
        from raw.bank_financials
        where {COST} is not null
        qualify row_number() over (partition by quarter_end order by known_at_utc desc) = 1
        """
    ).fetchall()


def _recorded_losses() -> dict[date, float]:
    """Gains less losses by quarter in billions, as they were published."""
    frame = reference_frame("bank_reported_losses").dropna(subset="total_usd_bn")
    return dict(zip(frame["quarter_end"].dt.date, frame["total_usd_bn"].astype("float64"), strict=True))


def _out_of_range(cost: float) -> str | None:
    if LEAST_USD_BN <= cost <= MOST_USD_BN:
        return None
    return (
        f"the banks' securities add up to {cost:,.0f} bn USD, expected {LEAST_USD_BN:,} to {MOST_USD_BN:,}:"
        " the amounts are in another unit, or most reports are missing."
    )


def _other_than_recorded(loss: float, known: float | None) -> str | None:
    if (
        known is None
        or pd.isna(known)
        or pd.isna(loss)
        or abs(loss - known) <= FAR_FROM_RECORDED * abs(known)
    ):
        return None
    return (
        f"gains less losses add up to {loss:,.1f} bn USD, and bank_reported_losses.csv has {known:,.1f}:"
        " reports are missing or wrong, or the recorded figure is."
    )


def _jumps(cost: float, institutions: int, before: list[tuple[float, int]]) -> str | None:
    if not before:
        return None
    held, banks = before[-1]
    if abs(cost / held - 1) <= LARGEST_CHANGE and institutions >= (1 - LARGEST_DECLINE) * banks:
        return None
    return (
        f"{institutions:,} banks hold securities of {cost:,.0f} bn USD, after {banks:,} banks with"
        f" {held:,.0f} in the quarter before: reports are missing or wrong."
    )
