-- One row per settlement day, meeting ahead and moment (that day, and a day, a week and a month before it): the meeting at the prices
-- of the moment, against the range in force then, or why there is nothing. By the day count cme_2023plus.
with meetings as (
    select
        *,
        cast(row_number() over (partition by as_of_date order by meeting_date) as integer) as meeting_number
    from marts.fomc_meetings_daily
),

moments as (
    select
        meetings.as_of_date,
        meetings.meeting_date,
        meetings.meeting_number,
        spans.span,
        case spans.span
            when 'now' then meetings.as_of_date
            when 'a day before' then meetings.compared_date_1d
            when 'a week before' then meetings.compared_date_1w
            else meetings.compared_date_1m
        end as settlement_date,
        case spans.span
            when 'now' then null
            when 'a day before' then meetings.change_1d_reason
            when 'a week before' then meetings.change_1w_reason
            else meetings.change_1m_reason
        end as change_reason
    from meetings
    cross join (values ('now'), ('a day before'), ('a week before'), ('a month before')) as spans (span)
)

select
    moments.as_of_date,
    moments.meeting_date,
    moments.meeting_number,
    moments.settlement_date,
    moments.span as moment,
    case
        when then_priced.target_lower_pct = then_priced.target_upper_pct then format('{:.2f} %', then_priced.target_lower_pct)
        else format('{:.2f}–{:.2f} %', then_priced.target_lower_pct, then_priced.target_upper_pct)
    end as range_in_force,
    then_priced.expected_rate_pct,
    then_priced.cut_prob,
    then_priced.hold_prob,
    then_priced.hike_prob,
    concat_ws(
        '; ',
        replace(coalesce(then_priced.reason, case when then_priced.as_of_date is null then moments.change_reason end), '_', ' '),
        'no usable price of ' || then_priced.missing_contract
    ) as reason
from moments
left join marts.fomc_meetings_daily as then_priced
    on moments.settlement_date = then_priced.as_of_date and moments.meeting_date = then_priced.meeting_date
