-- One row per table and severity: how many rules the newest run that judged the table checked on it, and how many passed.
with starts as (
    select
        run_id,
        min(session_date) as session_date,
        min(started_at_utc) as started_at_utc
    from ops.runs
    group by run_id
),

-- Models are judged in every run; a raw table only in a run that loads into it.
current_results as (
    select
        results.*,
        starts.session_date,
        starts.started_at_utc
    from ops.validation_results as results
    inner join starts on results.run_id = starts.run_id
    qualify starts.started_at_utc = max(starts.started_at_utc) over (partition by results.table_name)
)

select
    table_name,
    severity,
    count(*) as rules_checked,
    count(*) filter (where passed) as rules_passed,
    count(*) filter (where not passed) as rules_failed,
    max(checked_rows) as checked_rows,
    max(session_date) as judged_session_date
from current_results
group by table_name, severity
