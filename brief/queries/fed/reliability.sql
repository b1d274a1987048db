-- One bin of the probabilities of one horizon, by the meetings up to the settlement day.
select
    method_version,
    horizon_days,
    years_counted,
    bin_lower_prob,
    meeting_date,
    100 * bin_lower_prob as bin_lower,
    100 * bin_upper_prob as bin_upper,
    forecasts,
    100 * mean_prob as said,
    100 * came_true_share as came_true,
    100 * came_true_low_share as came_true_low,
    100 * came_true_high_share as came_true_high,
    interval_reason
from marts.fomc_reliability
where
    method_version = 'cme_2023plus'
    and years_counted = 'all'
    and horizon_days = $horizon_days
    and forecasts > 0
    and meeting_date = (
        select max(meeting_date)
        from marts.fomc_reliability as earlier
        where meeting_date <= $as_of and horizon_days = $horizon_days and method_version = 'cme_2023plus'
    )
order by bin_lower_prob
