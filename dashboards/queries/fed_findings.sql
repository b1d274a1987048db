-- One row per settlement day and subject: what the day says of the next meeting, the year's end, twelve months ahead, the largest
-- repricing of its week, the median dots, the last decision and the worth of the tables; where a figure is missing, why.
with next_meetings as (
    select *
    from marts.fomc_meetings_daily
    qualify row_number() over (partition by as_of_date order by meeting_date) = 1
),

days as (
    select
        as_of_date as settlement_date,
        event_types,
        change_bp
    from marts.policy_repricing
    where horizon = 'year_end' and change_bp is not null
),

-- Each of these has a row for every settlement day, so that a filter on the day reaches into it.
week_largest as (
    select
        chosen.as_of_date,
        max_by(days.settlement_date, (abs(days.change_bp), days.settlement_date)) as largest_date,
        max_by(days.change_bp, (abs(days.change_bp), days.settlement_date)) as largest_bp,
        max_by(coalesce(days.event_types, ''), (abs(days.change_bp), days.settlement_date)) as largest_event_types
    from marts.policy_path_daily as chosen
    left join days
        on chosen.as_of_date >= days.settlement_date and chosen.as_of_date < days.settlement_date + 7
    group by chosen.as_of_date
),

week_ranks as (
    select
        week_largest.as_of_date,
        any_value(week_largest.largest_date) as largest_date,
        any_value(week_largest.largest_bp) as largest_bp,
        any_value(week_largest.largest_event_types) as largest_event_types,
        1 + count(*) filter (where abs(days.change_bp) > abs(week_largest.largest_bp)) as place,
        count(days.settlement_date) as settlement_days,
        min(days.settlement_date) as first_date
    from week_largest
    left join days
        on week_largest.as_of_date >= days.settlement_date
    group by week_largest.as_of_date
),

widest_gaps as (
    select
        path.as_of_date,
        market.* exclude (as_of_date)
    from marts.policy_path_daily as path
    left join marts.market_versus_dots as market
        on path.as_of_date = market.as_of_date
    qualify row_number() over (partition by path.as_of_date order by abs(market.gap_bp) desc nulls last, market.target_year) = 1
),

last_decisions as (
    select
        chosen.as_of_date,
        decisions.* exclude (as_of_date)
    from marts.policy_path_daily as chosen
    left join marts.policy_surprises as decisions
        on chosen.as_of_date >= decisions.as_of_date
    qualify row_number() over (partition by chosen.as_of_date order by decisions.meeting_date desc nulls last) = 1
),

scores as (
    select *
    from marts.fomc_skill
    where method_version = 'cme_2023plus' and years_counted = 'all' and horizon_days = 30 and scored_meetings > 0
),

last_scores as (
    select
        chosen.as_of_date,
        scores.*
    from marts.policy_path_daily as chosen
    left join scores
        on chosen.as_of_date >= scores.meeting_date
    qualify row_number() over (partition by chosen.as_of_date order by scores.meeting_date desc nulls last) = 1
),

