-- One row: a sentence about the rotation of a session, in the order of reading. Each says its date or basis; a part
-- that is not known says why.
with small_against_large as (
    select
        days.session_date,
        case
            when spreads.spread_pp is null
                then 'IWM/SPY over 5 sessions: no spread on this session, the history is too short or a price is missing.'
            when spreads.spread_rank is null
                then
                    format(
                        'IWM/SPY over 5 sessions: {:+.2f} pp; no rank yet, {} of the 252 spreads that it needs are there since {}.',
                        spreads.spread_pp,
                        spreads.history_sessions,
                        spreads.history_start_date::varchar
                    )
            else format(
                'IWM/SPY over 5 sessions: {:+.2f} pp, {} of {:,} since {}',
                spreads.spread_pp,
                case
                    when spreads.spread_rank = 1 then 'the highest'
                    when spreads.spread_rank = spreads.history_sessions then 'the lowest'
                    when 2 * spreads.spread_rank <= spreads.history_sessions then format('number {:,} from the top', spreads.spread_rank)
                    else format('number {:,} from the bottom', spreads.history_sessions + 1 - spreads.spread_rank)
                end,
                spreads.history_sessions,
                spreads.history_start_date::varchar
            )
            || coalesce(
                '; scaled by the volatility of its time '
                || case
                    when spreads.spread_vol_scaled_rank = 1 then 'the highest'
                    when spreads.spread_vol_scaled_rank = spreads.vol_scaled_history_sessions then 'the lowest'
                    when 2 * spreads.spread_vol_scaled_rank <= spreads.vol_scaled_history_sessions
                        then format('number {:,} from the top', spreads.spread_vol_scaled_rank)
                    else
                        format(
                            'number {:,} from the bottom', spreads.vol_scaled_history_sessions + 1 - spreads.spread_vol_scaled_rank
                        )
                end
                || format(' of {:,}.', spreads.vol_scaled_history_sessions),
                '; not ranked by the volatility of its time, the history is too short.'
            )
        end as finding
    from marts.daily_summary as days
    left join marts.rotation_pair_daily as spreads
        on days.session_date = spreads.session_date and spreads.pair_id = 'IWM/SPY' and spreads.window_sessions = 5
),

records as (
    select
        session_date,
        list(
            format('{} over {:,} {}', pair_id, window_sessions, if(window_sessions = 1, 'session', 'sessions'))
            order by window_sessions, pair_id
        ) as cells
    from marts.rotation_pair_daily
    where is_record_high or is_record_low
    group by session_date
),

commonness as (
    select
        extremes.session_date,
        case when extremes.cells_answered = 0 then 'No pair and window has history enough to be judged extreme.' end as none_judged,
        case when extremes.cells_ranked = 0 then 'No pair and window has history enough for a record.' end as none_ranked,
        format(
            '{} of {} pairs and windows {} extreme (z of 3 or more either way)',
            extremes.cells_extreme,
            extremes.cells_answered,
            case when extremes.cells_extreme = 1 then 'is' else 'are' end
        )
        || coalesce(
            -- With none, the percentile is but the share of the sessions with none.
            case
                when extremes.cells_extreme > 0
                    then
                        format(
                            ': percentile {:.1f} of {:,} sessions to date, {:.0f} % of which had one at least.',
                            extremes.cells_extreme_percentile,
                            extremes.compared_sessions,
                            extremes.sessions_with_extreme_pct
                        )
                else
                    format(
                        '; {:.0f} % of {:,} sessions to date had one at least.',
                        extremes.sessions_with_extreme_pct,
                        extremes.compared_sessions
                    )
            end,
            '; how common that is cannot be said yet, too few sessions.'
        ) as extreme,
        format(
            '{} of {} {} at a record high or low',
            extremes.cells_record,
            extremes.cells_ranked,
            case when extremes.cells_record = 1 then 'stands' else 'stand' end
        )
        || coalesce(
            ' ('
            || array_to_string(records.cells[:6], ', ')
            || case when len(records.cells) > 6 then format(' and {} more)', len(records.cells) - 6) else ')' end,
            ''
        )
        || coalesce(format('; {:.0f} % of the sessions to date had a record somewhere.', extremes.sessions_with_record_pct), '.')
            as at_record
    from marts.rotation_extremes_daily as extremes
    left join records on extremes.session_date = records.session_date
),

