-- The last day with a solved path in the ten days that end a span before the settlement day.
select max(as_of_date)
from marts.fomc_meetings_daily
where
    expected_rate_pct is not null
    and as_of_date > $as_of::date - $span::interval - interval 11 days and as_of_date <= $as_of::date - $span::interval
