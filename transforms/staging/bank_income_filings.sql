-- Amounts of net interest income that had been filed by the session, as each filing states them. DuckDB 1.5 fails on this window with
-- known_at_utc alone, which is not selected, where the table is read through a view, as an extension does.
select
    symbol,
    concept,
    period_start,
    period_end,
    accession_number,
    amount_usd,
    filed_on,
    form
from pipeline.raw.bank_income
where available_at_utc <= getvariable('cutoff_utc') and filed_on <= getvariable('session_date')
qualify row_number() over (
    partition by symbol, concept, period_start, period_end, accession_number order by known_at_utc desc, payload_sha256 asc
) = 1
