-- One bank, fund or group of banks on one session in one scenario of yields: its estimated price move
-- with the 90 % interval, or one row that says why there is none.
with moves as (
    select
        case
            when entity_type = 'group' then 'Group: ' || entity_name
            else entity_id || ', ' || entity_name
        end as bank_or_group,
        session_date,
        move_if_yields_down_25bp_pct as hedged_pct,
        move_low_pct as hedged_low_pct,
        move_high_pct as hedged_high_pct,
        unconditional_move_if_2y_down_25bp_pct as free_pct,
        -- A duration is the loss for +100 bp.
        empirical_duration_unconditional_low_years / 4 as free_low_pct,
        empirical_duration_unconditional_high_years / 4 as free_high_pct
    from marts.bank_sensitivity_daily
),

-- The model is linear: yields up by as much give the same move with the other sign.
scenarios as (
    select * from (
        values
        (1, 'All yields -25 bp', 'unchanged', 1),
        (2, 'All yields +25 bp', 'unchanged', -1),
        (3, '2-year yield -25 bp', 'does what it usually does then', 1),
        (4, '2-year yield +25 bp', 'does what it usually does then', -1)
    ) as scenario (scenario_number, yields, market, sign)
)

select
    moves.bank_or_group,
    moves.session_date,
    scenarios.scenario_number,
    scenarios.yields,
    scenarios.market,
    scenarios.sign * if(scenarios.scenario_number <= 2, moves.hedged_pct, moves.free_pct) as scenario_move_pct,
    case scenarios.scenario_number
        when 1 then moves.hedged_low_pct
        when 2 then -moves.hedged_high_pct
        when 3 then moves.free_low_pct
        else -moves.free_high_pct
    end as scenario_low_pct,
    case scenarios.scenario_number
        when 1 then moves.hedged_high_pct
        when 2 then -moves.hedged_low_pct
        when 3 then moves.free_high_pct
        else -moves.free_low_pct
    end as scenario_high_pct
from moves
cross join scenarios
union all
select
    banks.bank_or_group,
    sessions.session_date,
    0 as scenario_number,
    'No estimate for this session' as yields,
    'too short a history, or a price is missing' as market,
    null as scenario_move_pct,
    null as scenario_low_pct,
    null as scenario_high_pct
from (select distinct bank_or_group from moves) as banks
cross join (select distinct session_date from moves) as sessions
anti join moves as estimated
    on banks.bank_or_group = estimated.bank_or_group and sessions.session_date = estimated.session_date
