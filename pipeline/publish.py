"""The last step: record the publication and its contract, export Parquet, draw the brief, move the link.

In: the run's context and the audited build. Out: generation N behind `published/current`, `published.json`,
the page of the session in `published/briefs/` and `published/status.json`. Each part can be repeated after an
attempt that was killed.
"""

from __future__ import annotations

import duckdb

from brief import archive
from brief.headlines import headlines
from brief.page import DrawingFailed, write_pages
from expectations.data_contract import CONTRACT, Facts, contract_text
from pipeline.context import RunContext
from pipeline.endings import StepFailed
from pipeline.log import LOG
from pipeline.published import already_published, heal_publication_record, require_own_build
from pipeline.run_record import step, write_run_status
from pipeline.state import BuildSummary, Published
from pipeline.turns import forget_left
from warehouse import publication
from warehouse.catalog import load_catalog
from warehouse.database import append, pipeline_database
from warehouse.durable import replace_durably
from warehouse.status import SUCCESS


def publish(run: RunContext) -> Published:
    """Make the built publication the current one.

    A run that has published already (its task was cleared) says again what it said.

    Raises:
        StepFailed: the brief cannot be drawn, or another run's build took the place of this one's.
        Refused: the run has published already, and another one after it.
    """
    plan = run.plan
    with step(run, "publish", plan.session) as log:
        generation = publication.generation_of_run(run.settings, run.run_id)
        if generation is None:
            generation = already_published(run)
        if generation is None:
            require_own_build(run)
            generation = _finish_build(run)
            publication.move_into_place(run.settings, generation)
        # From here on each part may have been done by an attempt that was killed, and can be done again.
        published = run.state.read("published", Published) or Published(generation=generation)
        # Before the link: what is killed between the two is built again, and after the link there is nothing
        # left to do.
        _archive(run, generation, published)
        publication.publish_link(run.settings, generation)
        with pipeline_database(run.settings) as connection:
            heal_publication_record(run.settings, connection)
        left = forget_left(run.settings.home, plan.target)
        publication.finish(run.settings, generation)
        log.rows = generation
        LOG.info("publish: generation %s for %s", generation, plan.target)
    write_run_status(
        run,
        SUCCESS,
        "publish",
        None,
        # A session that another run left to this one succeeds with it.
        max(plan.session, left or plan.session),
        generation,
        published.headlines,
        built=plan.target,
    )
    return published


def _finish_build(run: RunContext) -> int:
    """Record, export and draw what was built; its generation."""
    with pipeline_database(run.settings, read_only=True) as connection:
        recorded = connection.execute("select max(generation) from ops.publication").fetchone()
    generation = publication.next_generation(run.settings, recorded[0] if recorded else None)
    catalog = load_catalog()
    building = publication.building_folder(run.settings)
    with publication.opened_publication(run.settings) as connection:
        with publication.attached_pipeline(connection, run.settings):
            publication.copy_tables(connection, catalog, "ops")
        facts = _record(run, connection, generation)
        publication.fill_data_dictionary(connection, catalog)
        publication.fill_table_keys(connection, catalog)
        publication.fill_lineage(connection, catalog)
        contract = contract_text(publication.published_tables(connection, catalog), facts)
        replace_durably(building / CONTRACT, contract)
        built = run.state.read("built", BuildSummary)
        if built is None or built.extends is None:
            publication.export_parquet(connection, catalog, building)
        else:
            extended = building.with_name(str(built.extends))
            publication.export_parquet(connection, catalog, building, extended, built.changed_from)
        try:
            sentences = (write_pages(connection, building), *headlines(connection, run.target))
        except DrawingFailed as error:
            # A publication without its brief is not published: the last one stays, and the message says what
            # broke (docs/adr/0006).
            raise StepFailed(f"{error}. Nothing was published.") from error
    run.state.write("published", Published(generation=generation, headlines=sentences))
    return generation


def _archive(run: RunContext, generation: int, published: Published) -> None:
    """Put the page of the session into the archive, while readers have the last publication still.

    Raises:
        StepFailed: it cannot be written; the archive is as it was.
    """
    brief = run.settings.published / "generations" / str(generation) / "brief.html"
    headline = published.headlines[0] if published.headlines else ""
    page = archive.Kept(run.plan.target, headline, run.settings.simulated)
    try:
        archive.put_in_place(archive.prepare(run.settings.published / archive.FOLDER, brief, page))
    except (OSError, archive.Unsuitable) as error:
        raise StepFailed(
            f"The morning brief could not be put into the archive: {type(error).__name__}: {error}. Readers"
            " keep the last publication; make room or make published/briefs writable, then run again."
        ) from error


def _record(run: RunContext, connection: duckdb.DuckDBPyConnection, generation: int) -> Facts:
    facts = Facts(generation, run.target, run.settings.source, publication.code_version())
    row = {
        "generation": generation,
        "session_date": run.target,
        "data_source": run.settings.source,
        "published_at_utc": run.clock(),
        "storage_version": publication.STORAGE_VERSION,
        "code_version": facts.code_version,
        "run_id": run.run_id,
    }
    append(connection, "ops.publication", [row])
    return facts
