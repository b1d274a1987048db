-- Latest version of every observation within the cut-off; a blank of the source is no observation. Versions that FRED dates go before
-- those with an assumed time and by their own date, because several come with one payload; among equals the one known last counts.
with versions as (
    select *
    from pipeline.raw.fred_observations
    where available_at_utc <= getvariable('cutoff_utc')
    qualify row_number() over (
        partition by series_id, observation_date
        order by
            availability = 'vintage' desc,
            case when availability = 'vintage' then available_at_utc end desc nulls last,
            known_at_utc desc
    ) = 1
)

select
    series_id,
    observation_date,
    value,
    available_at_utc
from versions
where value is not null
