-- Left is the sum of the right terms, in per cent of it.
select
    check_id,
    dataset,
    input,
    day,
    value,
    other_source,
    other_value,
    100 * (value / other_value - 1) as difference,
    tolerance
from check_sides
where check_kind = 'level' and other_value > 0
