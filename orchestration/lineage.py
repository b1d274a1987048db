"""Lineage of tables for OpenLineage, when `apache-airflow-providers-openlineage` is installed and set up.

In: a step that has ended, and the catalog's tables with their inputs. Out: what the step's own event says,
and a run of its own for every table that the step made, as children of the task: a task that builds forty
tables would otherwise connect each of its inputs with each of its outputs. Imported by the provider's
listener alone, in a process of its own that Airflow ends after `[openlineage] execution_timeout`; nothing
here can fail or hold up a run for longer.

Names: a table is `warehouse.<schema>.<name>` in `duckdb://<path of the file>`, as dbt names it; what was
fetched is a folder of landing; a provider is `provider://<name>`. docs/observe.md has them all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.providers.openlineage.api import emit
from airflow.providers.openlineage.extractors import OperatorLineage
from airflow.providers.openlineage.plugins.macros import (
    lineage_job_name,
    lineage_job_namespace,
    lineage_root_job_name,
    lineage_root_job_namespace,
    lineage_root_run_id,
    lineage_run_id,
)
from openlineage.client.event_v2 import (
    Dataset,
    InputDataset,
    Job,
    OutputDataset,
    Run,
    RunEvent,
    RunState,
)
from openlineage.client.facet_v2 import (
    data_quality_assertions_dataset as quality,
)
from openlineage.client.facet_v2 import (
    dataset_version_dataset,
    documentation_dataset,
    documentation_job,
    job_type_job,
    output_statistics_output_dataset,
    ownership_dataset,
    parent_run,
    schema_dataset,
    sql_job,
)
from openlineage.client.uuid import generate_static_uuid

from datasets.registry import DATASETS
from orchestration.context import run_context
from pipeline.context import RunContext
from pipeline.state import BuildSummary, LoadSummary, Published
from sources.registry import provider_name
from warehouse.catalog import Table, load_catalog
from warehouse.database import pipeline_database
from warehouse.settings import Settings

if TYPE_CHECKING:
    from orchestration.operators import StepOperator

# OpenLineage's words for the severities of a rule.
SEVERITY = {"critical": "error", "warning": "warn", "info": "info"}


@dataclass(frozen=True)
class Made:
    """A table or a folder of payloads that a step has made or added to: its own run in the lineage.

    Attributes:
        name: after the task's in the name of the job.
        inputs: what it was made from.
        output: what was made.
        description: for the job.
        sql: the statement, if it is one.
    """

    name: str
    inputs: list[InputDataset]
    output: OutputDataset
    description: str
    sql: str | None = None


def lineage_of(operator: StepOperator, task_instance: Any, *, failed: bool = False) -> Any:
    """What the event of the task says; events of the tables are sent on the way.

    Args:
        operator: the step.
        task_instance: of Airflow, with its context.
        failed: whether the task has failed; only an audit has then something to say.
    """
    batch = int(operator.batch["batch"]) if operator.batch else None
    run = run_context(task_instance.get_template_context(), batch=batch)
    names = Names(run.settings, operator.owner)
    if operator.step == "audit":
        return OperatorLineage(inputs=_audited(run, names))
    if failed:
        return OperatorLineage()
    if operator.step == "publish":
        return _published(run, names)
    makers = {"fetch": _fetched, "load": _loaded, "build": _built}
    for made in makers.get(operator.step, _nothing)(run, names):
        for event in _events(made, task_instance):
            emit(event)
    return OperatorLineage()


@dataclass(frozen=True)
class Names:
    """The datasets of a home.

    Attributes:
        settings: where the home is.
        owner: of the DAG's tasks.
    """

    settings: Settings
    owner: str

    def table(self, full_name: str, kind: type[Dataset] = InputDataset, **facets: Any) -> Any:
        """A table of the catalog, with its columns and what they mean."""
        table = load_catalog()[full_name]
        published = table.schema in ("staging", "marts")
        current = self.settings.published / "current" / "warehouse.duckdb"
        path = current if published else self.settings.warehouse
        return kind(f"duckdb://{path}", f"{path.stem}.{full_name}", facets=self._facets(table), **facets)

    def provider(self, dataset: str) -> InputDataset:
        """Where a kind of input is fetched from."""
        return InputDataset(f"provider://{provider_name(self.settings, dataset)}", dataset)

    def landed(self, dataset: str, kind: type[Dataset] = OutputDataset) -> Any:
        """The payloads of a kind of input, as they were served."""
        return kind("file", str(self.settings.landing / dataset))

    def _facets(self, table: Table) -> dict[str, Any]:
        fields = [
            schema_dataset.SchemaDatasetFacetFields(
                name=column.name,
                type=column.type,
                description=f"{column.description} Unit: {column.unit}.",
                ordinal_position=number,
            )
            for number, column in enumerate(table.columns, 1)
        ]
        return {
            "schema": schema_dataset.SchemaDatasetFacet(fields=fields),
            "documentation": documentation_dataset.DocumentationDatasetFacet(description=_meaning(table)),
            "ownership": ownership_dataset.OwnershipDatasetFacet(
                owners=[ownership_dataset.Owner(name=f"team:{self.owner}", type="MAINTAINER")]
            ),
        }


def _meaning(table: Table) -> str:
    return f"{table.description} Grain: {', '.join(table.grain) or 'one row'}. Source: {table.source}."


def _rows(count: int) -> dict[str, Any]:
    """The facet with the number of rows that were written."""
    statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=count)
    return {"outputStatistics": statistics}


def _nothing(run: RunContext, names: Names) -> Iterator[Made]:
    """Of a step that reads and writes no table, as `plan`."""
    return iter(())


def _fetched(run: RunContext, names: Names) -> Iterator[Made]:
    """One kind of input, from its provider into landing; the batches of a kind are runs of one job. A batch
    that brought nothing wrote nothing.
    """
    assert run.batch is not None, "fetch runs for one batch"
    if not any(entry.landed for entry in run.state.fetched(run.batch).inputs.values()):
        return
    dataset = run.plan.batches[run.batch].dataset
    source = names.provider(dataset)
    yield Made(dataset, [source], names.landed(dataset), f"Fetches {dataset} from {source.namespace}.")


def _loaded(run: RunContext, names: Names) -> Iterator[Made]:
    """Each kind of input of which something was in landing, from there into its raw table."""
    for dataset, summary in (run.state.read("loaded", LoadSummary) or LoadSummary()).datasets.items():
        if not summary.fetched + summary.replayed:
            continue
        table = DATASETS[dataset].table
        output = names.table(table, OutputDataset, outputFacets=_rows(summary.new_rows))
        source = names.landed(dataset, InputDataset)
        yield Made(dataset, [source], output, f"Validates {dataset} and appends new versions to {table}.")


def _built(run: RunContext, names: Names) -> Iterator[Made]:
    """Each model, from the inputs that it declares."""
    catalog = load_catalog()
    for name, rows in (run.state.read("built", BuildSummary) or BuildSummary()).rows.items():
        table = catalog[name]
        assert table.model is not None, f"{name} was built and is not a model"
        yield Made(
            name,
            [names.table(item) for item in table.inputs],
            names.table(name, OutputDataset, outputFacets=_rows(rows)),
            _meaning(table),
            table.model.read_text(encoding="utf-8") if table.model.suffix == ".sql" else None,
        )


def _audited(run: RunContext, names: Names) -> list[InputDataset]:
    """Every table on which the run has checked rules, with their results."""
    with pipeline_database(run.settings, read_only=True) as connection:
        results = connection.execute(
            "select table_name, rule, column_name, severity, passed, checked_rows, failed_rows"
            " from ops.validation_results where run_id = ? order by table_name, rule",
            [run.run_id],
        ).fetchall()
    assertions: dict[str, list[quality.Assertion]] = defaultdict(list)
    for table, rule, column, severity, passed, checked, failed in results:
        assertions[table].append(
            quality.Assertion(
                assertion=rule,
                success=bool(passed),
                column=column,
                severity=SEVERITY[severity],
                name=f"{table}.{rule}",
                actual=f"{failed:,} of {checked:,} rows failed",
            )
        )
    return [
        names.table(
            table,
            inputFacets={
                "dataQualityAssertions": quality.DataQualityAssertionsDatasetFacet(assertions=found)
            },
        )
        for table, found in assertions.items()
    ]


def _published(run: RunContext, names: Names) -> Any:
    """From the marts to the folder behind the link."""
    generation = (run.state.read("published", Published) or Published(generation=0)).generation
    marts = [table.full_name for table in load_catalog().in_schema("marts")]
    version = dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=str(generation))
    folder = str(names.settings.published / "current")
    return OperatorLineage(
        inputs=[names.table(name) for name in marts],
        outputs=[OutputDataset("file", folder, facets={"version": version})],
    )


def _events(made: Made, task_instance: Any) -> Iterator[RunEvent]:
    """Start and end of the run of one table; the same ids when they are sent again."""
    task_run, task_job = lineage_run_id(task_instance), lineage_job_name(task_instance)
    started = task_instance.start_date
    parent = parent_run.ParentRunFacet(
        run=parent_run.Run(runId=task_run),
        job=parent_run.Job(namespace=lineage_job_namespace(), name=task_job),
        root=parent_run.Root(
            run=parent_run.RootRun(runId=lineage_root_run_id(task_instance)),
            job=parent_run.RootJob(
                namespace=lineage_root_job_namespace(task_instance), name=lineage_root_job_name(task_instance)
            ),
        ),
    )
    facets: dict[str, Any] = {
        "jobType": job_type_job.JobTypeJobFacet(
            processingType="BATCH", integration="AIRFLOW", jobType="MODEL"
        ),
        "documentation": documentation_job.DocumentationJobFacet(description=made.description),
    }
    if made.sql:
        facets["sql"] = sql_job.SQLJobFacet(query=made.sql, dialect="duckdb")
    run_id = str(generate_static_uuid(started, f"{task_run}.{made.name}".encode()))
    run = Run(runId=run_id, facets={"parent": parent})
    job = Job(namespace=lineage_job_namespace(), name=f"{task_job}.{made.name}", facets=facets)
    yield RunEvent(eventType=RunState.START, eventTime=started.isoformat(), run=run, job=job)
    yield RunEvent(
        eventType=RunState.COMPLETE,
        eventTime=datetime.now(UTC).isoformat(),
        run=run,
        job=job,
        inputs=made.inputs,
        outputs=[made.output],
    )
