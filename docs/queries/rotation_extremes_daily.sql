-- How unusual is the last session over all pairs and windows?
select session_date, cells_extreme, cells_answered, cells_extreme_percentile, cells_record, cells_ranked, sessions_with_record_pct
from marts.rotation_extremes_daily
order by session_date desc
limit 5;

-- How often does some spread stand at a record, by year?
select
    year(session_date) as calendar_year,
    round(100 * avg((cells_extreme > 0)::integer), 1) as sessions_with_extreme_pct,
    round(100 * avg((cells_record > 0)::integer), 1) as sessions_with_record_pct,
    max(cells_ranked) as cells_ranked
from marts.rotation_extremes_daily
where cells_answered > 0
group by all
order by calendar_year desc;

-- The sessions with the largest share of extreme cells
select session_date, cells_extreme, cells_answered, cells_record
from marts.rotation_extremes_daily
where cells_answered > 0 and cells_extreme_percentile is not null
order by cells_extreme / cells_answered desc, session_date
limit 10;
