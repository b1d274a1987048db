"""What the runs of a home know of each other, typed, in `<home>/runs/`.

Out: `state.json` (`HomeState`), and `covered.json` with the sessions for which nothing is left to do
(`Covered`), written by `warehouse.durable`, so that a reader finds the old or the new content. Light to
import: a run of a backfill that finds nothing to do reads nothing else. Caveat: both are written by tasks
that hold the pool's one slot, never by two at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from warehouse.durable import replace_durably


class HandOver(BaseModel):
    """A typed document that one step writes and a later one reads."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class HomeState(HandOver):
    """What the runs of a home must know of each other.

    Attributes:
        left_session: the latest session that a run left to another one to build.
        decided: runs that have decided to build or to leave it.
        working: runs of a backfill, or for a range, that fetch or replay.
        unserved: when an optional input (`kind/name`) last returned nothing.
    """

    left_session: date | None = None
    decided: tuple[str, ...] = ()
    working: tuple[str, ...] = ()
    unserved: Mapping[str, datetime] = {}

    @classmethod
    def read(cls, home: Path) -> HomeState:
        """The present state; an empty one where it is missing or was cut short: then more is asked for than
        needed, and nothing is lost.
        """
        try:
            return cls.model_validate_json(_state_file(home).read_text(encoding="utf-8"))
        except (OSError, ValidationError):
            return cls()

    def change(self, home: Path, **fields: object) -> HomeState:
        """Write a state that differs in some fields."""
        changed = HomeState.model_validate({**self.model_dump(), **fields})
        if changed != self:
            replace_durably(_state_file(home), changed.model_dump_json(indent=1) + "\n")
        return changed


def _state_file(home: Path) -> Path:
    return home / "runs" / "state.json"


class Covered(HandOver):
    """What a run of a backfill found: for these sessions raw and landing lack nothing that could be asked
    for, as long as the home is as it was.

    Attributes:
        sessions: all of them, so that nobody has to read the calendar.
        until_utc: when it has to be found anew, because then a source is asked again for what it lacked.
        relies_on: runs that were fetching or loading the rest; while they do, landing may grow.
        landing: what landing was like (`pipeline.covered`).
        home: what everything else was like.
    """

    sessions: tuple[date, ...]
    until_utc: datetime
    relies_on: tuple[str, ...] = ()
    landing: str
    home: str

    @classmethod
    def read(cls, home: Path) -> Covered | None:
        """What was found last; None where nothing was, or it was cut short."""
        try:
            return cls.model_validate_json(_covered_file(home).read_text(encoding="utf-8"))
        except (OSError, ValidationError):
            return None

    def write(self, home: Path) -> None:
        """Replace what was found before."""
        replace_durably(_covered_file(home), self.model_dump_json() + "\n")


def run_folder(home: Path, run_id: str) -> Path:
    """Where the hand-overs of a run are."""
    return home / "runs" / re.sub(r"[^A-Za-z0-9.-]", "_", run_id)


def _covered_file(home: Path) -> Path:
    return home / "runs" / "covered.json"
