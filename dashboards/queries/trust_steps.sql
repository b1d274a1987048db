-- One row per run and step: how long it took, what it read or wrote, how it ended and why, and the generation that the run led to. The
-- publication is closed before its own run has recorded the step that publishes it.
select
    coalesce(publication.generation::varchar, 'none') as led_to_generation,
    runs.session_date,
    runs.step,
    runs.started_at_utc,
    date_diff('millisecond', runs.started_at_utc, runs.ended_at_utc) / 1000.0 as seconds,
    runs.rows,
    runs.outcome,
    coalesce(runs.message, 'nothing to report') as message,
    runs.run_id
from ops.runs as runs
left join ops.publication as publication on runs.run_id = publication.run_id
