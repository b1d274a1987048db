-- Returns of the portfolios formed on size that could be had by the cut-off, the newest version of each month; months without a return
-- are left out. The publisher makes the whole history anew with each update, so earlier months are those of the newest file.
select
    weighting,
    portfolio,
    month_end,
    portfolio_return_pct,
    available_at_utc,
    source
from (
    select *
    from pipeline.raw.size_portfolios
    where available_at_utc <= getvariable('cutoff_utc')
    qualify row_number() over (partition by portfolio_set, weighting, portfolio, month_end order by known_at_utc desc) = 1
) as newest
where portfolio_return_pct is not null
