"""The verdict on a published figure: recompute it, compare it, say why in words.

In: a `Claim` and the `Evidence`. Out: a `Verdict`. The reading as stated comes first and has a verdict of its
own (`as_stated`); then every further reading is computed, whether or not one has agreed, so that their number
is known. The tolerance is half a unit of the last digit published.

    confirmed                 the reading as stated agrees
    confirmed_on_other_basis  a further reading agrees, the first of them is named
    fitted_only               only readings agree that were chosen because the figure comes out on them
    not_distinguishable       an estimate whose interval contains both what was stated and its opposite
    contradicted              the reading as stated disagrees, and so do the others
    not_computable            it cannot be computed, and no other agrees

Where the statement's own reading was fitted, as when its day was chosen, its further readings share that
choice and are fitted as well. An estimate against a limit (a mean below 0) is a test, and a test is decided
by the reading as stated: to take the window that passes would be a search. Its further readings are told,
and decide nothing. Nearby readings (`nearby`) are those next to the reading that the verdict rests on: they
tell whether it hangs on one parameter.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from transforms.lib.claims.evidence import Evidence, Finding, NotComputable, Parameters
from transforms.lib.claims.metrics import METRICS
from transforms.lib.claims.nearby import neighbours
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
    ("basis", "price"): "of the ratio of prices, not of valuations",
    ("measure", "two_year"): "of the 2-year yield, not of futures",
    ("funds", "broad"): "of funds on broad indices, not of sector and bank funds",
    ("estimator", "w252"): "over the last 252 observations",
    ("estimator", "w126"): "over the last 126 observations, not the last 252",
    ("estimator", "w60"): "over the last 60 observations, not the last 252",
    ("scope", "meeting"): "of that meeting alone, not of the meetings up to it",
    ("traders", "asset_managers"): "of asset managers, not of leveraged funds",
    ("measure", "shorts_closed"): "of the short side alone, not of long less short",
    ("reports_back", "1"): "by the report before",
    ("place", "stretches"): "among stretches that share no month, not among all windows",
    ("place", "ratio"): "by the ratio of growth, not by the difference of returns",
    ("weighting", "equal"): "of equally weighted portfolios, not of value-weighted ones",
    ("amounts", "newest"): "of amounts as restated since, not as first filed",
}
NAMED_WORDS = {
    "report": "by the report of",
    "since": "since the report of",
    "month": "to",
    "quarter": "in the quarter to",
    "portfolios": "of the portfolios",
    "banks": "of the banks in",
    "against": "against the banks in",
}
NOT_PARAMETERS = ("shift", "fitted")
LIMITS = ("more_than", "less_than", "at_least", "at_most")


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
    fitted: bool = False

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

    @property
    def any_fitted(self) -> bool:
        """Whether a reading of the row was chosen because the figure comes out on it."""
        return self.fitted or any("fitted" in basis for basis in self.other_bases)

    @property
    def sessions_waited_for(self) -> int:
        """How many sessions after its day the farthest reading, or one next to it, asks for."""
        return 1 + max([0, *(int(basis.get("shift", 0)) for basis in self.other_bases)])


@dataclass(frozen=True)
class Reading:
    """One reading of a statement and what came out; `basis` says what it takes instead of what is stated."""

    overrides: Parameters
    basis: str
    fitted: bool
    finding: Finding | None
    problem: str = ""


@dataclass(frozen=True)
class Nearby:
    """How many readings next to one could be computed, how many agree, and each in words."""

    readings: int = 0
    agreeing: int = 0
    words: str | None = None


@dataclass(frozen=True)
class Verdict:
    """The judgement, the figure by the statement's own reading and, where it holds on another, that one."""

    verdict: str
    as_stated: str
    why: str
    own: Finding | None = None
    basis: str | None = None
    other: Finding | None = None
    tried: int = 0
    agreeing: int = 0
    nearby: Nearby = Nearby()


