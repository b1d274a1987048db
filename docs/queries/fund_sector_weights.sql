-- The three largest sectors of small value, small and large companies in the newest report of each
select symbol, report_date, sector, round(sector_weight_pct, 1) as sector_weight_pct, file_symbol
from marts.fund_sector_weights
where symbol in ('IWN', 'IWM', 'SPY') and sector_fund is not null
qualify
    report_date = max(report_date) over (partition by symbol)
    and row_number() over (partition by symbol, report_date order by sector_weight_pct desc) <= 3
order by symbol, sector_weight_pct desc;

-- Financials of IWN and IWM, alone and with real estate, which was a part of them until 2016
select
    symbol,
    report_date,
    round(sum(sector_weight_pct) filter (where sector = 'Financials'), 1) as financials_pct,
    round(sum(sector_weight_pct) filter (where sector in ('Financials', 'Real Estate')), 1) as with_real_estate_pct
from marts.fund_sector_weights
where symbol in ('IWN', 'IWM')
group by symbol, report_date
order by report_date desc, symbol
limit 10;

-- Whose file tells what each fund holds, how old it is and how much of it is in sectors with an ETF
select distinct symbol, file_symbol, report_date, report_known_date, round(report_coverage_pct, 2) as report_coverage_pct, source
from marts.fund_sector_weights
qualify report_date = max(report_date) over (partition by symbol)
order by symbol;
