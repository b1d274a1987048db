-- Where did leveraged funds stand in small caps in the last reports that had come out?
select
    report_date, released_on, leveraged_net_contracts, leveraged_net_change_contracts, net_share_of_open_interest_pct,
    net_share_expanding_percentile, n_effective_expanding
from marts.futures_positioning
where market_id = 'russell_2000'
order by report_date desc
limit 10;

-- Small caps against large caps, report by report
select
    small.report_date, small.net_share_of_open_interest_pct as russell_2000_pct,
    large.net_share_of_open_interest_pct as sp_500_pct
from marts.futures_positioning as small
inner join marts.futures_positioning as large on small.report_date = large.report_date
where small.market_id = 'russell_2000' and large.market_id = 'sp_500'
order by small.report_date desc
limit 52;

-- How late were the reports that came late?
select report_date, released_on, released_on - report_date as days, release_assumed
from marts.futures_positioning
where market_id = 'sp_500' and report_date >= date '2010-07-27' and released_on - report_date > 6
order by report_date desc;

-- On which exchange and under which codes was each market reported, and since when is it ranked?
select
    market_id, exchange, contract_market_codes, min(report_date) as first_report_date, max(report_date) as last_report_date,
    max(ranked_since) as ranked_since
from marts.futures_positioning
group by market_id, exchange, contract_market_codes
order by market_id, first_report_date;

-- Why do percentiles not answer?
select market_id, percentile_156_reason, count(*) as reports
from marts.futures_positioning
group by all
order by market_id, reports desc;
