-- One row per rule that failed in the newest run that judged its table, with its rows, since when it has failed without a break, and the
-- marts made from its table; and one row per table and severity of which no rule failed, saying how many were checked.
with history as (
    select
        results.table_name,
        results.rule,
        results.passed,
        starts.session_date,
        starts.started_at_utc,
        max(starts.started_at_utc) filter (where results.passed) over (partition by results.table_name, results.rule) as last_passed_at_utc
    from ops.validation_results as results
    inner join shared.run_starts as starts on results.run_id = starts.run_id
),

since as (
    select
        table_name,
        rule,
        arg_min(session_date, started_at_utc) as failed_since_session_date,
        count(*) as failed_runs
    from history
    where not passed and coalesce(started_at_utc > last_passed_at_utc, true)
    group by table_name, rule
),

touched as (
    select
        input_name as table_name,
        list(table_name order by table_name) as marts
    from ops.lineage
    where starts_with(table_name, 'marts.') and steps > 0
    group by input_name
)

select
    case results.severity when 'critical' then 1 when 'warning' then 2 else 3 end as position,
    results.severity,
    results.table_name,
    results.rule,
    results.failed_rows,
    results.checked_rows,
    results.session_date as judged_session_date,
    since.failed_since_session_date,
    since.failed_runs,
    coalesce(
        array_to_string(touched.marts[1:4], ', ') || if(len(touched.marts) > 4, ' and ' || (len(touched.marts) - 4) || ' more', ''),
        'none'
    ) as marts_made_from_it
from shared.current_results as results
left join since on results.table_name = since.table_name and results.rule = since.rule
left join touched on results.table_name = touched.table_name
where not results.passed
union all
select
    case severity when 'critical' then 4 when 'warning' then 5 else 6 end as position,
    severity,
    table_name,
    if(count(*) = 1, 'its one rule passed', 'none of ' || count(*) || ' rules failed') as rule,
    0 as failed_rows,
    max(checked_rows) as checked_rows,
    max(session_date) as judged_session_date,
    null as failed_since_session_date,
    null as failed_runs,
    null as marts_made_from_it
from shared.current_results
group by severity, table_name
having bool_and(passed)
