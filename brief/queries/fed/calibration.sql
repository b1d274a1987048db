-- The mean score of one horizon in the marts' own day count, up to the last scored meeting.
select
    method_version,
    horizon_days,
    meeting_date,
    mean_brier_score,
    mean_brier_score_no_change,
    scored_meetings
from marts.fomc_calibration
where (method_version, horizon_days, meeting_date) in (
    select (method_version, horizon_days, max(meeting_date))
    from marts.fomc_calibration as earlier
    where method_version = 'cme_2023plus' and meeting_date <= $as_of and mean_brier_score is not null
    group by method_version, horizon_days
)
order by horizon_days
