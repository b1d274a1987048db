-- One row per settlement day and meeting ahead, in the marts' own day count: marts.fomc_meetings_by_method with what changed over a day, a
-- week and a month (staging.fomc_meeting_changes: one row per span there, columns here).
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
        max(expected_rate_change_bp) filter (where span = '1d') as expected_rate_change_1d_bp,
        max(below_prob) filter (where span = '1d') as below_base_1d_prob,
        max(at_prob) filter (where span = '1d') as at_base_1d_prob,
        max(above_prob) filter (where span = '1d') as above_base_1d_prob,
        max(below_change_pp) filter (where span = '1d') as below_base_1d_change_pp,
        max(above_change_pp) filter (where span = '1d') as above_base_1d_change_pp,
        max(reason) filter (where span = '1d') as change_1d_reason,
        max(compared_date) filter (where span = '1w') as compared_date_1w,
        max(expected_rate_change_bp) filter (where span = '1w') as expected_rate_change_1w_bp,
        max(below_prob) filter (where span = '1w') as below_base_1w_prob,
        max(at_prob) filter (where span = '1w') as at_base_1w_prob,
        max(above_prob) filter (where span = '1w') as above_base_1w_prob,
        max(below_change_pp) filter (where span = '1w') as below_base_1w_change_pp,
        max(above_change_pp) filter (where span = '1w') as above_base_1w_change_pp,
        max(reason) filter (where span = '1w') as change_1w_reason,
        max(compared_date) filter (where span = '1m') as compared_date_1m,
        max(expected_rate_change_bp) filter (where span = '1m') as expected_rate_change_1m_bp,
        max(below_prob) filter (where span = '1m') as below_base_1m_prob,
        max(at_prob) filter (where span = '1m') as at_base_1m_prob,
        max(above_prob) filter (where span = '1m') as above_base_1m_prob,
        max(below_change_pp) filter (where span = '1m') as below_base_1m_change_pp,
        max(above_change_pp) filter (where span = '1m') as above_base_1m_change_pp,
        max(reason) filter (where span = '1m') as change_1m_reason
    from staging.fomc_meeting_changes
    group by as_of_date, meeting_date
)

select
    meetings.as_of_date,
    meetings.meeting_date,
    meetings.cme_number,
    meetings.target_lower_pct,
    meetings.target_upper_pct,
    meetings.expected_rate_pct,
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
    changes.expected_rate_change_1d_bp,
    changes.below_base_1d_prob,
    changes.at_base_1d_prob,
    changes.above_base_1d_prob,
    changes.below_base_1d_change_pp,
    changes.above_base_1d_change_pp,
    changes.change_1d_reason,
    changes.compared_date_1w,
    changes.expected_rate_change_1w_bp,
    changes.below_base_1w_prob,
    changes.at_base_1w_prob,
    changes.above_base_1w_prob,
    changes.below_base_1w_change_pp,
    changes.above_base_1w_change_pp,
    changes.change_1w_reason,
    changes.compared_date_1m,
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
