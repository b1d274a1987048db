"""One operator per step of the daily run.

In: Airflow's context. Out: counts for Airflow; everything else is handed over in `runs/<run id>/`
(`pipeline.state`). Each operator imports the steps when its task runs: at parse time they would cost seconds.
The docstring of an operator is what the web interface shows as the documentation of its task.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.exceptions import AirflowSkipException, DownstreamTasksSkipped

from orchestration.described import DescribedOperator
from orchestration.links import BriefLink, FailedChecksLink, PublicationLink, RunbookLink
from orchestration.noted import noted

if TYPE_CHECKING:
    from pipeline.context import RunContext

# `make run` holds its home: no turns, no deadline, no wait for a late provider.
IN_MAKE_RUN = bool(os.environ.get("ROTATION_MAKE_RUN"))
# How Airflow resumes a task whose trigger failed or timed out (airflow.sdk.bases.operator).
TRIGGER_FAIL_REPR = "__fail__"
TRIGGERER_MAY_LAG = timedelta(minutes=5)


class StepOperator(DescribedOperator):
    """Runs one step of the pipeline and returns its counts."""

    step: str
    runbook_page = "failed.md"

    # Of a mapped task.
    batch: Mapping[str, Any] | None = None

    def execute(self, context: Any) -> Any:
        """Run the step; its errors become Airflow's, and what a person should know a note on the run."""
        return self.translated(context)

    def translated(self, context: Any, *, unwoken: bool = False) -> Any:
        """Run the step; `unwoken` after a wait that nobody ended."""
        from orchestration.context import run_context
        from orchestration.errors import AS_SENTENCES, airflow_errors
        from orchestration.log import show_sentences
        from orchestration.metrics import measured
        from pipeline.endings import Refused

        show_sentences(*AS_SENTENCES)
        with noted(context) as note, airflow_errors():
            number = int(self.batch["batch"]) if self.batch else None
            run = run_context(context, batch=number, alone=IN_MAKE_RUN, unwoken=unwoken)
            try:
                with measured(run, self.step):
                    result = self.run_step(run)
            except Refused:
                note.refused = True
                raise
            finally:
                note.session = run.state.plan.sessions if run.state.plan else None
            self.tell(run, context, result)
            note.text = self.note(run, result)
        return result

    def note(self, run: RunContext, result: Any) -> str:
        """What a person should read on the run when this task has succeeded."""
        return ""

    @abstractmethod
    def run_step(self, run: RunContext) -> Any:
        """Run the step; what it returns is kept as the task's XCom, so counts only."""

    def tell(self, run: RunContext, context: Any, counts: Any) -> None:
        """Tell others of a step that has ended well; only `publish` has something to tell."""

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """What OpenLineage's provider, when it is installed, asks after a step that has ended well."""
        from orchestration.lineage import lineage_of

        return lineage_of(self, task_instance)

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> Any:
        """The same after one that has failed."""
        from orchestration.lineage import lineage_of

        return lineage_of(self, task_instance, failed=True)


