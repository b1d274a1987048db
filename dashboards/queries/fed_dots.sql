-- One row per settlement day and target of the newest median dots: the dot and its change, the midpoint that the market prices and the
-- gap, or why there is none. A day on which no dots are held has one row that says so.
with newest as (
    select
        path.as_of_date,
        dots.projection_date,
        dots.target,
        dots.target_year,
        dots.median_dot_pct,
        dots.dot_change_bp
    from marts.policy_path_daily as path
    inner join marts.fomc_projections as dots
        on path.as_of_date >= dots.projection_date
    where dots.target_year is null or dots.target_year >= year(path.as_of_date)
    qualify dots.projection_date = max(dots.projection_date) over (partition by path.as_of_date, dots.target_year is null)
)

select
    path.as_of_date,
    case
        when newest.target is null then 'None'
        when newest.target_year is null then 'Longer run'
        else 'End of ' || newest.target_year
    end as target,
    newest.projection_date,
    newest.median_dot_pct,
    newest.dot_change_bp,
    market.market_midpoint_pct,
    market.gap_bp,
    case
        when newest.target is null then 'no median dots are held for this day (FRED: FEDTARMD, FEDTARMDLR)'
        when newest.target_year is null then 'no contract prices a rate of no year'
        when market.as_of_date is null then 'these dots were not known at the settlement yet'
        else coalesce(replace(market.gap_reason, '_', ' '), '')
    end as reason
from marts.policy_path_daily as path
left join newest
    on path.as_of_date = newest.as_of_date
left join marts.market_versus_dots as market
    on newest.as_of_date = market.as_of_date and newest.target = market.target and newest.projection_date = market.projection_date
