"""How an instrument behaves, from the words of its reference row.

In: one row of the instruments. Out: `Traits`. An instrument without a description behaves according
to its size and style.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sources.simulated_market.arrays import words


@dataclass(frozen=True)
class Traits:
    """How one instrument behaves: loadings on the common factors, own noise, dividends, volume."""

    market: float = 1.0
    size: float = 0.0
    value: float = 0.0
    tech: float = 0.0
    banks: float = 0.0
    bank_rate_share: float = 0.0  # share of the banks' sensitivity to the 2-year yield
    duration_years: float = 0.0
    duration_tenor_months: int = 120
    own_annual_vol_pct: float = 1.5
    dividend_yield_pct: float = 1.5
    dividends_per_year: int = 4
    is_index: bool = False
    is_volatility: bool = False
    base_volume: float = 1.0e6


class Sector(NamedTuple):
    """Traits of the funds whose name matches a pattern."""

    pattern: str
    market: float
    value: float
    tech: float
    banks: float
    own_annual_vol_pct: float
    dividend_yield_pct: float


# The first that matches counts.
SECTORS = (
    Sector(r"technolog|software|semicond|nasdaq|\bndx\b", 1.05, -0.1, 0.95, 0.0, 5.0, 0.8),
    Sector(r"communicat|media", 1.0, 0.0, 0.4, 0.0, 8.0, 0.9),
    Sector(r"discretionary|retail", 1.1, 0.0, 0.3, 0.0, 7.0, 0.9),
    Sector(r"staple", 0.62, 0.25, -0.1, 0.0, 7.5, 2.5),
    Sector(r"health|biotech|pharma", 0.78, 0.05, 0.0, 0.0, 8.0, 1.5),
    Sector(r"utilit", 0.6, 0.3, -0.1, 0.0, 11.0, 3.1),
    Sector(r"energy|oil", 1.05, 0.8, -0.1, 0.0, 19.0, 3.3),
    Sector(r"material|metals|mining", 1.05, 0.4, 0.0, 0.0, 9.0, 1.9),
    Sector(r"industrial", 1.03, 0.3, 0.0, 0.05, 6.0, 1.6),
    Sector(r"real estate|reit", 0.95, 0.4, 0.0, 0.1, 11.0, 3.5),
)


class Bond(NamedTuple):
    """Traits of the bond funds whose name matches a pattern."""

    pattern: str
    duration_years: float
    tenor_months: int
    market: float
    own_annual_vol_pct: float


# The first that matches counts; 7 to 10 years when the name says nothing.
BONDS = (
    Bond(r"high yield|junk", 2.5, 60, 0.33, 2.0),
    Bond(r"bill|month|floating", 0.15, 3, 0.0, 0.1),
    Bond(r"20\+|long|30", 16.5, 360, 0.0, 1.0),
    Bond(r"1-3|short|0-", 1.85, 24, 0.0, 1.0),
    Bond(r"3-7", 4.4, 60, 0.0, 0.4),
    Bond(r"mbs|mortgage", 5.3, 84, 0.0, 0.9),
    Bond(r"corporate|investment grade", 8.0, 120, 0.07, 1.5),
    Bond(r"aggregate|total|core", 6.0, 84, 0.0, 0.7),
    Bond(r"", 7.6, 120, 0.0, 0.6),
)


@dataclass(frozen=True)
class _Described:
    """The words of a reference row, in lower case."""

    symbol: str
    kind: str  # asset class and role
    everything: str  # kind and name
    named: str  # everything, size and style
    size: str
    style: str
    is_index: bool

    @property
    def is_etf(self) -> bool:
        return any(word in self.named for word in ("etf", "fund", "spdr", "ishares"))

    def matches(self, pattern: str) -> bool:
        return bool(re.search(pattern, self.everything))


def traits_of(row: Mapping[str, object]) -> Traits:
    """Behaviour of an instrument from its asset class, role, size, style and the words of its name."""
    described = _describe(row)
    if "volatility" in described.kind or "VIX" in described.symbol or "volatility index" in described.named:
        return Traits(is_index=True, is_volatility=True, dividend_yield_pct=0.0)
    if described.matches(r"bond|treasur|fixed|credit|\brates\b"):
        return _bond_traits(described)
    if described.matches(r"bank|regional|thrift|broker"):
        return _bank_traits(described)
    if described.matches(r"financ"):
        return _financial_traits(described)
    if described.matches(r"commodit|gold|currency|crypto"):
        return Traits(
            market=0.08,
            own_annual_vol_pct=16.0,
            dividend_yield_pct=0.0,
            dividends_per_year=0,
            is_index=described.is_index,
        )
    for sector in SECTORS:
        in_name = "sector" in described.kind and re.search(sector.pattern, described.named)
        if described.matches(sector.pattern) or in_name:
            return _sector_traits(described, sector)
    return _size_and_style_traits(described)


def _describe(row: Mapping[str, object]) -> _Described:
    symbol, kind = str(row["symbol"]), words(row, "asset_class", "role")
    everything = f"{kind} {words(row, 'name')}".replace(
        "dow jones industrial", "dow"
    )  # an average, not a sector
    size, style = words(row, "size"), words(row, "style")
    return _Described(
        symbol=symbol,
        kind=kind,
        everything=everything,
        named=f"{everything} {size} {style}",
        size=size,
        style=style,
        is_index=symbol.startswith("^") or bool(re.search(r"\bindex\b", words(row, "asset_class"))),
    )


def _bond_traits(described: _Described) -> Traits:
    """Duration and credit from the words of a bond fund's name."""
    found = next(bond for bond in BONDS if re.search(bond.pattern, described.named))
    return Traits(
        market=found.market,
        duration_years=found.duration_years,
        duration_tenor_months=found.tenor_months,
        own_annual_vol_pct=found.own_annual_vol_pct,
        dividend_yield_pct=0.0,
        dividends_per_year=12,
        base_volume=8.0e6,
    )


