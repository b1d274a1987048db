-- One inversion of the yield curve (10-year below 2-year), with what regional banks did during and after it, or why that is not known.
select
    inversion_start_date,
    inversion_end_date,
    inversion_sessions,
    deepest_slope_bp,
    deepest_date,
    kre_during_pct,
    kre_spy_during_pp,
    kre_next_63d_pct,
    kre_spy_next_63d_pp,
    case inversion_reason
        when 'still_inverted' then 'still inverted'
        when 'no_price_at_start' then 'KRE or SPY had no price when it began'
        when 'no_price_at_end' then 'no price or total return at its end'
        when 'no_return_after' then 'the 63 sessions after it are not over'
        else coalesce(replace(inversion_reason, '_', ' '), '')
    end as what_is_missing
from marts.inversions
