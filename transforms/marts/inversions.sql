-- Each inversion of the 2s10s curve, and what regional banks did during it and after it. In: marts.yield_curve_daily (inverted,
-- inversion_start_date), marts.instrument_daily (total_return_index of KRE and SPY), marts.forward_return_daily. An inversion ends
-- on the first session with yields and without one; until then its figures are NULL. During: from the close of inversion_start_date
-- to that of inversion_end_date. After: from the close of the session behind inversion_end_date over 63 sessions, since the yields
-- of a day are out after its close.
with ordered as (
    select
        session_date,
        inverted,
        inversion_start_date,
        slope_2s10s_bp,
        lead(session_date) over (order by session_date) as next_session_date
    from marts.yield_curve_daily
),

spells as (
    select
        inversion_start_date,
        cast(count(*) as integer) as inversion_sessions,
        min(slope_2s10s_bp) as deepest_slope_bp,
        arg_min(session_date, (slope_2s10s_bp, session_date)) as deepest_date,
        -- behind the last session of the spell; NULL while there is none
        arg_max_null(next_session_date, session_date) as inversion_end_date
    from ordered
    where inverted
    group by inversion_start_date
),

indices as (
    select
        session_date,
        max(total_return_index) filter (where symbol = 'KRE') as kre,
        max(total_return_index) filter (where symbol = 'SPY') as spy
    from marts.instrument_daily
    where symbol in ('KRE', 'SPY')
    group by session_date
),

followed as (
    select
        session_date,
        max(forward_return_pct) filter (where symbol = 'KRE') as kre_pct,
        max(forward_return_pct) filter (where symbol = 'SPY') as spy_pct
    from marts.forward_return_daily
    where symbol in ('KRE', 'SPY') and horizon_sessions = 63
    group by session_date
),

measured as (
    select
        spells.*,
        100.0 * (closed.kre / opened.kre - 1.0) as kre_during_pct,
        100.0 * (closed.spy / opened.spy - 1.0) as spy_during_pct,
        followed.kre_pct as kre_next_63d_pct,
        followed.spy_pct as spy_next_63d_pct,
        opened.kre is null or opened.spy is null as unpriced_at_start
    from spells
    left join indices as opened on spells.inversion_start_date = opened.session_date
    left join indices as closed on spells.inversion_end_date = closed.session_date
    left join followed on spells.inversion_end_date = followed.session_date
)

select
    inversion_start_date,
    inversion_end_date,
    -- of an open one nothing is final yet, and a row that is there does not change
    case when inversion_end_date is not null then inversion_sessions end as inversion_sessions,
    case when inversion_end_date is not null then deepest_slope_bp end as deepest_slope_bp,
    case when inversion_end_date is not null then deepest_date end as deepest_date,
    kre_during_pct,
    kre_during_pct - spy_during_pct as kre_spy_during_pp,
    kre_next_63d_pct,
    kre_next_63d_pct - spy_next_63d_pct as kre_spy_next_63d_pp,
    case
        when inversion_end_date is null then 'still_inverted'
        when unpriced_at_start then 'no_price_at_start'
        when kre_during_pct is null or spy_during_pct is null then 'no_price_at_end'
        when kre_next_63d_pct is null or spy_next_63d_pct is null then 'no_return_after'
    end as inversion_reason
from measured
