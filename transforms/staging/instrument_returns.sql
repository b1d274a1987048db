-- Price returns of every instrument over fixed numbers of NYSE sessions and over calendar periods.
-- In: staging.equity_prices (symbol, session_date), ref.calendar (one row per day). Out: one row per price row.
-- k sessions back is the session numbered k lower, never the k-th row back: where the symbol has no row on that
-- session, the return is NULL. The same holds for the closes that the calendar returns start from.
with
prices as (
    select
        symbol,
        session_date,
        session_number,
        close
    from staging.equity_prices
),

calendar as (
    select
        calendar_date,
        session_number
    from ref.calendar
),

-- Sessions are numbered without gaps, so the last session of the period before is the period's first number less one.
period_starts as (
    select
        session_number,
        min(session_number) over (partition by date_trunc('week', calendar_date)) - 1 as before_week,
        min(session_number) over (partition by date_trunc('month', calendar_date)) - 1 as before_month,
        min(session_number) over (partition by date_trunc('year', calendar_date)) - 1 as before_year
    from calendar
    where session_number is not null
),

last_sessions as (
    select
        calendar_date,
        max(session_number) over (order by calendar_date rows unbounded preceding) as last_session_number
    from calendar
),

dated as (
    select
        prices.symbol,
        prices.session_date,
        prices.session_number,
        prices.close,
        period_starts.before_week,
        period_starts.before_month,
        period_starts.before_year,
        month_ago.last_session_number as one_month_ago
    from prices
    left join period_starts on prices.session_number = period_starts.session_number
    -- a month back from the 31st is the last day of a shorter month
    left join last_sessions as month_ago
        on month_ago.calendar_date = cast(prices.session_date - interval 1 month as date)
)

select
    dated.symbol,
    dated.session_date,
    dated.session_number,
    100 * (dated.close / nullif(s1.close, 0) - 1) as return_1d_pct,
    100 * (dated.close / nullif(s5.close, 0) - 1) as return_5d_pct,
    100 * (dated.close / nullif(s6.close, 0) - 1) as return_6d_pct,
    100 * (dated.close / nullif(s21.close, 0) - 1) as return_21d_pct,
    100 * (dated.close / nullif(s63.close, 0) - 1) as return_63d_pct,
    100 * (dated.close / nullif(s126.close, 0) - 1) as return_126d_pct,
    100 * (dated.close / nullif(s252.close, 0) - 1) as return_252d_pct,
    100 * (dated.close / nullif(week.close, 0) - 1) as return_wtd_pct,
    100 * (dated.close / nullif(month.close, 0) - 1) as return_mtd_pct,
    100 * (dated.close / nullif(month_ago.close, 0) - 1) as return_1m_pct,
    100 * (dated.close / nullif(year.close, 0) - 1) as return_ytd_pct,
    100 * (s21.close / nullif(s252.close, 0) - 1) as momentum_12_1_pct
from dated
left join prices as s1 on dated.symbol = s1.symbol and dated.session_number - 1 = s1.session_number
left join prices as s5 on dated.symbol = s5.symbol and dated.session_number - 5 = s5.session_number
left join prices as s6 on dated.symbol = s6.symbol and dated.session_number - 6 = s6.session_number
left join prices as s21 on dated.symbol = s21.symbol and dated.session_number - 21 = s21.session_number
left join prices as s63 on dated.symbol = s63.symbol and dated.session_number - 63 = s63.session_number
left join prices as s126 on dated.symbol = s126.symbol and dated.session_number - 126 = s126.session_number
left join prices as s252 on dated.symbol = s252.symbol and dated.session_number - 252 = s252.session_number
left join prices as week on dated.symbol = week.symbol and dated.before_week = week.session_number
left join prices as month on dated.symbol = month.symbol and dated.before_month = month.session_number
left join prices as month_ago on dated.symbol = month_ago.symbol and dated.one_month_ago = month_ago.session_number
left join prices as year on dated.symbol = year.symbol and dated.before_year = year.session_number
