-- Which banks gain most if all yields fall by 25 bp?
select entity_id, entity_name, move_if_yields_down_25bp_pct, move_low_pct, move_high_pct, rank_low, rank_high, regime
from latest.bank_sensitivity_daily
where entity_type = 'symbol'
order by move_if_yields_down_25bp_pct desc nulls last;
