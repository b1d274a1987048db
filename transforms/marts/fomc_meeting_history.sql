-- The history of each meeting: one row per settlement day on which it was ahead, with the days left, the likeliest outcome and how far the
-- expected rate had come since the meeting was first in the table. Nothing of a row depends on later days.
with meetings as (
    -- of an extension only those that are still ahead of its first day, with their history
    select *
    from marts.fomc_meetings_daily
    where coalesce(meeting_date >= getvariable('since'), true)
),

settlement_days as (
    select
        calendar_date,
        count(*) over (order by calendar_date) as settlement_number
    from ref.calendar
    where is_settlement_day
),

likeliest as (
    -- of equal ones the nearest to no change, then the lower
    select
        as_of_date,
        meeting_date,
        first(target_lower_pct order by prob desc, abs(moves) asc, moves asc) as likeliest_lower_pct,
        first(target_upper_pct order by prob desc, abs(moves) asc, moves asc) as likeliest_upper_pct,
        max(prob) as likeliest_prob
    from marts.fomc_probabilities
    group by as_of_date, meeting_date
)

select
    meetings.meeting_date,
    meetings.as_of_date,
    cast(meetings.meeting_date - meetings.as_of_date as integer) as days_to_meeting,
    cast(last_day.settlement_number - this_day.settlement_number as integer) as settlement_days_to_meeting,
    meetings.target_lower_pct,
    meetings.target_upper_pct,
    meetings.expected_rate_pct,
    meetings.moves_priced,
    meetings.cut_prob,
    meetings.hold_prob,
    meetings.hike_prob,
    likeliest.likeliest_lower_pct,
    likeliest.likeliest_upper_pct,
    likeliest.likeliest_prob,
    first_value(meetings.as_of_date) over so_far as first_as_of_date,
    100.0 * (meetings.expected_rate_pct - first_value(meetings.expected_rate_pct ignore nulls) over so_far)
        as expected_rate_change_since_first_bp,
    min(meetings.expected_rate_pct) over so_far as lowest_expected_rate_pct,
    max(meetings.expected_rate_pct) over so_far as highest_expected_rate_pct,
    meetings.reason,
    meetings.missing_contract
from meetings
left join likeliest
    on
        meetings.as_of_date = likeliest.as_of_date
        and meetings.meeting_date = likeliest.meeting_date
inner join settlement_days as this_day
    on meetings.as_of_date = this_day.calendar_date
asof left join settlement_days as last_day
    on meetings.meeting_date >= last_day.calendar_date
window so_far as (
    partition by meetings.meeting_date
    order by meetings.as_of_date
    rows between unbounded preceding and current row
)
