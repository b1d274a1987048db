"""How a row of `ref.cross_checks` names the two sides that it compares.

In: the texts `left_input` and `right_input`. Out: terms. An input is `kind/name`, as in the messages of a run
(`fred/DGS10`, `prices/^GSPC`, `second/nyfed/EFFR`); a side may be a sum of such terms with factors and
numbers, set apart by spaces: `0.5*fred/DGS1 + 0.5*fred/DGS5 - 0.1`. The two ends of a range are set apart by
two dots: `fred/DFEDTARL .. fred/DFEDTARU`. Kinds that look at many inputs take a pattern instead, with `*`
for any text: `prices/*`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

DATASETS = ("prices", "futures", "fred", "second")
# What each kind compares on the right: a sum, a range, a pattern (blank: that of the left side), a table, or
# nothing.
SUM, RANGE, PATTERN, TABLE, NOTHING = "sum", "range", "pattern", "table", "nothing"
RIGHT_SIDES = {
    "value": SUM,
    "second_source": SUM,
    "level": SUM,
    "change": SUM,
    "return": SUM,
    "correlation": SUM,
    "between": RANGE,
    "month_average": SUM,
    "month_average_by_decisions": SUM,
    "decision": TABLE,
    "shifted": SUM,
    "stands_still": PATTERN,
    "same_series": NOTHING,
    "neighbours": NOTHING,
    "adjusted_close": NOTHING,
}
LEFT_PATTERNS = frozenset(
    {
        "month_average",
        "month_average_by_decisions",
        "shifted",
        "stands_still",
        "same_series",
        "neighbours",
        "adjusted_close",
    }
)
# Kinds of which only one kind of input has what they compare.
ONLY = {
    "month_average": "futures",
    "month_average_by_decisions": "futures",
    "neighbours": "futures",
    "adjusted_close": "prices",
}
MEETINGS = "ref/fomc_meetings"
TERM = re.compile(r"(?:(?P<factor>\d+(?:\.\d+)?)\*)?(?P<dataset>[a-z]+)/(?P<input>\S+)")
NUMBER = re.compile(r"\d+(?:\.\d+)?")


class WrongTerms(ValueError):
    """A side of a cross check cannot be read; the message says why."""


@dataclass(frozen=True)
class Term:
    """One input with its factor."""

    factor: float
    dataset: str
    input: str

    @property
    def name(self) -> str:
        """`kind/name`."""
        return f"{self.dataset}/{self.input}"


@dataclass(frozen=True)
class Side:
    """The terms of a side, and the number that is added to their sum."""

    terms: tuple[Term, ...]
    constant: float = 0.0


def parse_sides(kind: str, left: str, right: str) -> tuple[Side, Side]:
    """The terms of both sides; a pattern has none.

    Raises:
        WrongTerms: a text is not written as its kind needs it.
    """
    if kind not in RIGHT_SIDES:
        raise WrongTerms(f"check_kind {kind!r} is not one of {', '.join(RIGHT_SIDES)}")
    if kind in LEFT_PATTERNS:
        _check_dataset(left)
        if kind in ONLY and not left.startswith(f"{ONLY[kind]}/"):
            raise WrongTerms(
                f"left_input {left!r} must start with {ONLY[kind]}/: {kind} compares nothing else"
            )
        left_side = Side(())
    else:
        left_side = _parse_sum(left)
        if len(left_side.terms) != 1 or left_side.terms[0].factor != 1 or left_side.constant:
            raise WrongTerms(f"left_input {left!r} must be one input")
    return left_side, _parse_right(kind, right)


def _parse_right(kind: str, right: str) -> Side:
    form = RIGHT_SIDES[kind]
    if form == SUM:
        side = _parse_sum(right)
        if not side.terms:
            raise WrongTerms(f"right_input {right!r} names no input")
        return side
    if form == RANGE:
        ends = [_parse_sum(end) for end in right.split(" .. ")]
        if len(ends) != 2 or any(len(end.terms) != 1 or end.constant for end in ends):
            raise WrongTerms(f"right_input {right!r} must be two inputs with ' .. ' between them")
        return Side((*ends[0].terms, *ends[1].terms))
    if form == TABLE and right != MEETINGS:
        raise WrongTerms(f"right_input {right!r} must be {MEETINGS}")
    if form == PATTERN and right:
        _check_dataset(right)
    if form == NOTHING and right:
        raise WrongTerms(f"right_input {right!r} must be blank: {kind} compares inputs of the left side")
    return Side(())


def _parse_sum(text: str) -> Side:
    parts = re.split(r" ([+-]) ", text)
    terms: list[Term] = []
    constant = 0.0
    for sign, part in zip(["+", *parts[1::2]], parts[::2], strict=True):
        factor = 1.0 if sign == "+" else -1.0
        if NUMBER.fullmatch(part):
            constant += factor * float(part)
            continue
        found = TERM.fullmatch(part)
        if not found:
            raise WrongTerms(f"{part!r} in {text!r} is not an input such as fred/DGS10 or 0.5*fred/DGS10")
        _check_dataset(f"{found['dataset']}/{found['input']}")
        terms.append(Term(factor * float(found["factor"] or 1), found["dataset"], found["input"]))
    return Side(tuple(terms), constant)


def _check_dataset(text: str) -> None:
    if text.split("/")[0] not in DATASETS or "/" not in text:
        raise WrongTerms(f"{text!r} does not start with one of {', '.join(f'{name}/' for name in DATASETS)}")
