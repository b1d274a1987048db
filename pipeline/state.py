"""What a run writes down between its steps, typed, in `<home>/runs/<run id>/`.

Out: one JSON file per hand-over (`RunState`), written by `warehouse.durable`, so that a reader finds the old
or the new content; the fetch tasks, which run side by side, write a file each. What the runs of one home know
of each other is in `pipeline.home_state`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from datasets.base import PlannedInput
from pipeline.home_state import HandOver, run_folder
from warehouse.database import LAYOUT
from warehouse.durable import replace_durably
from warehouse.landing import Landed


def sessions_text(first: date | None, session: date) -> str:
    """A session, or a range as it is written in a request."""
    return f"{first}/{session}" if first else str(session)


class FetchBatch(HandOver):
    """The inputs of one fetch task, all of one kind."""

    number: int
    dataset: str
    inputs: tuple[PlannedInput, ...]


class RunPlan(HandOver):
    """What `plan` decided: for which session, at which session to build, what to fetch, what to replay; and
    the files that no input is read from. Of a run for a range, `session` is the last one and `first` the
    first.
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
    first: date | None = None

    @property
    def sessions(self) -> str:
        """The session, or the range as it is written in a request."""
        return sessions_text(self.first, self.session)

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
    first: date | None = None
    replayed: int = 0

    @property
    def sessions(self) -> str:
        """The session, or the range as it is written in a request."""
        return sessions_text(self.first, self.session)

    @property
    def sentence(self) -> str:
        """All of it in a few words."""
        counts = Counter[str]()
        for batch in self.batches:
            counts[batch.dataset] += len(batch.inputs)
        inputs = ", ".join(f"{count} {kind}" for kind, count in counts.items()) or "nothing"
        whole = sum(len(batch.whole_history) for batch in self.batches)
        repair = "" if self.target == self.session else f"repair {self.sessions}, then "
        payloads = "payload" if self.replayed == 1 else "payloads"
        replayed = f", load {self.replayed} {payloads} from landing" if self.replayed else ""
        return (
            f"would fetch {inputs} from {self.source} ({whole} with their whole history){replayed}, then"
            f" {repair}build and publish {self.target}. Nothing was touched."
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


NOTHING_LOADED = DatasetSummary(
    source="",
    inputs=0,
    fetched=0,
    replayed=0,
    unchanged_payloads=0,
    served_rows=0,
    new_rows=0,
    quarantined=0,
)


class LoadSummary(HandOver):
    """What `load` did, by kind of input, and the sentences on optional inputs that are missing; `refused` are
    those of them that are there and were not taken, `gaps` says of which sessions of a range required inputs
    have no row.
    """

    datasets: Mapping[str, DatasetSummary] = {}
    missing: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()


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
        return run_folder(self.home, self.run_id)

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
