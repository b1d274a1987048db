"""One operator per step of the daily run.

In: Airflow's context. Out: counts for Airflow; everything else is handed over in `runs/<run id>/`
(`pipeline.state`). Each operator imports the steps when its task runs: at parse time they would cost seconds.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

if TYPE_CHECKING:
    from pipeline.context import RunContext

# `make run` holds its home: no turns, no deadline, no wait for a late provider.
IN_MAKE_RUN = bool(os.environ.get("ROTATION_MAKE_RUN"))


class StepOperator(BaseOperator):
    """Runs one step of the pipeline and returns its counts."""

    step: str
    # Of a mapped task.
    batch: Mapping[str, Any] | None = None

    def execute(self, context: Any) -> Any:
        """Run the step; its errors become Airflow's."""
        from orchestration.context import run_context
        from orchestration.errors import AS_SENTENCES, airflow_errors
        from orchestration.log import show_sentences
        from orchestration.metrics import measured

        show_sentences(*AS_SENTENCES)
        with airflow_errors():
            number = int(self.batch["batch"]) if self.batch else None
            run = run_context(context, batch=number, alone=IN_MAKE_RUN)
            with measured(run, self.step):
                counts = self.run_step(run)
            self.tell(run, context, counts)
        return counts

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
    """Checks the session and lists what to fetch; returns a batch for each mapped fetch."""

    step = "plan"

    def run_step(self, run: RunContext) -> list[dict[str, Any]]:
        """`batch` (its number), `dataset` and `inputs` (how many) of each batch."""
        from pipeline import steps

        return [
            {"batch": batch.number, "dataset": batch.dataset, "inputs": len(batch.inputs)}
            for batch in steps.plan(run).batches
        ]


class FetchOperator(StepOperator):
    """Fetches one batch of inputs into landing."""

    step = "fetch"
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
    """Validates what was fetched and appends new versions to `raw`."""

    step = "load"

    def run_step(self, run: RunContext) -> dict[str, int]:
        """How many rows are new."""
        from pipeline import steps

        return {"new_rows": sum(entry.new_rows for entry in steps.load(run).datasets.values())}


class BuildOperator(StepOperator):
    """Computes every model into a new publication."""

    step = "build"

    def run_step(self, run: RunContext) -> dict[str, int]:
        """How many rows were built."""
        from pipeline import steps

        return {"rows": sum(steps.build(run).rows.values())}


class AuditOperator(StepOperator):
    """Checks the new publication."""

    step = "audit"

    def run_step(self, run: RunContext) -> dict[str, int]:
        """How many rules were checked and how many failed."""
        from pipeline import steps

        audited = steps.audit(run)
        return {"rules": audited.rules, "failed": len(audited.failed)}


class PublishOperator(StepOperator):
    """Makes the new publication the current one."""

    step = "publish"

    def run_step(self, run: RunContext) -> dict[str, int]:
        """The number of the publication."""
        from pipeline import steps

        return {"generation": steps.publish(run).generation}

    def tell(self, run: RunContext, context: Any, counts: dict[str, int]) -> None:
        """Whoever builds on the publication, by the events of the assets; nobody does in `make run`."""
        from orchestration.assets import announce
        from orchestration.facts import publication_facts
        from orchestration.metrics import measure_publication

        if IN_MAKE_RUN:
            return
        facts = publication_facts(run, counts["generation"])
        announce(facts, context["outlet_events"])
        measure_publication(facts)
