-- One row per settlement day and meeting ahead: expected rate, cumulative and own probabilities, how it was solved.
-- Cumulative figures (cut_prob, hold_prob, hike_prob, entropy_bits) are against the target range in force that day and
-- NULL when this meeting or an earlier one could not be solved; the meeting_*_prob stand on this meeting alone.
with expected as (
    select
        as_of_date,
        meeting_date,
        target_lower_pct,
        decided_moves,
        end_rate_pct,
        moves_expected,
        solved,
        amplification,
        reason,
        floor(moves_expected) as lower_move,
        moves_expected - floor(moves_expected) as upper_weight
    from staging.fomc_moves
),

cumulative as (
    -- ordered sums: a sum of floats in no fixed order is not the same to the bit on two threads
    select
        as_of_date,
        meeting_date,
        least(1.0, sum(case when moves < 0 then prob else 0 end order by moves)) as cut_prob,
        least(1.0, sum(case when moves = 0 then prob else 0 end order by moves)) as hold_prob,
        least(1.0, sum(case when moves > 0 then prob else 0 end order by moves)) as hike_prob,
        abs(sum(case when prob > 0 then -prob * log2(prob) else 0 end order by moves)) as entropy_bits
    from marts.fomc_probabilities
    group by as_of_date, meeting_date
)

select
    expected.as_of_date,
    expected.meeting_date,
    case when expected.solved is not null then expected.end_rate_pct end as expected_rate_pct,
    25.0 * expected.moves_expected as implied_change_bp,
    cumulative.cut_prob,
    cumulative.hold_prob,
    cumulative.hike_prob,
    case
        when expected.lower_move < -1 then 1.0
        when expected.lower_move = -1 then 1.0 - expected.upper_weight
        when expected.lower_move >= 0 then 0.0
    end as meeting_cut_prob,
    case
        when expected.lower_move = -1 then expected.upper_weight
        when expected.lower_move = 0 then 1.0 - expected.upper_weight
        when expected.lower_move is not null then 0.0
    end as meeting_hold_prob,
    case
        when expected.lower_move >= 1 then 1.0
        when expected.lower_move = 0 then expected.upper_weight
        when expected.lower_move < 0 then 0.0
    end as meeting_hike_prob,
    cumulative.entropy_bits,
    expected.amplification,
    expected.solved,
    case
        when expected.solved is null or cumulative.cut_prob is not null then expected.reason
        when expected.target_lower_pct is null or expected.decided_moves is null then 'target_range_unknown'
        else 'earlier_meeting_unsolved'
    end as reason
from expected
left join cumulative
    on
        expected.as_of_date = cumulative.as_of_date
        and expected.meeting_date = cumulative.meeting_date
