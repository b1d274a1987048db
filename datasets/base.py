"""The base class of a kind of input.

One subclass per kind of input holds everything specific to it: its raw table, which inputs a run asks for
and since when, when a row could first be had, what its rules compare with, whether the served rows continue
the held ones, and how far it should reach. The steps of the run know kinds of input by this class alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, ClassVar

import duckdb
import pandas as pd

from datasets.stand_in import StandIn
from market_calendar.release_rules import available_at_utc
from market_calendar.sessions import cutoff_utc
from sources.protocol import Provider
from warehouse.landing import Landed
from warehouse.payloads import Request
from warehouse.raw import asked_ranges, no_longer_served
from warehouse.settings import Settings, environment


@dataclass(frozen=True)
class PlannedInput:
    """One input to ask a provider for, over a range with both ends included.

    `held` is what the next answer must agree with (day to value), so that a step without a database can tell
    that all of the history has to be asked for again.
    """

    input: str
    start: date
    end: date
    known_until: date | None = None
    held: Mapping[date, float] | None = None
    required: bool = False

    def request(self, dataset: str, start: date | None = None) -> Request:
        """The request for it, or for a longer range."""
        return Request(dataset, self.input, start or self.start, self.end)


@dataclass(frozen=True)
class Reach:
    """Up to which session a run asks: `session` is the run's, the last one of a range that begins with
    `first`; `until` is later in a backfill's first run.
    """

    session: date
    until: date
    first: date | None = None

    @property
    def since(self) -> date:
        """The first session that the run is for."""
        return self.first or self.session


@dataclass(frozen=True)
class Freshness:
    """One row of `ops.freshness`; an input that was never served has no last date and is stale. `source` is
    who served the last date, for kinds of input that a second source may complete.
    """

    dataset: str
    input: str
    required: bool
    last_date: date | None
    expected_date: date | None
    source: str | None = None

    @property
    def stale(self) -> bool:
        """Whether it ends before its own schedule promises."""
        return self.last_date is None or (
            self.expected_date is not None and self.last_date < self.expected_date
        )

    def as_row(self) -> dict[str, Any]:
        """The row."""
        return {**vars(self), "stale": self.stale}


@dataclass(frozen=True)
class Described:
    """A series' metadata as served, and what changed in it: name to the old and the new text."""

    row: dict[str, Any]
    is_new: bool
    changes: Mapping[str, tuple[str, str]]


