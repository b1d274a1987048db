"""What a run and the runs of a home write down between their steps, typed, in `<home>/runs/`.

Out: `<run id>/` with one JSON file per hand-over of a run (`RunState`), and `state.json` with what the runs
of one home must know of each other (`HomeState`). Both are written by `warehouse.durable`, so that a reader
finds the old or the new content. Caveat: `state.json` is written by tasks that hold the pool's one slot,
never by two at once; the fetch tasks, which run side by side, write a file each.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from datasets.base import PlannedInput
from warehouse.database import LAYOUT
from warehouse.durable import replace_durably
from warehouse.landing import Landed


class HandOver(BaseModel):
    """A typed document that one step writes and a later one reads."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class FetchBatch(HandOver):
    """The inputs of one fetch task, all of one kind."""

    number: int
    dataset: str
    inputs: tuple[PlannedInput, ...]


class RunPlan(HandOver):
    """What `plan` decided: for which session, at which session to build, what to fetch, what to replay; and
    the files that no input is read from.
    """

    run_id: str
    session: date
    target: date
    source: str
    started_at_utc: datetime
    layout: int
    batches: tuple[FetchBatch, ...] = ()
    replay: Mapping[str, tuple[Landed, ...]] = {}
    not_taken: tuple[str, ...] = ()

    def label(self, batch: FetchBatch) -> str:
        """A name for people: `prices 1/4: AGG … CMA`."""
        alike = [other.number for other in self.batches if other.dataset == batch.dataset]
        place = f" {alike.index(batch.number) + 1}/{len(alike)}" if len(alike) > 1 else ""
        first, last = batch.inputs[0].input, batch.inputs[-1].input
        return f"{batch.dataset}{place}: {first if len(batch.inputs) == 1 else f'{first} … {last}'}"


class DryRunBatch(HandOver):
    """A batch that would be fetched; `whole_history` are those of its inputs of which all is asked for."""

    dataset: str
    label: str
    inputs: tuple[str, ...]
    whole_history: tuple[str, ...] = ()


class DryRun(HandOver):
    """What a run would do."""

    session: date
    target: date
    source: str
    batches: tuple[DryRunBatch, ...] = ()
    not_taken: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """All of it in a few words."""
        counts = Counter[str]()
        for batch in self.batches:
            counts[batch.dataset] += len(batch.inputs)
        inputs = ", ".join(f"{count} {kind}" for kind, count in counts.items()) or "nothing"
        whole = sum(len(batch.whole_history) for batch in self.batches)
        repair = "" if self.target == self.session else f"repair {self.session}, then "
        return (
            f"would fetch {inputs} from {self.source} ({whole} with their whole history), then {repair}build"
            f" and publish {self.target}. Nothing was touched."
        )


class Fetched(HandOver):
    """The outcome for one input: what was landed, or the error, its kind, and whether the provider may answer
    later; `late` where an answer has no row of the session yet.
    """

    landed: Landed | None = None
    error: str | None = None
    kind: str | None = None
    retryable: bool = False
    late: bool = False


class Waiting(HandOver):
    """The wait of one batch for a late source.

    Attributes:
        late: inputs that have no row of the session yet.
        silent: inputs for which the source did not answer.
        required: whether one of them is required.
        since_utc: when the wait began.
        asked: how often the source was asked.
        next_utc: when it is asked next.
        until_utc: when the wait ends.
        over: whether it has ended.
        broken: why it ended early; empty when it did not.
    """

    late: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    required: bool = False
    since_utc: datetime = datetime.min
    asked: int = 0
    next_utc: datetime = datetime.min
    until_utc: datetime = datetime.min
    over: bool = False
    broken: str = ""


class FetchedBatch(HandOver):
    """The outcome of one batch so far; `attempts` counts the attempts that began."""

    attempts: int = 0
    inputs: Mapping[str, Fetched] = {}
    waiting: Waiting | None = None


class QuarantinedRule(HandOver):
    """How many rows broke a rule, and the first of them."""

    rows: int
    example: str


class DatasetSummary(HandOver):
    """What the load of one kind of input did."""

    source: str
    inputs: int
    fetched: int
    replayed: int
    unchanged_payloads: int
    served_rows: int
    new_rows: int
    quarantined: int
    quarantine_by_rule: Mapping[str, QuarantinedRule] = {}


