-- One row per settlement day and meeting ahead, in the marts' own day count: marts.fomc_meetings_by_method with what changed over a
-- day, a week and a month (staging.fomc_meeting_changes: one row per span there, columns here), and a band around the expected rate:
-- what nine of ten errors at that distance were within, of the meetings decided so far (marts.policy_path_errors; between two
-- distances linear in days).
with meetings as (
    select *
    from marts.fomc_meetings_by_method
    where method_version = 'cme_2023plus'
),

changes as (
    select
        as_of_date,
        meeting_date,
        max(compared_date) filter (where span = '1d') as compared_date_1d,
        max(base_lower_pct) filter (where span = '1d') as base_1d_lower_pct,
        max(expected_rate_change_bp) filter (where span = '1d') as expected_rate_change_1d_bp,
        max(below_prob) filter (where span = '1d') as below_base_1d_prob,
        max(at_prob) filter (where span = '1d') as at_base_1d_prob,
        max(above_prob) filter (where span = '1d') as above_base_1d_prob,
        max(below_change_pp) filter (where span = '1d') as below_base_1d_change_pp,
        max(above_change_pp) filter (where span = '1d') as above_base_1d_change_pp,
        max(reason) filter (where span = '1d') as change_1d_reason,
        max(compared_date) filter (where span = '1w') as compared_date_1w,
        max(base_lower_pct) filter (where span = '1w') as base_1w_lower_pct,
        max(expected_rate_change_bp) filter (where span = '1w') as expected_rate_change_1w_bp,
        max(below_prob) filter (where span = '1w') as below_base_1w_prob,
        max(at_prob) filter (where span = '1w') as at_base_1w_prob,
        max(above_prob) filter (where span = '1w') as above_base_1w_prob,
        max(below_change_pp) filter (where span = '1w') as below_base_1w_change_pp,
        max(above_change_pp) filter (where span = '1w') as above_base_1w_change_pp,
        max(reason) filter (where span = '1w') as change_1w_reason,
        max(compared_date) filter (where span = '1m') as compared_date_1m,
        max(base_lower_pct) filter (where span = '1m') as base_1m_lower_pct,
        max(expected_rate_change_bp) filter (where span = '1m') as expected_rate_change_1m_bp,
        max(below_prob) filter (where span = '1m') as below_base_1m_prob,
        max(at_prob) filter (where span = '1m') as at_base_1m_prob,
        max(above_prob) filter (where span = '1m') as above_base_1m_prob,
        max(below_change_pp) filter (where span = '1m') as below_base_1m_change_pp,
        max(above_change_pp) filter (where span = '1m') as above_base_1m_change_pp,
        max(reason) filter (where span = '1m') as change_1m_reason
    from staging.fomc_meeting_changes
    group by as_of_date, meeting_date
),

days as (
    select distinct as_of_date
    from meetings
),

distances as (
    select distinct horizon_days
    from marts.policy_path_errors
),

known_errors as (
    -- of each distance the last meeting whose outcome is known on the day
    select
        days.as_of_date,
        distances.horizon_days,
        errors.scored_meetings,
        errors.absolute_error_p90_bp
    from days
    cross join distances
    asof inner join marts.policy_path_errors as errors
        on
            distances.horizon_days = errors.horizon_days
            and days.as_of_date >= errors.usable_from_date
),

error_spans as (
    select
        as_of_date,
        horizon_days as nearer_days,
        lead(horizon_days, 1, horizon_days + 1) over of_day as farther_days,
        absolute_error_p90_bp as nearer_bp,
        lead(absolute_error_p90_bp, 1, absolute_error_p90_bp) over of_day as farther_bp,
        least(scored_meetings, lead(scored_meetings, 1, scored_meetings) over of_day) as scored_meetings
    from known_errors
    window of_day as (partition by as_of_date order by horizon_days)
),

bands as (
    select
        meetings.as_of_date,
        meetings.meeting_date,
        spans.nearer_bp
        + (spans.farther_bp - spans.nearer_bp) * (greatest(meetings.meeting_date - meetings.as_of_date, 1) - spans.nearer_days)
        / (spans.farther_days - spans.nearer_days) as half_width_bp,
        spans.scored_meetings
    from meetings
    inner join error_spans as spans
        on
            meetings.as_of_date = spans.as_of_date
            and greatest(meetings.meeting_date - meetings.as_of_date, 1) >= spans.nearer_days
            and greatest(meetings.meeting_date - meetings.as_of_date, 1) < spans.farther_days
    where meetings.expected_rate_pct is not null
)

select
    meetings.as_of_date,
    meetings.meeting_date,
    meetings.cme_number,
    meetings.target_lower_pct,
    meetings.target_upper_pct,
    meetings.expected_rate_pct,
    meetings.expected_rate_pct - bands.half_width_bp / 100.0 as expected_rate_low_pct,
    meetings.expected_rate_pct + bands.half_width_bp / 100.0 as expected_rate_high_pct,
    case when bands.half_width_bp is not null then bands.scored_meetings end as band_meetings,
    case
        when meetings.expected_rate_pct is null or bands.half_width_bp is not null then null
        when meetings.meeting_date - meetings.as_of_date > 365 then 'beyond_365_days'
        else 'too_few_meetings'
    end as band_reason,
    meetings.implied_change_bp,
    meetings.moves_priced,
    meetings.cut_prob,
    meetings.hold_prob,
    meetings.hike_prob,
    meetings.meeting_cut_prob,
    meetings.meeting_hold_prob,
    meetings.meeting_hike_prob,
    meetings.entropy_bits,
    meetings.amplification,
    meetings.solved,
    meetings.reason,
    meetings.missing_contract,
    changes.compared_date_1d,
    changes.base_1d_lower_pct,
    changes.expected_rate_change_1d_bp,
    changes.below_base_1d_prob,
    changes.at_base_1d_prob,
    changes.above_base_1d_prob,
    changes.below_base_1d_change_pp,
    changes.above_base_1d_change_pp,
    changes.change_1d_reason,
    changes.compared_date_1w,
    changes.base_1w_lower_pct,
    changes.expected_rate_change_1w_bp,
    changes.below_base_1w_prob,
    changes.at_base_1w_prob,
    changes.above_base_1w_prob,
    changes.below_base_1w_change_pp,
    changes.above_base_1w_change_pp,
    changes.change_1w_reason,
    changes.compared_date_1m,
    changes.base_1m_lower_pct,
    changes.expected_rate_change_1m_bp,
    changes.below_base_1m_prob,
    changes.at_base_1m_prob,
    changes.above_base_1m_prob,
    changes.below_base_1m_change_pp,
    changes.above_base_1m_change_pp,
    changes.change_1m_reason
from meetings
left join changes
    on
        meetings.as_of_date = changes.as_of_date
        and meetings.meeting_date = changes.meeting_date
left join bands
    on
        meetings.as_of_date = bands.as_of_date
        and meetings.meeting_date = bands.meeting_date
