-- One row per calendar year and family of answers: on how many of the year's sessions it was too old or not known yet, so that its numbers
-- are not shown in marts.daily_summary.
select
    year(session_date) as year,
    family,
    count(*) as sessions,
    count(*) filter (where reason is not null) as sessions_not_shown,
    100.0 * count(*) filter (where reason is not null) / count(*) as sessions_not_shown_pct
from shared.families
group by year(session_date), family
