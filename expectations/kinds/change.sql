-- The change since the observation before: in the unit of the input (change), or the total return in per cent (return). Both sides must
-- have the same day before, so that a missing session is no difference.
select
    check_id,
    dataset,
    input,
    day,
    move as value,
    other_source,
    other_move as other_value,
    move - other_move as difference,
    tolerance + tolerance_share * abs(other_move) as tolerance
from check_sides
where
    check_kind in ('change', 'return')
    and move is not null
    and other_move is not null
    and previous_day = other_previous_day
