-- One row per settlement day, meeting ahead and moment (that day, and a day, a week and a month before it): the meeting at the prices
-- of the moment, against the range in force then, or why there is nothing. By the day count cme_2023plus.
select
    moments.as_of_date,
    moments.meeting_date,
    moments.meeting_number,
    moments.settlement_date,
    moments.span as moment,
    case
        when then_priced.target_lower_pct = then_priced.target_upper_pct then format('{:.2f} %', then_priced.target_lower_pct)
        else format('{:.2f}–{:.2f} %', then_priced.target_lower_pct, then_priced.target_upper_pct)
    end as range_in_force,
    then_priced.expected_rate_pct,
    then_priced.cut_prob,
    then_priced.hold_prob,
    then_priced.hike_prob,
    concat_ws(
        '; ',
        replace(coalesce(then_priced.reason, case when then_priced.as_of_date is null then moments.reason end), '_', ' '),
        'no usable price of ' || then_priced.missing_contract
    ) as reason
from shared.fed_moments as moments
left join marts.fomc_meetings_daily as then_priced
    on moments.settlement_date = then_priced.as_of_date and moments.meeting_date = then_priced.meeting_date
