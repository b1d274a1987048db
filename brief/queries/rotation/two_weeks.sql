-- Trend and momentum of each pair at the end of its last two weeks, as they were first known.
select
    pair_id,
    weekly_bar_date,
    weekly_trend,
    weekly_momentum
from marts.rotation_state_daily
where
    pair_id in (select unnest($pairs))
    and session_date <= $session
    and weekly_trend is not null
    and weekly_momentum is not null
qualify
    row_number() over (partition by pair_id, weekly_bar_date order by session_date) = 1
    and dense_rank() over (partition by pair_id order by weekly_bar_date desc) <= 2
order by pair_id, weekly_bar_date
