-- One outcome of a meeting that is in question, against the range in force, the likeliest first.
select
    moves,
    prob
from marts.fomc_probabilities
where as_of_date = $as_of and meeting_date = $meeting and prob >= $in_question
order by prob desc, moves asc
