-- One row: a bank and one of the last twelve calendar quarters, with its net interest income and the change on the quarter of the year
-- before. Where no filing is held, one row says so.
with quarters as (
    select
        symbol,
        strftime(quarter_end, '%Y') || ' Q' || quarter(quarter_end) as quarter_shown,
        quarter_end,
        net_interest_income_usd / 1e9 as net_interest_income_usd_bn,
        change_on_year_pct,
        filed_on,
        quarter_basis,
        is_restated
    from marts.bank_income
    qualify date_diff('quarter', quarter_end, max(quarter_end) over ()) < 12
)

select *
from quarters
union all
select
    'none' as symbol,
    'no filing of the SEC is held here' as quarter_shown,
    null as quarter_end,
    null as net_interest_income_usd_bn,
    null as change_on_year_pct,
    null as filed_on,
    null as quarter_basis,
    null as is_restated
from shared.newest_publication as newest
where
    not exists (
        select 1
        from quarters
    )
