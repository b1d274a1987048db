-- One meeting on one of the last ten settlement days to a day, newest first.
select
    meeting_date,
    as_of_date,
    likeliest_lower_pct,
    likeliest_upper_pct,
    100 * likeliest_prob as likeliest,
    moves_priced,
    expected_rate_pct,
    first_as_of_date,
    expected_rate_change_since_first_bp,
    lowest_expected_rate_pct,
    highest_expected_rate_pct
from marts.fomc_meeting_history
where meeting_date = $meeting and as_of_date <= $as_of
order by as_of_date desc
limit 10
