-- One rule that failed in the run, the gravest first.
select
    run_id,
    table_name,
    rule,
    severity,
    failed_rows,
    checked_rows,
    sample
from ops.validation_results
where run_id = $run and not passed
order by case severity when 'critical' then 0 when 'warning' then 1 else 2 end, table_name, rule
