-- The last decisions and their surprise
select meeting_date, decided_change_bp, decided_change_reason, surprise_bp, contract, reason
from marts.policy_surprises
order by meeting_date desc
limit 8;

-- The largest surprises
select meeting_date, decided_change_bp, surprise_bp
from marts.policy_surprises
where surprise_bp is not null
order by abs(surprise_bp) desc, meeting_date
limit 10;

-- Every decision with its surprise and how regional banks and small caps responded against the market on that session
select surprises.meeting_date, surprises.decided_change_bp, surprises.surprise_bp, surprises.reason, responses.pair_id, responses.spread_pp,
    responses.abnormal_spread_pp
from marts.policy_surprises as surprises
inner join marts.event_responses as responses
    on surprises.meeting_date = responses.event_date and responses.event_type = 'fomc'
where responses.pair_id in ('KRE/SPY', 'IWM/SPY') and responses.window_sessions = 1
order by surprises.meeting_date desc, responses.pair_id
limit 20;

-- Which decisions moved the path by more than the decision itself explains?
select meeting_date, surprise_bp, change_year_end_bp, path_surprise_bp, path_surprise_12m_bp, path_surprise_reason
from marts.policy_surprises
order by abs(path_surprise_bp) desc nulls last, meeting_date
limit 10;
