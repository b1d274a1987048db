"""What each FDIC-insured bank earns on its assets and pays for its deposits, by quarter."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import duckdb
import pandas as pd

from datasets.bank_financials import quarter_inputs
from datasets.base import Dataset, Freshness, Reach
from sources.protocol import Provider
from warehouse.landing import Landed
from warehouse.settings import Settings

# The API does not say when a bank filed; 75 days after the quarter's end all have, and the FDIC has
# published its Quarterly Banking Profile.
KNOWN_DAYS = 75
# All banks together held assets of 4.6 trillion dollars in 1990 and of 25 in 2025.
LEAST_USD_BN, MOST_USD_BN = 2_500, 100_000
# The largest change of all assets from one quarter to the next was a tenth (2020); the number of banks falls
# by one in a hundred.
LARGEST_CHANGE, LARGEST_CHANGE_OF_BANKS = 0.25, 0.1
# Further than assets ever fell in a quarter: a bank that was taken over leaves its assets to another one, and
# one whose report is missing does not.
LARGEST_FALL = 0.06
# What a quarter's deposits cost fell by half at most (2020 Q2) and less than trebled (2022 Q3).
LARGEST_FACTOR_OF_COST = 6.0
# Interest since the start of the year grows with every quarter: by a half at least in the second quarter of
# 2020, by a quarter in the fourth of 2008. Amended reports let it fall for a few banks.
LEAST_GROWTH_WITHIN_A_YEAR, MOST_THAT_FALL = 1.05, 0.03
# A bank a thousand times as large as a quarter before, or as small, is in another unit.
THOUSANDFOLD = (300.0, 3_000.0)
A_QUARTER = timedelta(days=100)
SUMS = (
    "assets_usd_thousand",
    "domestic_deposits_usd_thousand",
    "deposit_interest_ytd_usd_thousand",
)


class BankMargins(Dataset):
    """One quarter is one input, written as its last day; a row per bank."""

    name = "bank_margins"
    table = "raw.bank_margins"
    key = "quarter_end"
    day = "quarter_end"
    batch_size = 10
    # Amended reports change a quarter for about half a year.
    trailing_days = 200
    awaited = False
    release_rule = f"days:{KNOWN_DAYS}@12:00"
    frequency = "quarterly"

    def inputs(
        self,
        connection: duckdb.DuckDBPyConnection,
        settings: Settings,
        provider: Provider,
        reach: Reach,
        held: Mapping[str, date],
    ) -> list[str]:
        """The quarters that are not held, and those that may still be amended; of files all that there
        are.
        """
        known = quarter_inputs(settings.history_start, reach.until - timedelta(days=KNOWN_DAYS))
        present = provider.present_inputs()
        if present is not None:
            return sorted(set(known) & set(present))
        recent = str(reach.since - timedelta(days=self.trailing_days))
        return [name for name in known if name not in held or name >= recent]

    def with_context(self, connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame) -> pd.DataFrame:
        """Add how many times its assets of the quarter before a bank has, where both are known."""
        before = pd.concat([_held_banks(connection, rows), rows[["cert", "quarter_end", SUMS[0]]]])
        before = before.drop_duplicates(["cert", "quarter_end"], keep="last")
        before = before.assign(quarter_end=before["quarter_end"] + pd.offsets.QuarterEnd(1))
        joined = rows[["cert", "quarter_end"]].merge(
            before.rename(columns={SUMS[0]: "_before"}), on=["cert", "quarter_end"], how="left"
        )
        factor = pd.Series(
            rows[SUMS[0]].astype("float64").to_numpy() / joined["_before"].astype("float64").to_numpy(),
            index=rows.index,
        )
        low, high = THOUSANDFOLD
        odd = factor.between(low, high) | factor.between(1 / high, 1 / low)
        return rows.assign(_assets_change_a_thousandfold=odd)

    def broken_continuity(
        self, connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame
    ) -> Mapping[str, str]:
        """Quarters whose sums are in another unit, lack banks, or whose income is not since the start of the
        year.
        """
        accepted = _by_quarter(_held_banks(connection, rows, SUMS))
        served = _by_quarter(rows)
        source = str(rows["source"].iloc[-1]) if len(rows) else ""
        broken: dict[str, str] = {}
        for quarter in sorted(served):
            now = served[quarter]
            earlier = [day for day in accepted if quarter - A_QUARTER < day < quarter]
            reason = _out_of_range(now)
            if reason is None and earlier:
                reason = _does_not_follow(quarter, now, accepted[max(earlier)])
            if reason:
                broken[str(quarter)] = (
                    f"{source}: bank_margins/{quarter}: {reason} Nothing new was loaded of it."
                )
            else:
                accepted[quarter] = now
        return broken

    def freshness(self, connection: duckdb.DuckDBPyConnection, session: date) -> list[Freshness]:
        """Once quarters were served, the last one that its release rule promises should be there."""
        return self.against_its_rule(connection, session, "all_banks")

    def gone(
        self, connection: duckdb.DuckDBPyConnection, landed: list[Landed], rows: pd.DataFrame
    ) -> list[tuple[str, date, date, int]] | None:
        """Banks that are held of a quarter and are not in its new answer."""
        served = rows[["cert", "quarter_end"]]
        connection.register("served_banks", served)
        try:
            return connection.execute(
                """
                with quarters as (select distinct quarter_end::date as quarter_end from served_banks),

                held as (
                    select distinct held.cert, held.quarter_end
                    from raw.bank_margins as held
                    inner join quarters on held.quarter_end = quarters.quarter_end
                )

                select held.quarter_end::varchar, held.quarter_end, held.quarter_end, count(*)
                from held
                anti join served_banks as served
                    on held.cert = served.cert and held.quarter_end = served.quarter_end::date
                group by held.quarter_end
                order by held.quarter_end
                """
            ).fetchall()
        finally:
            connection.unregister("served_banks")


def _held_banks(
    connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame, columns: tuple[str, ...] = (SUMS[0],)
) -> pd.DataFrame:
    """The newest versions that are held of the quarters just before those of the rows."""
    before = pd.DatetimeIndex(rows["quarter_end"].unique()) - pd.offsets.QuarterEnd(1)
    frame = connection.execute(
        f"""
        select cert, quarter_end, {", ".join(columns)}
        from raw.bank_margins
        where quarter_end in (select unnest($1::date[]))
        qualify row_number() over (partition by cert, quarter_end order by known_at_utc desc) = 1
        """,
        [[stamp.date() for stamp in before]],
    ).df()
    return frame.assign(quarter_end=frame["quarter_end"].astype("datetime64[us]"))


def _by_quarter(rows: pd.DataFrame) -> dict[date, pd.DataFrame]:
    """Per quarter the sums' columns by bank."""
    days = rows["quarter_end"].dt.date
    return {
        day: rows[days == day]
        .drop_duplicates("cert", keep="last")
        .set_index("cert")[list(SUMS)]
        .astype("float64")
        for day in days.unique()
    }


