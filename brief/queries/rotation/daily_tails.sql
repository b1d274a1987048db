-- Trend and momentum of each pair on its last session and on every fifth one of the eight weeks before.
select
    pair_id,
    session_date as bar_date,
    trend,
    momentum
from marts.rotation_state_daily
where
    pair_id in (select unnest($pairs))
    and session_date <= $session and session_date > $session::date - 90
    and trend is not null
    and momentum is not null
qualify
    row_number() over (partition by pair_id order by session_date desc) <= 41
    and row_number() over (partition by pair_id order by session_date desc) % 5 = 1
order by pair_id, session_date
