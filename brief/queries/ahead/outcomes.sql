-- One target range after a meeting that is in question, its probability in per cent; the likeliest first.
select
    as_of_date,
    meeting_date,
    target_lower_pct,
    moves,
    25 * abs(moves) as distance_bp,
    100 * prob as share
from marts.fomc_probabilities
where as_of_date = $as_of and meeting_date = $meeting and prob >= $in_question
order by prob desc, moves asc
