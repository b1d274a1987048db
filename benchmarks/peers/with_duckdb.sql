-- marts.instrument_daily as somebody would write it by hand in DuckDB, with window functions alone.
-- In: the view bars, by symbol and day. Left out: return_5d_last_exceeded_date, for which there is no window function.
-- Caveat: k rows back, where the models go k sessions back; no doubt about a price. Wilder's average is a sum with weights that grow by
-- 14/13 a row, which ends at 10^308 (9,500 rows).
create or replace table instrument_daily as
with steps as (
    select
        symbol, session_date, close, high,
        row_number() over own - 1 as row_number,
        lag(close) over own as close_1, lag(close, 5) over own as close_5, lag(close, 6) over own as close_6,
        lag(close, 21) over own as close_21, lag(close, 63) over own as close_63,
        lag(close, 126) over own as close_126, lag(close, 252) over own as close_252,
        (close + dividend) / lag(close) over own as growth,
        lag(session_date) over own as day_before,
        max(close) over (own rows unbounded preceding) as record_close,
        max(close) over (own rows between unbounded preceding and 1 preceding) as record_before,
        max(high) over (own rows unbounded preceding) as record_high,
        min(session_date) over (partition by symbol) as history_start_date
    from bars
    window own as (partition by symbol order by session_date)
),

moves as (
    select
        *,
        100 * (close / close_1 - 1) as return_1d_pct,
        100 * (close / close_5 - 1) as return_5d_pct,
        100 * (close / close_6 - 1) as return_6d_pct,
        close_1 is not null and not close > close_1 as not_up,
        close_1 is not null and not 100 * (close / close_1 - 1) * 1e9 >= 1e9 + 0.5 as not_over,
        greatest(close - close_1, 0) as gain,
        greatest(close_1 - close, 0) as loss,
        case when date_trunc('week', session_date) <> date_trunc('week', day_before) then close_1 end as week_close,
        case when date_trunc('month', session_date) <> date_trunc('month', day_before) then close_1 end as month_close,
        case when date_trunc('year', session_date) <> date_trunc('year', day_before) then close_1 end as year_close
    from steps
),

running as (
    select
        *,
        100 * product(coalesce(growth, 1)) over so_far as total_return_index,
        last_value(week_close ignore nulls) over so_far as week_base,
        last_value(month_close ignore nulls) over so_far as month_base,
        last_value(year_close ignore nulls) over so_far as year_base,
        max(case when not_up or close_1 is null then row_number end) over so_far as last_not_up,
        max(case when not_over or close_1 is null then row_number end) over so_far as last_not_over,
        max(case when record_before is null or close > record_before then session_date end) over so_far as record_close_date,
        sum(case when row_number <= 14 then gain else gain * pow(14 / 13, row_number - 14) end) over so_far as gains,
        sum(case when row_number <= 14 then loss else loss * pow(14 / 13, row_number - 14) end) over so_far as losses,
        count(return_5d_pct) over so_far as count_5d,
        avg(return_5d_pct) over so_far as mean_5d,
        stddev_samp(return_5d_pct) over so_far as deviation_5d,
        rank(order by return_5d_pct desc nulls last) over so_far as rank_5d,
        count(return_6d_pct) over so_far as count_6d,
        avg(return_6d_pct) over so_far as mean_6d,
        stddev_samp(return_6d_pct) over so_far as deviation_6d,
        rank(order by return_6d_pct desc nulls last) over so_far as rank_6d,
        avg(close) over (own rows 19 preceding) as mean_20d,
        stddev_samp(close) over (own rows 19 preceding) as deviation_20d,
        avg(close) over (own rows 49 preceding) as mean_50d,
        avg(close) over (own rows 199 preceding) as mean_200d,
        stddev_samp(return_1d_pct) over (own rows 20 preceding) as deviation_21d
    from moves
    window
        own as (partition by symbol order by session_date),
        so_far as (partition by symbol order by session_date rows unbounded preceding)
)

select
    running.symbol,
    running.session_date,
    running.close,
    total_return_index,
    return_1d_pct,
    return_5d_pct,
    return_6d_pct,
    100 * (running.close / close_21 - 1) as return_21d_pct,
    100 * (running.close / close_63 - 1) as return_63d_pct,
    100 * (running.close / close_126 - 1) as return_126d_pct,
    100 * (running.close / close_252 - 1) as return_252d_pct,
    100 * (running.close / week_base - 1) as return_wtd_pct,
    100 * (running.close / month_base - 1) as return_mtd_pct,
    100 * (running.close / ago.close - 1) as return_1m_pct,
    100 * (running.close / year_base - 1) as return_ytd_pct,
    100 * (total_return_index / lag(total_return_index, 252) over own - 1) as total_return_252d_pct,
    case when count_5d >= 252 then (return_5d_pct - mean_5d) / deviation_5d end as return_5d_z,
    case when count_5d >= 252 then 100 * (count_5d - rank_5d + 1) / count_5d end as return_5d_percentile,
    case when count_6d >= 252 then (return_6d_pct - mean_6d) / deviation_6d end as return_6d_z,
    case when count_6d >= 252 then 100 * (count_6d - rank_6d + 1) / count_6d end as return_6d_percentile,
    case when row_number > 0 then row_number - last_not_up end as up_streak_sessions,
    case when row_number > 0 then row_number - last_not_over end as over_1pct_streak_sessions,
    case when row_number >= 14 then 100 * gains / (gains + losses) end as rsi_14,
    case when row_number >= 19 then (running.close - mean_20d) / deviation_20d end as price_z_20d,
    case when row_number >= 49 then 100 * (running.close / mean_50d - 1) end as distance_from_50d_pct,
    case when row_number >= 199 then 100 * (running.close / mean_200d - 1) end as distance_from_200d_pct,
    100 * (running.close / record_close - 1) as drawdown_close_pct,
    100 * (running.close / record_high - 1) as drawdown_intraday_pct,
    record_close,
    record_close_date,
    100 * (close_21 / close_252 - 1) as momentum_12_1_pct,
    case when row_number >= 21 then deviation_21d * sqrt(252) end as volatility_21d_pct,
    history_start_date
from running
asof left join bars as ago
    on running.symbol = ago.symbol and cast(running.session_date - interval 1 month as date) >= ago.session_date
window own as (partition by running.symbol order by running.session_date)
