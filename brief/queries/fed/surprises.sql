-- The last five decisions with what they moved the expected rate, newest first.
select
    meeting_date,
    decided_change_bp,
    surprise_bp,
    path_surprise_bp,
    path_surprise_reason,
    contract,
    reason
from marts.policy_surprises
where meeting_date <= $as_of
order by meeting_date desc
limit 5
