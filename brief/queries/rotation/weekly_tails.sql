-- Trend and momentum of each pair at the end of its last weeks, eight before the last, as they were first known.
select
    pair_id,
    weekly_bar_date as bar_date,
    weekly_trend as trend,
    weekly_momentum as momentum
from marts.rotation_state_daily
where
    pair_id in (select unnest($pairs))
    and session_date <= $session
    and weekly_trend is not null
    and weekly_momentum is not null
qualify
    row_number() over (partition by pair_id, weekly_bar_date order by session_date) = 1
    and dense_rank() over (partition by pair_id order by weekly_bar_date desc) <= 9
order by pair_id, weekly_bar_date
