-- Latest version of every session's prices within the cut-off, with the one-row total return. What the served prices contradict in
-- themselves is settled as staging.price_findings says: the prices before a split that the source has not restated are divided by it,
-- bars that jump and jump back are left out, and the total return is computed from what is consistent.
with versions as (
    select *
    from pipeline.raw.equity_prices
    where available_at_utc <= getvariable('cutoff_utc')
    qualify row_number() over (partition by symbol, session_date order by known_at_utc desc) = 1
),

findings as (
    select
        symbol,
        session_date,
        treatment,
        price_factor,
        adj_close_factor
    from staging.price_findings
),

-- Several splits multiply, in the order of their days.
factors as (
    select
        versions.symbol,
        versions.session_date,
        list_product(list(findings.price_factor order by findings.session_date)) as price_factor
    from versions
    inner join findings on versions.symbol = findings.symbol and versions.session_date < findings.session_date
    where findings.price_factor is not null
    group by versions.symbol, versions.session_date
),

treated as (
    select
        symbol,
        session_date,
        bool_or(treatment = 'left_out') as left_out,
        bool_or(treatment = 'adjusted_close') as uses_adjusted_close,
        min(adj_close_factor) as adj_close_factor
    from findings
    group by symbol, session_date
),

restated as (
    select
        versions.symbol,
        versions.session_date,
        calendar.session_number,
        versions.payload_sha256,
        versions.open * coalesce(factors.price_factor, 1) as open,
        versions.high * coalesce(factors.price_factor, 1) as high,
        versions.low * coalesce(factors.price_factor, 1) as low,
        versions.close * coalesce(factors.price_factor, 1) as close,
        versions.volume / coalesce(factors.price_factor, 1) as volume,
        versions.dividend * coalesce(factors.price_factor, 1) as dividend,
        versions.adj_close,
        versions.previous_adj_close,
        instruments.price_basis = 'fully_adjusted' as fully_adjusted,
        coalesce(treated.uses_adjusted_close, false) as uses_adjusted_close,
        coalesce(treated.adj_close_factor, 1) as adj_close_factor
    from versions
    inner join ref.calendar as calendar on versions.session_date = calendar.calendar_date and calendar.is_nyse_session
    inner join ref.instruments as instruments on versions.symbol = instruments.symbol
    left join factors on versions.symbol = factors.symbol and versions.session_date = factors.session_date
    left join treated on versions.symbol = treated.symbol and versions.session_date = treated.session_date
    where not coalesce(treated.left_out, false)
),

sessions as (
    select
        *,
        lag(close) over (partition by symbol order by session_date) as previous_close,
        -- Of the same payload: where the row between the two was left out or quarantined, previous_adj_close is that row's.
        case
            when payload_sha256 = lag(payload_sha256) over (partition by symbol order by session_date)
                then lag(adj_close) over (partition by symbol order by session_date)
            else previous_adj_close
        end as adj_close_before
    from restated
),

based as (
    select
        *,
        case
            when previous_close is null then null
            when dividend is not null and not uses_adjusted_close and not coalesce(fully_adjusted, false) then 'dividends'
            when adj_close is not null and adj_close_before is not null then 'adjusted_close'
        end as total_return_basis
    from sessions
)

-- Dividends are on the split basis of the close, so no split factor enters. Where the source serves no dividends, or such as adj_close
-- contradicts, the ratio of the adjusted closes of one payload is the total return; without an adjusted close there is none.
select
    symbol,
    session_date,
    session_number,
    open,
    high,
    low,
    close,
    volume,
    dividend,
    case total_return_basis
        when 'dividends' then 100 * ((close + dividend) / previous_close - 1)
        when 'adjusted_close' then 100 * (adj_close / (adj_close_before * adj_close_factor) - 1)
    end as total_return_pct,
    total_return_basis
from based
