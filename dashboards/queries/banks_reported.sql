-- One quarter's unrealised gains and losses on banks' securities as reported, in bn USD, or one row that says why there are none.
select
    strftime(quarter_end, '%Y-%m-%d') as quarter_shown,
    quarter_end,
    total_usd_bn,
    afs_usd_bn,
    htm_usd_bn,
    published_on,
    case when published_on_assumed then 'assumed, 75 days after the quarter' else 'stated' end as publication_day,
    source_kind,
    source
from marts.bank_reported_losses
union all
select
    case
        when publication.data_source = 'simulated' then 'None: real figures, simulated market'
        else 'None: no quarter held here'
    end as quarter_shown,
    null as quarter_end,
    null as total_usd_bn,
    null as afs_usd_bn,
    null as htm_usd_bn,
    null as published_on,
    null as publication_day,
    null as source_kind,
    null as source
from (select data_source from ops.publication order by generation desc limit 1) as publication
where not exists (select 1 from marts.bank_reported_losses)
