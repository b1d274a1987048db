-- A contract's change over five settlement days against the mean change of the contracts of the months beside it.
with changes as (
    select
        contract,
        delivery_month,
        settlement_date,
        settle - lag(settle, 5) over (partition by contract order by settlement_date) as change,
        lag(settlement_date, 5) over (partition by contract order by settlement_date) as since
    from check_futures
),

beside as (
    select
        *,
        lag(change) over strip as nearer,
        lead(change) over strip as farther
    from changes
    window strip as (partition by settlement_date, since order by delivery_month)
)

select
    check_list.check_id,
    'futures' as dataset,
    beside.contract as input,
    beside.settlement_date as day,
    beside.change as value,
    'the months beside it' as other_source,
    (beside.nearer + beside.farther) / 2 as other_value,
    value - other_value as difference,
    check_list.tolerance + check_list.tolerance_share * abs(beside.nearer - beside.farther) as tolerance
from check_list
cross join beside
where check_list.check_kind = 'neighbours' and other_value is not null
