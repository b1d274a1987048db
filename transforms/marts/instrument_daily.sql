-- One row per instrument and session with a close: returns, trend, streaks, drawdowns, records.
-- In: staging.equity_prices, staging.instrument_returns, staging.instrument_history (all symbol, session_date).
-- Windows here hold only maxima, minima and counts of the history to date, which are exact in any order; every sum of
-- floats is in staging.instrument_history. Caveat: records, drawdowns and streaks count from history_start_date.
with
prices as (
    select
        symbol,
        session_date,
        session_number,
        high,
        close
    from staging.equity_prices
),

returns as (
    select *
    from staging.instrument_returns
),

history as (
    select *
    from staging.instrument_history
),

to_date as (
    select
        prices.symbol,
        prices.session_date,
        prices.session_number,
        prices.close,
        returns.return_1d_pct,
        max(prices.close) over history_to_date as record_close,
        max(prices.high) over history_to_date as record_high,
        count(*) filter (where prices.high is null) over history_to_date as missing_highs,
        min(prices.session_date) over history_to_date as history_start_date,
        -- the last session that broke a streak; a session behind a gap has no one-day return and breaks it too
        max(prices.session_number) filter (where coalesce(returns.return_1d_pct <= 0, true))
            over history_to_date as last_not_up,
        -- rounded, because 101 / 100 - 1 is a hair more than 0.01 in floats and exactly 1 % is not over 1 %
        max(prices.session_number) filter (where coalesce(round(returns.return_1d_pct, 9) <= 1, true))
            over history_to_date as last_not_over_1pct
    from prices
    inner join returns on prices.symbol = returns.symbol and prices.session_date = returns.session_date
    window history_to_date as (
        partition by prices.symbol order by prices.session_number
        rows between unbounded preceding and current row
    )
),

records as (
    -- the first session that closed at the record: to equal it later is no new record
    select
        symbol,
        record_close,
        min(session_date) as record_close_date
    from to_date
    where close = record_close
    group by symbol, record_close
)

select
    to_date.symbol,
    to_date.session_date,
    to_date.close,
    history.total_return_index,
    returns.return_1d_pct,
    returns.return_5d_pct,
    returns.return_6d_pct,
    returns.return_21d_pct,
    returns.return_63d_pct,
    returns.return_126d_pct,
    returns.return_252d_pct,
    returns.return_wtd_pct,
    returns.return_mtd_pct,
    returns.return_1m_pct,
    returns.return_ytd_pct,
    history.total_return_252d_pct,
    history.return_5d_z,
    history.return_5d_percentile,
    history.return_6d_z,
    history.return_6d_percentile,
    history.return_5d_last_exceeded_date,
    case
        when to_date.return_1d_pct is not null
            then cast(to_date.session_number - to_date.last_not_up as integer)
    end as up_streak_sessions,
    case
        when to_date.return_1d_pct is not null
            then cast(to_date.session_number - to_date.last_not_over_1pct as integer)
    end as over_1pct_streak_sessions,
    history.rsi_14,
    history.price_z_20d,
    history.distance_from_50d_pct,
    history.distance_from_200d_pct,
    100 * (to_date.close / nullif(to_date.record_close, 0) - 1) as drawdown_close_pct,
    case
        when to_date.missing_highs = 0
            then 100 * (to_date.close / nullif(to_date.record_high, 0) - 1)
    end as drawdown_intraday_pct,
    to_date.record_close,
    records.record_close_date,
    returns.momentum_12_1_pct,
    history.volatility_21d_pct,
    to_date.history_start_date
from to_date
inner join records on to_date.symbol = records.symbol and to_date.record_close = records.record_close
inner join returns on to_date.symbol = returns.symbol and to_date.session_date = returns.session_date
inner join history on to_date.symbol = history.symbol and to_date.session_date = history.session_date
