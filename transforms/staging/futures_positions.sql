-- Reports on positions that had come out by the session, newest version of each: on the day that ref.position_releases states, else by
-- the rule of the raw row. Reports before July 2010 first came with the history, and count as assumed.
with versions as (
    select *
    from pipeline.raw.futures_positions
    where available_at_utc <= getvariable('cutoff_utc')
    qualify row_number() over (partition by contract_market_code, report_date order by known_at_utc desc) = 1
),

released as (
    select
        versions.contract_market_code,
        versions.report_date,
        contracts.market_id,
        contracts.exchange,
        versions.open_interest_contracts,
        versions.leveraged_long_contracts,
        versions.leveraged_short_contracts,
        versions.leveraged_spread_contracts,
        versions.asset_manager_long_contracts,
        versions.asset_manager_short_contracts,
        versions.asset_manager_spread_contracts,
        -- 15:30 New York is the same day in UTC.
        coalesce(releases.released_on, cast(versions.available_at_utc as date)) as released_on,
        coalesce(releases.release_assumed, versions.report_date < date '2010-07-27') as release_assumed
    from versions
    inner join ref.positioned_contracts as contracts on versions.contract_market_code = contracts.contract_market_code
    left join ref.position_releases as releases on versions.report_date = releases.report_date
)

select *
from released
where released_on <= getvariable('session_date')