sentences as (
    select
        as_of_date,
        1 as finding,
        'Next meeting' as subject,
        coalesce(
            format(
                '{}: cut {:.1f} %, hold {:.1f} %, hike {:.1f} %, against {} % in force; {:.3f} % is expected after it, {:+.1f} bp from'
                ' the rate before it{}{}.',
                meeting_date,
                100 * cut_prob,
                100 * hold_prob,
                100 * hike_prob,
                -- Until December 2008 the target was one rate.
                case
                    when target_lower_pct = target_upper_pct then format('{:.2f}', target_lower_pct)
                    else format('{:.2f}–{:.2f}', target_lower_pct, target_upper_pct)
                end,
                expected_rate_pct,
                implied_change_bp,
                coalesce(format(' and {:+.1f} bp since {}, a week before', expected_rate_change_1w_bp, compared_date_1w), ''),
                coalesce(' (' || replace(reason, '_', ' ') || coalesce(': ' || missing_contract, '') || ')', '')
            ),
            format('{}: not priced ({}).', meeting_date, replace(coalesce(reason, 'no reason held'), '_', ' '))
        ) as what_the_day_says
    from next_meetings
    union all
    select
        as_of_date,
        2 as finding,
        'Year’s end' as subject,
        coalesce(
            format(
                '{:+.1f} bp are priced to the end of {}, or {:.1f} {} of 25 bp, from the rate before the next meeting: {:.3f} %{}.',
                bp_priced_year_end,
                year(as_of_date),
                abs(bp_priced_year_end) / 25,
                case when bp_priced_year_end < 0 then 'cuts' else 'hikes' end,
                year_end_rate_pct,
                coalesce(' (' || replace(year_end_reason, '_', ' ') || coalesce(': ' || year_end_missing_contract, '') || ')', '')
            ),
            format(
                'Not priced: {}{}.',
                replace(coalesce(year_end_reason, reason, 'no reason held'), '_', ' '),
                coalesce(' (' || year_end_missing_contract || ')', '')
            )
        ) as what_the_day_says
    from marts.policy_path_daily
    union all
    select
        as_of_date,
        3 as finding,
        'Twelve months ahead' as subject,
        coalesce(
            format(
                '{:+.1f} bp are priced for twelve months ahead, from the rate before the next meeting: {:.3f} %; real rate {}{}.',
                bp_priced_12m,
                rate_12m_pct,
                coalesce(
                    format('{:.2f} %', real_rate_12m_pct),
                    'not known (' || replace(real_rate_reason, '_', ' ') || ')',
                    'not known'
                ),
                coalesce(' (' || replace(rate_12m_reason, '_', ' ') || ')', '')
            ),
            format('Not priced: {}.', replace(coalesce(rate_12m_reason, reason, 'no reason held'), '_', ' '))
        ) as what_the_day_says
    from marts.policy_path_daily
    union all
    select
        as_of_date,
        4 as finding,
        'Largest repricing of the week' as subject,
        coalesce(
            format(
                '{}: {:+.1f} bp for the year’s end, {}; place {:,} of {:,} {} since {} by size.',
                largest_date,
                largest_bp,
                case
                    when largest_event_types = '' then 'with no CPI, jobs report, FOMC decision or Jackson Hole'
                    else
                        'with '
                        || replace(
                            replace(
                                replace(
                                    replace(replace(largest_event_types, '+', ' and '), 'cpi', 'CPI'), 'fomc', 'the FOMC’s decision'
                                ),
                                'jobs',
                                'the jobs report'
                            ),
                            'jackson_hole',
                            'Jackson Hole'
                        )
                end,
                place,
                settlement_days,
                if(settlement_days = 1, 'day', 'days'),
                first_date
            ),
            'No change could be computed in the seven days up to this one.'
        ) as what_the_day_says
    from week_ranks
    union all
    select
        as_of_date,
        5 as finding,
        'Median dots' as subject,
        coalesce(
            format(
                'The market is {:.1f} bp {} the dots of {} for the end of {}: midpoint {:.3f} % against {:.3f} %; the widest gap.',
                abs(gap_bp),
                case when gap_bp < 0 then 'below' else 'above' end,
                projection_date,
                target_year,
                market_midpoint_pct,
                median_dot_pct
            ),
            format('No gap to the dots of {}: {}.', projection_date, replace(coalesce(gap_reason, 'no reason held'), '_', ' ')),
            'No median dots are held for this day (FRED: FEDTARMD).'
        ) as what_the_day_says
    from widest_gaps
    union all
    select
        as_of_date,
        6 as finding,
        'Last decision' as subject,
        coalesce(
            format(
                '{}: {}, surprise {}.',
                meeting_date,
                coalesce(
                    case when decided_change_bp = 0 then 'no change' else format('{:+.0f} bp', decided_change_bp) end,
                    'outcome not known (' || replace(decided_change_reason, '_', ' ') || ')',
                    'outcome not known'
                ),
                coalesce(
                    format('{:+.1f} bp', surprise_bp),
                    'not known (' || replace(reason, '_', ' ') || coalesce(': ' || contract, '') || ')',
                    'not known'
                )
            ),
            'No decision since the first settlement.'
        ) as what_the_day_says
    from last_decisions
    union all
    select
        as_of_date,
        7 as finding,
        'Worth of the tables' as subject,
        coalesce(
            format(
                'Thirty days ahead the tables scored {:.3f} (ranked probability score, 0 is perfect); no change {:.3f}, last change'
                ' repeated {:.3f}; {} {} to {}.',
                mean_ranked_probability_score,
                mean_ranked_probability_score_no_change,
                mean_ranked_probability_score_last_change,
                scored_meetings,
                if(scored_meetings = 1, 'meeting', 'meetings'),
                meeting_date
            ),
            'No meeting is scored yet.'
        ) as what_the_day_says
    from last_scores
)

-- A number that rounds to nothing has no minus.
select
    as_of_date,
    finding,
    subject,
    regexp_replace(what_the_day_says, '-(0(\.0+)?[ ;,)])', '+\1', 'g') as what_the_day_says
from sentences
