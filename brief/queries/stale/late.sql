-- How many inputs end before their own schedule says.
select count(*) from ops.freshness where stale
