-- Days on which a cut at a meeting became more likely by over 10 points, and what small caps and banks did in the next five sessions
select meetings.as_of_date, meetings.meeting_date, meetings.below_base_1d_change_pp, iwm_spy.forward_spread_pp as iwm_less_spy_next_5_pp,
    kre.forward_return_pct as kre_next_5_pct
from marts.fomc_meetings_daily as meetings
left join marts.forward_spread_daily as iwm_spy
    on meetings.as_of_date = iwm_spy.session_date and iwm_spy.pair_id = 'IWM/SPY' and iwm_spy.horizon_sessions = 5
left join marts.forward_return_daily as kre
    on meetings.as_of_date = kre.session_date and kre.symbol = 'KRE' and kre.horizon_sessions = 5
where meetings.below_base_1d_change_pp > 10
order by meetings.as_of_date desc, meetings.meeting_date;
