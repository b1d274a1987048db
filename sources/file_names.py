"""The names of files → the inputs that they are of, in the spellings that people and programs use.

In: a name such as `_RUT.csv`, `iwm.CSV`, `ZQU4.parquet` or `FFX24.csv.gz`. Out: the name of the input
(`^RUT`, `IWM`, `ZQU24`, `ZQX24`), or several where the name alone does not tell them apart: a contract with
one digit of a year is of one decade or another, which the dates inside decide. Caveat: a name never says
more than which input is meant; whether the content is of it is checked when it is read.
"""

from __future__ import annotations

import re

EXTENSIONS = ("csv", "csv.gz", "parquet")
# Names that a program uses while it writes, and what a desktop leaves in every folder.
_PASSING = re.compile(
    r"\..*|.*(?:\.tmp|\.part|\.partial|\.crdownload|~)|thumbs\.db|desktop\.ini", re.IGNORECASE
)
# ZQ is the exchange's code, FF that of its trading floor and of several vendors; Yahoo adds the exchange.
_CONTRACT = re.compile(r"(?:ZQ|FF)([FGHJKMNQUVXZ])(\d{4}|\d{1,2})(?:\.CBT)?")
# Fed funds futures exist since October 1988; a code of two digits reaches to 2059.
FIRST_YEAR, LAST_YEAR = 1988, 2059


def split_name(name: str, extensions: tuple[str, ...] = EXTENSIONS) -> tuple[str, str] | None:
    """A file's name without its extension, and the extension in small letters; None for other files."""
    lower = name.lower()
    for extension in extensions:
        if lower.endswith(f".{extension}") and len(name) > len(extension) + 1:
            return name[: -len(extension) - 1], extension
    return None


def is_passing(name: str) -> bool:
    """Whether the name is one that a program uses while it writes, or a desktop's own."""
    return _PASSING.fullmatch(name) is not None


def symbol_of(stem: str) -> str:
    """The symbol that a name is of; a leading `_` stands for the `^` of an index."""
    return ("^" + stem[1:] if stem.startswith("_") else stem).upper()


def series_of(stem: str) -> str:
    """The FRED series that a name is of."""
    return stem.upper()


def contracts_of(stem: str) -> tuple[str, ...]:
    """The contracts that a name can be of: none, one, or one per decade."""
    found = _CONTRACT.fullmatch(stem.upper())
    if found is None:
        return ()
    month, year = found.groups()
    if len(year) == 4:
        return (f"ZQ{month}{year[2:]}",) if FIRST_YEAR <= int(year) <= LAST_YEAR else ()
    if len(year) == 2:
        return (f"ZQ{month}{year}",)
    years = range(FIRST_YEAR, LAST_YEAR + 1)
    return tuple(f"ZQ{month}{value % 100:02}" for value in years if value % 10 == int(year))