def judge(claim: Claim, evidence: Evidence) -> Verdict:
    """Recompute a claim by its own parameters and by its further readings, and weigh them.

    Args:
        claim: the published figure.
        evidence: the publication.
    """
    own = _read(claim, evidence, {})
    others = [_read(claim, evidence, overrides) for overrides in claim.other_bases]
    as_stated = _as_stated(claim, own)
    agreeing = [reading for reading in others if reading.finding and agrees(claim, reading.finding)]
    is_test = own.finding is not None and own.finding.is_estimate and claim.comparison in LIMITS
    honest = [reading for reading in agreeing if not reading.fitted]
    verdict, chosen = as_stated, own
    if as_stated != "confirmed" and not is_test:
        if honest:
            verdict, chosen = "confirmed_on_other_basis", honest[0]
        elif agreeing and as_stated != "fitted_only":
            verdict, chosen = "fitted_only", agreeing[0]
    rest = [reading for reading in others if reading is not chosen]
    return Verdict(
        verdict,
        as_stated,
        _why(claim, verdict, own, chosen, rest),
        own.finding,
        chosen.basis if chosen is not own else None,
        chosen.finding if chosen is not own else None,
        1 + len(others),
        len(agreeing) + (as_stated in ("confirmed", "fitted_only")),
        _nearby(claim, evidence, chosen),
    )


def _read(claim: Claim, evidence: Evidence, overrides: Parameters) -> Reading:
    """One reading: the statement's own where nothing is overridden."""
    parameters = {
        **claim.parameters,
        **{key: value for key, value in overrides.items() if key not in NOT_PARAMETERS},
    }
    basis, fitted = describe_basis(claim.parameters, overrides), claim.fitted or "fitted" in overrides
    try:
        day = _shifted(evidence, claim.as_of_date, overrides)
        finding = METRICS[claim.metric].function(evidence, day, parameters)
    except NotComputable as error:
        return Reading(overrides, basis, fitted, None, str(error))
    return Reading(overrides, basis, fitted, finding)


def _as_stated(claim: Claim, own: Reading) -> str:
    """The verdict on the statement's own reading alone."""
    if own.finding is None:
        return "not_computable"
    if agrees(claim, own.finding):
        return "fitted_only" if own.fitted else "confirmed"
    return "not_distinguishable" if is_undecided(claim, own.finding) else "contradicted"


def _why(claim: Claim, verdict: str, own: Reading, chosen: Reading, rest: list[Reading]) -> str:
    """The reason in words: what was computed, and what else was tried."""
    shown = _shown(claim, own.finding) if own.finding else own.problem
    if verdict == "confirmed":
        return _sentence(shown, claim.note)
    if chosen is not own and chosen.finding:
        lead = "True" if verdict == "confirmed_on_other_basis" else "Comes out only as fitted,"
        text = f"{lead} {chosen.basis}: {_shown(claim, chosen.finding)}. As stated: {shown}"
        return _sentence(text, claim.note)
    published = f"published: {COMPARISONS[claim.comparison]}{claim.figure}{_unit(claim)}"
    text = {
        "fitted_only": f"{shown}, on a reading that was fitted to the figure",
        "not_distinguishable": f"{shown}, so these data cannot tell ({published})",
        "contradicted": f"{shown}; {published}",
        "not_computable": shown,
    }[verdict]
    return _sentence(f"{text}{_others_tried(claim, own, rest)}", claim.note)


def _others_tried(claim: Claim, own: Reading, rest: list[Reading]) -> str:
    """What came of the further readings; those that lack what the statement's own lacks are only named."""
    same = [reading for reading in rest if not reading.finding and reading.problem == own.problem]
    tried = [
        f"{reading.basis}{' (fitted)' if reading.fitted else ''}:"
        f" {_shown(claim, reading.finding) if reading.finding else reading.problem}"
        for reading in rest
        if reading not in same
    ]
    parts = [f". Also tried, {'; '.join(tried)}"] if tried else []
    if same:
        parts.append(f". Nor, for the same reason, {'; '.join(reading.basis for reading in same)}")
    return "".join(parts)


def _nearby(claim: Claim, evidence: Evidence, chosen: Reading) -> Nearby:
    """The readings next to the one that the verdict rests on."""
    merged = {**claim.parameters, **chosen.overrides}
    parameters = {key: value for key, value in merged.items() if key not in NOT_PARAMETERS}
    shift = int(merged.get("shift", 0))
    words, agreeing, seen = [], 0, 0
    for change in neighbours(evidence, claim.metric, parameters):
        moved = shift + int(change.get("shift", 0))
        others = {key: value for key, value in change.items() if key != "shift"}
        overrides = {**chosen.overrides, **others, **({"shift": str(moved)} if moved else {})}
        if not moved:
            overrides.pop("shift", None)
        reading = _read(claim, evidence, overrides)
        if reading.finding is None:
            continue
        holds = agrees(claim, reading.finding)
        seen, agreeing = seen + 1, agreeing + holds
        words.append(
            f"{describe_basis(parameters, change)} {_figure(claim, reading.finding)}"
            f" ({'holds' if holds else 'does not'})"
        )
    return Nearby(seen, agreeing, "; ".join(words) or None)


