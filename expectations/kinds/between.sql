-- Left lies between the first and the second right term; the difference is the distance from the nearer end.
with ends as (
    select
        check_terms.check_id,
        check_series.day,
        max(check_series.value) filter (where check_terms.position = 1) as low,
        max(check_series.value) filter (where check_terms.position = 2) as high
    from check_terms
    inner join check_series
        on check_terms.dataset = check_series.dataset and check_terms.input = check_series.input
    where check_terms.side = 'right'
    group by all
)

select
    check_list.check_id,
    check_series.dataset,
    check_series.input,
    check_series.day,
    check_series.value,
    check_list.right_input as other_source,
    case when check_series.value < ends.low then ends.low else ends.high end as other_value,
    case
        when check_series.value < ends.low then check_series.value - ends.low
        when check_series.value > ends.high then check_series.value - ends.high
        else 0
    end as difference,
    check_list.tolerance
from check_list
inner join check_terms on check_list.check_id = check_terms.check_id and check_terms.side = 'left'
inner join check_series on check_terms.dataset = check_series.dataset and check_terms.input = check_series.input
inner join ends on check_list.check_id = ends.check_id and check_series.day = ends.day
where check_list.check_kind = 'between' and ends.low is not null and ends.high is not null
