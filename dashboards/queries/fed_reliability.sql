-- One row per settlement day, days before the meeting and bin of probabilities: what the tables said of the target ranges of the bin and
-- what share of them was decided, with its 90 % interval, over the meetings decided up to as_of_date. By the day count cme_2023plus.
select
    chosen.as_of_date,
    bins.horizon_days,
    bins.bin_lower_prob,
    format('{:.0f}–{:.0f} %', 100 * bins.bin_lower_prob, 100 * bins.bin_upper_prob) as bin,
    format('{:.0f}–{:.0f} %, n = {}', 100 * bins.bin_lower_prob, 100 * bins.bin_upper_prob, bins.forecasts) as bin_and_forecasts,
    bins.forecasts,
    bins.scored_meetings,
    bins.meeting_date as last_meeting_date,
    bins.mean_prob,
    bins.came_true_share,
    bins.came_true_low_share,
    bins.came_true_high_share,
    coalesce(replace(bins.interval_reason, '_', ' '), '') as interval_reason
from marts.policy_path_daily as chosen
inner join marts.fomc_reliability as bins
    on chosen.as_of_date >= bins.meeting_date
where bins.method_version = 'cme_2023plus' and bins.years_counted = 'all'
qualify bins.meeting_date = max(bins.meeting_date) over (partition by chosen.as_of_date, bins.horizon_days)
