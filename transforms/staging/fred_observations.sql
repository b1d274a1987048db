-- Latest version of every observation within the cut-off; a blank of the source is no observation. Versions that FRED dates go before
-- those with an assumed time and by their own date, because several come with one payload; among equals the one known last counts.
-- While FRED lacks the newest days of a series, a second source that agrees with it on the days before stands in: days after FRED's
-- last one only, so that FRED's own rows count again as soon as they are there. first_available_date is that of the first version with a
-- value: a revision gives another value, it does not make the day known later.
with versions as (
    select
        *,
        min(available_at_utc) filter (where value is not null) over (partition by series_id, observation_date) as first_available_at_utc
    from pipeline.raw.fred_observations
    where available_at_utc <= getvariable('cutoff_utc')
    qualify row_number() over (
        partition by series_id, observation_date
        order by
            availability = 'vintage' desc,
            case when availability = 'vintage' then available_at_utc end desc nulls last,
            known_at_utc desc
    ) = 1
),

second_sources as (
    select
        *,
        min(available_at_utc) over (partition by source, series_id, observation_date) as first_available_at_utc
    from pipeline.raw.second_source_rates
    where available_at_utc <= getvariable('cutoff_utc')
    qualify row_number() over (
        partition by source, series_id, observation_date
        order by known_at_utc desc
    ) = 1
),

moves as (
    select
        series_id,
        observation_date,
        value,
        abs(value - lag(value) over (partition by series_id order by observation_date)) as move
    from versions
    where value is not null
),

last_values as (
    select
        series_id,
        max_by(value, observation_date) as last_value,
        max(move) as largest_move
    from moves
    group by series_id
),

reach as (
    select
        versions.series_id,
        max(versions.observation_date) as last_date,
        any_value(last_values.last_value) as last_value,
        any_value(last_values.largest_move) as largest_move
    from versions
    inner join last_values on versions.series_id = last_values.series_id
    group by versions.series_id
),

-- A source in other units, with two maturities exchanged or with days shifted agrees nowhere, near zero or in a calm month not to the
-- last digit; one that has no day in common with FRED's last month would leave a hole.
agreeing as (
    select
        second_sources.source,
        second_sources.series_id,
        reach.last_date,
        reach.last_value,
        reach.largest_move
    from second_sources
    inner join reach on second_sources.series_id = reach.series_id
    inner join versions
        on
            second_sources.series_id = versions.series_id
            and second_sources.observation_date = versions.observation_date
    where
        versions.observation_date > reach.last_date - interval 31 days
        and versions.value is not null
    group by all
    having
        max(abs(second_sources.value - versions.value)) <= 0.051
        and median(abs(second_sources.value - versions.value)) <= 0.006
),

-- Nobody else vouches for these days: a value outside the series' range, a move far beyond any that is held or a step by about a power of
-- ten does not continue what FRED served.
stand_ins as (
    select second_sources.*
    from second_sources
    inner join agreeing
        on
            second_sources.source = agreeing.source
            and second_sources.series_id = agreeing.series_id
    inner join ref.fred_series as series on second_sources.series_id = series.series_id
    where
        second_sources.observation_date > agreeing.last_date
        and second_sources.observation_date <= coalesce(series.active_to, date '9999-12-31')
        and second_sources.value between series.plausible_min and series.plausible_max
        and abs(second_sources.value - agreeing.last_value) <= greatest(1.5 * agreeing.largest_move, 1.5)
        and not (
            abs(second_sources.value - agreeing.last_value) > 0.3
            and coalesce(abs(log10(abs(nullif(second_sources.value / nullif(agreeing.last_value, 0), 0)))) > 0.85, false)
        )
    qualify row_number() over (
        partition by second_sources.series_id, second_sources.observation_date
        order by second_sources.source
    ) = 1
)

select
    series_id,
    observation_date,
    value,
    available_at_utc,
    availability,
    cast(timezone('America/New_York', timezone('UTC', first_available_at_utc)) as date) as first_available_date,
    source
from versions
where value is not null
union all
select
    series_id,
    observation_date,
    value,
    available_at_utc,
    availability,
    cast(timezone('America/New_York', timezone('UTC', first_available_at_utc)) as date) as first_available_date,
    source
from stand_ins
