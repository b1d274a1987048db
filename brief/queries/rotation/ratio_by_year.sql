-- The ratio of a pair at the last session of each year, newest first.
select
    session_date,
    pair_id,
    ratio
from marts.rotation_state_daily
where
    pair_id = $pair
    and session_date in (
        select max(session_date)
        from marts.rotation_state_daily as held
        where pair_id = $pair and session_date <= $session
        group by year(session_date)
    )
order by session_date desc
