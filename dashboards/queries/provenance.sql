-- One row: which publication answers, and whether its numbers are made up.
select
    case
        when publication.data_source = 'simulated' then 'SIMULATED MARKET: every number is made up'
        else 'Data source: ' || publication.data_source
    end as what_you_see,
    publication.session_date,
    publication.generation,
    publication.published_at_utc
from shared.newest_publication as publication
