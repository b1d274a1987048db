-- The last observation of each series.
select
    observation_date,
    series_id,
    value,
    change_1m,
    change_1y,
    100 * change_1y / nullif(value - change_1y, 0) as growth_1y_pct,
    percentile,
    year(history_start_date) as since
from marts.macro_daily
where
    (series_id, observation_date) in (
        select (series_id, max(observation_date))
        from marts.macro_daily as held
        where observation_date <= $session
        group by series_id
    )
order by series_id
