-- One row: the publication that answers.
select
    generation,
    session_date,
    data_source,
    published_at_utc,
    run_id
from ops.publication
order by generation desc
limit 1
