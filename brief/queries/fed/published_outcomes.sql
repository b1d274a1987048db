-- One target range after one meeting by that day count, its probability in per cent; the likeliest first.
select
    method_version,
    as_of_date,
    meeting_date,
    target_lower_pct,
    target_upper_pct,
    moves,
    25 * abs(moves) as distance_bp,
    100 * prob as share
from marts.fomc_probabilities_by_method
where
    as_of_date = $as_of and meeting_date = $meeting and prob >= $in_question
    and as_published and method_version != 'cme_2023plus' and missing_contract is null
order by prob desc, moves asc
