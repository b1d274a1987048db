-- One row per settlement day, meeting ahead, earlier settlement day and target range: the probability of the range as priced on the
-- earlier day (settlement_date). Ranges that never reached 1 % are one row, so that the rows of a day add up to 1. A day without a figure
-- has one row without a probability; a meeting that was never priced says why in place of a range.
with chosen as (
    select
        as_of_date,
        meeting_date,
        meeting_number,
        replace(reason, '_', ' ') as reason
    from shared.fomc_meetings_daily
),

ranges as (
    select
        chosen.*,
        days.as_of_date as settlement_date,
        outcomes.prob,
        case
            when max(outcomes.prob) over of_range >= 0.01
                then format('{:.2f}–{:.2f} %', outcomes.target_lower_pct, outcomes.target_upper_pct)
            when outcomes.prob is not null then 'others, below 1 %'
        end as target_range
    from chosen
    inner join marts.fomc_meeting_history as days
        on chosen.meeting_date = days.meeting_date and chosen.as_of_date >= days.as_of_date
    left join marts.fomc_probabilities as outcomes
        on days.meeting_date = outcomes.meeting_date and days.as_of_date = outcomes.as_of_date
    window of_range as (partition by chosen.as_of_date, chosen.meeting_date, outcomes.target_lower_pct)
),

labelled as (
    select
        * exclude (target_range),
        coalesce(
            target_range,
            min(target_range) over (partition by as_of_date, meeting_date),
            'Never priced: ' || reason,
            'Never priced'
        ) as target_range
    from ranges
)

select
    as_of_date,
    meeting_date,
    meeting_number,
    settlement_date,
    target_range,
    sum(prob) as prob
from labelled
group by as_of_date, meeting_date, meeting_number, settlement_date, target_range
