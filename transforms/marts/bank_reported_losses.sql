-- Reported unrealised gains and losses by quarter. Real figures have no place beside made-up prices, hence none when simulated.
select
    quarter_end,
    afs_usd_bn,
    htm_usd_bn,
    total_usd_bn,
    published_on,
    published_on_assumed,
    source_kind,
    source
from staging.bank_reported_quarters
where getvariable('data_source') <> 'simulated'
