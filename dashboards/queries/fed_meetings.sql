-- One row per settlement day and meeting ahead: probabilities against the range in force, the expected rate with its band, and its
-- changes over a day, a week and a month; reason says why a figure is missing, or what is weak about it.
select
    as_of_date,
    meeting_date,
    cast(row_number() over (partition by as_of_date order by meeting_date) as integer) as meeting_number,
    case
        when target_lower_pct = target_upper_pct then format('{:.2f} %', target_lower_pct)
        else format('{:.2f}–{:.2f} %', target_lower_pct, target_upper_pct)
    end as range_in_force,
    cut_prob,
    hold_prob,
    hike_prob,
    expected_rate_pct,
    format('{:.2f}–{:.2f} %', expected_rate_low_pct, expected_rate_high_pct) as expected_rate_band,
    expected_rate_change_1d_bp,
    expected_rate_change_1w_bp,
    expected_rate_change_1m_bp,
    compared_date_1d,
    compared_date_1w,
    compared_date_1m,
    concat_ws(
        '; ',
        replace(reason, '_', ' '),
        'no usable price of ' || missing_contract,
        'band: ' || replace(band_reason, '_', ' '),
        case when change_1d_reason is distinct from reason then 'day: ' || replace(change_1d_reason, '_', ' ') end,
        case when change_1w_reason is distinct from reason then 'week: ' || replace(change_1w_reason, '_', ' ') end,
        case when change_1m_reason is distinct from reason then 'month: ' || replace(change_1m_reason, '_', ' ') end
    ) as reason
from marts.fomc_meetings_daily
