-- The last observation of a series in each week, divided by a scale.
select
    observation_date,
    value / $scale as value
from marts.macro_daily
where series_id = $series and observation_date <= $session
qualify
    row_number() over (partition by date_trunc('week', observation_date) order by observation_date desc) = 1
order by observation_date
