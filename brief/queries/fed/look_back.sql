-- One target range after one meeting: its probability, and those of a settlement day, a week and a month before, in per cent.
select
    as_of_date,
    meeting_date,
    target_lower_pct,
    target_upper_pct,
    100 * prob as share,
    100 * prob_1d_ago as share_1d,
    100 * prob_1w_ago as share_1w,
    100 * prob_1m_ago as share_1m
from marts.fomc_probability_changes
where
    as_of_date = $as_of and meeting_date = $meeting
    and greatest(prob, coalesce(prob_1d_ago, 0), coalesce(prob_1w_ago, 0), coalesce(prob_1m_ago, 0)) >= $in_question
order by target_lower_pct
