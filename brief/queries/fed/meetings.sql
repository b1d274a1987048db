-- One meeting as the futures of a day price it; probabilities in per cent.
select
    as_of_date,
    meeting_date,
    100 * cut_prob as cut,
    100 * hold_prob as hold,
    100 * hike_prob as hike,
    expected_rate_pct,
    implied_change_bp,
    reason
from marts.fomc_meetings_daily
where as_of_date = $as_of
order by meeting_date
