-- Quarters of reported losses that had been published by the session, with the day of publication filled in.
-- The assumption is on the late side: what is not known to have been public is not used.
with reported as (
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
