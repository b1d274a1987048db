-- How many inputs have a schedule.
select count(*) from ops.freshness
