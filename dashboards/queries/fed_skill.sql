-- One row per settlement day and days before the meeting: mean ranked probability score of the tables and of two naive forecasts, and how
-- much lower the tables' one is with its 90 % interval, over the meetings decided up to as_of_date. By the day count cme_2023plus.
select
    chosen.as_of_date,
    scores.horizon_days,
    scores.meeting_date as last_meeting_date,
    scores.scored_meetings,
    scores.mean_ranked_probability_score,
    scores.mean_ranked_probability_score_no_change,
    scores.mean_ranked_probability_score_last_change,
    scores.gain_over_no_change,
    scores.gain_over_no_change_low,
    scores.gain_over_no_change_high,
    scores.gain_over_last_change,
    scores.gain_over_last_change_low,
    scores.gain_over_last_change_high
from marts.policy_path_daily as chosen
inner join marts.fomc_skill as scores
    on chosen.as_of_date >= scores.meeting_date
where scores.method_version = 'cme_2023plus' and scores.years_counted = 'all'
qualify scores.meeting_date = max(scores.meeting_date) over (partition by chosen.as_of_date, scores.horizon_days)
