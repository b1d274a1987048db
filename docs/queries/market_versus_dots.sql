-- Where do the market and the dots part today?
select as_of_date, target, projection_date, median_dot_pct, market_midpoint_pct, gap_bp, parts_by_25bp, gap_reason
from marts.market_versus_dots
where as_of_date = (select max(newest.as_of_date) from marts.market_versus_dots as newest)
order by target;

-- How far had they parted on the eve of each projection?
select gaps.as_of_date, gaps.target, gaps.gap_bp, moved.dot_change_bp
from marts.market_versus_dots as gaps
inner join marts.fomc_projections as moved on gaps.target = moved.target and moved.projection_date > gaps.as_of_date
where gaps.gap_bp is not null and moved.dot_change_bp is not null
qualify row_number() over (partition by moved.projection_date, gaps.target order by gaps.as_of_date desc) = 1
    and moved.projection_date - gaps.as_of_date <= 5
order by gaps.as_of_date desc, gaps.target
limit 12;

-- How often do they part by a move or more?
select year(as_of_date) as year, count(gap_bp) as days, 100 * avg(parts_by_25bp::int) as parts_pct, median(gap_bp) as median_gap_bp
from marts.market_versus_dots
where target_year = year(as_of_date)
group by 1
order by 1 desc;
