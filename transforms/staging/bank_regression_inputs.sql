-- Complete observations of the bank regressions: every column of a row is a change over exactly one NYSE session.
-- The 5-year yield drops nothing: where only it is missing its change is NULL.
-- A session without yields (bond holiday) drops out, and so does the one after it, whose change would span two.
with prices as (
    select
        symbol,
        session_date,
        session_number,
        total_return_pct
    from staging.equity_prices
),

fred as (
    select
        series_id,
        observation_date,
        value
    from staging.fred_observations
),

calendar as (
    select
        calendar_date,
        session_number
    from ref.calendar
    where is_nyse_session
),

entities as (
    select
        symbol,
        coalesce(member_from, date '1900-01-01') as member_from,
        coalesce(member_to, date '2999-12-31') as member_to
    from ref.group_members
    where group_id = 'bank_rate_entities'
),

-- total_return_pct counts from the symbol's row before: it is a one-session return only when that row is one session back.
price_steps as (
    select
        symbol,
        session_date,
        session_number,
        total_return_pct,
        session_number - lag(session_number) over (partition by symbol order by session_number) as step_sessions
    from prices
),

one_session_returns as (
    select
        symbol,
        session_date,
        session_number,
        total_return_pct
    from price_steps
    where
        step_sessions = 1
        and total_return_pct is not null
),

yields as (
    select
        calendar.session_number,
        y2.value as y2_pct,
        y5.value as y5_pct,
        y10.value as y10_pct
    from calendar
    inner join fred as y2
        on y2.observation_date = calendar.calendar_date and y2.series_id = 'DGS2'
    inner join fred as y10
        on y10.observation_date = calendar.calendar_date and y10.series_id = 'DGS10'
    left join fred as y5
        on y5.observation_date = calendar.calendar_date and y5.series_id = 'DGS5'
),

-- 1 % is ten units of 10 bp. Yields carry two decimals: rounding takes the binary noise out, so that "unchanged" is exactly 0.
yield_changes as (
    select
        today.session_number,
        round((today.y2_pct - before.y2_pct) * 10, 6) as y2_change_10bp,
        round((today.y5_pct - before.y5_pct) * 10, 6) as y5_change_10bp,
        round((today.y10_pct - before.y10_pct) * 10, 6) as y10_change_10bp,
        round(((today.y10_pct - today.y2_pct) - (before.y10_pct - before.y2_pct)) * 10, 6) as slope_change_10bp
    from yields as today
    inner join yields as before
        on before.session_number = today.session_number - 1
)

select
    own.symbol,
    own.session_date,
    own.session_number,
    own.total_return_pct,
    market.total_return_pct as market_total_return_pct,
    yield_changes.y2_change_10bp,
    yield_changes.y5_change_10bp,
    yield_changes.y10_change_10bp,
    yield_changes.slope_change_10bp
from one_session_returns as own
inner join entities
    on
        entities.symbol = own.symbol
        and own.session_date between entities.member_from and entities.member_to
inner join one_session_returns as market
    on market.session_number = own.session_number and market.symbol = 'SPY'
inner join yield_changes
    on yield_changes.session_number = own.session_number
