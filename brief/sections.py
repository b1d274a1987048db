"""The sections of the brief in their order."""

from __future__ import annotations

from collections.abc import Callable

from brief.ahead import ahead
from brief.banks import banks
from brief.blocks import Page, Section, attempt
from brief.changed import changed
from brief.fed import fed
from brief.markets import curve, macro
from brief.rotation import rotation
from brief.trust import checks, claims, stale

Maker = tuple[str, str, Callable[[Page, Section], None]]


def first_sections(page: Page) -> list[Section]:
    """What stands above all others: what changed, what comes."""
    return _made(page, [("changed", "What changed", changed), ("ahead", "The seven days after", ahead)])


def all_sections(page: Page) -> list[Section]:
    """The sections in their order."""
    makers: list[Maker] = [
        ("rotation", "Rotation", rotation),
        ("fed", "The Fed", fed),
        ("banks", "Banks and rates", banks),
        ("curve", "The curve", curve),
        ("claims", "What was claimed", claims),
        ("macro", "Macro and credit", macro),
        ("checks", "What failed validation", checks),
        ("stale", "What is stale", stale),
    ]
    return _made(page, makers)


def _made(page: Page, makers: list[Maker]) -> list[Section]:
    result = []
    for ident, title, maker in makers:
        section = Section(ident, title, page)
        attempt(section, maker, page)
        result.append(section)
    return result
