-- What did KRE and IWM/SPY do in the five sessions after a day on which the chance of a lower range had risen by more than 10 points?
select fed.as_of_date, fed.meeting_date, fed.below_base_1d_change_pp, kre.forward_return_pct, iwm_spy.forward_spread_pp
from marts.fomc_meetings_daily as fed
inner join marts.forward_return_daily as kre on fed.as_of_date = kre.session_date
inner join marts.forward_spread_daily as iwm_spy using (session_date, horizon_sessions)
where fed.below_base_1d_change_pp > 10 and horizon_sessions = 5 and kre.symbol = 'KRE' and iwm_spy.pair_id = 'IWM/SPY'
order by fed.as_of_date desc, fed.meeting_date
limit 20;

-- The newest window that has ended, of each horizon
select symbol, horizon_sessions, session_date, end_date, forward_return_pct
from marts.forward_return_daily
where symbol in ('SPY', 'IWM', 'KRE')
qualify row_number() over (partition by symbol, horizon_sessions order by session_date desc) = 1
order by horizon_sessions, symbol;

-- How did SPY go on after its highest close to date, and how at all? Windows overlap
select horizon_sessions, avg(forward_return_pct) filter (where close = record_close) as after_record_pct, avg(forward_return_pct) as all_sessions_pct
from marts.forward_return_daily
inner join marts.instrument_daily using (symbol, session_date)
where symbol = 'SPY'
group by horizon_sessions
order by horizon_sessions;
