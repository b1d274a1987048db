"""The kinds of input: their raw table, its key and date, how they are fetched.

One entry per dataset; a new kind of input is an entry here, a raw table in the catalog and a source that
serves it.
"""

from __future__ import annotations

from dataclasses import dataclass

from warehouse.settings import Settings


@dataclass(frozen=True)
class Dataset:
    """One kind of input.

    `trailing_days`: how far before the last date held a source is asked again, so that a late correction is
    seen. `awaited`: whether a source that does not answer is asked again in the same run; what comes by the
    quarter can wait for the next one.
    """

    name: str
    table: str
    key: str
    day: str
    batch_size: int
    trailing_days: int
    awaited: bool = True


DATASETS = {
    dataset.name: dataset
    for dataset in (
        Dataset("prices", "raw.equity_prices", "symbol", "session_date", 20, 14),
        Dataset("futures", "raw.fed_funds_futures", "contract", "settlement_date", 110, 14),
        Dataset("fred", "raw.fred_observations", "series_id", "observation_date", 50, 45),
        # Amended reports change a quarter for about half a year.
        Dataset(
            "bank_financials", "raw.bank_financials", "quarter_end", "quarter_end", 10, 200, awaited=False
        ),
    )
}


def active_datasets(settings: Settings) -> list[Dataset]:
    """The datasets that a run fetches: the banks' reports come from the FDIC alone, so only a live
    warehouse asks for them.
    """
    return [
        dataset
        for dataset in DATASETS.values()
        if dataset.name != "bank_financials" or settings.source == "live"
    ]
