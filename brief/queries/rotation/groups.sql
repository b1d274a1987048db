-- The groups with a score at the session, the most improved first.
select
    session_date,
    group_id,
    score,
    score_change_30_days,
    improvement_rank
from marts.group_score_daily
where session_date = $session and score is not null
order by improvement_rank nulls last, group_id
