-- A decision of the FOMC in the days after the session, as it was known on the session.
select decision_date
from ref.fomc_meetings
where
    decision_date > $session and decision_date <= $until and known_from_date <= $session
    and (not cancelled or cancelled_on > $session)
order by decision_date
