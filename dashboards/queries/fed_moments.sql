-- One row per settlement day, meeting ahead, moment (that day, and a day, a week and a month before it) and target range: what the
-- prices of the moment said of the range. By the day count cme_2023plus. Ranges below 0.05 % at all four moments are left out; a moment
-- without a figure has one row that says why in place of a range.
select
    moments.as_of_date,
    moments.meeting_date,
    moments.meeting_number,
    moments.settlement_date,
    strftime(moments.settlement_date, '%Y-%m-%d') || ', ' || moments.span as moment,
    outcomes.target_lower_pct,
    coalesce(
        format('{:.2f}–{:.2f} %', outcomes.target_lower_pct, outcomes.target_upper_pct),
        'No figure: ' || replace(moments.reason, '_', ' '),
        'No figure'
    ) as target_range,
    outcomes.prob
from shared.fed_moments as moments
left join marts.fomc_probabilities as outcomes
    on moments.settlement_date = outcomes.as_of_date and moments.meeting_date = outcomes.meeting_date
qualify
    outcomes.prob is null
    or max(outcomes.prob) over (partition by moments.as_of_date, moments.meeting_date, outcomes.target_lower_pct) >= 0.0005
