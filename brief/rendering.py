"""Jinja for the page: the environment with its filters, and one macro of a template as markup.

In: `brief/templates`. `sections/<section>.html` holds the texts and tables of a section as macros,
`headlines.html` those of the headline, `parts.html` the shapes of a table and a figure. Out: markup. Values
are escaped, and a name that a view does not have is an error.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import html
import re
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from brief.cells import MISSING, day, number, ordinal, plain_day, plain_number, plain_range, text
from brief.reasons import contract_words, reason_words, unpriced_words
from brief.script import POLICY, SCRIPT

TEMPLATES = Path(__file__).resolve().parent / "templates"


@cache
def environment() -> Environment:
    """The page's templates and filters."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        bytecode_cache=_compiled_before(),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "number": number,
        "day": day,
        "text": text,
        "ordinal": ordinal,
        "plain_day": plain_day,
        "plain_number": plain_number,
        "plain_range": plain_range,
        "long_day": long_day,
        "label_day": label_day,
        "capitalized": capitalized,
        "one_line": one_line,
        "count": lambda value: plain_number(value, 0),
        "reason_words": reason_words,
        "unpriced_words": unpriced_words,
        "words": lambda value: str(value).replace("_", " "),
        "table_words": table_words,
        "contract_words": contract_words,
    }
    made.globals |= {"missing": MISSING, "policy": Markup(POLICY), "script": Markup(SCRIPT)}
    return made


def _compiled_before() -> FileSystemBytecodeCache | None:
    """Templates that an earlier process compiled: for each user in a folder of its own below the temporary
    folder, where Jinja finds it safe. Jinja looks at a template's text; how it is compiled is told here.
    """
    compiled_by = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]
    try:
        return FileSystemBytecodeCache(pattern=f"__rotation_{compiled_by}_%s.cache")
    except (OSError, RuntimeError):
        return None


def render(template: str, macro: str, *view: object, simulated: bool = False) -> Markup:
    """One macro of a template, called with a view."""
    module = environment().get_template(template).make_module({"simulated": simulated})
    return Markup(getattr(module, macro)(*view).strip())


def one_line(words: Markup | str) -> Markup | str:
    """A text of a template without the line breaks of the template."""
    return type(words)(re.sub(r"[ \n]+", " ", words).strip())


def long_day(value: dt.date) -> str:
    """Tuesday, 16 July 2024."""
    return f"{value:%A}, {value.day} {value:%B} {value.year}"


def label_day(value: dt.date, session: dt.date) -> str:
    """16 Jul, with the year where that is not the session's."""
    return plain_day(value, year=value.year != session.year)


def table_words(name: str) -> str:
    """A table in words: `raw.equity_prices` as equity prices, raw."""
    schema, _, table = name.partition(".")
    return f"{table.replace('_', ' ')}, {schema}"


def capitalized(words: Markup) -> Markup:
    """Markup that starts with a letter, as the start of a sentence."""
    return words[:1].upper() + words[1:]


def plain_text(markup: Markup) -> str:
    """Markup without its tags."""
    return html.unescape(re.sub(r"<[^>]+>", "", str(markup))).replace("\u202f", " ")
