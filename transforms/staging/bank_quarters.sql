-- Each bank's quarter with its opening balance and its own income: FDIC income is that since the start of the year, so what there was a
-- quarter before is taken off, but for the quarter that ends in March. A bank counts for a cost or a margin only where it has both ends
-- of the quarter: a fixed panel, in which banks that begin, end or are taken over move nothing by their presence alone. What an amended
-- report takes back within the year makes interest negative; then the bank does not count. Size groups are those of the FDIC's Quarterly
-- Banking Profile.
with versions as (
    select *
    from pipeline.raw.bank_margins
    where available_at_utc <= getvariable('cutoff_utc')
    qualify row_number() over (partition by cert, quarter_end order by known_at_utc desc) = 1
),

quarters as (
    select
        closing.*,
        opening.earning_assets_usd_thousand as opening_earning_assets_usd_thousand,
        opening.domestic_deposits_usd_thousand as opening_domestic_deposits_usd_thousand,
        opening.interest_bearing_deposits_usd_thousand as opening_interest_bearing_deposits_usd_thousand,
        closing.net_interest_income_ytd_usd_thousand
        - case when month(closing.quarter_end) = 3 then 0 else opening.net_interest_income_ytd_usd_thousand end
            as net_interest_income_usd_thousand,
        closing.deposit_interest_ytd_usd_thousand
        - case when month(closing.quarter_end) = 3 then 0 else opening.deposit_interest_ytd_usd_thousand end
            as deposit_interest_usd_thousand
    from versions as closing
    left join versions as opening
        on
            closing.cert = opening.cert
            and last_day(closing.quarter_end - interval 3 month) = opening.quarter_end
)

select
    cert,
    quarter_end,
    case
        when assets_usd_thousand < 100000 then 'under_100mn'
        when assets_usd_thousand < 1000000 then '100mn_1bn'
        when assets_usd_thousand < 10000000 then '1bn_10bn'
        when assets_usd_thousand < 250000000 then '10bn_250bn'
        when assets_usd_thousand >= 250000000 then 'over_250bn'
    end as size_group,
    assets_usd_thousand,
    earning_assets_usd_thousand,
    domestic_deposits_usd_thousand,
    interest_bearing_deposits_usd_thousand,
    opening_earning_assets_usd_thousand,
    opening_domestic_deposits_usd_thousand,
    opening_interest_bearing_deposits_usd_thousand,
    net_interest_income_usd_thousand,
    deposit_interest_usd_thousand,
    coalesce(
        assets_usd_thousand is not null
        and opening_domestic_deposits_usd_thousand is not null
        and opening_interest_bearing_deposits_usd_thousand is not null
        and domestic_deposits_usd_thousand is not null
        and interest_bearing_deposits_usd_thousand is not null
        and deposit_interest_usd_thousand >= 0,
        false
    ) as in_deposit_panel,
    coalesce(
        assets_usd_thousand is not null
        and opening_earning_assets_usd_thousand is not null
        and earning_assets_usd_thousand is not null
        and net_interest_income_usd_thousand is not null,
        false
    ) as in_margin_panel,
    cast(available_at_utc as date) as known_on
from quarters
