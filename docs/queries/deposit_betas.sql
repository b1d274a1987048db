-- How much of the running cycle's change of the funds rate has reached deposits?
select bank_group, deposit_basis, policy_cycle, policy_rate_change_pp, deposit_cost_change_pp, cumulative_deposit_beta, cumulative_reason, panel_share_pct
from marts.deposit_betas
where quarter_end = (select max(quarter_end) from marts.deposit_betas)
order by bank_group, deposit_basis;

-- The last cumulative beta of each cycle, all banks
select policy_cycle, cycle_base_quarter_end, max(quarter_end) as last_quarter, max_by(cumulative_deposit_beta, quarter_end) as beta
from marts.deposit_betas
where bank_group = 'all' and deposit_basis = 'all_domestic' and cumulative_deposit_beta is not null
group by all
order by last_quarter;

-- Do banks with cheap deposits gain at high rates? Change of the margin over each cycle of hikes, the cheapest third against the dearest
select
    cheap.cycle_base_quarter_end,
    cheap.quarter_end,
    cheap.policy_rate_change_pp,
    cheap.margin_change_pp as cheapest_pp,
    dear.margin_change_pp as dearest_pp,
    cheap.margin_change_pp - dear.margin_change_pp as difference_pp
from marts.deposit_betas as cheap
inner join marts.deposit_betas as dear
    on cheap.quarter_end = dear.quarter_end and cheap.deposit_basis = dear.deposit_basis
where cheap.policy_cycle = 'hikes' and cheap.deposit_basis = 'all_domestic'
    and cheap.bank_group = 'cheapest_third' and dear.bank_group = 'dearest_third' and cheap.policy_rate_change_pp >= 0.5
order by cheap.quarter_end desc;

-- The rolling beta with its 90 % interval, by size (NULL below 24 quarters)
select quarter_end, bank_group, rolling_deposit_beta, rolling_beta_low, rolling_beta_high, rolling_quarters
from marts.deposit_betas
where deposit_basis = 'all_domestic' and rolling_quarters is not null
order by quarter_end desc, bank_group
limit 24;
