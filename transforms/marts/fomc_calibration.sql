-- How good the probability table was: Brier score and ranked probability score of each scheduled meeting at eight horizons, against
-- what was decided, beside two naive forecasts (the range in force stays; the last change is repeated at every scheduled meeting),
-- for both day counts. Rows never change when later meetings come; the mean_* columns are over the meetings of the day count and
-- horizon up to and including the row's: the last row of a horizon is its score so far.
-- Sums of decimals are exact: a sum of doubles over a window is not the same to the bit when later rows are there.
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
    select unnest([1, 7, 30, 60, 90, 180, 270, 365]) as horizon_days
),

captured as (
    select
        min(as_of_date) as first_date,
        max(as_of_date) as last_date
    from marts.fomc_meetings_by_method
    where method_version = 'cme_2023plus'
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

described as (
    -- what was decided, from the range in force on the day of the forecast, in moves of 25 bp
    select
        held.*,
        meetings_daily.target_upper_pct as upper_then,
        meetings_daily.moves_priced,
        meetings_daily.cut_prob,
        meetings_daily.hold_prob,
        meetings_daily.hike_prob,
        meetings_daily.reason as meeting_reason,
        4.0 * (held.upper_after - meetings_daily.target_upper_pct) as decided
    from held
    left join marts.fomc_meetings_by_method as meetings_daily
        on
            held.method_version = meetings_daily.method_version
            and held.as_of_date = meetings_daily.as_of_date
            and held.meeting_date = meetings_daily.meeting_date
),

days_held as (
    select distinct
        as_of_date,
        meeting_date
    from held
),

ahead as (
    -- the scheduled meetings up to each one that were not in force yet and not cancelled by then
    select
        days_held.as_of_date,
        days_held.meeting_date,
        count(*) as meetings_ahead
    from days_held
    inner join ref.fomc_meetings as schedule
        on
            days_held.as_of_date < schedule.effective_date
            and days_held.meeting_date >= schedule.decision_date
    where
        schedule.scheduled
        and coalesce(not schedule.cancelled or schedule.cancelled_on > days_held.as_of_date, true)
    group by days_held.as_of_date, days_held.meeting_date
),

scheduled_changes as (
    select
        effective_date,
        4.0 * (upper_after - upper_before) as change
    from staging.fomc_decisions
    where scheduled and not cancelled and upper_after is not null and upper_before is not null
),

repeated as (
    -- the change of the last scheduled decision in force, at each of the meetings ahead
    select
        ahead.as_of_date,
        ahead.meeting_date,
        ahead.meetings_ahead * scheduled_changes.change as repeated_moves
    from ahead
    asof inner join scheduled_changes
        on ahead.as_of_date >= scheduled_changes.effective_date
),

tables as (
    -- each outcome with the probability of it or a lower one
    select
        described.method_version,
        described.horizon_days,
        described.meeting_date,
        described.upper_after,
        described.decided,
        outcomes.moves,
        outcomes.prob,
        outcomes.target_upper_pct,
        sum(outcomes.prob) over (
            partition by described.method_version, described.horizon_days, described.meeting_date
            order by outcomes.moves
            rows between unbounded preceding and current row
        ) as up_to_prob
    from described
    inner join marts.fomc_probabilities_by_method as outcomes
        on
            described.method_version = outcomes.method_version
            and described.as_of_date = outcomes.as_of_date
            and described.meeting_date = outcomes.meeting_date
),

scores as (
    select
        method_version,
        horizon_days,
        meeting_date,
        max(case when abs(target_upper_pct - upper_after) < 0.01 then prob end) as listed_prob,
        count(prob) as outcomes,
        sum(prob * prob order by moves) as sum_of_squares,
        -- the steps between the table and a decision outside of it are missed whole
        sum(power(up_to_prob - cast(moves >= decided - 0.1 as integer), 2) order by moves)
        + greatest(0.0, min(moves) - any_value(decided))
        + greatest(0.0, any_value(decided) - 1 - max(moves)) as ranked_score
    from tables
    group by method_version, horizon_days, meeting_date
),

scored as (
    select
        described.method_version,
        described.horizon_days,
        described.meeting_date,
        described.as_of_date,
        described.upper_then,
        described.moves_priced,
        described.cut_prob,
        described.hold_prob,
        described.hike_prob,
        described.decided,
        repeated.repeated_moves,
        (described.method_version = 'cme_2022') = (described.as_of_date <= date '2024-03-11') as as_published,
        scores.outcomes > 0 and described.upper_after is not null as is_scored,
        coalesce(scores.listed_prob, 0.0) as listed_prob,
        -- sum over outcomes of (p - happened)^2 = sum p^2 - 2 p(decided) + 1
        greatest(0.0, scores.sum_of_squares - 2.0 * coalesce(scores.listed_prob, 0.0) + 1.0) as table_score,
        scores.ranked_score,
        cast(case when abs(described.decided) < 0.04 then 0 else 2 end as double) as naive_score,
        cast(case when abs(repeated.repeated_moves - described.decided) < 0.04 then 0 else 2 end as double) as repeated_score,
        case when described.upper_after is null then described.outcome_reason end as outcome_why,
        coalesce(described.meeting_reason, path.reason, 'price_missing') as why
    from described
    left join scores
        on
            described.method_version = scores.method_version
            and described.horizon_days = scores.horizon_days
            and described.meeting_date = scores.meeting_date
    left join marts.policy_path_daily as path
        on described.as_of_date = path.as_of_date
    left join repeated
        on
            described.as_of_date = repeated.as_of_date
            and described.meeting_date = repeated.meeting_date
),

judged as (
    select
        *,
        case when is_scored then table_score end as brier_score,
        case when is_scored then naive_score end as brier_score_no_change
    from scored
)

select
    method_version,
    horizon_days,
    meeting_date,
    as_of_date,
    as_published,
    upper_then < 0.26 as zero_bound,
    case when is_scored then cut_prob end as cut_prob,
    case when is_scored then hold_prob end as hold_prob,
    case when is_scored then hike_prob end as hike_prob,
    case when is_scored then round(25.0 * decided, 6) + 0.0 end as decided_from_range_bp,
    case when is_scored then 25.0 * (moves_priced - decided) end as implied_less_decided_bp,
    case when is_scored then listed_prob end as decided_prob,
    brier_score,
    brier_score_no_change,
    case when is_scored then repeated_score end as brier_score_last_change,
    case when is_scored then ranked_score end as ranked_probability_score,
    case when is_scored then abs(decided) end as ranked_probability_score_no_change,
    case when is_scored then abs(repeated_moves - decided) end as ranked_probability_score_last_change,
    cast(count(brier_score) over so_far as integer) as scored_meetings,
    cast(sum(cast(brier_score as decimal(38, 18))) over so_far as double) / count(brier_score) over so_far as mean_brier_score,
    cast(sum(cast(brier_score_no_change as decimal(38, 18))) over so_far as double)
    / count(brier_score) over so_far as mean_brier_score_no_change,
    case
        when as_published
            then
                cast(sum(case when as_published then cast(brier_score as decimal(38, 18)) end) over published as double)
                / count(case when as_published then brier_score end) over published
    end as mean_brier_score_as_published,
    case when brier_score is null then coalesce(outcome_why, why) end as reason
from judged
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
