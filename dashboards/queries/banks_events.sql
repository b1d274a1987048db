-- One event and one pair of banks over one window: the spread, what the market does not explain of it, and the regime of the base before.
with regimes as (
    select
        entity_id,
        session_date as regime_date,
        regime
    from marts.bank_sensitivity_daily
),

responses as (
    select
        responses.event_type,
        responses.event_date,
        responses.pair_id,
        responses.window_sessions,
        responses.window_end_date,
        responses.spread_pp,
        responses.abnormal_spread_pp,
        responses.abnormal_z,
        responses.all_sessions_percentile,
        responses.abnormal_events,
        responses.mean_abnormal_spread_pp,
        responses.mean_abnormal_low_pp,
        responses.mean_abnormal_high_pp,
        responses.bmp_t,
        responses.change_2y_bp,
        pairs.base_symbol,
        row_number() over (
            partition by responses.event_type, responses.pair_id, responses.window_sessions
            order by responses.event_date desc
        ) as events_counted_back
    from marts.event_responses as responses
    inner join ref.pairs as pairs on responses.pair_id = pairs.pair_id
    where pairs.theme like '%banks%'
)

select
    responses.* exclude (event_type, base_symbol),
    responses.event_type,
    case responses.event_type
        when 'cpi' then 'CPI'
        when 'jobs' then 'Jobs report'
        when 'fomc' then 'FOMC decision'
        when 'jackson_hole' then 'Jackson Hole'
        when 'first_cut' then 'First cut of a cycle'
        when 'first_hike' then 'First hike of a cycle'
        else responses.event_type
    end as event_in_words,
    responses.event_type || ' ' || strftime(responses.event_date, '%Y-%m-%d') as event_and_day,
    -- The last regime that was known when the event came.
    coalesce(replace(regimes.regime, '_', ' '), 'no estimate yet') as regime_before
from responses
asof left join regimes on responses.base_symbol = regimes.entity_id and responses.event_date > regimes.regime_date
