-- How many inputs are stale, and how many of those are required.
select
    count(*) filter (stale) as stale,
    count(*) filter (stale and required) as required
from ops.freshness
