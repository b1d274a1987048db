-- Latest version of every settlement within the cut-off. Rows after expiry never got past the gate; a day on which the futures turned out
-- not to have settled (a closure that became known later) may have.
select
    settlements.contract,
    settlements.delivery_month,
    settlements.settlement_date,
    settlements.settle
from pipeline.raw.fed_funds_futures as settlements
inner join ref.calendar as calendar
    on settlements.settlement_date = calendar.calendar_date and calendar.is_settlement_day
where settlements.available_at_utc <= getvariable('cutoff_utc')
qualify row_number() over (partition by settlements.contract, settlements.settlement_date order by settlements.known_at_utc desc) = 1
