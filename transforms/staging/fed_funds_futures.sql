-- Latest version of every settlement within the cut-off. Non-settlement days and rows after expiry never got past the gate.
select
    contract,
    delivery_month,
    settlement_date,
    settle
from pipeline.raw.fed_funds_futures
where available_at_utc <= getvariable('cutoff_utc')
qualify row_number() over (partition by contract, settlement_date order by known_at_utc desc) = 1
