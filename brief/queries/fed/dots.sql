-- The futures of a day against the FOMC's newest median dot for the end of one year.
select
    as_of_date,
    target,
    projection_date,
    median_dot_pct,
    market_midpoint_pct,
    gap_bp,
    gap_reason
from marts.market_versus_dots
where as_of_date = $as_of
order by target