def agrees(claim: Claim, finding: Finding) -> bool:
    """Whether a finding agrees with the published figure, within the tolerance; an estimate agrees with a
    limit when its whole interval does.
    """
    if claim.is_date:
        days = (finding.day,) if finding.day else finding.possible_days
        return any(str(day).startswith(claim.figure) for day in days)
    published, allowed = float(claim.figure), claim.allowed + 1e-9
    if finding.is_estimate and claim.comparison in LIMITS:
        assert finding.low is not None and finding.high is not None
        return {
            "more_than": finding.low > published,
            "less_than": finding.high < published,
            "at_least": finding.low >= published,
            "at_most": finding.high <= published,
        }[claim.comparison]
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


def is_undecided(claim: Claim, finding: Finding) -> bool:
    """Whether the interval of an estimate that does not agree contains what was published."""
    if claim.is_date or not finding.is_estimate:
        return False
    assert finding.low is not None and finding.high is not None
    return finding.low <= float(claim.figure) <= finding.high


def describe_basis(own: Parameters, overrides: Parameters) -> str:
    """A reading in words: what it takes instead of what the statement says."""
    parts = []
    for key, value in overrides.items():
        was = own.get(key)
        if key == "fitted":
            continue
        if key == "shift":
            count, side = abs(int(value)), "before" if int(value) < 0 else "after"
            parts.append(f"on the session {side}" if count == 1 else f"{count} sessions {side}")
        elif (key, value) in BASIS_WORDS:
            parts.append(BASIS_WORDS[key, value])
        elif key in ("symbol", "base", "quote", "pair", "series"):
            parts.append(f"of {value}" + (f", not of {was}" if was else ""))
        elif key == "start":
            parts.append(f"counted from {value}")
        elif key in ("sessions", "horizon"):
            parts.append(f"over {value} sessions" + (f", not {was}" if was else ""))
        elif key == "value":
            parts.append(f"for the {value} published elsewhere in the text, not for the close")
        elif key in NAMED_WORDS:
            parts.append(f"{NAMED_WORDS[key]} {value}" + (f", not {was}" if was else ""))
        elif key == "sectors":
            parts.append(f"of {value.replace('+', ' and ')}" + (f", not of {was} alone" if was else ""))
        elif key == "years":
            parts.append(f"over {value} years")
        elif key == "from":
            parts.append(f"counted from {value[:7]}, not from {str(was)[:7]}")
        else:
            parts.append(f"with {key} = {value}")
    return " and ".join(parts)


def _shown(claim: Claim, finding: Finding) -> str:
    """What was found, its meaning first."""
    if finding.possible_days:
        return (
            f"{finding.words}, for values from {finding.low:.2f} to {finding.high:.2f}: "
            f"{', '.join(str(day) for day in sorted(finding.possible_days))}"
        )
    figure = _figure(claim, finding)
    return f"{finding.words}: {figure}" if figure else finding.words


def _figure(claim: Claim, finding: Finding) -> str:
    """The number with its interval, the day, or the range; blank where there is none."""
    if finding.number is not None:
        digits = max(2, len(claim.figure.partition(".")[2])) if not claim.is_date else 2
        whole = claim.unit in ("count", "sessions", "rank", "places", "contracts")
        figure = f"{finding.number:.{0 if whole else digits}f}{_unit(claim)}"
        if finding.is_estimate:
            figure += f" ({finding.interval_pct} % interval {finding.low:.2f} to {finding.high:.2f})"
        return figure
    if finding.day is not None:
        return str(finding.day)
    if finding.possible_days:
        return ", ".join(str(day) for day in sorted(finding.possible_days))
    if finding.low is not None:
        return f"between {finding.low:.2f} and {finding.high:.2f}{_unit(claim)}"
    return "" if not claim.is_date else "none"


def _unit(claim: Claim) -> str:
    return f" {claim.unit}" if claim.unit in ("%", "pp", "bp", "standard deviations") else ""


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
