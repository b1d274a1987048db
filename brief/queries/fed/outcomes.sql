-- One target range after one meeting, its probability in per cent; without the negligible ones.
select
    as_of_date,
    meeting_date,
    target_lower_pct,
    target_upper_pct,
    moves,
    25 * abs(moves) as distance_bp,
    100 * prob as share
from marts.fomc_probabilities
where as_of_date = $as_of and prob >= 0.0005
order by meeting_date, target_lower_pct