def _bank_traits(described: _Described) -> Traits:
    """Banks and bank funds; two banks of the same kind differ."""
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(f"traits {described.symbol}".encode())))
    vary = float(rng.uniform(-1.0, 1.0))
    regional = described.matches(r"regional") or described.size in ("small", "mid")
    return Traits(
        market=1.08 + 0.08 * vary,
        size=0.35 if regional else 0.05,
        value=0.35,
        banks=(1.2 if regional else 0.95) + (0.0 if described.is_etf else 0.3) * vary,
        bank_rate_share=(1.15 if regional else 0.85) + 0.15 * vary,
        own_annual_vol_pct=3.0 if described.is_etf or described.is_index else 17.0 + 4.0 * vary,
        dividend_yield_pct=2.8,
        is_index=described.is_index,
        base_volume=6.0e6,
    )


def _financial_traits(described: _Described) -> Traits:
    """Funds of all financial companies."""
    return Traits(
        market=1.05,
        value=0.4,
        banks=0.6,
        bank_rate_share=0.6,
        own_annual_vol_pct=3.0,
        dividend_yield_pct=1.8,
        is_index=described.is_index,
        base_volume=4.0e7,
    )


def _sector_traits(described: _Described, sector: Sector) -> Traits:
    """Funds of one sector, of whatever size."""
    return Traits(
        market=sector.market,
        size=_size_loading(described)[0],
        value=sector.value,
        tech=sector.tech,
        banks=sector.banks,
        own_annual_vol_pct=sector.own_annual_vol_pct,
        dividend_yield_pct=sector.dividend_yield_pct,
        is_index=described.is_index,
        base_volume=2.0e9 if described.is_index else 1.2e7,
    )


def _size_and_style_traits(described: _Described) -> Traits:
    """Broad funds, indices and single stocks."""
    symbol, is_index = described.symbol, described.is_index
    growth = 1.0 if "growth" in described.style else 0.0
    value = 1.0 if "value" in described.style else 0.0
    size_loading, market = _size_loading(described)
    is_stock = bool(re.search(r"stock|equity", described.kind)) and not described.is_etf and not is_index
    equal = 0.25 if "equal" in described.named else 0.0
    small = size_loading >= 0.5
    return Traits(
        market=market + 0.03 * growth - 0.03 * value,
        size=size_loading + equal,
        value=0.75 * value - 0.55 * growth + 0.6 * equal + (0.05 if small else 0.0),
        tech=0.35 * growth - 0.15 * value - 0.4 * equal,
        banks=(0.12 if small else 0.0) + 0.15 * value,
        bank_rate_share=(0.15 if small else 0.0) + 0.1 * value,
        own_annual_vol_pct=24.0 if is_stock else (0.5 if is_index or symbol in ("SPY", "IWM") else 1.6),
        dividend_yield_pct=1.0 if growth else 2.2 if value else 1.5,
        is_index=is_index,
        base_volume=3.0e9 if is_index else 6.0e7 if symbol == "SPY" else 3.0e7 if symbol == "IWM" else 2.0e6,
    )


def _size_loading(described: _Described) -> tuple[float, float]:
    """Loading on small-minus-large, and market beta."""
    size, named = described.size, described.named
    for word, loading, market in (("micro", 1.25, 1.02), ("small", 1.0, 1.1), ("mid", 0.5, 1.05)):
        if word in size or (not size.strip() and f"{word}cap" in named.replace("-", "").replace(" ", "")):
            return loading, market
    return 0.0, 1.0