class PlanOperator(StepOperator):
    """Checks the session and the home, and lists which inputs to fetch, in batches.

    **Reads** the reference data, `raw` and, in a backfill, `landing`. **Writes** the plan of the run
    (`runs/<run id>/plan.json`) and brings `ref` in line with the reference files.

    **When it fails** the request cannot be run: no session on that day, not closed yet, an unknown input, a
    wrong setting or a full disk. The message says which. Trigger again with another session, or correct the
    setting; trying again without a change does not help. See `docs/runbook/failed.md`.

    **When all later tasks are skipped**, another run of the same backfill does the work.
    """

    step = "plan"
    title = "Plan what to fetch"

    def execute(self, context: Any) -> Any:
        """As every step; a dry run ends here, and so does a run of a backfill that leaves its work to
        another, without the step where that is known at once.

        The other tasks are skipped by this one and not one after the other by the scheduler, and it succeeds:
        Airflow may take five seconds to see that a task has skipped itself, in which it holds the pool.
        """
        from orchestration.at_once import is_left_at_once

        if not IN_MAKE_RUN and is_left_at_once(context):
            # Each link is a request and a row.
            self.operator_extra_links = ()
            raise self._all_others_skipped()
        try:
            result = super().execute(context)
        except AirflowSkipException:
            raise self._all_others_skipped() from None
        if not context["params"].get("dry_run"):
            return result
        context["ti"].xcom_push(key="dry_run", value=result)
        raise self._all_others_skipped()

    def _all_others_skipped(self) -> DownstreamTasksSkipped:
        return DownstreamTasksSkipped(tasks=sorted(self.get_flat_relative_ids(upstream=False)))

    def run_step(self, run: RunContext) -> Any:
        """`batch` (its number), `dataset`, `inputs` (how many) and `label` of each batch; of a dry run, what
        it would do.
        """
        from pipeline import steps

        if run.requested.dry_run:
            would = steps.dry_run(run)
            return {**would.model_dump(mode="json"), "sessions": would.sessions, "summary": would.sentence}
        decided = steps.plan(run)
        return [
            {
                "batch": batch.number,
                "dataset": batch.dataset,
                "inputs": len(batch.inputs),
                "label": decided.label(batch),
            }
            for batch in decided.batches
        ]

    def note(self, run: RunContext, result: Any) -> str:
        """Of a dry run, what it found."""
        if not run.requested.dry_run:
            return ""
        return f"**Dry run for {result['sessions']}**\n\nIt {result['summary']}"


class FetchOperator(StepOperator):
    """Asks a provider for one batch of inputs and keeps each answer in `landing` as it was served.

    **Reads** its batch of the plan and the provider. **Writes** `landing/<kind>/<input>/` and the outcome of
    the batch (`runs/<run id>/fetched-….json`). It opens no database, so batches run side by side.

    **While it is deferred** the source has not the session yet, or does not answer: it is asked again until
    `ROTATION_WAIT_MINUTES` are over, and no worker is held meanwhile.

    **When it fails** something unexpected happened. A batch that lacks single inputs succeeds: whether they
    are required is decided by the next task. Clear the task to ask again; to fetch the whole history of an
    input again, trigger with `fetch_again`. See `docs/runbook/failed.md`.
    """

    step = "fetch"
    title = "Fetch from the sources"
    # Rendered before the task runs, so a batch that failed has its name too.
    map_label: ClassVar[str] = "{{ task.batch['label'] }}"
    template_fields: Sequence[str] = ("batch",)

    def __init__(self, *, batch: Mapping[str, Any], **kwargs: Any) -> None:
        """`batch`: an entry of what the plan returns."""
        super().__init__(**kwargs)
        self.batch = batch

    def ask_again(self, context: Any, event: Any = None) -> Any:
        """Called when the triggerer wakes the task; `event` is the moment at which it should."""
        return self.translated(context)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Any) -> Any:
        """After a wait that nobody ended, because no triggerer runs or it failed, the source is asked for the
        last time: the load decides whether what is there is enough.
        """
        if next_method == TRIGGER_FAIL_REPR:
            self.log.warning("The wait was not ended by the triggerer: %s", (next_kwargs or {}).get("error"))
            return self.translated(context, unwoken=True)
        return super().resume_execution(next_method, next_kwargs, context)

    def run_step(self, run: RunContext) -> dict[str, Any]:
        """How many inputs were landed and how many failed."""
        from pipeline import steps
        from pipeline.endings import AskLater

        try:
            fetched = steps.fetch(run)
        except AskLater as wait:
            self._defer_until(wait.at - run.clock(), wait.at)
            raise  # never reached: deferring ends the task
        landed = sum(entry.landed is not None for entry in fetched.inputs.values())
        return {"batch": run.batch, "landed": landed, "failed": len(fetched.inputs) - landed}

    def _defer_until(self, pause: timedelta, at: datetime) -> None:
        """Release the worker until a moment (naive UTC)."""
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        self.defer(
            trigger=DateTimeTrigger(moment=at.replace(tzinfo=UTC)),
            method_name="ask_again",
            # The scheduler enforces it, so that a wait ends where no triggerer runs.
            timeout=pause + TRIGGERER_MAY_LAG,
        )


