-- Spreads since the year began, beside the same point of last year
select pair_id, spread_to_date_pp, year_before_date, spread_to_date_year_before_pp
from latest.rotation_to_date_daily
where period = 'year'
order by spread_to_date_pp desc;
