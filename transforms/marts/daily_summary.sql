-- One wide row per NYSE session: the headline numbers of every family, as they were known on the session's evening.
-- In: the marts named below, staging.fred_observations (when an observation could first be had), ref.calendar. Out: one row per session
-- with any price. Nothing is computed here but which day's numbers a session shows. Prices are of the session itself. What arrives later,
-- or not on every session (yields, banks, credit, VIX, the Fed, regimes, claims), is the latest that was known by 23:59 in New York, beside
-- its own date, up to the age that market_calendar/allowed_ages.py allows; older, it is NULL and its reason says so. So a session's row
-- does not change when the yields of that session come a day later: they are in the next row.
with
-- per day how many sessions, settlement days and business days of the Fed there were up to it, to count ages with; a filter of a window
-- costs ten times as much as a case
days as (
    select
        calendar_date,
        is_nyse_session,
        count(case when is_nyse_session then 1 end) over to_date as sessions,
        count(case when is_settlement_day then 1 end) over to_date as settlement_days,
        count(case when is_fed_business_day then 1 end) over to_date as business_days
    from ref.calendar
    where calendar_date <= getvariable('session_date')
    window to_date as (order by calendar_date)
),

-- each family is counted as in expectations/ages.py; a regime ends with the futures that it is decided by
families as (
    select
        unnest([
            'curve', 'banks', 'kre_rates', 'vix', 'baa_spread', 'high_yield_spread', 'fed', 'regime', 'growth'
        ]) as family,
        unnest([
            'business_day', 'session', 'session', 'session', 'business_day', 'business_day', 'settlement_day', 'settlement_day', 'day'
        ]) as unit,
        unnest([
            'yield_curve', 'bank_estimate', 'bank_estimate', 'observation_of_vixcls', 'observation_of_baa10y',
            'observation_of_bamlh0a0hym2', 'settlement', 'settlement', 'observation_of_icsa'
        ]) as age_name
),

observations as (
    select
        series_id,
        observation_date,
        first_available_date
    from staging.fred_observations
    where series_id in ('DGS2', 'DGS10', 'VIXCLS', 'BAA10Y', 'BAMLH0A0HYM2')
),

curve as (
    select
        curve.session_date,
        curve.y2_pct,
        curve.y10_pct,
        curve.slope_2s10s_bp,
        curve.inverted,
        greatest(y2.first_available_date, y10.first_available_date) as known_date,
        -- an estimate of the banks takes the yields of 252 sessions and more
        max(greatest(y2.first_available_date, y10.first_available_date)) over (
            order by curve.session_date rows between 260 preceding and current row
        ) as all_known_date
    from marts.yield_curve_daily as curve
    inner join observations as y2 on curve.session_date = y2.observation_date and y2.series_id = 'DGS2'
    inner join observations as y10 on curve.session_date = y10.observation_date and y10.series_id = 'DGS10'
),

banks as (
    select
        entity_id,
        session_date,
        beta_y2,
        t_y2,
        regime,
        move_if_yields_down_25bp_pct
    from marts.bank_sensitivity_daily
    where (entity_id = 'KRE' and beta_y2 is not null) or (entity_id = 'all_banks' and move_if_yields_down_25bp_pct is not null)
),

vix_index as (
    select
        session_date,
        close
    from marts.instrument_daily
    where symbol = '^VIX' and close is not null
),

session_regimes as (
    select
        session_date,
        growth,
        expected_policy_change,
        regime,
        claims_week_date
    from marts.session_regimes_daily
),

