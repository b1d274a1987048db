-- A fed funds contract in its delivery month against the rates known on the day before: the average of the days so far, and the last one
-- for the days that remain. What the rate may do in these days is allowed by their share of the month (tolerance_share, per cent).
-- The kind month_average_by_decisions allows it only from the day on which the next scheduled decision takes effect.
with rates as (
    select
        check_terms.check_id,
        check_series.day,
        check_series.value,
        sum(check_series.value) over (
            partition by check_terms.check_id, date_trunc('month', check_series.day) order by check_series.day
        ) as sum_to_date,
        count(*) over (
            partition by check_terms.check_id, date_trunc('month', check_series.day) order by check_series.day
        ) as days_to_date
    from check_terms
    inner join check_series
        on check_terms.dataset = check_series.dataset and check_terms.input = check_series.input
    where check_terms.side = 'right'
),

decisions as (
    select
        futures.contract,
        futures.settlement_date,
        min(day(meetings.effective_date)) as effective_day
    from check_futures as futures
    inner join ref.fomc_meetings as meetings
        on futures.delivery_month = date_trunc('month', meetings.effective_date)
    where
        date_trunc('month', futures.settlement_date) = futures.delivery_month
        and meetings.effective_date >= futures.settlement_date
        and meetings.scheduled
        and not meetings.cancelled
    group by all
),

deliveries as (
    select
        check_list.check_id,
        futures.contract as input,
        futures.settlement_date as day,
        100 - futures.settle as value,
        day(last_day(futures.settlement_date)) as month_days,
        day(futures.settlement_date) - 1 as known_days,
        check_list.right_input as other_source,
        check_list.tolerance,
        check_list.tolerance_share,
        case
            when check_list.check_kind = 'month_average' then month_days - known_days
            else coalesce(month_days - decisions.effective_day + 1, 0)
        end as open_days
    from check_list
    inner join check_futures as futures
        on date_trunc('month', futures.settlement_date) = futures.delivery_month
    left join decisions
        on futures.contract = decisions.contract and futures.settlement_date = decisions.settlement_date
    where check_list.check_kind in ('month_average', 'month_average_by_decisions')
)

select
    deliveries.check_id,
    'futures' as dataset,
    deliveries.input,
    deliveries.day,
    deliveries.value,
    deliveries.other_source,
    (
        case when deliveries.known_days > 0 then rates.sum_to_date else 0 end
        + (deliveries.month_days - deliveries.known_days) * rates.value
    ) / deliveries.month_days as other_value,
    deliveries.value - other_value as difference,
    deliveries.tolerance + deliveries.tolerance_share * deliveries.open_days / deliveries.month_days as tolerance
from deliveries
inner join rates on deliveries.check_id = rates.check_id and rates.day = deliveries.day - 1
where deliveries.known_days in (0, rates.days_to_date)
