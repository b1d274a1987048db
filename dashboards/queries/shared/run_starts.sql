-- One row per run that is remembered: its session and when it began.
select
    run_id,
    min(session_date) as session_date,
    min(started_at_utc) as started_at_utc
from ops.runs
group by run_id
