-- The funds rate by quarter that is over: the mean of the days that FRED has (every calendar day), as whole millionths of a point so that
-- the sum does not depend on the order.
with days as (
    select
        value,
        observation_date,
        cast(date_trunc('quarter', observation_date) as date) as quarter_start,
        last_day(cast(date_trunc('quarter', observation_date) as date) + interval 2 month) as quarter_end
    from staging.fred_observations
    where series_id = 'DFF'
)

select
    quarter_end,
    case
        when count(*) >= 55 and min(observation_date) <= quarter_start + 6 and max(observation_date) >= quarter_end - 6
            then sum(cast(round(value * 1e6) as bigint)) / 1e6 / count(*)
    end as policy_rate_avg_pct
from days
where quarter_end <= getvariable('session_date')
group by quarter_start, quarter_end
