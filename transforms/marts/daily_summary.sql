-- One wide row per NYSE session: the day's headline numbers of every family, as the marts have them.
-- In: the marts named below, each filtered to one row per session. Out: one row per session with any price.
-- Nothing is computed here. Caveat: yields, credit spreads and the VIX of a day arrive a day later, so that they are
-- NULL in the newest row and filled by the next run; the Fed columns are NULL where no futures settled that day.
with
instruments as (
    select
        symbol,
        session_date,
        return_1d_pct,
        return_5d_pct,
        rsi_14,
        drawdown_close_pct
    from marts.instrument_daily
    where symbol in ('^RUT', 'IWM', 'SPY', 'QQQ', 'KRE')
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

curve as (
    select
        session_date,
        y2_pct,
        y10_pct,
        slope_2s10s_bp,
        inverted
    from marts.yield_curve_daily
),

next_meetings as (
    select
        as_of_date,
        meeting_date,
        meeting_cut_prob,
        meeting_hold_prob,
        meeting_hike_prob,
        reason,
        missing_contract
    from marts.fomc_meetings_daily
    where meeting_date >= as_of_date
    qualify row_number() over (partition by as_of_date order by meeting_date) = 1
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

banks as (
    select
        entity_id,
        session_date,
        beta_y2,
        t_y2,
        regime,
        move_if_yields_down_25bp_pct
    from marts.bank_sensitivity_daily
    where entity_id in ('KRE', 'all_banks')
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
        growth,
        expected_policy_change,
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
    where pair_id = 'IWM/SPY' and window_sessions = 1
    group by session_date
),

sessions as (
    select distinct session_date
    from marts.instrument_daily
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
    regimes.growth,
    regimes.expected_policy_change,
    regimes.mean_forward_spread_pp as iwm_spy_mean_forward_spread_63d_pp,
    regimes.ci_low_pp as iwm_spy_mean_forward_spread_63d_low_pp,
    regimes.ci_high_pp as iwm_spy_mean_forward_spread_63d_high_pp,
    regimes.hit_rate as iwm_spy_forward_hit_rate_63d,
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
    curve.y2_pct,
    curve.y10_pct,
    curve.slope_2s10s_bp,
    curve.inverted,
    kre_spy_5.spread_pp as kre_spy_spread_5d_pp,
    kre.return_5d_pct as kre_return_5d_pct,
    kre_rates.beta_y2 as kre_beta_y2,
    kre_rates.t_y2 as kre_t_y2,
    kre_rates.regime as kre_regime,
    all_banks.move_if_yields_down_25bp_pct as all_banks_move_if_yields_down_25bp_pct,
    vix.value as vix_close,
    baa.value as baa_spread_pp,
    high_yield.value as high_yield_spread_pp
from sessions
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
left join curve on sessions.session_date = curve.session_date
left join next_meetings on sessions.session_date = next_meetings.as_of_date
left join published
    on next_meetings.as_of_date = published.as_of_date and next_meetings.meeting_date = published.meeting_date
left join path on sessions.session_date = path.as_of_date
left join banks as kre_rates on sessions.session_date = kre_rates.session_date and kre_rates.entity_id = 'KRE'
left join banks as all_banks on sessions.session_date = all_banks.session_date and all_banks.entity_id = 'all_banks'
left join macro as vix on sessions.session_date = vix.observation_date and vix.series_id = 'VIXCLS'
left join macro as baa on sessions.session_date = baa.observation_date and baa.series_id = 'BAA10Y'
left join macro as high_yield on sessions.session_date = high_yield.observation_date and high_yield.series_id = 'BAMLH0A0HYM2'
left join regimes on sessions.session_date = regimes.session_date
