-- One maturity of the Treasury curve on one session, with the yield of a week before.
with points as (
    select
        curve.session_date,
        maturity.maturity_years,
        maturity.maturity,
        case maturity.maturity
            when '3 months' then curve.y3m_pct
            when '1 year' then curve.y1_pct
            when '2 years' then curve.y2_pct
            when '5 years' then curve.y5_pct
            when '10 years' then curve.y10_pct
            when '30 years' then curve.y30_pct
        end as yield_pct
    from marts.yield_curve_daily as curve
    cross join (
        values (0.25, '3 months'), (1, '1 year'), (2, '2 years'), (5, '5 years'), (10, '10 years'), (30, '30 years')
    ) as maturity (maturity_years, maturity)
)

select
    points.session_date,
    points.maturity_years::double as maturity_years,
    points.maturity,
    points.yield_pct,
    earlier.session_date as week_before_date,
    earlier.yield_pct as week_before_yield_pct,
    100 * (points.yield_pct - earlier.yield_pct) as change_over_a_week_bp
from points
asof left join points as earlier
    on points.maturity_years = earlier.maturity_years and points.session_date - 7 >= earlier.session_date
