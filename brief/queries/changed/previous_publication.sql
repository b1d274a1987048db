-- The publication before, if its run's results are still held.
select
    generation,
    session_date,
    data_source,
    published_at_utc,
    code_version,
    run_id
from ops.publication
where
    generation < $generation and run_id != $run
    and run_id in (select results.run_id from ops.validation_results as results)
order by generation desc
limit 1
