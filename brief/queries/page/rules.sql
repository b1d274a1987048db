-- How many rules the run checked, and how many of them failed.
select
    count(*) as checked,
    count(*) filter (not passed) as failed,
    count(*) filter (not passed and severity = 'critical') as critical
from ops.validation_results
where run_id = $run
