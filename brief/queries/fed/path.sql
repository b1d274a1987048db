-- The rate that the futures of one of three days imply after one meeting, and what nine of ten past errors at that distance were within.
select
    as_of_date,
    meeting_date,
    expected_rate_pct,
    expected_rate_low_pct,
    expected_rate_high_pct,
    100 * (expected_rate_high_pct - expected_rate_pct) as half_width_bp,
    band_meetings,
    band_reason
from marts.fomc_meetings_daily
where as_of_date in ($now, $week, $month) and expected_rate_pct is not null
order by as_of_date, meeting_date
