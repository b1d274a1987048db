"""One operator per step of the daily run.

In: Airflow's context. Out: counts for Airflow; everything else is handed over in `runs/<run id>/`
(`pipeline.state`). Each operator imports the steps when its task runs: at parse time they would cost seconds.
The docstring of an operator is what the web interface shows as the documentation of its task.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.exceptions import DownstreamTasksSkipped

from orchestration.described import DescribedOperator
from orchestration.links import BriefLink, FailedChecksLink, PublicationLink, RunbookLink
from orchestration.noted import noted

if TYPE_CHECKING:
    from pipeline.context import RunContext

# `make run` holds its home: no turns, no deadline, no wait for a late provider.
IN_MAKE_RUN = bool(os.environ.get("ROTATION_MAKE_RUN"))


class StepOperator(DescribedOperator):
    """Runs one step of the pipeline and returns its counts."""

    runbook_page = "failed.md"

    # Of a mapped task.
    batch: Mapping[str, Any] | None = None

    def execute(self, context: Any) -> Any:
        """Run the step; its errors become Airflow's, and what a person should know a note on the run."""
        from orchestration.context import run_context
        from orchestration.errors import AS_SENTENCES, airflow_errors
        from orchestration.log import show_sentences

        show_sentences(*AS_SENTENCES)
        with noted(context) as note, airflow_errors():
            number = int(self.batch["batch"]) if self.batch else None
            run = run_context(context, batch=number, alone=IN_MAKE_RUN)
            result = self.run_step(run)
            note.text = self.note(run, result)
            return result

    def note(self, run: RunContext, result: Any) -> str:
        """What a person should read on the run when this task has succeeded."""
        return ""

    @abstractmethod
    def run_step(self, run: RunContext) -> Any:
        """Run the step; what it returns is kept as the task's XCom, so counts only."""


class PlanOperator(StepOperator):
    """Checks the session and the home, and lists which inputs to fetch, in batches.

    **Reads** the reference data, `raw` and, in a backfill, `landing`. **Writes** the plan of the run
    (`runs/<run id>/plan.json`) and brings `ref` in line with the reference files.

    **When it fails** the request cannot be run: no session on that day, not closed yet, an unknown input, a
    wrong setting or a full disk. The message says which. Trigger again with another session, or correct the
    setting; trying again without a change does not help. See `docs/runbook/failed.md`.

    **When it is skipped**, another run of the same backfill does the work.
    """

    title = "Plan what to fetch"

    def execute(self, context: Any) -> Any:
        """As every step; a dry run ends here, and the other tasks are skipped."""
        result = super().execute(context)
        if not context["params"].get("dry_run"):
            return result
        context["ti"].xcom_push(key="dry_run", value=result)
        raise DownstreamTasksSkipped(tasks=sorted(self.get_flat_relative_ids(upstream=False)))

    def run_step(self, run: RunContext) -> Any:
        """`batch` (its number), `dataset`, `inputs` (how many) and `label` of each batch; of a dry run, what
        it would do.
        """
        from pipeline import steps

        if run.requested.dry_run:
            would = steps.dry_run(run)
            return {**would.model_dump(mode="json"), "summary": would.sentence}
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
        return f"**Dry run for {result['session']}**\n\nIt {result['summary']}"


class FetchOperator(StepOperator):
    """Asks a provider for one batch of inputs and keeps each answer in `landing` as it was served.

    **Reads** its batch of the plan and the provider. **Writes** `landing/<kind>/<input>/` and the outcome of
    the batch (`runs/<run id>/fetched-….json`). It opens no database, so batches run side by side.

    **When it fails** the provider did not answer, after all attempts. A batch that lacks single inputs
    succeeds: whether they are required is decided by the next task, which names them. Clear the task to ask
    again; to fetch the whole history of an input again, trigger with `fetch_again`. See
    `docs/runbook/failed.md`.
    """

    title = "Fetch from the sources"
    # Rendered before the task runs, so a batch that failed has its name too.
    map_label: ClassVar[str] = "{{ task.batch['label'] }}"
    template_fields: Sequence[str] = ("batch",)

    def __init__(self, *, batch: Mapping[str, Any], **kwargs: Any) -> None:
        """`batch`: an entry of what the plan returns."""
        super().__init__(**kwargs)
        self.batch = batch

    def run_step(self, run: RunContext) -> dict[str, Any]:
        """How many inputs were landed and how many failed."""
        from pipeline import steps

        fetched = steps.fetch(run)
        landed = sum(entry.landed is not None for entry in fetched.inputs.values())
        return {"batch": run.batch, "landed": landed, "failed": len(fetched.inputs) - landed}


class LoadOperator(StepOperator):
    """Checks the rows that were served and appends what is new to `raw`.

    **Reads** the payloads in `landing` and the rules in `expectations/raw/`. **Writes** new rows and new
    versions to `raw`, rows that break a rule to `ops.quarantine`, results to `ops.validation_results`.

    **When it fails** a required input is missing or cannot be read, or a critical rule failed; nothing is
    published and readers keep the last publication. The message names input and rows. See
    `docs/runbook/failed.md`.
    """

    title = "Check and load"

    def run_step(self, run: RunContext) -> dict[str, int]:
        """How many rows are new."""
        from pipeline import steps

        return {"new_rows": sum(entry.new_rows for entry in steps.load(run).datasets.values())}


class BuildOperator(StepOperator):
    """Computes every table of `staging` and `marts` into a new publication.

    **Reads** `raw` and `ref`, only what was available by the session. **Writes** the waiting publication,
    which no reader sees yet.

    **When it fails** a model cannot be computed, or memory or disk are too small; readers keep the last
    publication. **When it is skipped**, a later run builds this session too. See `docs/runbook/failed.md`.
    """

    title = "Build the marts"

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

    def run_step(self, run: RunContext) -> dict[str, int]:
        """The number of the publication."""
        from pipeline import steps

        return {"generation": steps.publish(run).generation}

    def note(self, run: RunContext, result: Any) -> str:
        """Session, rows, failed rules and the headline."""
        from orchestration.summary import published_note

        return published_note(run)
