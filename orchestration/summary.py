"""The note of a run that has published, from its hand-overs.

Imported when a task runs.
"""

from __future__ import annotations

from alerts.addresses import published_link
from pipeline.context import RunContext
from pipeline.state import AuditSummary, BuildSummary, LoadSummary, Published, RunPlan

SHOWN_RULES = 3


def published_note(run: RunContext) -> str:
    """Session, rows, failed rules and the headline, in Markdown."""
    state, plan = run.state, run.plan
    published = state.read("published", Published)
    if published is None:
        return ""
    loaded = state.read("loaded", LoadSummary) or LoadSummary()
    built = state.read("built", BuildSummary) or BuildSummary()
    audited = state.read("audited", AuditSummary) or AuditSummary()
    new = sum(entry.new_rows for entry in loaded.datasets.values())
    quarantined = sum(entry.quarantined for entry in loaded.datasets.values())
    folder = f"generations/{published.generation}"
    # The page of the run shows the first line.
    lines = [
        f"**{_session(plan)}: [generation {published.generation}]"
        f"({published_link(f'briefs/{plan.target}.html')})**, {new:,} new rows, {len(audited.failed):,} of"
        f" {audited.rules:,} [rules]({published_link(f'{folder}/validation.html')}) failed",
        *published.headlines[:1],
        *_failed(audited),
        f"{quarantined:,} row{'' if quarantined == 1 else 's'} in quarantine. Build: {built.sentence}.",
    ]
    if loaded.gaps:
        more = len(loaded.gaps) - 1
        lines.append(f"{loaded.gaps[0]}{f' {more} more required inputs lack sessions.' if more else ''}")
    if missing := len(loaded.missing):
        lines.append(f"{missing:,} optional input{' was' if missing == 1 else 's were'} not served.")
    return "\n\n".join(lines)


def _session(plan: RunPlan) -> str:
    what = f"Sessions {plan.sessions}" if plan.first else f"Session {plan.session}"
    return what if plan.session == plan.target else f"{what} repaired, published at {plan.target}"


def _failed(audited: AuditSummary) -> list[str]:
    """The rules that failed, by name; none when none did."""
    if not audited.failed:
        return []
    names = [
        f"{found.table_name} {found.rule} ({found.failed_rows:,} row{'' if found.failed_rows == 1 else 's'})"
        for found in audited.failed
    ]
    more = f" and {len(names) - SHOWN_RULES} more" if len(names) > SHOWN_RULES else ""
    return [f"Failed: {', '.join(names[:SHOWN_RULES])}{more}."]
