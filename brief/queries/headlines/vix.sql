-- The last close of the VIX in the four days to the session.
select
    series_id,
    observation_date,
    value,
    percentile,
    history_start_date
from marts.macro_daily
where
    series_id = 'VIXCLS' and observation_date between $session::date - 4 and $session
    and percentile is not null
order by observation_date desc
limit 1
