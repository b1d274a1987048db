-- Which groups improved most over 30 days?
select group_name, score, score_change_30_days, improvement_rank
from latest.group_score_daily
order by improvement_rank nulls last, group_name;

-- The score of banks over the last ten sessions
select session_date, score, members
from marts.group_score_daily
where group_id = 'banks'
order by session_date desc
limit 10;

-- On how many sessions did each group lead by score?
select group_name, count(*) as sessions_ahead
from (
    select group_name, session_date
    from marts.group_score_daily
    where score is not null
    qualify rank() over (partition by session_date order by score desc) = 1
)
group by group_name
order by sessions_ahead desc, group_name;
