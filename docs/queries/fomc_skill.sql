-- What are the probabilities worth, beside "no change" and "the last change repeats"?
select horizon_days, years_counted, scored_meetings, gain_over_no_change, gain_over_no_change_low, gain_over_no_change_high,
  gain_over_last_change, gain_over_last_change_low, gain_over_last_change_high
from marts.fomc_skill
where method_version = 'cme_2023plus'
qualify row_number() over (partition by horizon_days, years_counted order by meeting_date desc) = 1
order by years_counted, horizon_days;

-- Where does the score come from: calibration, telling meetings apart, or what there was to explain?
select horizon_days, direction_brier_score, reliability_score, resolution_score, uncertainty_score, within_bin_score
from marts.fomc_skill
where method_version = 'cme_2023plus' and years_counted = 'above_zero_bound'
qualify row_number() over (partition by horizon_days order by meeting_date desc) = 1
order by horizon_days;

-- How did the advantage over "the last change repeats" develop, three months ahead?
select year(meeting_date) as year, arg_max(gain_over_last_change, meeting_date) as gain_over_last_change
from marts.fomc_skill
where method_version = 'cme_2023plus' and horizon_days = 90 and years_counted = 'all'
group by 1
order by 1;
