-- One row: a quarter of a cycle of hikes or cuts, counted from the quarter before its first move (0), a group of banks and a kind of
-- deposits, with the share of the cycle's change of the funds rate that has reached what deposits cost. Where there is
-- none, one row says so.
with betas as (
    select
        quarter_end,
        bank_group,
        deposit_basis,
        if(policy_cycle = 'hikes', 'Hikes', 'Cuts') || ' ' || strftime(cycle_first_move_date, '%Y-%m') as cycle_in_words,
        date_diff('quarter', cycle_base_quarter_end, quarter_end) as quarters_of_cycle,
        cumulative_deposit_beta,
        policy_rate_change_pp,
        margin_change_pp,
        panel_share_pct,
        known_on
    from marts.deposit_betas
    where cumulative_deposit_beta is not null
)

select *
from betas
union all
select
    newest.session_date as quarter_end,
    'all' as bank_group,
    'all_domestic' as deposit_basis,
    'None: no quarter with a cycle of half a point or more is held here' as cycle_in_words,
    1 as quarters_of_cycle,
    null as cumulative_deposit_beta,
    null as policy_rate_change_pp,
    null as margin_change_pp,
    null as panel_share_pct,
    null as known_on
from shared.newest_publication as newest
where
    not exists (
        select 1
        from betas
        where bank_group = 'all' and deposit_basis = 'all_domestic'
    )
