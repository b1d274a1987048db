-- The publication that the database is.
select
    generation,
    session_date,
    data_source,
    published_at_utc,
    code_version,
    run_id
from ops.publication
order by generation desc
limit 1
