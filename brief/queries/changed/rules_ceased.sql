-- A rule that failed in the run of the publication before and was checked and passed in the run.
select
    run_id,
    table_name,
    rule,
    severity
from ops.validation_results
where
    run_id = $run and passed
    and (table_name, rule) in (
        select
            earlier.table_name,
            earlier.rule
        from ops.validation_results as earlier
        where earlier.run_id = $before and not earlier.passed
    )
order by table_name, rule
