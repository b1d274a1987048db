-- How many rules of a table the run checked, and how many of them failed.
select
    table_name,
    count(*) as rules,
    count(*) filter (not passed) as failed
from ops.validation_results
where run_id = $run
group by table_name
order by table_name
