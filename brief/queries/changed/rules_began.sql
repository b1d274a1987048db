-- A rule that failed in the run and did not fail in the run of the publication before, the gravest first.
select
    run_id,
    table_name,
    rule,
    severity,
    failed_rows
from ops.validation_results
where
    run_id = $run and not passed
    and (table_name, rule) not in (
        select
            earlier.table_name,
            earlier.rule
        from ops.validation_results as earlier
        where earlier.run_id = $before and not earlier.passed
    )
order by case severity when 'critical' then 0 when 'warning' then 1 else 2 end, table_name, rule
