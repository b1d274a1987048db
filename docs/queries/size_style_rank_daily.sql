-- The ranking of the last session
select symbol, rank, rs_wins, rs_wins_min, rs_wins_max, momentum_rank, members
from marts.size_style_rank_daily
where session_date = (select max(session_date) from marts.size_style_rank_daily)
order by rank, symbol;

-- Where did small caps stand at the end of each month?
select date_trunc('month', session_date) as month, max_by(rank, session_date) as rank, max_by(members, session_date) as members
from marts.size_style_rank_daily
where symbol = 'IWM'
group by 1
order by 1 desc
limit 12;

-- How often was each box first?
select symbol, count(*) filter (rank = 1) as sessions_first, count(*) as sessions
from marts.size_style_rank_daily
group by symbol
order by sessions_first desc, symbol;