class LoadSummary(HandOver):
    """What `load` did, by kind of input, and the sentences on optional inputs that are missing; `refused` are
    those of them that are there and were not taken.
    """

    datasets: Mapping[str, DatasetSummary] = {}
    missing: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


class BuildSummary(HandOver):
    """What `build` did.

    Attributes:
        rows: by model.
        rebuilt_because: why everything was built; empty where a generation was extended.
        extends: the generation that was extended.
        computed: models of which rows were computed.
        changed_from: models in which rows changed, with the first day of those; None where it is not known.
        differing: marts whose extension differed from the rebuild that it was compared with.
        rules_changed: whether the rules are others than those that the extended generation passed.
    """

    rows: Mapping[str, int] = {}
    rebuilt_because: str = ""
    extends: int | None = None
    computed: tuple[str, ...] = ()
    changed_from: Mapping[str, date | None] = {}
    differing: tuple[str, ...] = ()
    rules_changed: bool = False

    @property
    def sentence(self) -> str:
        """What was built, and why."""
        if self.extends is None:
            return f"all {len(self.rows)} tables built anew, because {self.rebuilt_because}"
        return (
            f"generation {self.extends} extended: rows of {len(self.computed)} tables computed,"
            f" {len(self.changed_from)} changed, {len(self.rows) - len(self.changed_from)} of"
            f" {len(self.rows)} kept as they were"
        )


class FailedRule(HandOver):
    """A rule of the audit that failed."""

    table_name: str
    rule: str
    severity: str
    failed_rows: int
    sample: str | None = None

    @property
    def sentence(self) -> str:
        """Table, rule, rows and a sample."""
        rows = "1 row" if self.failed_rows == 1 else f"{self.failed_rows:,} rows"
        return f"{self.table_name}: {self.rule} failed for {rows} ({self.sample})"


class AuditSummary(HandOver):
    """What `audit` found: `rules` and `failed` count those of the load of this run as well; `old` says which
    answers are too old to speak of the session.
    """

    rules: int = 0
    failed: tuple[FailedRule, ...] = ()
    stale: tuple[str, ...] = ()
    old: tuple[str, ...] = ()


class Published(HandOver):
    """What `publish` made."""

    generation: int
    headlines: tuple[str, ...] = ()


Document = TypeVar("Document", bound=HandOver)


@dataclass(frozen=True)
class RunState:
    """The hand-overs of one run."""

    home: Path
    run_id: str

    @property
    def folder(self) -> Path:
        """Where they are."""
        return self.home / "runs" / re.sub(r"[^A-Za-z0-9.-]", "_", self.run_id)

    def write(self, name: str, document: HandOver) -> None:
        """Replace a hand-over, or leave the old one."""
        replace_durably(self.folder / f"{name}.json", document.model_dump_json(indent=1) + "\n")

    def read(self, name: str, kind: type[Document]) -> Document | None:
        """A hand-over; None when it is not there or was cut short."""
        try:
            return kind.model_validate_json((self.folder / f"{name}.json").read_text(encoding="utf-8"))
        except (OSError, ValidationError):
            return None

    @property
    def plan(self) -> RunPlan | None:
        """What `plan` decided; None when there is none, or one of a version with another layout of the
        home.
        """
        plan = self.read("plan", RunPlan)
        return plan if plan is not None and plan.layout == LAYOUT else None

    @property
    def has_loaded(self) -> bool:
        """Whether the run is past its load."""
        return (self.folder / "loaded.json").exists()

    def fetched(self, number: int) -> FetchedBatch:
        """The outcome of a batch so far."""
        return self.read(f"fetched-{number:03d}", FetchedBatch) or FetchedBatch()

    def write_fetched(self, number: int, document: FetchedBatch) -> None:
        """Replace the outcome of a batch."""
        self.write(f"fetched-{number:03d}", document)


class HomeState(HandOver):
    """What the runs of a home must know of each other.

    Attributes:
        left_session: the latest session that a run left to another one to build.
        decided: runs that have decided to build or to leave it.
        working: runs of a backfill that fetch or replay.
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
