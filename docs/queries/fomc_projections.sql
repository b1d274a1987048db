-- The newest dots, and how they moved
select projection_date, target, median_dot_pct, previous_median_dot_pct, dot_change_bp
from marts.fomc_projections
where projection_date = (select max(newest.projection_date) from marts.fomc_projections as newest)
order by target;

-- How was the end of 2024 projected through time?
select projection_date, median_dot_pct, dot_change_bp
from marts.fomc_projections
where target = '2024'
order by projection_date;

-- The longer run since 2012
select projection_date, median_dot_pct
from marts.fomc_projections
where target = 'longer_run'
order by projection_date;
