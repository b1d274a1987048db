-- The dividend yield that adj_close shows on a day, by how much more than close it grew, against that of the dividend column, in per cent
-- of the close before. Days on which neither shows one are not compared; the rounding of the prices is allowed on top of the tolerance.
-- Vendors divide by 1 - yield or multiply by 1 + yield, so the nearer of the two counts.
with yields as (
    select
        check_list.check_id,
        check_list.tolerance,
        check_list.tolerance_share,
        check_adjusted.symbol,
        check_adjusted.day,
        100 * (1 - (check_adjusted.close / previous_close) / (adj_close / previous_adj_close)) as shown,
        100 * dividend / previous_close as paid,
        100 * (
            adj_rounding * (1 / adj_close + 1 / previous_adj_close)
            + close_rounding * (1 / check_adjusted.close + 1 / previous_close)
            + 0.0006 / previous_close
        ) as rounding
    from check_list
    inner join check_adjusted on 'prices/' || check_adjusted.symbol glob check_list.left_input
    where check_list.check_kind = 'adjusted_close'
),

compared as (
    select
        *,
        paid / (1 + paid / 100) as multiplied,
        tolerance + tolerance_share * paid + rounding as allowed
    from yields
)

select
    check_id,
    'prices' as dataset,
    symbol as input,
    day,
    shown as value,
    'its dividends' as other_source,
    case when abs(shown - multiplied) < abs(shown - paid) then multiplied else paid end as other_value,
    value - other_value as difference,
    allowed as tolerance
from compared
where paid > 0 or abs(shown) > allowed
