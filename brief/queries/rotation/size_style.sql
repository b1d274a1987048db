-- The boxes of size and style at the session, the strongest first.
select
    session_date,
    symbol,
    rs_wins,
    rs_wins_min,
    rs_wins_max,
    rank,
    momentum_rank,
    members
from marts.size_style_rank_daily
where session_date = $session
order by rank
