-- One finding about banks on one session, as a sentence, with the day that its numbers are of.
with ranked as (
    select
        session_date,
        arg_min(entity_id || ' (' || entity_name || ')', sensitivity_rank) as first_name,
        min(sensitivity_rank) as first_rank,
        arg_min(move_if_yields_down_25bp_pct, sensitivity_rank) as first_move_pct,
        arg_min(rank_low, sensitivity_rank) as first_rank_low,
        arg_min(rank_high, sensitivity_rank) as first_rank_high,
        max(ranked_members) as ranked_members,
        count(*) filter (where rank_low = 1) as may_be_first,
        count(*) filter (where regime = 'gains_when_rates_fall') as gain_when_rates_fall,
        count(*) filter (where regime = 'gains_when_rates_rise') as gain_when_rates_rise,
        count(*) filter (where regime = 'unclear') as unclear,
        count(*) filter (where regime_rests_on_few_days) as rest_on_few_days,
        string_agg(entity_id || ': ' || replace(regime, '_', ' ') || ' since this session', '; ' order by entity_id)
        filter (where regime_start_date = session_date) as changed
    from marts.bank_sensitivity_daily
    where entity_type = 'symbol'
    group by session_date
),

grouped as (
    select
        session_date,
        string_agg(
            format(
                '{} {:+.2f} % ({:+.2f} to {:+.2f})', entity_name, move_if_yields_down_25bp_pct, move_low_pct, move_high_pct
            ),
            '; ' order by move_if_yields_down_25bp_pct desc
        ) as moves
    from marts.bank_sensitivity_daily
    where entity_type = 'group'
    group by session_date
),

kre as (
    select *
    from marts.bank_sensitivity_daily
    where entity_id = 'KRE'
),

covered as (
    select *
    from marts.bank_securities_mark
    where bucket = 'covered'
),

source as (
    select
        data_source,
        session_date as publication_date
    from ops.publication
    order by generation desc
    limit 1
),

