-- The correlation of the moves of both sides in blocks of min_rows common days counted back from the newest; it must not be lower than
-- the one expected (tolerance), so that the difference is what it falls short of 1. Where only new days are judged, the newest block is;
-- one that is not complete in the rows that were read fails, so that all are read.
with moves as (
    select
        *,
        (row_number() over (partition by check_id order by day desc) - 1) // min_rows as block
    from check_sides
    where check_kind = 'correlation' and move is not null and other_move is not null
),

blocks as (
    select
        check_id,
        dataset,
        input,
        other_source,
        tolerance,
        min_rows,
        in_part,
        block,
        max(day) as day,
        count(*) as days,
        round(corr(move, other_move), 6) as correlation
    from moves
    group by all
)

select
    check_id,
    dataset,
    input,
    day,
    case when days = min_rows then correlation else -1 end as value,
    other_source,
    null::double as other_value,
    1 - value as difference,
    tolerance
from blocks
where (days = min_rows and isfinite(correlation)) or (in_part and block = 0 and days < min_rows)
