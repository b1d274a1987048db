-- Treasury yields, the 2s10s slope and its inversions by NYSE session.
-- In: staging.fred_observations (series_id, observation_date), ref.calendar. Out: one row per session with both the
-- 2- and the 10-year yield. Yields in per cent (H.15 constant maturity); 1 percentage point = 100 bp.
-- Caveat: yields are quoted to 0.01 %, and differences of such floats carry dust (4.25 - 4.25 need not be 0 after
-- other steps), so basis points are rounded to a millionth and an inversion is decided at 0.01 bp: 0.00 is none.
with
sessions as (
    select
        calendar_date as session_date,
        session_number
    from ref.calendar
    where is_nyse_session
),

observations as (
    select
        series_id,
        observation_date,
        value
    from staging.fred_observations
    where series_id in ('DGS3MO', 'DGS1', 'DGS2', 'DGS5', 'DGS10', 'DGS30')
),

yields as (
    -- one row per series and day, so max() only picks it
    select
        sessions.session_date,
        sessions.session_number,
        max(observations.value) filter (where observations.series_id = 'DGS3MO') as y3m_pct,
        max(observations.value) filter (where observations.series_id = 'DGS1') as y1_pct,
        max(observations.value) filter (where observations.series_id = 'DGS2') as y2_pct,
        max(observations.value) filter (where observations.series_id = 'DGS5') as y5_pct,
        max(observations.value) filter (where observations.series_id = 'DGS10') as y10_pct,
        max(observations.value) filter (where observations.series_id = 'DGS30') as y30_pct
    from sessions
    inner join observations on sessions.session_date = observations.observation_date
    group by all
),

slopes as (
    select
        today.session_date,
        today.y3m_pct,
        today.y1_pct,
        today.y2_pct,
        today.y5_pct,
        today.y10_pct,
        today.y30_pct,
        -- "+ 0.0" turns a rounded -0.0 into 0.0
        round(100 * (today.y10_pct - today.y2_pct), 6) + 0.0 as slope_2s10s_bp,
        round(100 * (today.y2_pct - before.y2_pct), 6) + 0.0 as change_2y_bp,
        round(100 * (today.y10_pct - before.y10_pct), 6) + 0.0 as change_10y_bp,
        round(100 * (today.y10_pct - today.y2_pct), 2) < 0 as inverted
    from yields as today
    -- by session number: on the first session after a bond holiday the day before has no yield and the change is NULL
    left join yields as before on today.session_number - 1 = before.session_number
    where today.y2_pct is not null and today.y10_pct is not null
),

-- An inversion ends with a session that has yields and is not inverted; a bond holiday does not end it.
spells as (
    select
        *,
        count(case when not inverted then 1 end) over (
            order by session_date rows between unbounded preceding and current row
        ) as spell
    from slopes
)

select
    session_date,
    y3m_pct,
    y1_pct,
    y2_pct,
    y5_pct,
    y10_pct,
    y30_pct,
    slope_2s10s_bp,
    change_2y_bp,
    change_10y_bp,
    inverted,
    case
        when inverted
            then min(case when inverted then session_date end) over (
                partition by spell order by session_date rows between unbounded preceding and current row
            )
    end as inversion_start_date
from spells
