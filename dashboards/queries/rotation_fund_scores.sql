-- One row: a fund of small or micro companies at the end of one of the 25 weeks up to a session (for the week of the session: the session
-- itself), with its score and the change over 30 calendar days. Where no such fund has a score, one row says so.
with funds as (
    select
        symbol,
        replace(replace(group_id, 'us_', ''), '_', ' ') || ': ' || symbol as kind_and_fund
    from ref.group_members
    where group_id in ('us_small_value', 'us_small_blend', 'us_small_growth', 'us_micro')
),

scores as (
    select
        funds.kind_and_fund,
        scores.session_date,
        scores.score,
        scores.score_change_30_days
    from marts.fund_score_daily as scores
    inner join funds on scores.symbol = funds.symbol
),

weeks as (
    select
        sessions.session_date,
        funds.kind_and_fund,
        date_trunc('week', sessions.session_date)::date - 7 * back.weeks::integer as monday,
        least(sessions.session_date, date_trunc('week', sessions.session_date)::date - 7 * back.weeks::integer + 6) as last_day
    from marts.daily_summary as sessions
    cross join funds
    cross join range(25) as back (weeks)
)

select
    weeks.session_date,
    weeks.kind_and_fund,
    strftime(scores.session_date, '%Y-%m-%d') as week_to,
    scores.score,
    scores.score_change_30_days
from weeks
asof inner join scores on weeks.kind_and_fund = scores.kind_and_fund and weeks.last_day >= scores.session_date
where scores.session_date >= weeks.monday
union all
select
    sessions.session_date,
    'none' as kind_and_fund,
    'no fund of small companies has a score in these weeks' as week_to,
    null as score,
    null as score_change_30_days
from marts.daily_summary as sessions
where
    not exists (
        select 1
        from scores
        where
            scores.session_date <= sessions.session_date
            and scores.session_date >= date_trunc('week', sessions.session_date)::date - 168
    )
