"""Numbers that know where they come from.

In: a value with its table, its row's key and its expression. Out: the text shown for it. Every number on the
page is written by `number`, `day`, `text` or `ordinal` below, which leave its exact value and its statement
in the markup; the tests run those statements. The templates have them as filters: `row.cut|number(1)`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from brief.statements import sql_literal

MISSING = Markup(
    '<span class="none"><span aria-hidden="true">–</span><span class="sr">not available</span></span>'
)
MINUS = "−"


class Absent(Exception):
    """A table is not in the publication, or has no row for what is asked; says so in one line."""


@dataclass(frozen=True)
class Cell:
    """One value with the statement that gives it."""

    value: Any
    expression: str
    table: str
    key: tuple[tuple[str, Any], ...] = ()

    @property
    def sql(self) -> str:
        """A statement with one result: this value."""
        if not self.table:
            return self.expression
        where = " and ".join(f"{name} = {sql_literal(value)}" for name, value in self.key)
        return f"select {self.expression} from {self.table} where {where}"

    @property
    def known(self) -> bool:
        """Whether there is a value."""
        return self.value is not None


Row = dict[str, Cell]


def number(cell: Cell | None, digits: int = 2, *, signed: bool = False, unit: str = "") -> Markup:
    """A number with a proper minus sign; its exact value and statement stay in the markup."""
    if cell is None or not cell.known:
        return MISSING
    return Markup('<data value="{}" data-sql="{}">{}</data>{}').format(
        repr(cell.value), cell.sql, plain_number(cell.value, digits, signed=signed), _unit(unit)
    )


def plain_number(value: float, digits: int = 2, *, signed: bool = False) -> str:
    """The text of a number: `+1,234.50`, `−0.25`; what rounds to nothing has no sign."""
    shown = f"{abs(value):,.{digits}f}"
    if not shown.strip("0,."):
        return shown
    return (MINUS if value < 0 else "+" if signed else "") + shown


def day(cell: Cell | None, *, year: bool = True, month: bool = False, only_year: bool = False) -> Markup:
    """A date as 16 Jul 2024, as Jul 2024, or as 2024."""
    if cell is None or not cell.known:
        return MISSING
    words = plain_day(cell.value, year=year)
    if month or only_year:
        words = f"{cell.value:%b %Y}" if month else f"{cell.value:%Y}"
    return Markup('<time datetime="{}" data-sql="{}">{}</time>').format(cell.value, cell.sql, words)


def plain_day(value: dt.date, *, year: bool = True) -> str:
    """16 Jul 2024."""
    return f"{value.day} {value:%b}" + (f" {value.year}" if year else "")


def plain_range(lower: float, upper: float) -> str:
    """5.25–5.50; a single target, as before December 2008, as 2.00."""
    return f"{plain_number(lower)}–{plain_number(upper)}" if upper > lower else plain_number(upper)


def text(cell: Cell | None, shown: str | None = None) -> Markup:
    """A text of the warehouse, underscores as spaces."""
    if cell is None or not cell.known:
        return MISSING
    words = str(cell.value).replace("_", " ") if shown is None else shown
    return Markup('<span data-sql="{}" data-text="{}">{}</span>').format(cell.sql, cell.value, words)


def ordinal(cell: Cell | None) -> Markup:
    """A percentile as `99.4th`: digits only where they tell something, near the ends."""
    if cell is None or not cell.known:
        return MISSING
    value = float(cell.value)
    edge = min(value, 100 - value)
    digits = 0 if edge == 0 or edge > 1 else 1 if edge > 0.1 else 2
    shown = plain_number(value, digits).removesuffix(".0")
    return Markup('<data value="{}" data-sql="{}">{}</data>{}').format(
        repr(value), cell.sql, shown, _suffix(shown)
    )


def _suffix(shown: str) -> str:
    if "." in shown or shown.endswith(("11", "12", "13")):
        return "th"
    return {"1": "st", "2": "nd", "3": "rd"}.get(shown[-1], "th")


def _unit(unit: str) -> Markup:
    return Markup("&#8239;{}").format(unit) if unit else Markup("")


def join(parts: Iterable[Any], separator: str = "") -> Markup:
    """Markup of several parts, escaped where they are plain."""
    return Markup(separator).join(escape(part) for part in parts)
