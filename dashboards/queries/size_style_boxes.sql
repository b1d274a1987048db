-- One row: a fund of the nine boxes of size and style on a session: against how many of the others its chart is on
-- buy, averaged over four grids of the chart's boxes, with the fewest and the most.
select
    ranks.session_date,
    ranks.symbol,
    case instruments.size when 'large' then '1 large' when 'mid' then '2 mid' when 'small' then '3 small' end as size_box,
    case instruments.style when 'value' then '1 value' when 'blend' then '2 blend' when 'growth' then '3 growth' end as style_box,
    instruments.size,
    instruments.style,
    ranks.rs_wins,
    ranks.rs_wins_min,
    ranks.rs_wins_max,
    ranks.rank,
    ranks.momentum_rank,
    ranks.members
from marts.size_style_rank_daily as ranks
inner join ref.instruments as instruments on ranks.symbol = instruments.symbol
