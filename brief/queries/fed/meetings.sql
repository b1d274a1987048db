-- One meeting as the futures of a day price it, and what changed since a day, a week and a month before; probabilities in per cent.
select
    as_of_date,
    meeting_date,
    cme_number,
    target_lower_pct,
    target_upper_pct,
    moves_priced,
    100 * cut_prob as cut,
    100 * hold_prob as hold,
    100 * hike_prob as hike,
    expected_rate_pct,
    implied_change_bp,
    reason,
    missing_contract,
    compared_date_1d,
    expected_rate_change_1d_bp,
    below_base_1d_change_pp,
    above_base_1d_change_pp,
    change_1d_reason,
    compared_date_1w,
    expected_rate_change_1w_bp,
    below_base_1w_change_pp,
    above_base_1w_change_pp,
    change_1w_reason,
    compared_date_1m,
    expected_rate_change_1m_bp,
    below_base_1m_change_pp,
    above_base_1m_change_pp,
    change_1m_reason
from marts.fomc_meetings_daily
where as_of_date = $as_of
order by meeting_date
