"""Whether the next publication extends the last one or is built anew, and why.

In: the current generation with its `inputs.json`, and what the run was asked for. Out: the `Base` to extend,
or the reason for a rebuild in words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from market_calendar.sessions import sessions_between
from transforms.changes import InputState
from warehouse.publication import current_generation, read_inputs
from warehouse.settings import Settings

# After so many sessions that were only added, everything is built anew and compared with the extension.
REBUILT_AFTER_SESSIONS = 5


@dataclass(frozen=True)
class Base:
    """A generation that can be extended.

    Attributes:
        generation: its folder.
        inputs: what it was made from.
        due: whether a rebuild is due, with which the extension is compared.
    """

    generation: Path
    inputs: InputState
    due: bool = False


def find_base(settings: Settings, target: date, code: Mapping[str, str], *, asked: bool) -> Base | str:
    """The generation to extend, or why there is none.

    Args:
        settings: of the home.
        target: the session to build at.
        code: the present hashes of the models' code.
        asked: whether the run was asked for a rebuild.
    """
    generation = current_generation(settings)
    if generation is None:
        return "there is no publication yet"
    if asked:
        return "it was asked for"
    inputs = InputState.from_json(read_inputs(generation) or {})
    if inputs is None:
        return f"generation {generation.name} does not say what it was made from"
    if inputs.code.get("shared") != code["shared"]:
        return "the code or a package that all models share changed"
    if inputs.data_source != settings.source:
        return f"the source was {inputs.data_source}"
    if inputs.session > target:
        return f"generation {generation.name} is for the later session {inputs.session}"
    added = len(sessions_between(inputs.rebuilt_session, target)) - 1
    return Base(generation, inputs, due=added >= REBUILT_AFTER_SESSIONS and inputs.session < target)
