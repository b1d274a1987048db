-- The upper end of the target range changes on the days on which ref.fomc_meetings has a decision take effect, and to the value that the
-- decision set; on no other day. The outcome of a decision that is not listed yet is read from the series, so any value is right there.
with targets as (
    select
        check_list.check_id,
        check_list.right_input as other_source,
        check_list.tolerance,
        check_series.*
    from check_list
    inner join check_terms on check_list.check_id = check_terms.check_id and check_terms.side = 'left'
    inner join check_series on check_terms.dataset = check_series.dataset and check_terms.input = check_series.input
    where check_list.check_kind = 'decision'
),

decisions as (
    select
        effective_date,
        upper_after
    from ref.fomc_meetings
    where not coalesce(cancelled, false)
)

select
    targets.check_id,
    targets.dataset,
    targets.input,
    targets.day,
    targets.value,
    targets.other_source,
    case
        when decisions.effective_date is null then targets.value - targets.change
        else coalesce(decisions.upper_after, targets.value)
    end as other_value,
    targets.value - other_value as difference,
    targets.tolerance
from targets
left join decisions on targets.day = decisions.effective_date
where decisions.effective_date is not null or targets.change <> 0
