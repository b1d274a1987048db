-- One meeting on a settlement day, and why it could not be priced or what is to be said of its price.
select
    as_of_date,
    meeting_date,
    cut_prob,
    reason,
    missing_contract
from marts.fomc_meetings_daily
where as_of_date = $as_of and meeting_date = $meeting
