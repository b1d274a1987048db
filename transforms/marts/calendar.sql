-- The date dimension: every day of ref.calendar with the period it is in and the events that come next.
-- A decision is the next one of every day on which it was known: from known_from_date to the decision, or to the day
-- before its cancellation.
with meetings as (
    select
        decision_date,
        greatest(known_from_date, date '1990-01-01') as first_day,
        least(decision_date, coalesce(cancelled_on - 1, decision_date)) as last_day
    from ref.fomc_meetings
),

waiting as (
    select
        decision_date,
        unnest(generate_series(first_day, last_day, interval 1 day))::date as calendar_date
    from meetings
    where first_day <= last_day
),

decisions as (
    select
        calendar_date,
        min(decision_date) as next_fomc_decision_date
    from waiting
    group by calendar_date
),

events as (
    select
        event_date as calendar_date,
        string_agg(event_type, '+' order by event_type) as calendar_events,
        max(event_date) filter (where event_type = 'cpi') as cpi_date,
        max(event_date) filter (where event_type = 'jobs') as jobs_date
    from ref.events
    group by event_date
),

days as (
    select
        calendar.calendar_date,
        calendar.is_nyse_session,
        calendar.session_number,
        calendar.is_settlement_day,
        calendar.is_fed_business_day,
        calendar.early_close,
        events.calendar_events,
        decisions.next_fomc_decision_date,
        max(calendar.calendar_date) filter (where calendar.is_nyse_session) over month_of_day as last_session_date,
        min(events.cpi_date) over coming as next_cpi_release_date,
        min(events.jobs_date) over coming as next_jobs_release_date,
        -- Before the first release of the list the next one is not known.
        min(events.cpi_date) over () as first_cpi_date,
        min(events.jobs_date) over () as first_jobs_date
    from ref.calendar as calendar
    left join decisions on calendar.calendar_date = decisions.calendar_date
    left join events on calendar.calendar_date = events.calendar_date
    window
        month_of_day as (partition by date_trunc('month', calendar.calendar_date)),
        coming as (order by calendar.calendar_date rows between current row and unbounded following)
),

known as (
    select
        calendar_date,
        is_nyse_session,
        session_number,
        is_settlement_day,
        is_fed_business_day,
        early_close,
        calendar_events,
        next_fomc_decision_date,
        last_session_date,
        case when calendar_date >= first_cpi_date then next_cpi_release_date end as next_cpi_release_date,
        case when calendar_date >= first_jobs_date then next_jobs_release_date end as next_jobs_release_date
    from days
)

select
    calendar_date,
    year(calendar_date)::integer as calendar_year,
    quarter(calendar_date)::integer as quarter_of_year,
    month(calendar_date)::integer as month_of_year,
    isoyear(calendar_date)::integer as iso_year,
    weekofyear(calendar_date)::integer as iso_week,
    isodow(calendar_date)::integer as iso_weekday,
    date_trunc('year', calendar_date)::date as year_start_date,
    date_trunc('quarter', calendar_date)::date as quarter_start_date,
    date_trunc('month', calendar_date)::date as month_start_date,
    date_trunc('week', calendar_date)::date as week_start_date,
    is_nyse_session,
    session_number,
    is_settlement_day,
    is_fed_business_day,
    early_close,
    coalesce(calendar_date = last_session_date, false) as is_month_end_session,
    calendar_events,
    next_fomc_decision_date,
    (next_fomc_decision_date - calendar_date)::integer as next_fomc_decision_days,
    next_cpi_release_date,
    (next_cpi_release_date - calendar_date)::integer as next_cpi_release_days,
    next_jobs_release_date,
    (next_jobs_release_date - calendar_date)::integer as next_jobs_release_days
from known
