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

-- How long do quadrants last, and the confirmed ones? (A random walk: 1.8 and 12.2 sessions.)
select
    pair_id,
    count(*) / count(*) filter (quadrant_spell_sessions = 1) as mean_spell_sessions,
    count(quadrant_confirmed) / (1 + count(*) filter (confirmed_before <> quadrant_confirmed)) as mean_confirmed_spell_sessions
from (
    select *, lag(quadrant_confirmed) over (partition by pair_id order by session_date) as confirmed_before
    from marts.rotation_state_daily
    where quadrant is not null
)
group by pair_id
order by pair_id;

-- How far is each ratio below its peak, and how closely do its members move together?
select pair_id, ratio_drawdown_pct, ratio_sessions_since_peak, correlation_63d, tracking_error_63d_pp, dollar_volume_ratio_21d
from marts.rotation_state_daily
where session_date = (select max(session_date) from marts.rotation_state_daily)
order by pair_id;

-- On which sessions did the confirmed quadrant of IWM/SPY change?
select session_date, quadrant_confirmed
from marts.rotation_state_daily
where pair_id = 'IWM/SPY' and quadrant_confirmed is not null
qualify quadrant_confirmed is distinct from lag(quadrant_confirmed) over (order by session_date)
order by session_date desc
limit 10;
