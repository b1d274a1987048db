"""The parameter `fetch_again`: inputs whose whole history a run fetches again.

In: `prices/SPY`, `fred/DGS2`, or a whole kind such as `prices`. Out: the names by kind. Checked before the
run touches anything, so that a slip leaves the home and its status as they were.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from datetime import date

from datasets.base import Reach
from datasets.registry import active_datasets
from pipeline.context import RunContext
from pipeline.endings import Refused
from pipeline.planning_database import planning_database
from pipeline.presence import cut
from sources.registry import open_provider

SHOWN = 5


def names_to_fetch_again(run: RunContext, session: date) -> Mapping[str, frozenset[str]]:
    """The inputs of the request, by kind.

    Raises:
        Refused: a name is unknown; lists the kinds, or names like it.
    """
    wanted = run.requested.fetch_again
    if not wanted:
        return {}
    known = _known_inputs(run, session)
    found: dict[str, set[str]] = {}
    for text in wanted:
        kind, slash, name = text.partition("/")
        if kind not in known:
            raise Refused(
                f"fetch_again names {cut(text, 60)!r}, and {cut(kind, 60)!r} is not a kind of input of this"
                f" home; choose from {', '.join(known)}, or one input of a kind, such as {_example(known)}."
            )
        if slash and name not in known[kind]:
            raise Refused(
                f"fetch_again names {cut(text, 60)!r}, which is unknown. {_near(kind, name, known[kind])}"
            )
        found.setdefault(kind, set()).update([name] if slash else known[kind])
    return {kind: frozenset(names) for kind, names in found.items()}


def _known_inputs(run: RunContext, session: date) -> dict[str, list[str]]:
    """Per kind of input every name that its provider can be asked for."""
    known: dict[str, list[str]] = {}
    with planning_database(run.settings) as connection:
        for dataset in active_datasets(run.settings):
            provider = open_provider(run.settings, dataset.name)
            assert provider is not None, "an active kind of input has a provider"
            known[dataset.name] = dataset.known_inputs(
                connection, run.settings, provider, Reach(session, session)
            )
    return known


def _example(known: Mapping[str, list[str]]) -> str:
    return next(f"{kind}/{names[0]}" for kind, names in known.items() if names)


def _near(kind: str, name: str, names: list[str]) -> str:
    """Names like a wrong one, whatever their case; else some of the kind."""
    by_case = {known.upper(): known for known in names}
    near = [by_case[text] for text in difflib.get_close_matches(name.upper(), by_case, SHOWN, 0.5)]
    if near:
        return f"Did you mean {', '.join(f'{kind}/{text}' for text in near)}?"
    some = ", ".join(names[:SHOWN])
    return f"{kind} has {len(names)} inputs: {some}{', ...' if len(names) > SHOWN else ''}."
