"""The verdict on a published figure: recompute it, compare it, say why in words.

In: a `Claim` and the `Evidence`. Out: a `Verdict`: confirmed, confirmed_on_other_basis, contradicted or
not_computable. The further readings of a claim are tried in their order; the first that agrees gives
confirmed_on_other_basis and is named. The tolerance is half a unit of the last digit published.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from transforms.lib.claims.evidence import Evidence, Finding, NotComputable, Parameters
from transforms.lib.claims.metrics import METRICS
from transforms.lib.claims.parameters import COMPARISONS, unit_of_last_digit

BASIS_WORDS = {
    ("price", "session"): "of prices during the session, not of the close",
    ("price", "intraday"): "measured from the record high during a session, not from the record close",
    ("start_price", "low"): "from the low of the first session, not from a close",
    ("return", "total"): "of the total return, not of the price return",
    ("return", "price"): "of the price return, not of the total return",
    ("kind", "ratio"): "of the change of the ratio, not of the difference of returns",
    ("kind", "spread"): "of the difference of returns, not of the change of the ratio",
    ("scores", "open"): "of our open analogue, not of the publisher's own scores",
    ("funds", "broad"): "of funds on broad indices, not of sector and bank funds",
    ("estimator", "w126"): "over the last 126 observations, not the last 252",
    ("estimator", "w60"): "over the last 60 observations, not the last 252",
    ("scope", "meeting"): "of that meeting alone, not of the meetings up to it",
}


@dataclass(frozen=True)
class Claim:
    """One published figure and how to recompute it."""

    as_of_date: dt.date
    metric: str
    parameters: Parameters
    figure: str
    comparison: str = "equals"
    tolerance: float | None = None
    unit: str = ""
    other_bases: tuple[Parameters, ...] = ()
    note: str | None = None

    @property
    def is_date(self) -> bool:
        """Whether the figure is a date."""
        return METRICS[self.metric].is_date

    @property
    def allowed(self) -> float:
        """How far the recomputed number may lie from the published one."""
        return self.tolerance if self.tolerance is not None else unit_of_last_digit(self.figure) / 2

    @property
    def first_day(self) -> dt.date | None:
        """The first day of the date published."""
        year, month, day = [*map(int, self.figure.split("-")), 1, 1][:3] if self.is_date else (1, 1, 1)
        return dt.date(year, month, day) if self.is_date else None


@dataclass(frozen=True)
class Verdict:
    """The judgement, the figure by the statement's own reading and, where it holds on another, that one."""

    verdict: str
    why: str
    recomputed: float | None = None
    recomputed_day: dt.date | None = None
    basis: str | None = None
    other_number: float | None = None
    other_day: dt.date | None = None


def judge(claim: Claim, evidence: Evidence) -> Verdict:
    """Recompute a claim by its own parameters, then by its further readings, until one agrees.

    Args:
        claim: the published figure.
        evidence: the publication.

    Returns:
        not_computable when the claim's own reading cannot be computed and no other agrees.
    """
    metric = METRICS[claim.metric].function
    first: Finding | None = None
    problem = ""
    try:
        first = metric(evidence, claim.as_of_date, claim.parameters)
    except NotComputable as error:
        problem = str(error)
    number, day = (first.number, first.day) if first else (None, None)
    if first and agrees(claim, first):
        return Verdict("confirmed", _sentence(_shown(claim, first), claim.note), number, day)
    tried = []
    for overrides in claim.other_bases:
        parameters = {**claim.parameters, **{k: v for k, v in overrides.items() if k != "shift"}}
        basis = describe_basis(claim.parameters, overrides)
        try:
            as_of = _shifted(evidence, claim.as_of_date, overrides)
            other = metric(evidence, as_of, parameters)
        except NotComputable as error:
            tried.append(f"{basis}: {error}")
            continue
        if agrees(claim, other):
            own = _shown(claim, first) if first else problem
            return Verdict(
                "confirmed_on_other_basis",
                _sentence(f"True {basis}: {_shown(claim, other)}. As stated: {own}", claim.note),
                number,
                day,
                basis,
                other.number,
                other.day,
            )
        tried.append(f"{basis}: {_shown(claim, other)}")
    also = f". Also tried, {'; '.join(tried)}" if tried else ""
    if first is None:
        return Verdict("not_computable", _sentence(f"{problem}{also}", claim.note))
    published = f"published: {COMPARISONS[claim.comparison]}{claim.figure}{_unit(claim)}"
    return Verdict(
        "contradicted", _sentence(f"{_shown(claim, first)}; {published}{also}", claim.note), number, day
    )


