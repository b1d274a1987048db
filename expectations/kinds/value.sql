-- Left is the sum of the right terms, in the unit of the input.
select
    check_id,
    dataset,
    input,
    day,
    value,
    other_source,
    other_value,
    value - other_value as difference,
    tolerance + tolerance_share * abs(other_value) as tolerance
from check_sides
where check_kind in ('value', 'second_source')
