-- Change in value of banks' securities since the last reported quarter, by bucket and for the covered buckets together.
-- A session knows a quarter from its day of publication on, and a set of weights likewise; before the first set was published
-- the oldest one stands in, marked as assumed.
with
quarters as (
    select
        quarter_end,
        published_on
    from staging.bank_reported_quarters
),

weights as (
    select
        weights_as_of_date,
        bucket,
        weight_pct,
        weight_basis,
        etf_symbol,
        yield_series_id,
        yield_spread_pp,
        published_on
    from ref.bank_securities_weights
),

sessions as (
    select
        calendar_date as session_date,
        session_number
    from ref.calendar
    where is_nyse_session and calendar_date <= getvariable('session_date')
),

-- rows of a symbol are counted so that a missing session between two prices shows
prices as (
    select
        daily.symbol,
        sessions.session_date,
        sessions.session_number,
        daily.total_return_index,
        row_number() over (partition by daily.symbol order by sessions.session_number) as row_number
    from marts.instrument_daily as daily
    inner join sessions on daily.session_date = sessions.session_date
    where
        daily.total_return_index is not null
        and daily.symbol in (select weights.etf_symbol from weights)
),

yields as (
    select
        series_id,
        observation_date,
        value
    from staging.fred_observations
),

last_reported as (
    select
        sessions.session_date,
        sessions.session_number,
        max(quarters.quarter_end) as since_date
    from sessions
    inner join quarters on sessions.session_date >= quarters.published_on
    group by sessions.session_date, sessions.session_number
),

in_force as (
    select
        last_reported.session_date,
        last_reported.session_number,
        last_reported.since_date,
        coalesce(
            max(weights.weights_as_of_date) filter (where weights.published_on <= last_reported.session_date),
            min(weights.weights_as_of_date)
        ) as weights_as_of_date
    from last_reported
    cross join weights
    group by last_reported.session_date, last_reported.session_number, last_reported.since_date
),

buckets as (
    select
        in_force.session_date,
        in_force.session_number,
        in_force.since_date,
        in_force.weights_as_of_date,
        weights.bucket,
        weights.etf_symbol,
        weights.weight_pct,
        weights.yield_series_id,
        weights.yield_spread_pp,
        case when weights.published_on <= in_force.session_date then weights.weight_basis else 'assumed' end as weight_basis
    from in_force
    inner join weights on in_force.weights_as_of_date = weights.weights_as_of_date
),

-- the last session of the quarter and the yield of its last day that has one
starts as (
    select
        since.since_date,
        base.session_number as base_number,
        series.yield_series_id,
        case when since.since_date - yields.observation_date <= 7 then yields.value end as yield_pct
    from (select distinct since_date from in_force) as since
    cross join (select distinct yield_series_id from weights) as series
    asof left join sessions as base on since.since_date >= base.session_date
    asof left join yields on series.yield_series_id = yields.series_id and since.since_date >= yields.observation_date
),

changes as (
    select
        buckets.session_date,
        buckets.bucket,
        buckets.etf_symbol,
        buckets.weight_pct,
        buckets.since_date,
        buckets.weight_basis,
        buckets.weights_as_of_date,
        case
            -- no session missing between the quarter's end and today: a dividend could have been missed
            when today.row_number - base.row_number = today.session_number - base.session_number
                then
                    100 * (today.total_return_index / base.total_return_index - 1)
                    - (starts.yield_pct + buckets.yield_spread_pp) * (buckets.session_date - buckets.since_date) / 365
        end as price_change_pct
    from buckets
    inner join starts
        on buckets.since_date = starts.since_date and buckets.yield_series_id = starts.yield_series_id
    left join prices as today on buckets.etf_symbol = today.symbol and buckets.session_number = today.session_number
    left join prices as base on buckets.etf_symbol = base.symbol and starts.base_number = base.session_number
),

marked as (
    select
        session_date,
        bucket,
        etf_symbol,
        price_change_pct,
        weight_pct,
        weight_pct / 100 * price_change_pct as mark_pct_of_book,
        since_date,
        weight_basis,
        weights_as_of_date
    from changes
),

covered as (
    select
        session_date,
        since_date,
        weights_as_of_date,
        coalesce(sum(weight_pct order by bucket) filter (where price_change_pct is not null), 0) as weight_pct,
        sum(mark_pct_of_book order by bucket) as mark_pct_of_book
    from marked
    group by session_date, since_date, weights_as_of_date
)

select
    session_date,
    bucket,
    etf_symbol,
    price_change_pct,
    weight_pct,
    mark_pct_of_book,
    since_date,
    weight_basis,
    weights_as_of_date
from marked
union all
select
    session_date,
    'covered' as bucket,
    null as etf_symbol,
    case when weight_pct > 0 then 100 * mark_pct_of_book / weight_pct end as price_change_pct,
    weight_pct,
    mark_pct_of_book,
    since_date,
    'assumed' as weight_basis,
    weights_as_of_date
from covered
