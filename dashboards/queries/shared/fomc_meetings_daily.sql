-- One row per settlement day and meeting ahead, with the number of the meeting on its day: 1 is the next.
select
    as_of_date,
    meeting_date,
    reason,
    compared_date_1d,
    compared_date_1w,
    compared_date_1m,
    change_1d_reason,
    change_1w_reason,
    change_1m_reason,
    cast(row_number() over (partition by as_of_date order by meeting_date) as integer) as meeting_number
from marts.fomc_meetings_daily
