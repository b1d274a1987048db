-- Each meeting on a settlement day beside the same meeting a day, a week and a month before, on one base: the target range in force on
-- the day before. A day compared with is the settlement day of the calendar; where it has no prices, nothing older stands in for it.
with meetings as (
    select *
    from marts.fomc_meetings_by_method
    where method_version = 'cme_2023plus'
),

days as (
    select distinct as_of_date
    from meetings
),

settlement_days as (
    select calendar_date as settlement_date
    from ref.calendar
    where is_settlement_day
),

targets as (
    select
        as_of_date,
        unnest(['1d', '1w', '1m']) as span,
        unnest([as_of_date - 1, as_of_date - 7, cast(as_of_date - interval 1 month as date)]) as target_date
    from days
),

compared as (
    select
        targets.as_of_date,
        targets.span,
        settlement_days.settlement_date as compared_date,
        days.as_of_date is not null as is_captured
    from targets
    asof left join settlement_days
        on targets.target_date >= settlement_days.settlement_date
    left join days
        on settlement_days.settlement_date = days.as_of_date
),

beside as (
    select
        meetings.as_of_date,
        meetings.meeting_date,
        compared.span,
        compared.compared_date,
        earlier.target_lower_pct as base_lower_pct,
        earlier.target_upper_pct as base_upper_pct,
        100.0 * (meetings.expected_rate_pct - earlier.expected_rate_pct) as expected_rate_change_bp,
        earlier.cut_prob as below_prob_before,
        earlier.hold_prob as at_prob_before,
        earlier.hike_prob as above_prob_before,
        case
            when not compared.is_captured then 'compared_day_missing'
            when earlier.meeting_date is null then 'meeting_not_known_then'
            when meetings.solved is null then meetings.reason
            when earlier.solved is null then 'unsolved_then'
            when meetings.cut_prob is null then meetings.reason
            when earlier.cut_prob is null then 'unsolved_then'
            when coalesce(meetings.missing_contract, '') != coalesce(earlier.missing_contract, '') then 'solved_differently'
            when (meetings.solved = 'forward') != (earlier.solved = 'forward') then 'solved_differently'
        end as reason
    from meetings
    inner join compared
        on meetings.as_of_date = compared.as_of_date
    left join meetings as earlier
        on
            compared.compared_date = earlier.as_of_date
            and meetings.meeting_date = earlier.meeting_date
),

on_base as (
    -- today's distribution against the range in force on the day compared with; sums of decimals do not depend on their order. least()
    -- stands here, where a sum is never NULL: of 1 and NULL it makes 1
    select
        beside.as_of_date,
        beside.meeting_date,
        beside.span,
        least(
            1.0,
            cast(
                sum(
                    cast(
                        case when outcomes.target_upper_pct < beside.base_upper_pct - 0.01 then outcomes.prob else 0 end
                        as decimal(38, 18)
                    )
                ) as double
            )
        ) as below_prob,
        least(
            1.0,
            cast(
                sum(
                    cast(
                        case when abs(outcomes.target_upper_pct - beside.base_upper_pct) <= 0.01 then outcomes.prob else 0 end
                        as decimal(38, 18)
                    )
                ) as double
            )
        ) as at_prob,
        least(
            1.0,
            cast(
                sum(
                    cast(
                        case when outcomes.target_upper_pct > beside.base_upper_pct + 0.01 then outcomes.prob else 0 end
                        as decimal(38, 18)
                    )
                ) as double
            )
        ) as above_prob
    from beside
    inner join marts.fomc_probabilities as outcomes
        on
            beside.as_of_date = outcomes.as_of_date
            and beside.meeting_date = outcomes.meeting_date
    where beside.base_upper_pct is not null
    group by beside.as_of_date, beside.meeting_date, beside.span
)

select
    beside.as_of_date,
    beside.meeting_date,
    beside.span,
    beside.compared_date,
    beside.base_lower_pct,
    beside.base_upper_pct,
    beside.expected_rate_change_bp,
    on_base.below_prob,
    on_base.at_prob,
    on_base.above_prob,
    100.0 * (on_base.below_prob - beside.below_prob_before) as below_change_pp,
    100.0 * (on_base.above_prob - beside.above_prob_before) as above_change_pp,
    beside.reason
from beside
left join on_base
    on
        beside.as_of_date = on_base.as_of_date
        and beside.meeting_date = on_base.meeting_date
        and beside.span = on_base.span
