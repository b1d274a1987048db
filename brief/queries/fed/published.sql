-- One meeting by the day count that CME published by on a day of which the marts' own is another, probabilities in per cent; only what CME
-- had in its table and worked out the same way, so neither its ninth meeting nor what lacks a contract.
select
    method_version,
    as_of_date,
    meeting_date,
    100 * cut_prob as cut,
    100 * hold_prob as hold,
    100 * hike_prob as hike,
    implied_change_bp,
    expected_rate_pct
from marts.fomc_meetings_by_method
where
    as_of_date = $as_of and as_published and method_version != 'cme_2023plus'
    and cme_number < 9 and missing_contract is null and cut_prob is not null
order by meeting_date
