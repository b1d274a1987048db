"""Newest days of an input that a second source supplies while the input's own provider has not.

In: what a kind of input says that it supplies (`Dataset.stand_ins`) and which inputs did not answer. Out: the
sentences that a run reports.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class StandIn:
    """What a second source supplies for one input.

    Attributes:
        dataset, input: the input that lacks the days.
        owner: who should have served it, in sentences.
        title, source: the second source in sentences, and its name in the rows.
        held_until: the last day that the owner has served.
        first, last, days: what the second source supplies.
        complete: whether the input then reaches what its release rule promises.
    """

    dataset: str
    input: str
    owner: str
    title: str
    source: str
    held_until: date
    first: date
    last: date
    days: int
    complete: bool


def stand_in_sentences(
    stand_ins: Iterable[StandIn], unanswered: Collection[tuple[str, str]]
) -> tuple[str, ...]:
    """One sentence for all inputs that lack the same days for the same reason.

    Args:
        stand_ins: what second sources supply.
        unanswered: kinds of input and inputs whose provider did not answer in this run.
    """
    groups: dict[tuple[str, str], list[str]] = {}
    for entry in stand_ins:
        reason = (
            f"{entry.owner} did not answer"
            if (entry.dataset, entry.input) in unanswered
            else f"{entry.owner} ends at {entry.held_until}"
        )
        days = f"{entry.days} days" if entry.days > 1 else "1 day"
        span = f"{entry.first} to {entry.last}" if entry.days > 1 else f"{entry.last}"
        end = f"{days} ({span}) from {entry.title}, marked source={entry.source}"
        groups.setdefault((reason, end), []).append(entry.input)
    return tuple(f"{', '.join(names)}: {reason}; {end}" for (reason, end), names in groups.items())
