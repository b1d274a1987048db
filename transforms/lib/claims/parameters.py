"""The texts of a row of ref.claims: parameters, further readings and the published figure.

In: the texts of one row. Out: dictionaries of parameters, or a `WrongParameters` that names the parameter.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

from transforms.lib.claims.evidence import Parameters
from transforms.lib.claims.metrics import METRICS

COMPARISONS = {
    "equals": "",
    "over": "a little over ",
    "more_than": "more than ",
    "less_than": "less than ",
    "at_most": "at most ",
    "at_least": "at least ",
}


class WrongParameters(ValueError):
    """The parameters of a claim do not fit its metric; the message names the parameter."""


@dataclass(frozen=True)
class Known:
    """What a parameter may name."""

    symbols: frozenset[str]
    groups: frozenset[str]
    pairs: frozenset[str]
    series: frozenset[str]
    sectors: frozenset[str]
    markets: frozenset[str]


def parse_parameters(text: str) -> dict[str, str]:
    """`key=value;key=value` as a dictionary.

    Raises:
        WrongParameters: an item is not key=value, or a key appears twice.
    """
    parameters: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in text.split(";"))):
        key, sign, value = item.partition("=")
        if not sign or not key.strip() or not value.strip():
            raise WrongParameters(f"{item!r} is not key=value")
        if key.strip() in parameters:
            raise WrongParameters(f"parameter {key.strip()} appears twice")
        parameters[key.strip()] = value.strip()
    return parameters


def parse_other_bases(text: str) -> list[dict[str, str]]:
    """The parameters that each further reading changes; `shift` counts sessions, `fitted=yes` marks a reading
    that was chosen because the figure comes out on it.
    """
    return [parse_parameters(part) for part in text.split(" | ") if part.strip()]


def check_parameters(
    metric: str, parameters: Parameters, known: Known, overrides: Parameters | None = None
) -> None:
    """Refuse an unknown metric, parameter or value.

    Args:
        metric: name of the metric.
        parameters: the statement's own parameters.
        known: the symbols, groups, pairs, series, sectors and markets that exist.
        overrides: the parameters that a further reading changes.

    Raises:
        WrongParameters: with the parameter and what it takes.
    """
    if metric not in METRICS:
        raise WrongParameters(f"unknown metric {metric!r}; there are {', '.join(METRICS)}")
    kinds = {**METRICS[metric].required, **METRICS[metric].optional}
    merged = {**parameters, **{k: v for k, v in (overrides or {}).items() if k not in ("shift", "fitted")}}
    if overrides and overrides.get("fitted", "yes") != "yes":
        raise WrongParameters(f"fitted = {overrides['fitted']!r} is not yes; leave it out where nothing was")
    if overrides and "shift" in overrides and not re.fullmatch(r"[+-]?[1-9]", overrides["shift"]):
        raise WrongParameters(f"shift = {overrides['shift']!r} is not a small number of sessions")
    for key, value in merged.items():
        if key not in kinds:
            raise WrongParameters(f"unknown parameter {key!r} of {metric}; it takes {', '.join(kinds)}")
        _check_value(key, value, kinds[key], known)
    missing = [key for key in METRICS[metric].required if key not in merged]
    if missing:
        raise WrongParameters(f"{metric} needs the parameter {missing[0]!r}")
    if "start" in kinds and not {"start", "sessions", "years"} & set(merged):
        raise WrongParameters(f"{metric} needs one of sessions, start, years")


def _check_value(key: str, value: str, kind: str, known: Known) -> None:
    named = {
        "symbol": known.symbols,
        "symbols": known.symbols,
        "group": known.groups,
        "pair": known.pairs,
        "series": known.series,
        "sectors": known.sectors,
        "market": known.markets,
    }
    if kind in named:
        several = kind in ("symbols", "sectors")
        for part in value.split("+") if several else [value]:
            if part not in named[kind]:
                raise WrongParameters(
                    f"{key} = {part!r} is an unknown {kind.removesuffix('s') if several else kind}"
                )
    elif kind == "integer":
        if not re.fullmatch(r"[1-9][0-9]{0,4}", value):
            raise WrongParameters(f"{key} = {value!r} is not a whole number")
    elif kind == "number":
        if not re.fullmatch(r"[+-]?\d+(\.\d+)?", value):
            raise WrongParameters(f"{key} = {value!r} is not a number")
    elif kind == "date":
        try:
            dt.date.fromisoformat(value)
        except ValueError as error:
            raise WrongParameters(f"{key} = {value!r} is not a date") from error
    elif value not in kind.split(","):
        raise WrongParameters(f"{key} = {value!r} is not one of {kind}")


def check_figure(metric: str, figure: str, comparison: str) -> None:
    """Refuse a figure that is neither a number nor, for a date, a year, a month or a day.

    Raises:
        WrongParameters: with the figure or the comparison.
    """
    if comparison not in COMPARISONS:
        raise WrongParameters(f"unknown comparison {comparison!r}; there are {', '.join(COMPARISONS)}")
    if METRICS[metric].is_date:
        if not re.fullmatch(r"\d{4}(-\d{2}(-\d{2})?)?", figure):
            raise WrongParameters(f"figure = {figure!r} is not a year, a month or a day")
        if comparison != "equals":
            raise WrongParameters("a date can only be compared by equals")
    elif not re.fullmatch(r"[+-]?\d+(\.\d+)?", figure):
        raise WrongParameters(f"figure = {figure!r} is not a number")


def unit_of_last_digit(figure: str) -> float:
    """1 for 9, 0.1 for 10.4."""
    return float(10.0 ** -len(figure.partition(".")[2]))
