-- One row per instrument and session with a close: prices, volume, returns, trend, streaks, drawdowns, records.
-- In: staging.equity_prices, staging.instrument_returns, staging.instrument_history (all symbol, session_date, with the same rows).
-- Caveat: records, drawdowns and streaks count from history_start_date.
with traded as (
    select
        symbol,
        session_date,
        session_number,
        open,
        high,
        low,
        close,
        -- an index that is not traded is served with 0
        nullif(volume, 0) as volume
    from staging.equity_prices
),

prices as (
    select
        *,
        case
            when
                count(volume) over last_20 = 20
                and session_number - first_value(session_number) over last_20 = 19
                -- whole shares have the same sum in whatever order they are added
                then sum(cast(round(volume) as bigint)) over last_20 / 20.0
        end as volume_20d_average
    from traded
    window last_20 as (partition by symbol order by session_number rows between 19 preceding and current row)
)

select
    prices.symbol,
    prices.session_date,
    prices.open,
    prices.high,
    prices.low,
    prices.close,
    prices.volume,
    prices.volume_20d_average,
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
    returns.return_qtd_pct,
    returns.return_ytd_pct,
    history.total_return_252d_pct,
    history.return_5d_z,
    history.return_5d_percentile,
    history.return_6d_z,
    history.return_6d_percentile,
    history.return_5d_last_exceeded_date,
    history.up_streak_sessions,
    history.over_1pct_streak_sessions,
    history.rsi_14,
    history.price_z_20d,
    history.distance_from_50d_pct,
    history.distance_from_200d_pct,
    history.drawdown_close_pct,
    history.drawdown_intraday_pct,
    history.record_close,
    history.record_close_date,
    returns.momentum_12_1_pct,
    history.volatility_21d_pct,
    history.history_start_date
from prices
inner join staging.instrument_returns as returns on prices.symbol = returns.symbol and prices.session_date = returns.session_date
inner join staging.instrument_history as history on prices.symbol = history.symbol and prices.session_date = history.session_date
