-- Every decision of the Fed with its surprise and what regional banks did on the day
select decisions.meeting_date, decisions.decided_change_bp, decisions.surprise_bp, decisions.path_surprise_bp, kre.base_return_pct as kre_return_pct,
    kre.spread_pp as kre_less_spy_pp
from marts.policy_surprises as decisions
left join marts.event_responses as kre
    on decisions.meeting_date = kre.event_date and kre.event_type = 'fomc' and kre.pair_id = 'KRE/SPY' and kre.window_sessions = 1
order by decisions.meeting_date desc;