findings as (
    select
        ranked.session_date,
        0 as finding_number,
        'Day' as topic,
        case
            when ranked.session_date = source.publication_date then 'The estimates are of the publication''s own session.'
            when ranked.session_date = max(ranked.session_date) over ()
                then
                    format(
                        'The newest estimates are of {}; the publication is of {}.',
                        strftime(ranked.session_date, '%Y-%m-%d'), strftime(source.publication_date, '%Y-%m-%d')
                    )
            else
                format(
                    'An earlier session was chosen; the publication is of {}.', strftime(source.publication_date, '%Y-%m-%d')
                )
        end as finding,
        ranked.session_date as as_of_date
    from ranked
    cross join source
    union all
    select
        ranked.session_date,
        1 as finding_number,
        'Regional bank fund' as topic,
        case
            when kre.session_date is null then 'KRE has no estimate for this session.'
            else
                format(
                    'KRE would move {:+.2f} % (90 % interval {:+.2f} to {:+.2f}) if all yields fell 25 bp and the market stood still; '
                    || 'regime: {} since {}{}.',
                    kre.move_if_yields_down_25bp_pct, kre.move_low_pct, kre.move_high_pct, replace(kre.regime, '_', ' '),
                    strftime(kre.regime_start_date, '%Y-%m-%d'),
                    case when kre.regime_rests_on_few_days then ', and five of 252 days decide it' else '' end
                )
        end as finding,
        kre.session_date as as_of_date
    from ranked
    left join kre on ranked.session_date = kre.session_date
    union all
    select
        session_date,
        2 as finding_number,
        'Ranking' as topic,
        coalesce(
            format(
                '{} {} if all yields fall 25 bp and the market stands still ({:+.2f} %), but its rank may be {} to {} of {}: '
                || '{} of them may rank first.',
                first_name,
                case when first_move_pct >= 0 then 'gains most' else 'loses least' end,
                first_move_pct,
                coalesce(first_rank_low::varchar, 'unknown'),
                coalesce(first_rank_high::varchar, 'unknown'),
                ranked_members,
                may_be_first
            ),
            'No share or fund is ranked in this session.'
        ) as finding,
        session_date as as_of_date
    from ranked
    union all
    select
        session_date,
        3 as finding_number,
        'Regimes' as topic,
        format(
            'Shares and funds: {}; gain when rates fall: {}, when they rise: {}, unclear: {}. Five of 252 days decide it for {}.',
            gain_when_rates_fall + gain_when_rates_rise + unclear, gain_when_rates_fall, gain_when_rates_rise, unclear,
            case when rest_on_few_days = 0 then 'none' else rest_on_few_days || ' of them' end
        ) as finding,
        session_date as as_of_date
    from ranked
    union all
    select
        session_date,
        4 as finding_number,
        'Changed regime' as topic,
        coalesce(changed || '.', 'No share or fund changed its regime in this session.') as finding,
        session_date as as_of_date
    from ranked
    union all
    select
        ranked.session_date,
        5 as finding_number,
        'Groups' as topic,
        coalesce(
            'If all yields fall 25 bp and the market stands still: ' || grouped.moves || '.',
            'No group of banks has an estimate for this session: the histories are too short, or prices are missing.'
        ) as finding,
        grouped.session_date as as_of_date
    from ranked
    left join grouped on ranked.session_date = grouped.session_date
    union all
    select
        ranked.session_date,
        6 as finding_number,
        'Yield curve' as topic,
        case
            when curve.session_date is null then 'No yields for this session.'
            else
                format(
                    'The 2-year yields {:.2f} %, the 10-year {:.2f} %; the slope is {:+.0f} bp{}.',
                    curve.y2_pct, curve.y10_pct, curve.slope_2s10s_bp,
                    case
                        when curve.inverted then ', inverted since ' || strftime(curve.inversion_start_date, '%Y-%m-%d')
                        else ', not inverted'
                    end
                )
        end as finding,
        curve.session_date as as_of_date
    from ranked
    left join marts.yield_curve_daily as curve on ranked.session_date = curve.session_date
    union all
    select
        ranked.session_date,
        7 as finding_number,
        'Five sessions' as topic,
        case
            when summary.kre_return_5d_pct is null then 'KRE''s return over five sessions is not known.'
            else
                format(
                    'KRE moved {:+.2f} % over five sessions, {:+.2f} pp against SPY.',
                    summary.kre_return_5d_pct, summary.kre_spy_spread_5d_pp
                )
        end as finding,
        summary.session_date as as_of_date
    from ranked
    left join marts.daily_summary as summary on ranked.session_date = summary.session_date
    union all
    select
        ranked.session_date,
        8 as finding_number,
        'Securities' as topic,
        case
            when covered.session_date is null then 'No estimate: none of the quarters held here had been published by this session.'
            when covered.mark_pct_of_book is null then 'No estimate: the bond funds have no prices for this session.'
            else
                format(
                    'The {:.0f} % of banks'' securities whose fund has prices have changed by {:+.2f} % of all securities since {}; '
                    || 'the weights are of {} ({}).',
                    covered.weight_pct, covered.mark_pct_of_book, strftime(covered.since_date, '%Y-%m-%d'),
                    strftime(covered.weights_as_of_date, '%Y-%m-%d'), covered.weight_basis
                )
        end as finding,
        covered.session_date as as_of_date
    from ranked
    left join covered on ranked.session_date = covered.session_date
    union all
    select
        ranked.session_date,
        9 as finding_number,
        'Reported losses' as topic,
        case
            when source.data_source = 'simulated' then 'None: reported losses are real figures, and this market is made up.'
            when reported.quarter_end is null then 'None: none of the quarters held here had been published by this session.'
            else
                format(
                    'Banks reported {} bn USD of unrealised gains or losses for the quarter to {}, published {}{}.',
                    coalesce(format('{:+.1f}', reported.total_usd_bn), 'an amount not found, in'),
                    strftime(reported.quarter_end, '%Y-%m-%d'), strftime(reported.published_on, '%Y-%m-%d'),
                    case when reported.published_on_assumed then ' (an assumed day)' else '' end
                )
        end as finding,
        reported.quarter_end as as_of_date
    from ranked
    cross join source
    asof left join marts.bank_reported_losses as reported on ranked.session_date >= reported.published_on
)

-- A number that rounds to nothing has no minus.
select
    session_date,
    finding_number,
    topic,
    regexp_replace(finding, '-(0(\.0+)?[ ;,)])', '+\1', 'g') as finding,
    as_of_date
from findings