def _out_of_range(now: pd.DataFrame) -> str | None:
    assets = now[SUMS[0]].sum() / 1e6
    if LEAST_USD_BN <= assets <= MOST_USD_BN:
        return None
    return (
        f"the banks' assets add up to {assets:,.0f} bn USD, expected {LEAST_USD_BN:,} to {MOST_USD_BN:,}: the"
        " amounts are in another unit, or most reports are missing."
    )


def _does_not_follow(quarter: date, now: pd.DataFrame, before: pd.DataFrame) -> str | None:
    """Why a quarter does not continue the one before it."""
    banks, banks_before = len(now), len(before)
    assets, assets_before = now[SUMS[0]].sum() / 1e6, before[SUMS[0]].sum() / 1e6
    if (
        not -LARGEST_FALL <= assets / assets_before - 1 <= LARGEST_CHANGE
        or abs(banks / banks_before - 1) > LARGEST_CHANGE_OF_BANKS
    ):
        gone = before[SUMS[0]].drop(now.index, errors="ignore")
        largest = f" (the largest that is not there is CERT {gone.idxmax()})" if len(gone.dropna()) else ""
        return (
            f"{banks:,} banks hold assets of {assets:,.0f} bn USD, after {banks_before:,} banks with"
            f" {assets_before:,.0f} in the quarter before{largest}: reports are missing or wrong."
        )
    both = now.join(before, how="inner", rsuffix="_before")
    both = both[both[f"{SUMS[2]}_before"].notna() & both[SUMS[2]].notna()]
    if not len(both):
        return None
    paid, paid_before = both[SUMS[2]], both[f"{SUMS[2]}_before"]
    costs = (
        _yearly(paid, both[SUMS[1]], quarter.month // 3),
        _yearly(paid_before, both[f"{SUMS[1]}_before"], (quarter.month // 3 + 2) % 4 + 1),
    )
    if min(costs) <= 0 or max(costs) / min(costs) > LARGEST_FACTOR_OF_COST:
        return (
            f"since the start of the year domestic deposits cost {costs[0]:.3f} % a year, after"
            f" {costs[1]:.3f} % a quarter before: interest or deposits are in another unit, or missing."
        )
    if quarter.month == 3:
        return None
    growth, falling = paid.sum() / paid_before.sum(), (paid < paid_before).mean()
    if growth < LEAST_GROWTH_WITHIN_A_YEAR or falling > MOST_THAT_FALL:
        return (
            f"interest on deposits since the start of the year grew by the factor {growth:.2f} from one"
            f" quarter to the next and fell for {falling:.1%} of {len(both):,} banks: it is not that since"
            " the start of the year."
        )
    return None


def _yearly(paid: pd.Series, deposits: pd.Series, quarters: int) -> float:
    """Interest since the start of the year in per cent a year of the deposits at the end."""
    return float(100 * paid.sum() / deposits.sum() * 4 / quarters)
