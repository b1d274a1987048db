-- One row per settlement day, meeting ahead, earlier settlement day and outcome: the probability of a target range lower than, equal to or
-- higher than the one in force on the earlier day (settlement_date), as priced on it; NULL on a day without a figure. A meeting that was
-- never priced has one row that says why. Nothing after as_of_date is in its rows.
with chosen as (
    select
        as_of_date,
        meeting_date,
        meeting_number,
        replace(reason, '_', ' ') as reason
    from shared.fomc_meetings_daily
),

days as (
    select
        chosen.*,
        history.as_of_date as settlement_date,
        history.cut_prob,
        history.hold_prob,
        history.hike_prob,
        count(history.cut_prob) over (partition by chosen.as_of_date, chosen.meeting_date) as priced_days
    from chosen
    inner join marts.fomc_meeting_history as history
        on chosen.meeting_date = history.meeting_date and chosen.as_of_date >= history.as_of_date
)

select
    days.as_of_date,
    days.meeting_date,
    days.meeting_number,
    days.settlement_date,
    case when days.priced_days = 0 then coalesce('Never priced: ' || days.reason, 'Never priced') else outcomes.outcome end as outcome,
    case outcomes.outcome
        when 'Lower (cut)' then days.cut_prob
        when 'Same (hold)' then days.hold_prob
        else days.hike_prob
    end as prob
from days
cross join (values ('Lower (cut)'), ('Same (hold)'), ('Up (hike)')) as outcomes (outcome)
where days.priced_days > 0 or (days.settlement_date = days.as_of_date and outcomes.outcome = 'Same (hold)')