-- of what day there was an answer, and from which day on it was known
answers as (
    select
        'curve' as family,
        session_date as answer_date,
        known_date
    from curve
    union all
    select
        if(banks.entity_id = 'KRE', 'kre_rates', 'banks') as family,
        banks.session_date as answer_date,
        curve.all_known_date as known_date
    from banks
    inner join curve on banks.session_date = curve.session_date
    union all
    select
        case series_id when 'VIXCLS' then 'vix' when 'BAA10Y' then 'baa_spread' else 'high_yield_spread' end as family,
        observation_date as answer_date,
        first_available_date as known_date
    from observations
    where series_id in ('VIXCLS', 'BAA10Y', 'BAMLH0A0HYM2')
    union all
    select
        'vix' as family,
        session_date as answer_date,
        session_date as known_date
    from vix_index
    union all
    select
        'fed' as family,
        as_of_date as answer_date,
        as_of_date as known_date
    from marts.policy_path_daily
    union all
    select
        'regime' as family,
        session_date as answer_date,
        session_date as known_date
    from session_regimes
    where regime is not null
    union all
    select
        'growth' as family,
        claims_week_date as answer_date,
        session_date as known_date
    from session_regimes
    where growth is not null
),

arrivals as (
    select
        family,
        known_date,
        max(answer_date) as answer_date
    from answers
    group by family, known_date
),

family_days as (
    select
        days.calendar_date,
        days.is_nyse_session,
        days.sessions,
        days.settlement_days,
        days.business_days,
        families.family,
        families.unit,
        getvariable('allowed_ages')[families.age_name] as allowed
    from days
    cross join families
),

known as (
    select
        family_days.*,
        max(arrivals.answer_date) over (partition by family_days.family order by family_days.calendar_date) as answer_date
    from family_days
    left join arrivals on family_days.family = arrivals.family and family_days.calendar_date = arrivals.known_date
),

judged as (
    select
        known.calendar_date as session_date,
        known.family,
        known.answer_date,
        case
            when known.answer_date is null then 'none_yet'
            when
                known.allowed < case known.unit
                    when 'session' then known.sessions - answered.sessions
                    when 'settlement_day' then known.settlement_days - answered.settlement_days
                    when 'business_day' then known.business_days - answered.business_days
                    else known.calendar_date - known.answer_date
                end
                then 'older_than_allowed'
        end as reason
    from known
    left join days as answered on known.answer_date = answered.calendar_date
    where known.is_nyse_session and coalesce(known.calendar_date >= getvariable('since'), true)
),

-- per session the date and the reason of each family, and the date whose numbers are shown (<family>_shown)
shown as (
    select
        session_date,
        max(answer_date) filter (where family = 'curve') as curve_date,
        max(reason) filter (where family = 'curve') as curve_missing_reason,
        max(answer_date) filter (where family = 'curve' and reason is null) as curve_shown,
        max(answer_date) filter (where family = 'banks') as banks_date,
        max(reason) filter (where family = 'banks') as banks_missing_reason,
        max(answer_date) filter (where family = 'banks' and reason is null) as banks_shown,
        max(answer_date) filter (where family = 'kre_rates') as kre_rates_date,
        max(reason) filter (where family = 'kre_rates') as kre_rates_missing_reason,
        max(answer_date) filter (where family = 'kre_rates' and reason is null) as kre_rates_shown,
        max(answer_date) filter (where family = 'vix') as vix_date,
        max(reason) filter (where family = 'vix') as vix_missing_reason,
        max(answer_date) filter (where family = 'vix' and reason is null) as vix_shown,
        max(answer_date) filter (where family = 'baa_spread') as baa_spread_date,
        max(reason) filter (where family = 'baa_spread') as baa_spread_missing_reason,
        max(answer_date) filter (where family = 'baa_spread' and reason is null) as baa_spread_shown,
        max(answer_date) filter (where family = 'high_yield_spread') as high_yield_spread_date,
        max(reason) filter (where family = 'high_yield_spread') as high_yield_spread_missing_reason,
        max(answer_date) filter (where family = 'high_yield_spread' and reason is null) as high_yield_spread_shown,
        max(answer_date) filter (where family = 'fed') as fed_date,
        max(reason) filter (where family = 'fed') as fed_missing_reason,
        max(answer_date) filter (where family = 'fed' and reason is null) as fed_shown,
        max(answer_date) filter (where family = 'regime') as regime_date,
        max(reason) filter (where family = 'regime') as regime_missing_reason,
        max(answer_date) filter (where family = 'regime' and reason is null) as regime_shown,
        max(answer_date) filter (where family = 'growth') as growth_date,
        max(reason) filter (where family = 'growth') as growth_missing_reason,
        max(answer_date) filter (where family = 'growth' and reason is null) as growth_shown
    from judged
    group by session_date
),

