-- What was known on a day?
select *
from marts.daily_summary
where session_date = date '2024-07-16';
