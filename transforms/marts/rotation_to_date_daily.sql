-- The spread of each pair since the week, month, quarter and year began, beside the same point of that period a year before.
-- In: marts.instrument_daily (returns to date: price returns since the close of the last session before the period), ref.pairs,
-- ref.calendar. The same point is the session with the same number within the period: of the week 52 weeks before, of the same month,
-- quarter or year of the year before; where that period had fewer sessions, its last one. It is at most 400 days back.
with sessions as (
    select
        calendar_date as session_date,
        session_number,
        unnest(['week', 'month', 'quarter', 'year']) as period
    from ref.calendar
    where session_number is not null and calendar_date <= getvariable('session_date')
),

in_periods as (
    select
        *,
        cast(date_trunc(period, session_date) as date) as period_start_date
    from sessions
),

numbered as (
    select
        *,
        cast(row_number() over (partition by period, period_start_date order by session_date) as integer) as period_session,
        case
            when period = 'week' then period_start_date - 364
            else cast(period_start_date - interval 1 year as date)
        end as year_before_start_date
    from in_periods
),

lengths as (
    select
        period,
        period_start_date,
        max(period_session) as sessions
    from numbered
    group by period, period_start_date
),

points as (
    select
        today.period,
        today.session_date,
        today.period_start_date,
        today.period_session,
        before.session_date as year_before_date
    from numbered as today
    left join lengths
        on
            today.period = lengths.period
            and today.year_before_start_date = lengths.period_start_date
    left join numbered as before
        on
            today.period = before.period
            and today.year_before_start_date = before.period_start_date
            and least(today.period_session, lengths.sessions) = before.period_session
),

returns as (
    select
        symbol,
        session_date,
        unnest(['week', 'month', 'quarter', 'year']) as period,
        unnest([return_wtd_pct, return_mtd_pct, return_qtd_pct, return_ytd_pct]) as to_date_pct
    from marts.instrument_daily
),

spreads as (
    select
        pairs.pair_id,
        base.period,
        base.session_date,
        base.to_date_pct as base_to_date_pct,
        quote.to_date_pct as quote_to_date_pct,
        base.to_date_pct - quote.to_date_pct as spread_to_date_pp
    from returns as base
    inner join ref.pairs as pairs on base.symbol = pairs.base_symbol
    inner join returns as quote
        on
            pairs.quote_symbol = quote.symbol
            and base.session_date = quote.session_date
            and base.period = quote.period
)

select
    today.pair_id,
    today.period,
    today.session_date,
    points.period_start_date,
    points.period_session,
    today.base_to_date_pct,
    today.quote_to_date_pct,
    today.spread_to_date_pp,
    100.0 * ((1.0 + today.base_to_date_pct / 100.0) / (1.0 + today.quote_to_date_pct / 100.0) - 1.0) as ratio_to_date_pct,
    points.year_before_date,
    before.spread_to_date_pp as spread_to_date_year_before_pp
from spreads as today
inner join points on today.session_date = points.session_date and today.period = points.period
left join spreads as before
    on
        today.pair_id = before.pair_id
        and today.period = before.period
        and points.year_before_date = before.session_date
where today.session_date >= coalesce(getvariable('since'), date '1900-01-01')
