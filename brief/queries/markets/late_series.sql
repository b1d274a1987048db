-- A series with how many days it is behind its own schedule at the session; one that was given up, since then.
select
    freshness.input,
    series.frequency,
    greatest(
        coalesce(freshness.expected_date - freshness.last_date, 0), coalesce($session::date - series.active_to, 0)
    ) as days_late
from ops.freshness as freshness
inner join ref.fred_series as series on freshness.input = series.series_id
where freshness.dataset = 'fred' and freshness.last_date is not null
