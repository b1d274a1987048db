-- The last close of the VIX that is not too old for the session.
select
    series_id,
    observation_date,
    value,
    percentile,
    history_start_date
from marts.macro_daily
where
    series_id = 'VIXCLS' and observation_date between $oldest and $session
    and percentile is not null
order by observation_date desc
limit 1