sessions as (
    select distinct session_date
    from marts.instrument_daily
    where coalesce(session_date >= getvariable('since'), true)
),

instruments as (
    select
        symbol,
        session_date,
        return_1d_pct,
        return_5d_pct,
        rsi_14,
        drawdown_close_pct
    from marts.instrument_daily
    where symbol in ('^RUT', 'IWM', 'SPY', 'QQQ', 'KRE') and coalesce(session_date >= getvariable('since'), true)
),

pairs as (
    select *
    from marts.rotation_pair_daily
    where pair_id in ('IWM/SPY', 'IWM/QQQ', 'KRE/SPY') and window_sessions in (1, 5, 63)
),

extremes as (
    select
        session_date,
        cells_answered,
        cells_extreme,
        cells_extreme_percentile,
        cells_ranked,
        cells_record,
        cells_record_percentile
    from marts.rotation_extremes_daily
),

states as (
    select
        session_date,
        ratio,
        quadrant,
        weekly_quadrant,
        pnf_long_signal,
        pnf_near_signal
    from marts.rotation_state_daily
    where pair_id = 'IWM/SPY'
),

ranks as (
    select
        session_date,
        rank
    from marts.size_style_rank_daily
    where symbol = 'IWM'
),

-- the largest rise of the score; of several with the same rise the first by name
improved as (
    select
        session_date,
        min(group_id) as group_id
    from marts.group_score_daily
    where improvement_rank = 1
    group by session_date
),

-- the next meeting as seen from the session's evening: a decision of the day itself is announced by then
next_meetings as (
    select
        shown.session_date,
        meetings.as_of_date,
        meetings.meeting_date,
        meetings.meeting_cut_prob,
        meetings.meeting_hold_prob,
        meetings.meeting_hike_prob,
        meetings.reason,
        meetings.missing_contract
    from shown
    inner join marts.fomc_meetings_daily as meetings
        on shown.fed_shown = meetings.as_of_date and shown.session_date < meetings.meeting_date
    qualify row_number() over (partition by shown.session_date order by meetings.meeting_date) = 1
),

-- the day count that CME published by on that day
published as (
    select
        as_of_date,
        meeting_date,
        meeting_cut_prob,
        meeting_hold_prob,
        meeting_hike_prob,
        reason
    from marts.fomc_meetings_by_method
    where as_published
),

path as (
    select
        as_of_date,
        target_lower_pct,
        target_upper_pct,
        year_end_rate_pct,
        bp_priced_year_end,
        year_end_reason,
        year_end_missing_contract,
        rate_12m_pct,
        bp_priced_12m,
        rate_12m_reason
    from marts.policy_path_daily
),

macro as (
    select
        series_id,
        observation_date,
        value
    from marts.macro_daily
    where series_id in ('VIXCLS', 'BAA10Y', 'BAMLH0A0HYM2')
),

regimes as (
    select
        session_date,
        mean_forward_spread_pp,
        ci_low_pp,
        ci_high_pp,
        hit_rate
    from marts.regimes_daily
    where pair_id = 'IWM/SPY' and horizon_sessions = 63
),

events as (
    select
        session_date,
        string_agg(distinct event_type, '+' order by event_type) as events_today
    from marts.event_responses
    -- that a decision was the first of its kind may be known a day later only
    where pair_id = 'IWM/SPY' and window_sessions = 1 and event_type not in ('first_cut', 'first_hike')
    group by session_date
)

