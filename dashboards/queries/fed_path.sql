-- One row per settlement day and date ahead: the effective rate now and as expected after each meeting, the band that nine of ten past
-- errors of such a distance were within, and the median dots of the newest projections at the ends of their years. On the day of a
-- decision its date has the rate expected after the meeting, not the rate of the day before.
with points as (
    select
        as_of_date,
        meeting_date as point_date,
        expected_rate_pct,
        expected_rate_low_pct,
        expected_rate_high_pct,
        null::double as median_dot_pct
    from marts.fomc_meetings_daily
    where expected_rate_pct is not null
    union all
    select
        as_of_date,
        as_of_date as point_date,
        effr_pct as expected_rate_pct,
        effr_pct as expected_rate_low_pct,
        effr_pct as expected_rate_high_pct,
        null as median_dot_pct
    from marts.policy_path_daily
    anti join (
        select as_of_date as decision_date
        from marts.fomc_meetings_daily
        where meeting_date = as_of_date and expected_rate_pct is not null
    ) as decisions
        on policy_path_daily.as_of_date = decisions.decision_date
    where effr_pct is not null
    union all
    select
        as_of_date,
        make_date(target_year, 12, 31) as point_date,
        null as expected_rate_pct,
        null as expected_rate_low_pct,
        null as expected_rate_high_pct,
        median_dot_pct
    from marts.market_versus_dots
)

-- The last settlement day of a year and that year's dots may be of one date.
select
    as_of_date,
    point_date,
    max(expected_rate_pct) as expected_rate_pct,
    max(expected_rate_low_pct) as expected_rate_low_pct,
    max(expected_rate_high_pct) as expected_rate_high_pct,
    max(median_dot_pct) as median_dot_pct
from points
group by as_of_date, point_date
