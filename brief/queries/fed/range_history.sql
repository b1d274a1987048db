-- One target range after one meeting on one settlement day of the half year to a day, with its probability.
select
    as_of_date,
    target_lower_pct,
    target_upper_pct,
    prob,
    missing_contract is not null as degraded
from marts.fomc_probabilities
where meeting_date = $meeting and as_of_date <= $as_of and as_of_date > $as_of::date - 184
order by as_of_date, target_lower_pct
