-- One row per settlement day and days before the meeting: errors of the priced path (implied less decided) over the meetings whose outcome
-- was usable by as_of_date, with the 90 % interval of their mean.
select
    chosen.as_of_date,
    errors.horizon_days,
    errors.meeting_date as last_meeting_date,
    errors.scored_meetings,
    errors.mean_error_bp,
    errors.mean_error_low_bp,
    errors.mean_error_high_bp,
    errors.rms_error_bp,
    errors.error_p05_bp,
    errors.error_p50_bp,
    errors.error_p95_bp,
    errors.absolute_error_p90_bp
from marts.policy_path_daily as chosen
inner join marts.policy_path_errors as errors
    on chosen.as_of_date >= errors.usable_from_date
qualify errors.meeting_date = max(errors.meeting_date) over (partition by chosen.as_of_date, errors.horizon_days)
