-- The last value of every series with its percentile
select series_id, max(observation_date) as observation_date, max_by(value, observation_date) as value,
    max_by(percentile, observation_date) as percentile
from marts.macro_daily
group by series_id
order by series_id;

-- VIX at the end of each month
select date_trunc('month', observation_date) as month, max_by(value, observation_date) as vix
from marts.macro_daily
where series_id = 'VIXCLS'
group by 1
order by 1 desc
limit 12;

-- Initial claims with the moment from which they could be had, and whether FRED dates it or the release rule does
select observation_date, value, change_1y, available_at_utc, availability
from marts.macro_daily
where series_id = 'ICSA'
order by observation_date desc
limit 8;
