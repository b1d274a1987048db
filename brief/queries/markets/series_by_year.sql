-- The last observation of a series in each year, divided by a scale, newest first.
select
    observation_date,
    series_id,
    value / $scale as shown,
    percentile
from marts.macro_daily
where
    series_id = $series
    and observation_date in (
        select max(observation_date)
        from marts.macro_daily as held
        where series_id = $series and observation_date <= $session
        group by year(observation_date)
    )
order by observation_date desc
