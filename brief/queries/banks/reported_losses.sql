-- The unrealised gains and losses of one quarter as reported, newest first.
select
    quarter_end,
    afs_usd_bn,
    htm_usd_bn,
    total_usd_bn,
    published_on
from marts.bank_reported_losses
where published_on <= $session
order by quarter_end desc
limit 8
