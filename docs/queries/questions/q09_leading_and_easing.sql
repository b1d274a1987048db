-- Sessions on which small caps led and the market expected easing, and the next 21 sessions
select states.session_date, forward.forward_spread_pp
from marts.rotation_state_daily as states
inner join marts.session_regimes_daily as regimes on states.session_date = regimes.session_date
inner join marts.forward_spread_daily as forward on states.session_date = forward.session_date and states.pair_id = forward.pair_id
where states.pair_id = 'IWM/SPY' and states.quadrant_confirmed = 'leading' and regimes.expected_policy_change = 'easing'
    and forward.horizon_sessions = 21
order by states.session_date desc;
