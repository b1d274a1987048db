-- What did large and small caps do in the year after the first cut and the first hike of each cycle?
select event_type, event_date, symbol, turn_return_pct, deepest_drawdown_pct, over_market_pp
from marts.policy_turn_returns
where horizon_sessions = 252 and symbol in ('^GSPC', '^RUT')
order by event_type, event_date, symbol;

-- Means with their intervals over all turns so far: how many contain 0?
select event_type, symbol, horizon_sessions, turns, mean_turn_return_pct, mean_turn_return_low_pct, mean_turn_return_high_pct
from marts.policy_turn_returns
qualify row_number() over (partition by event_type, symbol, horizon_sessions order by event_date desc) = 1
order by event_type, symbol, horizon_sessions;

-- How far did small caps fall on the way, and what was left of it at the end of each window?
select event_type, event_date, horizon_sessions, window_end_date, deepest_drawdown_pct, turn_return_pct, market_return_pct
from marts.policy_turn_returns
where symbol = '^RUT'
order by event_type, event_date, horizon_sessions;
