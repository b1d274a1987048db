-- The last day with a solved path in the ten days that end `back` days before the settlement day.
select max(as_of_date)
from marts.fomc_meetings_daily
where expected_rate_pct is not null and as_of_date between $as_of::date - ($back + 10) and $as_of::date - $back
