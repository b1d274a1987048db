-- FedWatch's own view: each outcome of each meeting with its probability now, a settlement day, a week and a month before. An outcome that
-- only one of those days lists has probability 0 on the others; NULL where a day has no table of the meeting, for the reason in
-- marts.fomc_meetings_daily (change_1d_reason and so on).
with compared as (
    select
        as_of_date,
        meeting_date,
        span,
        compared_date
    from staging.fomc_meeting_changes
),

tables as (
    select
        as_of_date,
        meeting_date,
        'now' as span,
        target_lower_pct,
        target_upper_pct,
        prob
    from marts.fomc_probabilities
    union all by name
    select
        compared.as_of_date,
        compared.meeting_date,
        compared.span,
        outcomes.target_lower_pct,
        outcomes.target_upper_pct,
        outcomes.prob
    from compared
    inner join marts.fomc_probabilities as outcomes
        on
            compared.compared_date = outcomes.as_of_date
            and compared.meeting_date = outcomes.meeting_date
),

outcomes as (
    select
        as_of_date,
        meeting_date,
        target_lower_pct,
        max(target_upper_pct) as target_upper_pct,
        max(prob) filter (where span = 'now') as prob,
        max(prob) filter (where span = '1d') as prob_1d_ago,
        max(prob) filter (where span = '1w') as prob_1w_ago,
        max(prob) filter (where span = '1m') as prob_1m_ago
    from tables
    group by as_of_date, meeting_date, target_lower_pct
),

present as (
    select
        *,
        bool_or(prob is not null) over meeting as has_now,
        bool_or(prob_1d_ago is not null) over meeting as has_1d,
        bool_or(prob_1w_ago is not null) over meeting as has_1w,
        bool_or(prob_1m_ago is not null) over meeting as has_1m
    from outcomes
    window meeting as (partition by as_of_date, meeting_date)
)

select
    as_of_date,
    meeting_date,
    target_lower_pct,
    target_upper_pct,
    coalesce(prob, 0.0) as prob,
    case when has_1d then coalesce(prob_1d_ago, 0.0) end as prob_1d_ago,
    case when has_1w then coalesce(prob_1w_ago, 0.0) end as prob_1w_ago,
    case when has_1m then coalesce(prob_1m_ago, 0.0) end as prob_1m_ago
from present
where has_now
