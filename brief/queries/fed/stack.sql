-- One target range after one meeting with its probability.
select
    meeting_date,
    target_lower_pct,
    target_upper_pct,
    moves,
    prob
from marts.fomc_probabilities
where as_of_date = $as_of
order by meeting_date, target_lower_pct