boxes as (
    select
        session_date,
        format(
            'Size and style: {} is first of {} funds with {:.2f} wins, {} last with {:.2f}; IWM is {}.',
            arg_min(symbol, rank),
            count(*),
            arg_min(rs_wins, rank),
            arg_max(symbol, rank),
            arg_max(rs_wins, rank),
            coalesce('number ' || max(rank) filter (where symbol = 'IWM'), 'not ranked, it has no chart signal yet or a price is missing')
        ) as finding
    from marts.size_style_rank_daily
    where rank is not null
    group by session_date
),

groups as (
    select
        session_date,
        format(
            'Groups: highest score {:.2f} of 6, {}; ',
            max(score),
            string_agg(group_name, ' and ' order by group_name) filter (where score_rank = 1)
        )
        || coalesce(
            format(
                'best change over 30 days {:+.2f}, {}.',
                max(score_change_30_days),
                string_agg(format('{} (to {:.2f})', group_name, score), ' and ' order by group_name) filter (where improvement_rank = 1)
            ),
            'no change over 30 days yet.'
        ) as finding
    from (
        select
            *,
            rank() over (partition by session_date order by score desc) as score_rank
        from marts.group_score_daily
        where score is not null
    ) as scores
    group by session_date
),

followed as (
    select
        readings.session_date,
        format(
            'After such readings (IWM/SPY, 5 sessions, percentile {}) in the whole history to {}: {} {}; next {} sessions ',
            case buckets.percentile_bucket
                when 'at_most_1' then '1 or less'
                when 'at_most_5' then '5 or less'
                when 'between_5_and_95' then 'between 5 and 95'
                when 'at_least_95' then '95 or more'
                else '99 or more'
            end,
            buckets.last_window_end_date::varchar,
            buckets.n_episodes,
            if(buckets.n_episodes = 1, 'episode', 'episodes'),
            buckets.horizon_sessions
        )
        || coalesce(format('{:+.2f} pp against all sessions', buckets.excess_pp), 'unknown')
        || coalesce(
            format(' (90 % interval {:+.2f} to {:+.2f}), q {:.2f}', buckets.excess_low_pp, buckets.excess_high_pp, buckets.q_value)
            || case when buckets.q_value <= 0.1 then '.' else ': not to be told from chance.' end,
            format(', no interval: {}.', replace(buckets.episodes_reason, '_', ' '))
        ) as finding
    from marts.rotation_pair_daily as readings
    inner join marts.what_followed as buckets
        on
            readings.pair_id = buckets.pair_id
            and readings.window_sessions = buckets.window_sessions
            and buckets.percentile_bucket
            = case
                when readings.spread_percentile <= 1 then 'at_most_1'
                when readings.spread_percentile <= 5 then 'at_most_5'
                when readings.spread_percentile >= 99 then 'at_least_99'
                when readings.spread_percentile >= 95 then 'at_least_95'
                else 'between_5_and_95'
            end
    where
        readings.pair_id = 'IWM/SPY'
        and readings.window_sessions = 5
        and readings.spread_percentile is not null
        and buckets.horizon_sessions = 21
),

sentences as (
    select
        session_date,
        1 as position,
        finding
    from small_against_large
    union all
    select
        days.session_date,
        2 as position,
        coalesce(commonness.none_judged, commonness.extreme, 'No pair and window is judged on the first session.')
            as finding
    from marts.daily_summary as days
    left join commonness on days.session_date = commonness.session_date
    union all
    select
        days.session_date,
        3 as position,
        coalesce(commonness.none_ranked, commonness.at_record, 'No pair and window has a record on the first session.')
            as finding
    from marts.daily_summary as days
    left join commonness on days.session_date = commonness.session_date
    union all
    select
        days.session_date,
        4 as position,
        coalesce(followed.finding, 'What followed such readings: IWM/SPY has no percentile over 5 sessions on this session.') as finding
    from marts.daily_summary as days
    left join followed on days.session_date = followed.session_date
    union all
    select
        days.session_date,
        5 as position,
        coalesce(groups.finding, 'Groups: no group has a score on this session, the histories are too short or prices missing.') as finding
    from marts.daily_summary as days
    left join groups on days.session_date = groups.session_date
    union all
    select
        days.session_date,
        6 as position,
        coalesce(boxes.finding, 'Size and style: no fund is ranked on this session, the histories are too short or prices missing.')
            as finding
    from marts.daily_summary as days
    left join boxes on days.session_date = boxes.session_date
)

-- A number that rounds to nothing has no minus.
select
    session_date,
    position,
    regexp_replace(finding, '-(0(\.0+)?[ ;,)])', '+\1', 'g') as finding
from sentences
