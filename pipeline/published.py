"""Checks on the existing publications: which run made the waiting build, and whether the last publication was
recorded.
"""

from __future__ import annotations

import duckdb

from pipeline.context import RunContext
from pipeline.endings import Refused, StepFailed
from pipeline.log import LOG
from pipeline.run_record import write_run_status
from pipeline.state import Published, RunState
from pipeline.turns import forget_left
from warehouse.catalog import load_catalog, quoted
from warehouse.database import append, pipeline_database, transaction
from warehouse.publication import current_generation, run_that_built
from warehouse.settings import Settings
from warehouse.status import SUCCESS


def require_own_build(run: RunContext) -> None:
    """Refuse to continue with the build of another run."""
    if run_that_built(run.settings) != run.run_id:
        raise StepFailed(
            "The waiting publication was built by another run, which replaced this one's. Run the session"
            " again."
        )


def already_published(run: RunContext) -> int | None:
    """The current generation when this run made it and has built nothing since; None when it has still to
    publish.

    Raises:
        Refused: readers have a later one meanwhile.
    """
    made, current = run.state.read("published", Published), current_generation(run.settings)
    if made is None or current is None or run_that_built(run.settings) == run.run_id:
        return None
    with pipeline_database(run.settings, read_only=True) as connection:
        recorded = connection.execute(
            "select 1 from ops.publication where generation = ? and run_id = ?",
            [made.generation, run.run_id],
        ).fetchone()
    if recorded is None:
        return None
    if int(current.name) != made.generation:
        raise Refused(
            f"This run has published already, as generation {made.generation}, and generation {current.name}"
            " came after it. For a new publication run the session again, from its first task."
        )
    LOG.info("publish: generation %s of this run is published already", made.generation)
    return made.generation


def succeed_without_news(run: RunContext, message: str) -> None:
    """Report the success of a run that would have published what readers have already, with the headlines of
    the run that published it.
    """
    plan, current = run.plan, current_generation(run.settings)
    headlines: tuple[str, ...] = ()
    if current is not None:
        with pipeline_database(run.settings, read_only=True) as connection:
            row = connection.execute(
                "select run_id from ops.publication where generation = ?", [int(current.name)]
            ).fetchone()
        made = RunState(run.settings.home, row[0]).read("published", Published) if row else None
        headlines = made.headlines if made else ()
    left = forget_left(run.settings.home, plan.target)
    session = max(plan.session, left or plan.session)
    write_run_status(run, SUCCESS, "build", message, session, None, headlines, built=plan.target)


def heal_publication_record(settings: Settings, connection: duckdb.DuckDBPyConnection) -> None:
    """Restore the record of a run that was killed between moving the link and recording it, from the
    publication itself.
    """
    current = current_generation(settings)
    if current is None:
        return
    names = ", ".join(quoted(name) for name in load_catalog()["ops.publication"].column_names)
    try:
        with duckdb.connect(str(current / "warehouse.duckdb"), read_only=True) as reader:
            frame = reader.execute(
                f"select {names} from ops.publication where generation = ?", [int(current.name)]
            ).df()
    except duckdb.Error as error:
        LOG.warning(
            "plan: generation %s cannot be read and is replaced by this run (%s)",
            current.name,
            str(error).splitlines()[0][:120],
        )
        return
    missing = connection.execute(
        "select count(*) from ops.publication where generation = ?", [int(current.name)]
    ).fetchone()
    if missing and not missing[0]:
        rows = frame.astype(object).to_dict("records")
        with transaction(connection):
            append(
                connection,
                "ops.publication",
                [{str(key): value for key, value in row.items()} for row in rows],
            )
