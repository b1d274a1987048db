-- Weights of the sectors of each fund by report, with the sector ETF that stood for the sector on the day of the report.
with weights as (
    select
        files.symbol,
        held.report_date,
        held.sector,
        funds.sector_fund,
        held.sector_weight_pct,
        held.sector_value_usd,
        held.sector_holdings,
        held.file_symbol,
        held.report_known_date,
        held.source
    from staging.fund_holdings as held
    inner join ref.fund_holdings_files as files on held.file_symbol = files.file_symbol
    left join ref.sector_funds as funds
        on
            held.sector = funds.sector
            and held.report_date between funds.sector_from_date and coalesce(funds.sector_to_date, date '9999-12-31')
)

select
    symbol,
    report_date,
    sector,
    sector_fund,
    sector_weight_pct,
    sector_value_usd,
    sector_holdings,
    coalesce(
        sum(case when sector_fund is not null then sector_weight_pct end) over (
            partition by symbol, report_date
            order by sector
            rows between unbounded preceding and unbounded following
        ),
        0
    ) as report_coverage_pct,
    file_symbol,
    report_known_date,
    source
from weights
