-- How good the probability table was: Brier score of each scheduled meeting at six horizons, against what was decided, beside the
-- naive forecast that the range in force stays, for both day counts. Rows never change when later meetings come; the mean_* columns are
-- over the meetings of the day count and horizon up to and including the row's: the last row of a horizon is its score so far.
with meetings as (
    select
        decision_date,
        upper_after,
        outcome_reason
    from staging.fomc_decisions
    where
        scheduled
        and not cancelled
        and coalesce(outcome_reason, '') != 'not_announced_yet'
),

horizons as (
    select unnest([1, 7, 30, 60, 90, 180]) as horizon_days
),

captured as (
    select
        min(as_of_date) as first_date,
        max(as_of_date) as last_date
    from marts.fomc_meetings_daily
),

methods as (
    -- the day counts, and the last day of one that is not computed any more
    select
        'cme_2023plus' as method_version,
        cast(null as date) as last_day
    union all
    select
        'cme_2022' as method_version,
        date '2024-12-31' as last_day
),

wanted as (
    select
        horizons.horizon_days,
        meetings.decision_date as meeting_date,
        meetings.upper_after,
        meetings.outcome_reason,
        meetings.decision_date - horizons.horizon_days as wanted_date
    from meetings
    cross join horizons
),

marks as (
    select distinct
        wanted_date as day,
        cast(null as date) as settlement_date
    from wanted
    union all
    select
        calendar_date as day,
        calendar_date as settlement_date
    from ref.calendar
    where is_settlement_day
),

days as (
    -- the last settlement day up to each day; a join by the inequality would be a product of both sides
    select
        day,
        settlement_date,
        max(settlement_date) over (
            order by day
            range between interval 9 day preceding and current row
        ) as as_of_date
    from marks
),

forecasts as (
    -- the last settlement day at least that many days before the meeting
    select
        wanted.horizon_days,
        wanted.meeting_date,
        wanted.upper_after,
        wanted.outcome_reason,
        days.as_of_date
    from wanted
    inner join days on wanted.wanted_date = days.day
    where
        days.settlement_date is null
        and days.as_of_date is not null
),

-- the last day of the data bounds the rows, so that a meeting is scored once it has been held
held as (
    select
        forecasts.*,
        methods.method_version
    from forecasts
    cross join captured
    inner join methods on coalesce(forecasts.as_of_date <= methods.last_day, true)
    where
        forecasts.as_of_date >= captured.first_date
        and forecasts.meeting_date <= greatest(captured.last_date, coalesce(getvariable('session_date'), captured.last_date))
),

scores as (
    select
        held.method_version,
        held.horizon_days,
        held.meeting_date,
        max(case when abs(outcomes.target_upper_pct - held.upper_after) < 0.01 then outcomes.prob end) as listed_prob,
        count(outcomes.prob) as outcomes,
        sum(outcomes.prob * outcomes.prob order by outcomes.moves) as sum_of_squares
    from held
    inner join marts.fomc_probabilities_by_method as outcomes
        on
            held.method_version = outcomes.method_version
            and held.as_of_date = outcomes.as_of_date
            and held.meeting_date = outcomes.meeting_date
    group by held.method_version, held.horizon_days, held.meeting_date
),

scored as (
    select
        held.method_version,
        held.horizon_days,
        held.meeting_date,
        held.as_of_date,
        (held.method_version = 'cme_2022') = (held.as_of_date <= date '2024-03-11') as as_published,
        case when scores.outcomes > 0 and held.upper_after is not null then coalesce(scores.listed_prob, 0.0) end as decided_prob,
        -- sum over outcomes of (p - happened)^2 = sum p^2 - 2 p(decided) + 1; greatest() would turn a NULL into 0
        case
            when scores.outcomes > 0 and held.upper_after is not null
                then greatest(0.0, scores.sum_of_squares - 2.0 * coalesce(scores.listed_prob, 0.0) + 1.0)
        end as brier_score,
        cast(case when abs(path.target_upper_pct - held.upper_after) < 0.01 then 0 else 2 end as double) as naive_score,
        case when held.upper_after is null then held.outcome_reason end as outcome_why,
        coalesce(meetings_daily.reason, path.reason, 'price_missing') as why
    from held
    left join scores
        on
            held.method_version = scores.method_version
            and held.horizon_days = scores.horizon_days
            and held.meeting_date = scores.meeting_date
    left join marts.policy_path_daily as path
        on held.as_of_date = path.as_of_date
    left join marts.fomc_meetings_by_method as meetings_daily
        on
            held.method_version = meetings_daily.method_version
            and held.as_of_date = meetings_daily.as_of_date
            and held.meeting_date = meetings_daily.meeting_date
)

select
    method_version,
    horizon_days,
    meeting_date,
    as_of_date,
    as_published,
    decided_prob,
    brier_score,
    case when brier_score is not null then naive_score end as brier_score_no_change,
    cast(count(brier_score) over so_far as integer) as scored_meetings,
    avg(brier_score) over so_far as mean_brier_score,
    avg(case when brier_score is not null then naive_score end) over so_far as mean_brier_score_no_change,
    case when as_published then avg(case when as_published then brier_score end) over published end as mean_brier_score_as_published,
    case when brier_score is null then coalesce(outcome_why, why) end as reason
from scored
window
    so_far as (
        partition by method_version, horizon_days
        order by meeting_date
        rows between unbounded preceding and current row
    ),
    published as (
        partition by horizon_days
        order by meeting_date, as_published
        rows between unbounded preceding and current row
    )
