-- The groups of reference data with their names.
select
    group_id,
    name
from ref.groups
