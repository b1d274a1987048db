"""The kinds of input; a new one is a module here, a raw table in the catalog and a provider that serves
it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from datasets.bank_financials import BankFinancials
from datasets.bank_income import BankIncome
from datasets.bank_margins import BankMargins
from datasets.base import Dataset
from datasets.fred import FredSeries
from datasets.fund_holdings import FundHoldings
from datasets.futures import Futures
from datasets.futures_positions import FuturesPositions
from datasets.prices import Prices
from datasets.second_sources import ParYields, ReferenceRates
from datasets.size_portfolios import SizePortfolios
from sources.protocol import PriceProvider
from sources.registry import open_provider, provider_name
from warehouse.settings import Settings

DATASETS: Mapping[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        Prices(),
        Futures(),
        FredSeries(),
        BankFinancials(),
        ReferenceRates(),
        ParYields(),
        SizePortfolios(),
        BankMargins(),
        FuturesPositions(),
        BankIncome(),
        FundHoldings(),
    )
}


def active_datasets(settings: Settings) -> list[Dataset]:
    """The kinds of input that a run fetches: those for which the settings name a provider."""
    return [dataset for dataset in DATASETS.values() if provider_name(settings, dataset.name) is not None]


def session_provider(settings: Settings) -> PriceProvider:
    """The provider of the kind of input that proves that a session took place."""
    for dataset in DATASETS.values():
        if dataset.proves_sessions:
            provider = open_provider(settings, dataset.name)
            assert isinstance(provider, PriceProvider)
            return provider
    raise LookupError("no kind of input proves sessions")


def last_session_served(settings: Settings, symbol: str) -> tuple[str, date | None]:
    """The provider's name and the last session for which it has a close of the symbol.

    Raises:
        SourceError: its prices cannot be read.
    """
    provider = session_provider(settings)
    return provider.name, provider.last_session(symbol)


def fully_adjusted_symbols(settings: Settings) -> frozenset[str]:
    """Symbols whose close is adjusted for dividends too, as the provider of the prices says."""
    return session_provider(settings).fully_adjusted_symbols()
