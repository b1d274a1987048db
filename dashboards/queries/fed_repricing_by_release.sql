-- One row per settlement day and kind of release: how far such days moved the expected rate on average, whatever the sign, over all days
-- up to as_of_date whose change could be computed; release_days names the release with the number of the days with a change.
with days as (
    select
        as_of_date as settlement_date,
        release,
        max(abs(change_bp)) filter (where horizon = 'next_meeting') as next_meeting_bp,
        max(abs(change_bp)) filter (where horizon = 'year_end') as year_end_bp,
        max(abs(change_bp)) filter (where horizon = '12m') as in_12m_bp
    from shared.policy_repricing
    group by as_of_date, release
)

select
    chosen.as_of_date,
    days.release,
    format(
        '{}, {:,} {}',
        days.release,
        count(coalesce(days.next_meeting_bp, days.year_end_bp, days.in_12m_bp)),
        case when count(coalesce(days.next_meeting_bp, days.year_end_bp, days.in_12m_bp)) = 1 then 'day' else 'days' end
    ) as release_days,
    count(coalesce(days.next_meeting_bp, days.year_end_bp, days.in_12m_bp)) as settlement_days,
    avg(days.next_meeting_bp) as mean_absolute_change_next_meeting_bp,
    avg(days.year_end_bp) as mean_absolute_change_year_end_bp,
    avg(days.in_12m_bp) as mean_absolute_change_12m_bp
from marts.policy_path_daily as chosen
inner join days
    on chosen.as_of_date >= days.settlement_date
group by chosen.as_of_date, days.release
