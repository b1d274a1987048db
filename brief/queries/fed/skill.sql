-- How much better the futures of one horizon were than naive forecasts, up to the last scored meeting.
select
    method_version,
    horizon_days,
    years_counted,
    meeting_date,
    gain_over_no_change,
    gain_over_no_change_low,
    gain_over_no_change_high,
    gain_over_last_change,
    gain_over_last_change_low,
    gain_over_last_change_high
from marts.fomc_skill
where (method_version, horizon_days, years_counted, meeting_date) in (
    select (method_version, horizon_days, years_counted, max(meeting_date))
    from marts.fomc_skill as earlier
    where method_version = 'cme_2023plus' and years_counted = 'all' and meeting_date <= $as_of and scored_meetings > 0
    group by method_version, horizon_days, years_counted
)
order by horizon_days
