-- The result of one rule in the run, failed ones first, the gravest first.
select
    table_name,
    rule,
    column_name,
    severity,
    passed,
    checked_rows,
    failed_rows,
    sample
from ops.validation_results
where run_id = $run
order by
    passed,
    case severity when 'critical' then 0 when 'warning' then 1 when 'info' then 2 else 3 end,
    table_name,
    rule,
    coalesce(column_name, '')