select
    sessions.session_date,
    events.events_today,
    rut.return_1d_pct as rut_return_1d_pct,
    rut.return_5d_pct as rut_return_5d_pct,
    iwm.return_1d_pct as iwm_return_1d_pct,
    iwm.return_5d_pct as iwm_return_5d_pct,
    spy.return_1d_pct as spy_return_1d_pct,
    spy.return_5d_pct as spy_return_5d_pct,
    qqq.return_5d_pct as qqq_return_5d_pct,
    iwm_spy_1.spread_pp as iwm_spy_spread_1d_pp,
    iwm_spy_5.spread_pp as iwm_spy_spread_5d_pp,
    iwm_spy_5.spread_rank as iwm_spy_spread_5d_rank,
    iwm_spy_5.last_exceeded_date as iwm_spy_spread_5d_last_exceeded_date,
    iwm_spy_63.spread_pp as iwm_spy_spread_63d_pp,
    iwm_spy_63.spread_percentile as iwm_spy_spread_63d_percentile,
    iwm_qqq_5.spread_pp as iwm_qqq_spread_5d_pp,
    iwm_qqq_5.spread_rank as iwm_qqq_spread_5d_rank,
    iwm_qqq_5.last_exceeded_date as iwm_qqq_spread_5d_last_exceeded_date,
    extremes.cells_answered,
    extremes.cells_extreme,
    extremes.cells_extreme_percentile,
    extremes.cells_ranked,
    extremes.cells_record,
    extremes.cells_record_percentile,
    states.ratio as iwm_spy_ratio,
    states.quadrant as iwm_spy_quadrant,
    states.weekly_quadrant as iwm_spy_weekly_quadrant,
    states.pnf_long_signal as iwm_spy_pnf_long_signal,
    states.pnf_near_signal as iwm_spy_pnf_near_signal,
    iwm.rsi_14 as iwm_rsi_14,
    iwm.drawdown_close_pct as iwm_drawdown_close_pct,
    ranks.rank as iwm_size_style_rank,
    improved.group_id as most_improved_group_id,
    shown.growth_date,
    shown.growth_missing_reason,
    case when shown.growth_missing_reason is null then session_growth.growth end as growth,
    shown.regime_date,
    shown.regime_missing_reason,
    session_regimes.expected_policy_change,
    session_regimes.regime,
    regimes.mean_forward_spread_pp as iwm_spy_mean_forward_spread_63d_pp,
    regimes.ci_low_pp as iwm_spy_mean_forward_spread_63d_low_pp,
    regimes.ci_high_pp as iwm_spy_mean_forward_spread_63d_high_pp,
    regimes.hit_rate as iwm_spy_forward_hit_rate_63d,
    shown.fed_date,
    shown.fed_missing_reason,
    next_meetings.meeting_date as next_meeting_date,
    next_meetings.meeting_cut_prob as next_meeting_cut_prob,
    next_meetings.meeting_hold_prob as next_meeting_hold_prob,
    next_meetings.meeting_hike_prob as next_meeting_hike_prob,
    next_meetings.reason as next_meeting_reason,
    next_meetings.missing_contract as next_meeting_missing_contract,
    published.meeting_cut_prob as next_meeting_cut_prob_as_published,
    published.meeting_hold_prob as next_meeting_hold_prob_as_published,
    published.meeting_hike_prob as next_meeting_hike_prob_as_published,
    published.reason as next_meeting_reason_as_published,
    path.target_lower_pct,
    path.target_upper_pct,
    path.year_end_rate_pct,
    path.bp_priced_year_end,
    path.year_end_reason,
    path.year_end_missing_contract,
    path.rate_12m_pct,
    path.bp_priced_12m,
    path.rate_12m_reason,
    shown.curve_date,
    shown.curve_missing_reason,
    curve.y2_pct,
    curve.y10_pct,
    curve.slope_2s10s_bp,
    curve.inverted,
    kre_spy_5.spread_pp as kre_spy_spread_5d_pp,
    kre.return_5d_pct as kre_return_5d_pct,
    shown.kre_rates_date,
    shown.kre_rates_missing_reason,
    kre_rates.beta_y2 as kre_beta_y2,
    kre_rates.t_y2 as kre_t_y2,
    kre_rates.regime as kre_regime,
    shown.banks_date,
    shown.banks_missing_reason,
    all_banks.move_if_yields_down_25bp_pct as all_banks_move_if_yields_down_25bp_pct,
    shown.vix_date,
    shown.vix_missing_reason,
    coalesce(vix_index.close, vix_series.value) as vix_close,
    case when vix_index.close is not null then '^VIX' when vix_series.value is not null then 'VIXCLS' end as vix_source,
    shown.baa_spread_date,
    shown.baa_spread_missing_reason,
    baa.value as baa_spread_pp,
    shown.high_yield_spread_date,
    shown.high_yield_spread_missing_reason,
    high_yield.value as high_yield_spread_pp
