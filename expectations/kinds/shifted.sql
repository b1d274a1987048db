-- Whether an input moves with the right side's day before or day after rather than with its own day, in blocks of min_rows rows counted
-- back from its newest. value: correlation on the same day; other_value: the larger one with a neighbouring day, which counts from
-- tolerance_share on.
with others as (
    select
        check_list.check_id,
        check_list.left_input,
        check_list.min_rows,
        check_list.tolerance,
        check_list.tolerance_share,
        check_list.right_input as other_source,
        check_series.dataset,
        check_series.input,
        check_series.day,
        check_series.move,
        lag(check_series.move) over days as move_before,
        lead(check_series.move) over days as move_after
    from check_list
    inner join check_terms on check_list.check_id = check_terms.check_id and check_terms.side = 'right'
    inner join check_series on check_terms.dataset = check_series.dataset and check_terms.input = check_series.input
    where check_list.check_kind = 'shifted' and check_series.move is not null
    window days as (partition by check_list.check_id order by check_series.day)
),

blocks as (
    select
        others.check_id,
        others.other_source,
        others.tolerance,
        others.tolerance_share,
        others.min_rows,
        own.dataset,
        own.input,
        own.age // others.min_rows as block,
        max(own.day) as day,
        count(*) as days,
        round(abs(corr(own.move, others.move)), 6) as value,
        round(greatest(abs(corr(own.move, others.move_before)), abs(corr(own.move, others.move_after))), 6) as other_value
    from check_series as own
    inner join others on own.day = others.day
    where
        own.dataset || '/' || own.input glob others.left_input
        and (own.dataset, own.input) <> (others.dataset, others.input)
        and own.move is not null
    group by all
)

select
    check_id,
    dataset,
    input,
    day,
    value,
    other_source,
    other_value,
    case when other_value >= tolerance_share then greatest(other_value - value, 0) else 0 end as difference,
    tolerance
from blocks
where days > 0.8 * min_rows and isfinite(value) and isfinite(other_value)
