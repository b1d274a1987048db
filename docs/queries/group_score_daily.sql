-- Which groups improved most over 30 days?
select groups.name, scores.score, scores.score_change_30_days, scores.improvement_rank
from marts.group_score_daily as scores
inner join ref.groups as groups on scores.group_id = groups.group_id
where scores.session_date = (select max(session_date) from marts.group_score_daily)
order by scores.improvement_rank nulls last, groups.name;

-- The score of banks over the last ten sessions
select session_date, score, members
from marts.group_score_daily
where group_id = 'banks'
order by session_date desc
limit 10;

-- On how many sessions did each group lead by score?
select group_id, count(*) as sessions_ahead
from (
    select group_id, session_date
    from marts.group_score_daily
    where score is not null
    qualify rank() over (partition by session_date order by score desc) = 1
)
group by group_id
order by sessions_ahead desc, group_id;
