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

-- How did small caps respond to the surprises?
select surprises.meeting_date, surprises.surprise_bp, pairs.spread_pp
from marts.policy_surprises as surprises
inner join marts.rotation_pair_daily as pairs
    on surprises.meeting_date = pairs.session_date and pairs.pair_id = 'IWM/SPY' and pairs.window_sessions = 1
where surprises.surprise_bp is not null
order by surprises.meeting_date desc
limit 10;

-- Which decisions moved the path by more than the decision itself explains?
select meeting_date, surprise_bp, change_year_end_bp, path_surprise_bp, path_surprise_12m_bp, path_surprise_reason
from marts.policy_surprises
order by abs(path_surprise_bp) desc nulls last, meeting_date
limit 10;
