-- One row per rule by the newest run that judged its table. Models are judged in every run; a raw table only in a run that loads into it.
select
    results.table_name,
    results.rule,
    results.severity,
    results.passed,
    results.checked_rows,
    results.failed_rows,
    results.sample,
    starts.session_date,
    starts.started_at_utc
from ops.validation_results as results
inner join shared.run_starts as starts on results.run_id = starts.run_id
qualify starts.started_at_utc = max(starts.started_at_utc) over (partition by results.table_name)
