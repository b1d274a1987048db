-- The last settlement day up to the session.
select max(as_of_date) from marts.fomc_meetings_daily where as_of_date <= $session
