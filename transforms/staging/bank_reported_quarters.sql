-- Quarters of reported losses that had been published by the session: the FDIC's own reports where they were fetched, else the
-- recorded figures, whose unknown days of publication are assumed on the late side: what is not known to have been public is not used.
with versions as (
    select *
    from pipeline.raw.bank_financials
    where available_at_utc <= getvariable('cutoff_utc')
    qualify row_number() over (partition by quarter_end order by known_at_utc desc) = 1
),

fetched as (
    select
        quarter_end,
        (afs_fair_value_usd_thousand - afs_amortised_cost_usd_thousand) / 1e6 as afs_usd_bn,
        (htm_fair_value_usd_thousand - htm_amortised_cost_usd_thousand) / 1e6 as htm_usd_bn,
        cast(available_at_utc as date) as published_on,
        true as published_on_assumed,
        'primary' as source_kind,
        'FDIC BankFind Suite: sum over ' || institutions || ' institutions' as source
    from versions
),

recorded as (
    select
        quarter_end,
        afs_usd_bn,
        htm_usd_bn,
        total_usd_bn,
        coalesce(published_on, quarter_end + 75) as published_on,
        published_on is null as published_on_assumed,
        source_kind,
        source
    from ref.bank_reported_losses
),

reported as (
    select
        quarter_end,
        afs_usd_bn,
        htm_usd_bn,
        afs_usd_bn + htm_usd_bn as total_usd_bn,
        published_on,
        published_on_assumed,
        source_kind,
        source
    from fetched
    union all
    select recorded.*
    from recorded
    where recorded.quarter_end not in (select fetched.quarter_end from fetched)
)

select
    quarter_end,
    afs_usd_bn,
    htm_usd_bn,
    total_usd_bn,
    published_on,
    published_on_assumed,
    source_kind,
    source
from reported
where published_on <= getvariable('session_date')
