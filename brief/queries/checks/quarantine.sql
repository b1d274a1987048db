-- A rule that put rows of a table into quarantine in the run.
select distinct
    table_name,
    rule
from ops.quarantine where run_id = $run order by table_name, rule