from sessions
inner join shown on sessions.session_date = shown.session_date
left join events on sessions.session_date = events.session_date
left join instruments as rut on sessions.session_date = rut.session_date and rut.symbol = '^RUT'
left join instruments as iwm on sessions.session_date = iwm.session_date and iwm.symbol = 'IWM'
left join instruments as spy on sessions.session_date = spy.session_date and spy.symbol = 'SPY'
left join instruments as qqq on sessions.session_date = qqq.session_date and qqq.symbol = 'QQQ'
left join instruments as kre on sessions.session_date = kre.session_date and kre.symbol = 'KRE'
left join pairs as iwm_spy_1
    on sessions.session_date = iwm_spy_1.session_date and iwm_spy_1.pair_id = 'IWM/SPY' and iwm_spy_1.window_sessions = 1
left join pairs as iwm_spy_5
    on sessions.session_date = iwm_spy_5.session_date and iwm_spy_5.pair_id = 'IWM/SPY' and iwm_spy_5.window_sessions = 5
left join pairs as iwm_spy_63
    on sessions.session_date = iwm_spy_63.session_date and iwm_spy_63.pair_id = 'IWM/SPY' and iwm_spy_63.window_sessions = 63
left join pairs as iwm_qqq_5
    on sessions.session_date = iwm_qqq_5.session_date and iwm_qqq_5.pair_id = 'IWM/QQQ' and iwm_qqq_5.window_sessions = 5
left join pairs as kre_spy_5
    on sessions.session_date = kre_spy_5.session_date and kre_spy_5.pair_id = 'KRE/SPY' and kre_spy_5.window_sessions = 5
left join extremes on sessions.session_date = extremes.session_date
left join states on sessions.session_date = states.session_date
left join ranks on sessions.session_date = ranks.session_date
left join improved on sessions.session_date = improved.session_date
left join session_regimes as session_growth on sessions.session_date = session_growth.session_date
left join session_regimes on shown.regime_shown = session_regimes.session_date
left join regimes on shown.regime_shown = regimes.session_date
left join next_meetings on sessions.session_date = next_meetings.session_date
left join published
    on next_meetings.as_of_date = published.as_of_date and next_meetings.meeting_date = published.meeting_date
left join path on shown.fed_shown = path.as_of_date
left join curve on shown.curve_shown = curve.session_date
left join banks as kre_rates on shown.kre_rates_shown = kre_rates.session_date and kre_rates.entity_id = 'KRE'
left join banks as all_banks on shown.banks_shown = all_banks.session_date and all_banks.entity_id = 'all_banks'
left join vix_index on shown.vix_shown = vix_index.session_date
left join macro as vix_series on shown.vix_shown = vix_series.observation_date and vix_series.series_id = 'VIXCLS'
left join macro as baa on shown.baa_spread_shown = baa.observation_date and baa.series_id = 'BAA10Y'
left join macro as high_yield on shown.high_yield_spread_shown = high_yield.observation_date and high_yield.series_id = 'BAMLH0A0HYM2'
