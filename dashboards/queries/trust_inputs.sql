-- One row per input at the publication's session: its newest day, the day that its own schedule expects, both in sessions before the
-- session, and a verdict. An input that ended has reached its last day.
with described as (
    select
        'prices' as dataset,
        symbol as input,
        name as title,
        'daily' as frequency,
        active_to as ended_on
    from ref.instruments
    union all
    select
        'fred' as dataset,
        series_id as input,
        title,
        frequency,
        active_to as ended_on
    from ref.fred_series
),

-- ops.freshness names the source of a series that a second source may serve; of the others the payloads do.
sources as (
    select
        dataset,
        if(dataset = 'futures', null, input) as input,
        arg_max(source, fetched_at_utc) as source
    from ops.payloads
    group by all
),

dated as (
    select
        freshness.*,
        newest.session_date,
        described.title,
        described.frequency,
        described.ended_on,
        coalesce(freshness.source, sources.source) as served_by,
        today.session_number,
        (
            select max(calendar.session_number)
            from marts.calendar as calendar
            where calendar.is_nyse_session and calendar.calendar_date <= freshness.last_date
        ) as last_number,
        (
            select max(calendar.session_number)
            from marts.calendar as calendar
            where
                calendar.is_nyse_session and freshness.expected_date is not null
                and calendar.calendar_date <= least(freshness.expected_date, newest.session_date)
        ) as expected_number
    from ops.freshness as freshness
    cross join shared.newest_publication as newest
    left join marts.calendar as today on newest.session_date = today.calendar_date
    left join described on freshness.dataset = described.dataset and freshness.input = described.input
    left join sources
        on freshness.dataset = sources.dataset and freshness.input is not distinct from coalesce(sources.input, freshness.input)
)

select
    case
        when stale and required then 1
        when stale and last_date is not null then 2
        when stale then 3
        when ended_on < session_date then 5
        else 4
    end as position,
    dataset,
    input,
    coalesce(title, 'Settlement prices of all contracts') as title,
    coalesce(frequency, 'daily') as frequency,
    required,
    last_date,
    expected_date,
    session_number - last_number as sessions_old,
    session_number - expected_number as sessions_allowed,
    case
        when stale and last_date is null then 'never served'
        when stale then 'late'
        when ended_on < session_date then 'ended'
        else 'on time'
    end as verdict,
    served_by,
    session_date
from dated
