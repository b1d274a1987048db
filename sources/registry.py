"""Which class serves which kind of input under which name; a new provider is one module and one line here.

Nothing is imported before a provider is opened or a payload of it is read.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from sources.protocol import Parsed, Provider
from warehouse.payloads import Payload
from warehouse.settings import NONE, Settings, SettingsError, environment

# (kind of input, provider) -> module:class
PROVIDERS: Mapping[tuple[str, str], str] = {
    ("prices", "yahoo"): "sources.yahoo:YahooPrices",
    ("prices", "tiingo"): "sources.tiingo:TiingoPrices",
    ("prices", "files"): "sources.files:FilesPrices",
    ("prices", "simulated"): "sources.simulated:SimulatedPrices",
    ("futures", "yahoo"): "sources.yahoo:YahooFutures",
    ("futures", "databento"): "sources.databento:DatabentoFutures",
    ("futures", "files"): "sources.files:FilesFutures",
    ("futures", "simulated"): "sources.simulated:SimulatedFutures",
    ("fred", "fred"): "sources.fred:FredSource",
    ("fred", "files"): "sources.files:FilesSeries",
    ("fred", "simulated"): "sources.simulated:SimulatedSeries",
    ("bank_financials", "fdic"): "sources.fdic:FdicSource",
    ("bank_margins", "fdic"): "sources.fdic_margins:FdicMargins",
    ("bank_margins", "files"): "sources.fdic_margins:FilesBankMargins",
    ("bank_margins", "simulated"): "sources.fdic_margins:SimulatedBankMargins",
    ("fund_holdings", "ishares"): "sources.ishares:ISharesHoldings",
    ("fund_holdings", "files"): "sources.ishares:FilesFundHoldings",
    ("fund_holdings", "simulated"): "sources.ishares:SimulatedFundHoldings",
    ("reference_rates", "newyorkfed"): "sources.newyorkfed:NewYorkFedRates",
    ("par_yields", "treasury"): "sources.treasury:TreasuryYields",
    ("size_portfolios", "french"): "sources.french:FrenchPortfolios",
    ("size_portfolios", "files"): "sources.french:FilesSizePortfolios",
    ("size_portfolios", "simulated"): "sources.french:SimulatedSizePortfolios",
    ("futures_positions", "cftc"): "sources.cftc:CftcPositions",
    ("futures_positions", "files"): "sources.cftc:FilesPositions",
    ("futures_positions", "simulated"): "sources.cftc:SimulatedPositions",
    ("bank_income", "sec"): "sources.sec:SecConcepts",
    ("bank_income", "files"): "sources.sec:FilesConcepts",
    ("bank_income", "simulated"): "sources.sec:SimulatedConcepts",
}
# The providers behind ROTATION_SOURCE=live.
LIVE: Mapping[str, str] = {
    "prices": "yahoo",
    "futures": "yahoo",
    "fred": "fred",
    "bank_financials": "fdic",
    "size_portfolios": "french",
    "bank_margins": "fdic",
    "futures_positions": "cftc",
    "bank_income": "sec",
    "fund_holdings": "ishares",
}
# Kinds of input without which there is no run; every other one can be turned off.
NEEDED = ("prices", "futures", "fred")
# Second sources by the name that ROTATION_CHECK_SOURCES gives them, with the kind of input that they serve.
CHECKS: Mapping[str, str] = {"newyorkfed": "reference_rates", "treasury": "par_yields"}


def known_providers(dataset: str) -> list[str]:
    """The names under which a kind of input can be had, in alphabetical order."""
    return sorted(name for kind, name in PROVIDERS if kind == dataset)


def provider_name(settings: Settings, dataset: str) -> str | None:
    """The provider of a kind of input; None where ROTATION_SOURCE has none for it.

    Raises:
        SettingsError: ROTATION_<KIND>_SOURCE names a provider that does not serve this kind of input.
    """
    if dataset in CHECKS.values():
        return next((name for name in settings.check_sources if CHECKS.get(name) == dataset), None)
    chosen = settings.source_of(dataset)
    if chosen == NONE and dataset not in NEEDED:
        return None
    name = LIVE[dataset] if chosen == "live" else chosen
    if (dataset, name) in PROVIDERS:
        return name
    if dataset not in settings.overrides:
        return None
    raise SettingsError(
        f"ROTATION_{dataset.upper()}_SOURCE={chosen!r} is unknown; choose one of"
        f" {', '.join(known_providers(dataset))} (or live{'' if dataset in NEEDED else ', or none'})."
    )


def provider_class(dataset: str, name: str) -> type[Provider]:
    """The class that is registered for a kind of input and a provider.

    Raises:
        SettingsError: there is none; lists those that there are.
    """
    if (dataset, name) not in PROVIDERS:
        raise SettingsError(
            f"No provider of {dataset} is called {name!r}; known are {', '.join(known_providers(dataset))}."
        )
    module, _, attribute = PROVIDERS[dataset, name].partition(":")
    found: type[Provider] = getattr(importlib.import_module(module), attribute)
    return found


def open_provider(
    settings: Settings, dataset: str, environ: Mapping[str, str] | None = None
) -> Provider | None:
    """The provider of one kind of input; None where the source has none."""
    name = provider_name(settings, dataset)
    if name is None:
        return None
    return provider_class(dataset, name).open(settings, environment() if environ is None else environ)


def check_providers(settings: Settings) -> None:
    """Refuse a wrong name, a missing key or a missing folder before anything starts.

    Raises:
        SettingsError: names the setting.
    """
    for name in settings.check_sources:
        if name not in CHECKS:
            raise SettingsError(
                f"ROTATION_CHECK_SOURCES names {name!r}, which is unknown; choose from"
                f" {', '.join(sorted(CHECKS))} (separated by commas), or none."
            )
    kinds = sorted({kind for kind, _ in PROVIDERS})
    for kind in settings.overrides:
        if kind in CHECKS.values():
            raise SettingsError(
                f"ROTATION_{kind.upper()}_SOURCE is not a setting; name the second sources in"
                " ROTATION_CHECK_SOURCES."
            )
        if kind not in kinds:
            raise SettingsError(
                f"ROTATION_{kind.upper()}_SOURCE is set, but {kind!r} is not a kind of input; choose one"
                f" of {', '.join(kinds)}."
            )
    for kind in kinds:
        open_provider(settings, kind)


def parse_payload(payload: Payload) -> Parsed:
    """Read a payload with the provider that it came from, independently of the settings."""
    return provider_class(payload.request.dataset, payload.source).parse(payload)
