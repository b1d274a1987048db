-- Title and unit of each series of reference data.
select
    series_id,
    title,
    units as unit
from ref.fred_series
