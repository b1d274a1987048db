-- In which quadrant is each pair?
select pair_id, ratio, quadrant, weekly_quadrant, pnf_near_signal, pnf_long_signal
from marts.rotation_state_daily
where session_date = (select max(session_date) from marts.rotation_state_daily)
order by pair_id;

-- The path of IWM/SPY through the weekly quadrants
select distinct weekly_bar_date, weekly_trend, weekly_momentum, weekly_quadrant
from marts.rotation_state_daily
where pair_id = 'IWM/SPY' and weekly_quadrant is not null
order by weekly_bar_date desc
limit 12;

-- On which sessions did the daily quadrant of IWM/SPY change?
select session_date, quadrant
from marts.rotation_state_daily
where pair_id = 'IWM/SPY' and quadrant is not null
qualify quadrant is distinct from lag(quadrant) over (order by session_date)
order by session_date desc
limit 10;
