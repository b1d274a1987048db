-- What is priced for each meeting now, a week ago and a month ago?
select meeting_date, target_lower_pct, target_upper_pct, prob, prob_1w_ago, prob_1m_ago
from latest.fomc_probability_changes
order by meeting_date, target_lower_pct;
