-- The longest run of days on which an input moved exactly as another one of the list did: a file that was copied to a wrong name. Days on
-- which neither moved do not count. Two inputs that a row of kind value equates may be the same. Where only new days are judged, the runs
-- are those that go on in them; one that began before the rows that were read fails, so that all are read.
with members as (
    select
        check_list.check_id,
        check_list.left_input,
        check_list.min_rows,
        check_list.in_part,
        check_list.judged_from,
        check_series.dataset,
        check_series.input,
        check_series.day,
        round(check_series.move, 6) as move,
        -- Yields have two decimals: equal changes are common, equal levels with equal changes are not.
        case when check_series.dataset = 'prices' then 0 else check_series.value end as level
    from check_list
    inner join check_series
        on check_series.dataset || '/' || check_series.input glob check_list.left_input
    where check_list.check_kind = 'same_series' and check_series.move is not null
),

equated as (
    select
        left_term.input as first_input,
        right_term.input as second_input
    from check_list
    inner join check_terms as left_term on check_list.check_id = left_term.check_id and left_term.side = 'left'
    inner join check_terms as right_term on check_list.check_id = right_term.check_id and right_term.side = 'right'
    where check_list.check_kind = 'value' and check_list.right_terms = 1
),

suspects as (
    select
        own.check_id,
        own.input,
        other.input as other_input
    from members as own
    inner join members as other
        on
            own.check_id = other.check_id
            and own.day = other.day
            and own.move = other.move
            and own.level = other.level
    where
        own.input <> other.input
        and own.move <> 0
        and (own.input, other.input) not in (select (first_input, second_input) from equated)
        and (other.input, own.input) not in (select (first_input, second_input) from equated)
    group by all
    having count(*) >= case when any_value(own.in_part) then 1 else any_value(own.min_rows) end
),

common_days as (
    select
        suspects.check_id,
        suspects.input,
        suspects.other_input,
        own.day,
        own.min_rows,
        own.in_part,
        own.in_part and own.day < own.judged_from as is_before,
        own.day = min(own.day) over (
            partition by suspects.check_id, suspects.input, suspects.other_input
        ) as is_first,
        own.move <> 0 as moves,
        own.move = other.move and own.level = other.level as equal,
        sum(case when own.move = other.move and own.level = other.level then 0 else 1 end) over (
            partition by suspects.check_id, suspects.input, suspects.other_input order by own.day
        ) as run
    from suspects
    inner join members as own on suspects.check_id = own.check_id and suspects.input = own.input
    inner join members as other
        on suspects.check_id = other.check_id and suspects.other_input = other.input and own.day = other.day
),

runs as (
    select
        check_id,
        input,
        other_input,
        max(day) as day,
        count(*) filter (where moves) as moving_days,
        case
            when any_value(in_part) and bool_or(is_first) then greatest(moving_days, any_value(min_rows))
            else moving_days
        end as length
    from common_days
    where equal
    group by check_id, input, other_input, run
    having not bool_and(is_before) and (not any_value(in_part) or bool_or(moves and not is_before))
),

longest as (
    select *
    from runs
    qualify row_number() over (partition by check_id, input order by length desc, other_input asc, day asc) = 1
),

newest as (
    select
        check_id,
        dataset,
        input,
        left_input,
        min_rows,
        max(day) as day
    from members
    group by all
)

select
    newest.check_id,
    newest.dataset,
    newest.input,
    coalesce(longest.day, newest.day) as day,
    coalesce(longest.length, 0)::double as value,
    coalesce(newest.dataset || '/' || longest.other_input, newest.left_input) as other_source,
    null::double as other_value,
    value as difference,
    newest.min_rows - 1.0 as tolerance
from newest
left join longest on newest.check_id = longest.check_id and newest.input = longest.input
