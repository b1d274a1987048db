-- All quarters that were published
select quarter_end, afs_usd_bn, htm_usd_bn, total_usd_bn, published_on
from marts.bank_reported_losses
order by quarter_end desc;

-- How long after its end is a quarter published?
select quarter_end, published_on - quarter_end as days, published_on_assumed
from marts.bank_reported_losses
order by quarter_end desc;

-- From which source is each amount?
select source_kind, count(*) as quarters, min(quarter_end) as first_quarter, max(quarter_end) as last_quarter
from marts.bank_reported_losses
group by source_kind
order by source_kind;
