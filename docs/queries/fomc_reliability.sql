-- Do probabilities come true as often as they say, a month ahead?
select bin_lower_prob, bin_upper_prob, forecasts, mean_prob, came_true_share, came_true_low_share, came_true_high_share, interval_reason
from marts.fomc_reliability
where method_version = 'cme_2023plus' and horizon_days = 30 and years_counted = 'all'
qualify row_number() over (partition by bin_lower_prob order by meeting_date desc) = 1
order by bin_lower_prob;

-- Where are probabilities farthest from the share that came true?
select horizon_days, bin_lower_prob, bin_upper_prob, forecasts, mean_prob, came_true_share, came_true_low_share, came_true_high_share
from marts.fomc_reliability
where method_version = 'cme_2023plus' and years_counted = 'all' and forecasts > 0
qualify row_number() over (partition by horizon_days, bin_lower_prob order by meeting_date desc) = 1
order by abs(mean_prob - came_true_share) desc, horizon_days, bin_lower_prob
limit 10;

-- Does the day count of the day change the answer?
select method_version, bin_lower_prob, forecasts, mean_prob, came_true_share
from marts.fomc_reliability
where horizon_days = 30 and years_counted = 'all'
qualify row_number() over (partition by method_version, bin_lower_prob order by meeting_date desc) = 1
order by bin_lower_prob, method_version;
