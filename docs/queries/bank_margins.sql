-- Margin and deposit cost of all banks, newest quarters first
select quarter_end, institutions, net_interest_margin_pct, deposit_cost_pct, interest_bearing_deposit_cost_pct, policy_rate_avg_pct, panel_share_pct
from marts.bank_margins
where size_group = 'all'
order by quarter_end desc
limit 12;

-- Which banks pay least for their deposits, by size, in the newest quarter?
select size_group, institutions, assets_usd_bn, deposit_cost_pct, net_interest_margin_pct
from marts.bank_margins
where quarter_end = (select max(quarter_end) from marts.bank_margins)
order by deposit_cost_pct;

-- How much less than the funds rate did deposits cost, by year?
select year(quarter_end) as year, avg(policy_rate_avg_pct - deposit_cost_pct) as deposit_spread_pp
from marts.bank_margins
where size_group = 'all'
group by all
order by year;
