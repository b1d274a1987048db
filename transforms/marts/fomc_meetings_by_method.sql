-- One row per day count, settlement day and meeting ahead: expected rate, cumulative and own probabilities, how it was solved.
-- Cumulative figures (moves_priced, cut_prob, hold_prob, hike_prob, entropy_bits) are against the target range in force that day and
-- NULL when this meeting or an earlier one could not be solved; the meeting_*_prob stand on this meeting alone.
with expected as (
    select
        'cme_2023plus' as method_version,
        *
    from staging.fomc_moves
    union all by name
    select
        'cme_2022' as method_version,
        *
    from staging.fomc_moves_2022
),

listed as (
    -- what CME's table has: the scheduled meetings from the day on which each was listed
    select
        expected.*,
        coalesce(expected.as_of_date >= meetings.listed_from, false) as is_listed
    from expected
    left join ref.fomc_meetings as meetings
        on expected.meeting_date = meetings.decision_date
),

described as (
    select
        *,
        floor(moves_expected) as lower_move,
        moves_expected - floor(moves_expected) as upper_weight,
        -- what an earlier meeting lacks, the cumulative figures of this one lack
        last_value(missing_contract ignore nulls) over (
            partition by method_version, as_of_date
            order by meeting_number
            rows between unbounded preceding and current row
        ) as table_missing_contract,
        case
            when is_listed
                then count(case when is_listed then 1 end) over (
                    partition by method_version, as_of_date
                    order by meeting_number
                    rows between unbounded preceding and current row
                )
        end as cme_number
    from listed
),

cumulative as (
    -- sums of decimals are exact: a sum of doubles in no fixed order is not the same to the bit on two threads
    select
        method_version,
        as_of_date,
        meeting_date,
        cast(sum(cast(prob * moves as decimal(38, 18))) as double) as moves_priced,
        least(1.0, cast(sum(cast(case when moves < 0 then prob else 0 end as decimal(38, 18))) as double)) as cut_prob,
        least(1.0, cast(sum(cast(case when moves = 0 then prob else 0 end as decimal(38, 18))) as double)) as hold_prob,
        least(1.0, cast(sum(cast(case when moves > 0 then prob else 0 end as decimal(38, 18))) as double)) as hike_prob,
        abs(cast(sum(cast(case when prob > 0 then -prob * log2(prob) else 0 end as decimal(38, 18))) as double)) as entropy_bits
    from marts.fomc_probabilities_by_method
    group by method_version, as_of_date, meeting_date
)

select
    described.method_version,
    described.as_of_date,
    described.meeting_date,
    described.as_published,
    cast(described.cme_number as integer) as cme_number,
    described.target_lower_pct,
    described.target_upper_pct,
    case when described.solved is not null then described.end_rate_pct end as expected_rate_pct,
    25.0 * described.moves_expected as implied_change_bp,
    cumulative.moves_priced,
    cumulative.cut_prob,
    cumulative.hold_prob,
    cumulative.hike_prob,
    case
        when described.lower_move < -1 then 1.0
        when described.lower_move = -1 then 1.0 - described.upper_weight
        when described.lower_move >= 0 then 0.0
    end as meeting_cut_prob,
    case
        when described.lower_move = -1 then described.upper_weight
        when described.lower_move = 0 then 1.0 - described.upper_weight
        when described.lower_move is not null then 0.0
    end as meeting_hold_prob,
    case
        when described.lower_move >= 1 then 1.0
        when described.lower_move = 0 then described.upper_weight
        when described.lower_move < 0 then 0.0
    end as meeting_hike_prob,
    cumulative.entropy_bits,
    described.amplification,
    described.solved,
    case
        when described.solved is null then described.reason
        when cumulative.cut_prob is null and (described.target_lower_pct is null or described.decided_moves is null)
            then 'target_range_unknown'
        when cumulative.cut_prob is null then 'earlier_meeting_unsolved'
        when described.missing_contract is null and described.table_missing_contract is not null then 'earlier_meeting_degraded'
        else described.reason
    end as reason,
    described.table_missing_contract as missing_contract
from described
left join cumulative
    on
        described.method_version = cumulative.method_version
        and described.as_of_date = cumulative.as_of_date
        and described.meeting_date = cumulative.meeting_date
