-- Whether an input moves with the right side's day before or day after rather than with its own day, in blocks of min_rows rows counted
-- back from its newest. value: correlation on the same day; other_value: the larger one with a neighbouring day, which counts from
-- tolerance_share on. An input that hardly moves with the right side on any of the three days tells nothing by chance (bonds against
-- shares): it counts only if the median of its blocks reaches tolerance_share, too. Where only new days are judged, the median is not known
-- and every input counts: what fails there is judged again with all blocks.
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
),

usual as (
    select
        check_id,
        dataset,
        input,
        median(greatest(value, other_value)) as correlation
    from blocks
    where isfinite(value) and isfinite(other_value)
    group by all
)

select
    blocks.check_id,
    blocks.dataset,
    blocks.input,
    blocks.day,
    blocks.value,
    blocks.other_source,
    blocks.other_value,
    case
        when
            blocks.other_value >= blocks.tolerance_share
            and (check_list.in_part or usual.correlation >= blocks.tolerance_share)
            then greatest(blocks.other_value - blocks.value, 0)
        else 0
    end as difference,
    blocks.tolerance
from blocks
inner join check_list on blocks.check_id = check_list.check_id
inner join usual on blocks.check_id = usual.check_id and blocks.dataset = usual.dataset and blocks.input = usual.input
where blocks.days > 0.8 * blocks.min_rows and isfinite(blocks.value) and isfinite(blocks.other_value)