class LoadOperator(StepOperator):
    """Checks the rows that were served and appends what is new to `raw`.

    **Reads** the payloads in `landing` and the rules in `expectations/raw/`. **Writes** new rows and new
    versions to `raw`, rows that break a rule to `ops.quarantine`, results to `ops.validation_results`.

    **When it fails** a required input is missing or cannot be read, or a critical rule failed; nothing is
    published and readers keep the last publication. The message names input and rows. See
    `docs/runbook/failed.md`.
    """

    title = "Check and load"

    step = "load"

    def run_step(self, run: RunContext) -> dict[str, int]:
        """How many rows are new."""
        from pipeline import steps

        return {"new_rows": sum(entry.new_rows for entry in steps.load(run).datasets.values())}


class BuildOperator(StepOperator):
    """Brings every table of `staging` and `marts` up to date in a new publication.

    **Reads** `raw` and `ref`, only what was available by the session, and the last publication: what did not
    change since is kept. Once a week, or with the parameter `rebuild`, everything is built anew. **Writes**
    the waiting publication, which no reader sees yet.

    **When it fails** a model cannot be computed, or memory or disk are too small; readers keep the last
    publication. **When it is skipped**, nothing is new, or a later run builds this session too. See
    `docs/runbook/failed.md`.
    """

    title = "Build the marts"

    step = "build"

    def run_step(self, run: RunContext) -> dict[str, int]:
        """How many rows were built."""
        from pipeline import steps

        return {"rows": sum(steps.build(run).rows.values())}


class AuditOperator(StepOperator):
    """Checks the waiting publication with the rules of `expectations/` and the cross checks.

    **Reads** the waiting publication. **Writes** `ops.validation_results`, `ops.cross_checks` and
    `ops.freshness`.

    **When it fails** a critical rule failed: nothing is published and readers keep the last publication. The
    message names the rule and rows. A rule that only warns does not stop the run. See
    `docs/runbook/failed.md`.
    """

    title = "Audit the build"

    step = "audit"

    def run_step(self, run: RunContext) -> dict[str, int]:
        """How many rules were checked and how many failed."""
        from pipeline import steps

        audited = steps.audit(run)
        return {"rules": audited.rules, "failed": len(audited.failed)}


class PublishOperator(StepOperator):
    """Exports Parquet, draws the brief and makes the new publication the current one, by one rename.

    **Reads** the audited publication. **Writes** `published/generations/<n>/`, the link `published/current`,
    `published/status.json`, and the asset event that other DAGs may wait for.

    **When it fails** the brief could not be drawn or the disk is full; readers keep the last publication.
    Clear this task once the cause is gone. See `docs/runbook/failed.md`.
    """

    title = "Publish to readers"
    operator_extra_links = (RunbookLink(), BriefLink(), PublicationLink(), FailedChecksLink())

    step = "publish"

    def run_step(self, run: RunContext) -> dict[str, int]:
        """The number of the publication."""
        from pipeline import steps

        return {"generation": steps.publish(run).generation}

    def note(self, run: RunContext, result: Any) -> str:
        """Session, rows, failed rules and the headline."""
        from orchestration.summary import published_note

        return published_note(run)

    def tell(self, run: RunContext, context: Any, counts: dict[str, int]) -> None:
        """Who reads the brief, where that is set up; whoever builds on the publication, by the events of the
        assets, which nobody does in `make run`.
        """
        from orchestration.assets import announce
        from orchestration.facts import publication_facts
        from orchestration.metrics import measure_publication

        self._deliver(run, counts["generation"])
        if IN_MAKE_RUN:
            return
        facts = publication_facts(run, counts["generation"])
        announce(facts, context["outlet_events"])
        measure_publication(facts)

    def _deliver(self, run: RunContext, generation: int) -> None:
        from alerts.delivery import Brief, deliver
        from market_calendar.deadline import is_backfill
        from pipeline.state import Published

        published = run.state.read("published", Published)
        if published is None or is_backfill(run.run_id):
            return
        brief = Brief(run.plan.target, generation, published.headlines, run.settings.simulated)
        deliver(run.settings, brief)
