-- One input whose newest day a second source supplied; a second source's own inputs have no other source.
select
    dataset,
    input,
    last_date,
    source
from ops.freshness
where
    source in (
        select others.source
        from ops.freshness as others
        where others.dataset <> freshness.dataset
    )
    and dataset in (
        select varied.dataset
        from ops.freshness as varied
        group by varied.dataset
        having count(distinct varied.source) > 1
    )
order by source asc, input asc
