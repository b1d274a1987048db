-- Latest version of every session's prices within the cut-off, with the one-row total return.
with versions as (
    select *
    from pipeline.raw.equity_prices
    where available_at_utc <= getvariable('cutoff_utc')
    qualify row_number() over (partition by symbol, session_date order by known_at_utc desc) = 1
),

sessions as (
    select
        versions.*,
        calendar.session_number,
        lag(versions.close) over (partition by versions.symbol order by versions.session_date) as previous_close
    from versions
    inner join ref.calendar as calendar on versions.session_date = calendar.calendar_date and calendar.is_nyse_session
    inner join ref.instruments as instruments on versions.symbol = instruments.symbol
)

-- Dividends are on the split basis of the close, so no split factor enters. Where the source serves no dividends, the ratio of the
-- adjusted closes of one payload is the total return; without an adjusted close there is none.
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
    case
        when dividend is not null then 100 * ((close + dividend) / previous_close - 1)
        when previous_close is not null then 100 * (adj_close / previous_adj_close - 1)
    end as total_return_pct,
    case
        when previous_close is null then null
        when dividend is not null then 'dividends'
        when adj_close is not null and previous_adj_close is not null then 'adjusted_close'
    end as total_return_basis
from sessions
