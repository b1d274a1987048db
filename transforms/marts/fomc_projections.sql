-- One row per projection and target: the median dot, and its change against the projections before. A target that those do not name has
-- no change: the farthest year is new every September.
with projections as (
    select distinct projection_date
    from staging.fomc_projections
),

in_order as (
    select
        projection_date,
        lag(projection_date) over (order by projection_date) as previous_date
    from projections
)

select
    dots.projection_date,
    dots.target,
    dots.target_year,
    dots.median_dot_pct,
    previous.median_dot_pct as previous_median_dot_pct,
    -- differences of decimals carry rounding noise: 3.4 - 3.1 is not 0.3
    round(100 * (dots.median_dot_pct - previous.median_dot_pct), 6) as dot_change_bp,
    dots.repeated,
    dots.available_at_utc,
    dots.availability
from staging.fomc_projections as dots
inner join in_order on dots.projection_date = in_order.projection_date
left join staging.fomc_projections as previous
    on
        in_order.previous_date = previous.projection_date
        and dots.target = previous.target
