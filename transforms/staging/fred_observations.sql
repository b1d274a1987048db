-- Latest version of every observation within the cut-off; a blank of the source is no observation.
with versions as (
    select *
    from pipeline.raw.fred_observations
    where available_at_utc <= getvariable('cutoff_utc')
    qualify row_number() over (partition by series_id, observation_date order by known_at_utc desc) = 1
)

select
    series_id,
    observation_date,
    value,
    available_at_utc
from versions
where value is not null
