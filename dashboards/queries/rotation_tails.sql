-- One row: one of the eight newest weekly bars of a pair that were known on a session; age 0 is the newest.
with bars as (
    select
        pair_id,
        weekly_bar_date,
        any_value(weekly_trend) as weekly_trend,
        any_value(weekly_momentum) as weekly_momentum,
        any_value(weekly_quadrant) as weekly_quadrant,
        row_number() over (partition by pair_id order by weekly_bar_date) as bar_number
    from marts.rotation_state_daily
    where weekly_quadrant is not null
    group by pair_id, weekly_bar_date
)

select
    states.session_date,
    states.pair_id,
    pairs.theme,
    case when pairs.chosen_after_the_fact then 'after the fact' else 'before these data' end as pair_chosen,
    tail.weekly_bar_date,
    newest.bar_number - tail.bar_number as age_weeks,
    8 - (newest.bar_number - tail.bar_number) as point_size,
    strftime(tail.weekly_bar_date, '%Y-%m-%d')
    || case when tail.bar_number = newest.bar_number then ', the newest bar' else '' end as weekly_bar,
    tail.weekly_trend,
    tail.weekly_momentum,
    tail.weekly_quadrant,
    states.ratio,
    states.quadrant,
    states.quadrant_confirmed,
    states.weekly_quadrant_confirmed,
    states.weekly_quadrant_spell_weeks
from marts.rotation_state_daily as states
inner join ref.pairs as pairs on states.pair_id = pairs.pair_id
inner join bars as newest on states.pair_id = newest.pair_id and states.weekly_bar_date = newest.weekly_bar_date
inner join bars as tail
    on newest.pair_id = tail.pair_id and tail.bar_number between newest.bar_number - 7 and newest.bar_number
