-- Decisions of the FOMC since the session before, with the change of the target range in bp, NULL where it is not listed yet.
select
    decision_date,
    scheduled,
    100 * (upper_after - upper_before) as change_bp,
    100 * (upper_before - upper_after) as lowered_bp
from ref.fomc_meetings
where decision_date > $before and decision_date <= $session and not coalesce(cancelled, false)
order by decision_date
