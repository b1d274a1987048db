-- One row per published statement up to the publication's session: what it says, what comes out when it is recomputed as of its own day,
-- and the verdict. Where there is none, one row says so.
select
    case verdict when 'contradicted' then 1 when 'confirmed_on_other_basis' then 2 when 'confirmed' then 3 else 4 end as position,
    claim_id || '.' || part as claim,
    as_of_date,
    statement,
    replace(verdict, '_', ' ') as verdict,
    coalesce(published_date::varchar, format('{:g}', round(published, 2)) || unit_shown) as stated,
    coalesce(recomputed_date::varchar, format('{:g}', round(recomputed, 2)) || unit_shown, 'no figure') as recomputed_as_stated,
    coalesce(basis, 'as stated') as basis,
    coalesce(
        recomputed_other_basis_date::varchar,
        format('{:g}', round(recomputed_other_basis, 2)) || unit_shown,
        case verdict when 'confirmed' then 'not needed' when 'confirmed_on_other_basis' then 'a range, see why' else 'none' end
    ) as on_the_other_basis,
    why,
    source
from (
    select
        *,
        if(unit in ('count', 'ratio', 'rank', 'places'), '', ' ' || unit) as unit_shown
    from marts.claim_checks
) as checks
union all
select
    5 as position,
    'none' as claim,
    session_date as as_of_date,
    'No statement dates from before this session.' as statement,
    'no statement' as verdict,
    null as stated,
    null as recomputed_as_stated,
    null as basis,
    null as on_the_other_basis,
    null as why,
    null as source
from shared.newest_publication as newest
where
    not exists (
        select 1
        from marts.claim_checks
    )
