-- One outcome of a meeting that is in question, against the range in force: in the marts' own day count, and where CME published by another
-- one on that day in that one as well, unless a contract is missing; the likeliest first.
select
    method_version != 'cme_2023plus' as published,
    target_lower_pct,
    target_upper_pct,
    moves,
    prob
from marts.fomc_probabilities_by_method
where
    as_of_date = $as_of and meeting_date = $meeting and prob >= $in_question
    and (method_version = 'cme_2023plus' or (as_published and missing_contract is null))
order by prob desc, moves asc