def agrees(claim: Claim, finding: Finding) -> bool:
    """Whether a finding agrees with the published figure, within the tolerance."""
    if claim.is_date:
        days = (finding.day,) if finding.day else finding.possible_days
        return any(str(day).startswith(claim.figure) for day in days)
    published, allowed = float(claim.figure), claim.allowed + 1e-9
    if finding.number is not None:
        low = high = finding.number
    elif finding.low is not None and finding.high is not None:
        low, high = finding.low, finding.high
    else:
        return False
    step = unit_of_last_digit(claim.figure)
    return {
        "equals": low <= published + allowed and high >= published - allowed,
        "over": low < published + step and high >= published,
        "more_than": high > published,
        "less_than": low < published,
        "at_least": high >= published,
        "at_most": low <= published,
    }[claim.comparison]


def describe_basis(own: Parameters, overrides: Parameters) -> str:
    """A reading in words: what it takes instead of what the statement says."""
    parts = []
    for key, value in overrides.items():
        was = own.get(key)
        if key == "shift":
            count, side = abs(int(value)), "before" if int(value) < 0 else "after"
            parts.append(f"on the session {side}" if count == 1 else f"{count} sessions {side}")
        elif (key, value) in BASIS_WORDS:
            parts.append(BASIS_WORDS[key, value])
        elif key in ("symbol", "base", "quote"):
            parts.append(f"of {value}, not of {was}")
        elif key == "start":
            parts.append(f"counted from {value}")
        elif key == "sessions":
            parts.append(f"over {value} sessions" + (f", not {was}" if was else ""))
        elif key == "value":
            parts.append(f"for the {value} published elsewhere in the text, not for the close")
        elif key == "years":
            parts.append(f"over {value} years")
        elif key == "from":
            parts.append(f"counted from {value[:7]}, not from {str(was)[:7]}")
        else:
            parts.append(f"with {key} = {value}")
    return " and ".join(parts)


def _shown(claim: Claim, finding: Finding) -> str:
    if finding.number is not None:
        digits = max(2, len(claim.figure.partition(".")[2])) if not claim.is_date else 2
        whole = claim.unit in ("count", "sessions", "rank", "places")
        return f"{finding.words}: {finding.number:.{0 if whole else digits}f}{_unit(claim)}"
    if finding.day is not None:
        return f"{finding.words}: {finding.day}"
    if finding.possible_days:
        return (
            f"{finding.words}, for values from {finding.low:.2f} to {finding.high:.2f}: "
            f"{', '.join(str(day) for day in sorted(finding.possible_days))}"
        )
    if finding.low is not None:
        return f"{finding.words}: between {finding.low:.2f} and {finding.high:.2f}{_unit(claim)}"
    return finding.words


def _unit(claim: Claim) -> str:
    return f" {claim.unit}" if claim.unit in ("%", "pp", "standard deviations") else ""


def _sentence(text: str, note: str | None) -> str:
    text = text.strip().rstrip(".") + "."
    return f"{text[0].upper()}{text[1:]} {note or ''}".rstrip()


def _shifted(evidence: Evidence, day: dt.date, overrides: Parameters) -> dt.date:
    if "shift" not in overrides:
        return day
    number = evidence.session_at(day) + int(overrides["shift"])
    if number not in evidence.dates:
        raise NotComputable("that session lies outside the publication")
    return evidence.dates[number]
