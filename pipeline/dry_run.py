"""The parameter `dry_run`: what a run would fetch and build, without doing it.

In: the run's context. Out: lines in the log and a `DryRun`. It reads the home and asks no provider for data;
landing, raw, the publication, `status.json` and `ops.runs` stay as they are; a refusal leaves its reason in
`refused.json`. Caveat: whether a provider
will answer is not tried, and a closure that only its prices would show is not seen.
"""

from __future__ import annotations

from pipeline.context import RunContext
from pipeline.endings import Refused
from pipeline.errors import EXPECTED
from pipeline.fetch_again import names_to_fetch_again
from pipeline.log import LOG
from pipeline.plan import checked_sessions, held_until_session, high_water, run_plan
from pipeline.planning_database import planning_database
from pipeline.state import DryRun, DryRunBatch
from pipeline.turns import Backfill
from sources.registry import check_providers
from warehouse.database import LAYOUT, home_marker, refuse_other_kind, refuse_other_kind_of_warehouse
from warehouse.status import note_refused


def dry_run(run: RunContext) -> DryRun:
    """Plan, and say what would be done.

    Raises:
        Refused: it cannot be planned; a real run would be refused, or fail, for the same reason.
    """
    try:
        return _dry_run(run)
    except EXPECTED as error:
        note_refused(run.settings, run.run_id, str(error))
        raise Refused(str(error)) from None


def _dry_run(run: RunContext) -> DryRun:
    settings = run.settings
    refuse_other_kind(settings)
    check_providers(settings)
    first, session = checked_sessions(run)
    if (settings.home / "home.json").exists() and home_marker(settings).get("layout", 1) != LAYOUT:
        raise Refused(
            f"{settings.home} was made by another version of this program; a dry run changes nothing, so it"
            " cannot bring it up to date. Make a real run first."
        )
    again = names_to_fetch_again(run, session)
    with planning_database(settings) as connection:
        refuse_other_kind_of_warehouse(settings, connection)
        replays = Backfill() if first or held_until_session(connection) is None else None
        decided = run_plan(run, connection, session, high_water(connection), replays, again, first)
    would = DryRun(
        session=decided.session,
        target=decided.target,
        source=decided.source,
        batches=tuple(
            DryRunBatch(
                dataset=batch.dataset,
                label=decided.label(batch),
                inputs=tuple(item.input for item in batch.inputs),
                whole_history=tuple(
                    item.input for item in batch.inputs if item.start <= settings.history_start
                ),
            )
            for batch in decided.batches
        ),
        not_taken=decided.not_taken,
        first=decided.first,
        replayed=sum(map(len, decided.replay.values())),
    )
    _report(would)
    return would


def _report(would: DryRun) -> None:
    for sentence in would.not_taken:
        LOG.warning(sentence)
    for batch in would.batches:
        LOG.info(
            "dry run: would fetch %s (%s inputs, %s of them with their whole history)",
            batch.label,
            len(batch.inputs),
            len(batch.whole_history),
        )
    LOG.info("dry run: %s", would.sentence)
