-- How many rows in a row an input has not moved, on days on which most of its peers did: bars that were carried forward.
-- tolerance_share: the share of the peers that must have moved for a day to count.
with lists as (
    select
        *,
        case when right_input = '' then left_input else right_input end as peers_input
    from check_list
    where check_kind = 'stands_still'
),

peers as (
    select
        lists.check_id,
        check_series.day,
        avg((check_series.move <> 0)::integer) as moving_share
    from lists
    inner join check_series on check_series.dataset || '/' || check_series.input glob lists.peers_input
    where check_series.move is not null
    group by all
),

-- Rows in a row have ages without a gap.
still as (
    select
        lists.check_id,
        lists.min_rows,
        check_series.dataset,
        check_series.input,
        check_series.day,
        peers.moving_share,
        check_series.age + row_number() over (
            partition by lists.check_id, check_series.dataset, check_series.input order by check_series.day
        ) as run
    from lists
    inner join check_series on check_series.dataset || '/' || check_series.input glob lists.left_input
    inner join peers on lists.check_id = peers.check_id and check_series.day = peers.day
    where check_series.change = 0 and peers.moving_share >= lists.tolerance_share
),

runs as (
    select
        *,
        row_number() over (partition by check_id, dataset, input, run order by day) as length
    from still
),

-- Every run that is too long, day by day, and how long the newest row of each input has not moved.
found as (
    select
        check_id,
        dataset,
        input,
        day,
        length,
        moving_share
    from runs
    where length >= min_rows
    union
    select
        lists.check_id,
        newest.dataset,
        newest.input,
        newest.day,
        coalesce(runs.length, 0) as length,
        runs.moving_share
    from lists
    inner join check_series as newest on newest.dataset || '/' || newest.input glob lists.left_input
    left join runs
        on
            lists.check_id = runs.check_id
            and newest.dataset = runs.dataset
            and newest.input = runs.input
            and newest.day = runs.day
    where newest.age = 0
)

select
    found.check_id,
    found.dataset,
    found.input,
    found.day,
    found.length::double as value,
    lists.peers_input as other_source,
    found.moving_share as other_value,
    value as difference,
    lists.min_rows - 1.0 as tolerance
from found
inner join lists on found.check_id = lists.check_id
