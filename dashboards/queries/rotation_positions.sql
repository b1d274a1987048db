-- One row: a market and a weekly report, with the net position of leveraged funds and of asset managers in % of what is open, and the
-- exchange. Where there is no report, one row of the Russell 2000 says so.
select
    report_date,
    market_id,
    'Leveraged funds, ' || exchange as who_and_where,
    released_on,
    net_share_of_open_interest_pct,
    asset_manager_net_share_pct,
    leveraged_net_contracts,
    open_interest_contracts
from marts.futures_positioning
union all
select
    newest.session_date as report_date,
    'russell_2000' as market_id,
    'None: no report of positions is held here' as who_and_where,
    null as released_on,
    null as net_share_of_open_interest_pct,
    null as asset_manager_net_share_pct,
    null as leveraged_net_contracts,
    null as open_interest_contracts
from shared.newest_publication as newest
where
    not exists (
        select 1
        from marts.futures_positioning
        where market_id = 'russell_2000'
    )