class Dataset(ABC):
    """One kind of input.

    Attributes:
        name: as in ROTATION_<NAME>_SOURCE, `landing/<name>/` and `ops`.
        table: its raw table.
        key: the column that names an input.
        day: the column of its dates.
        batch_size: inputs per fetch task.
        trailing_days: how far before the last date held a provider is asked again, so that a late correction
            is seen.
        awaited: whether a provider that does not answer is asked again in the same run; what comes by the
            quarter can wait for the next one.
        release_rule, frequency: when a row could first be had, unless the provider dates it.
        expects_every_day: whether an answer should have a row for each of its `expected_days`.
        proves_sessions: whether a row of it proves that a session took place.
        stands_in_for: the kind of input whose newest days it supplies while they are missing; blank: none.
        lines_before: how many lines of a file before those that were appended show that these go on plainly;
            None where such a file is read whole.
        keeps_whole_history: whether rows from before ROTATION_HISTORY_START are loaded too.
        accept_setting: the setting that lists inputs whose change of meaning is accepted for one run.
    """

    name: ClassVar[str]
    table: ClassVar[str]
    key: ClassVar[str]
    day: ClassVar[str]
    batch_size: ClassVar[int]
    trailing_days: ClassVar[int]
    awaited: ClassVar[bool] = True
    release_rule: ClassVar[str]
    frequency: ClassVar[str]
    expects_every_day: ClassVar[bool] = False
    proves_sessions: ClassVar[bool] = False
    stands_in_for: ClassVar[str] = ""
    lines_before: ClassVar[int | None] = None
    keeps_whole_history: ClassVar[bool] = False
    accept_setting: ClassVar[str] = ""

    # ---- what to ask for

    @abstractmethod
    def inputs(
        self,
        connection: duckdb.DuckDBPyConnection,
        settings: Settings,
        provider: Provider,
        reach: Reach,
        held: Mapping[str, date],
    ) -> list[str]:
        """The inputs that a run asks for; `held` maps an input to its last day in raw up to the session.

        Of three sessions the one between asks for no input that neither of the others does, as long as they
        reach as far (`pipeline.inputs.covered_sessions` relies on it).
        """

    def known_inputs(
        self, connection: duckdb.DuckDBPyConnection, settings: Settings, provider: Provider, reach: Reach
    ) -> list[str]:
        """Every input that the provider can be asked for, also those that a daily run leaves out because all
        of their days are held.
        """
        return self.inputs(connection, settings, provider, reach, {})

    def held_until(self, connection: duckdb.DuckDBPyConnection, session: date) -> dict[str, date]:
        """Per input the last day that raw holds up to the session."""
        return dict(
            connection.execute(
                f"select {self.key}::varchar, max({self.day}) from {self.table} where {self.day} <= ?"
                " group by 1",
                [session],
            ).fetchall()
        )

    def held_values(
        self, connection: duckdb.DuckDBPyConnection, session: date
    ) -> Mapping[str, Mapping[date, float]]:
        """Per input the last values that are held, for kinds whose history a provider may restate."""
        return {}

    def plan(
        self,
        connection: duckdb.DuckDBPyConnection,
        settings: Settings,
        provider: Provider,
        reach: Reach,
        again: Collection[str] = (),
    ) -> list[PlannedInput]:
        """The inputs with the range to ask for: all of the history once, then a trailing window around the
        session.

        A provider that was never asked for an input, or with a later start than the present one, is asked for
        all of it; so it is for the inputs in `again`, whatever is held.
        """
        held = self.held_until(connection, reach.session)
        asked_from: dict[str, date] = dict(
            connection.execute(
                "select input, min(request_start_date) from ops.payloads where dataset = ? and source = ?"
                " group by 1",
                [self.name, provider.name],
            ).fetchall()
        )
        required = self.required(connection, reach.session)
        values = self.held_values(connection, reach.session) if provider.serves_ranges else {}
        planned = []
        names = self.inputs(connection, settings, provider, reach, held)
        for name in (*names, *sorted(set(again) - set(names))):
            start = settings.history_start
            if (
                name in held
                and name not in again
                and provider.serves_ranges
                and asked_from.get(name, date.max) <= settings.history_start
            ):
                last = min(held[name], reach.since)
                start = max(start, last - timedelta(days=self.trailing_days))
            planned.append(
                PlannedInput(name, start, reach.until, held.get(name), values.get(name), name in required)
            )
        return planned

    def needs_whole_history(self, read: Callable[[], pd.DataFrame], planned: PlannedInput) -> bool:
        """Whether the fetched rows show that the whole history has to be fetched again.

        Args:
            read: parses what was fetched.
            planned: the input.
        """
        return False

    def required(self, connection: duckdb.DuckDBPyConnection, session: date) -> set[str]:
        """The inputs without which nothing is published."""
        return set()

    def expected_days(self, name: str, first: date, last: date) -> list[date]:
        """The days of a range on which an input should have a row; none where that is not known."""
        return []

    # ---- what came

    def last_day(self, rows: pd.DataFrame) -> date | None:
        """The last day of which an answer has a value; None when it has none."""
        days = rows[self.day].dropna()
        return days.max().date() if len(days) else None

    def accepted(self) -> frozenset[str]:
        """Inputs whose change of meaning a person has accepted for this run."""
        return frozenset(environment().get(self.accept_setting, "").split(","))

    def with_availability(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Add `available_at_utc` and `availability`: when a row could first be had, and how we know."""
        available = available_at_utc(self.release_rule, self.frequency, rows[self.day])
        return rows.assign(available_at_utc=available, availability="assumed")

    def with_context(self, connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame) -> pd.DataFrame:
        """Add what the rules compare with, as columns that start with an underscore and are not loaded."""
        return rows

    def goes_on_plainly(
        self, connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame, beside: pd.DataFrame
    ) -> set[str]:
        """The inputs whose new rows certainly break no rule that looks beyond a row, and continue what is
        held: they are judged row by row. Doubt leaves an input out; its file is then read whole.

        Args:
            connection: the pipeline's database, which holds all earlier rows of these files as they are.
            rows: the new rows and up to `lines_before` before them, with `_is_new`.
            beside: the rows that are read whole in the same load.
        """
        return set()

    def kept(self, rows: pd.DataFrame, broken: pd.Series) -> pd.DataFrame:
        """The rows that are loaded: those that broke no rule."""
        return rows[~broken]

    def described(
        self,
        connection: duckdb.DuckDBPyConnection,
        landed: Landed,
        metadata: Mapping[str, str],
        run_id: str,
        accepted: frozenset[str],
    ) -> Described | None:
        """What the metadata of an input says and what changed in it; None where nothing is kept of it.

        Raises:
            Unreadable: the numbers no longer mean the same, and the input is not among the `accepted`.
        """
        return None

    def broken_continuity(
        self, connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame
    ) -> Mapping[str, str]:
        """Inputs whose served rows do not continue what is held, with the reason; they are refused whole."""
        return {}

    def gone(
        self, connection: duckdb.DuckDBPyConnection, landed: list[Landed], rows: pd.DataFrame
    ) -> list[tuple[str, date, date, int]] | None:
        """Rows that are held, lie in the range that was asked and did not come: input, first and last day,
        number; None where the question does not apply.
        """
        asked = asked_ranges((item.input, item.start, item.end) for item in landed)
        return no_longer_served(connection, self.table, self.key, self.day, asked, rows)

    def missing_days(self, name: str, served: set[date], start: date, end: date) -> list[date]:
        """Expected days between the first and the last one served; what lies outside is not listed yet, or
        late.
        """
        inside = [day for day in served if start <= day <= end]
        if not inside:
            return []
        return [day for day in self.expected_days(name, min(inside), max(inside)) if day not in served]

    def reaching(
        self, connection: duckdb.DuckDBPyConnection, session: date, names: Collection[str]
    ) -> dict[str, date]:
        """Inputs whose held rows reach all that their schedule promises at a session, with the last day:
        nothing is missing while their provider does not answer. None where the schedule is not known.
        """
        return {}

    # ---- what it supplies for another kind

    def stand_ins(self, connection: duckdb.DuckDBPyConnection, session: date) -> list[StandIn]:
        """The newest days of other inputs that this kind supplies at a session."""
        return []

    def refusals(
        self, connection: duckdb.DuckDBPyConnection, session: date, names: Collection[str]
    ) -> dict[str, str]:
        """Why it supplies nothing, or not enough, for some inputs of that kind, each as one sentence."""
        return {}

    # ---- how far it reaches

    def freshness(self, connection: duckdb.DuckDBPyConnection, session: date) -> list[Freshness]:
        """How far each input reaches in the publication, against what its own schedule promises on the
        evening of the session.
        """
        return []

    def against_its_rule(
        self, connection: duckdb.DuckDBPyConnection, session: date, name: str
    ) -> list[Freshness]:
        """How far a kind that is served as a whole reaches, against the last month or quarter that its
        release rule promises on the evening of the session; nothing where it was never served.

        Args:
            connection: with the pipeline's database attached.
            session: of the publication.
            name: what is late, as messages call it.
        """
        evening = cutoff_utc(session)
        row = connection.execute(
            f"select max({self.day}), max_by(source, {self.day}) from pipeline.{self.table}"
            " where available_at_utc <= ?",
            [evening],
        ).fetchone()
        if row is None or row[0] is None:
            return []
        step = {"monthly": "ME", "quarterly": "QE"}[self.frequency]
        ends = pd.Series(pd.date_range(end=pd.Timestamp(session), periods=6, freq=step))
        promised = ends[available_at_utc(self.release_rule, self.frequency, ends) <= pd.Timestamp(evening)]
        return [Freshness(self.name, name, False, row[0], promised.max().date(), row[1])]


def goes_on(rows: pd.DataFrame) -> pd.Series:
    """Which rows are new ones of a file that goes on plainly (`Dataset.goes_on_plainly`)."""
    return rows["_goes_on"] if "_goes_on" in rows else pd.Series(False, index=rows.index)
