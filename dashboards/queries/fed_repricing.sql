-- One row per settlement day and earlier settlement day (settlement_date): how far the earlier day moved the expected rate of the year's
-- end, of the next meeting and of twelve months ahead, what came out on it, and its place by absolute change of the year's end among the
-- days of that release up to as_of_date (1 is the largest); release_or_reason
-- says why where the change of the year's end is missing.
with days as (
    select
        as_of_date as settlement_date,
        release,
        max(change_bp) filter (where horizon = 'year_end') as change_year_end_bp,
        max(change_bp) filter (where horizon = 'next_meeting') as change_next_meeting_bp,
        max(change_bp) filter (where horizon = '12m') as change_12m_bp,
        max(reason) filter (where horizon = 'year_end' and change_bp is null) as reason
    from shared.policy_repricing
    group by as_of_date, release
)

select
    chosen.as_of_date,
    days.settlement_date,
    days.release,
    coalesce('Not computed: ' || replace(days.reason, '_', ' '), days.release) as release_or_reason,
    days.change_year_end_bp,
    days.change_next_meeting_bp,
    days.change_12m_bp,
    abs(days.change_year_end_bp) as absolute_change_year_end_bp,
    rank() over (
        partition by chosen.as_of_date, days.release
        order by abs(days.change_year_end_bp) desc nulls last
    ) as place_of_release,
    row_number() over (partition by chosen.as_of_date order by days.settlement_date desc) as days_back
from marts.policy_path_daily as chosen
inner join days
    on chosen.as_of_date >= days.settlement_date
