-- One row per published statement up to the publication's session: what it says, what comes out when it is recomputed as of its own day,
-- and the verdict. Where there is none, one row says so.
select
    case verdict
        when 'contradicted' then 1 when 'not_distinguishable' then 2 when 'fitted_only' then 3 when 'confirmed_on_other_basis' then 4
        when 'confirmed' then 5 else 6
    end as position,
    claim_id || '.' || part as claim,
    as_of_date,
    statement,
    replace(verdict, '_', ' ') as verdict,
    replace(verdict_as_stated, '_', ' ') as verdict_as_stated,
    case comparison
        when 'over' then 'a little over '
        when 'more_than' then 'more than '
        when 'less_than' then 'less than '
        when 'at_least' then 'at least '
        when 'at_most' then 'at most '
        else ''
    end || coalesce(published_date::varchar, format('{:g}', round(published, 2)) || unit_shown) as stated,
    coalesce(recomputed_date::varchar, format('{:g}', round(recomputed, 2)) || unit_shown, 'no figure') as recomputed_as_stated,
    coalesce(basis, 'as stated') as basis,
    coalesce(
        recomputed_other_basis_date::varchar,
        format('{:g}', round(recomputed_other_basis, 2)) || unit_shown,
        case verdict
            when 'confirmed' then 'not needed'
            when 'confirmed_on_other_basis' then 'a range, see why'
            when 'fitted_only' then 'fitted, see why'
            else 'none'
        end
    ) as on_the_other_basis,
    if(readings_tried = 0, 'none tried', readings_agreeing || ' of ' || readings_tried) as readings_that_agree,
    if(nearby_readings = 0, 'none', nearby_agreeing || ' of ' || nearby_readings) as nearby_that_agree,
    coalesce(nearby_words, 'none') as nearby_words,
    fitted,
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
    7 as position,
    'none' as claim,
    session_date as as_of_date,
    'No statement dates from before this session.' as statement,
    'no statement' as verdict,
    'no statement' as verdict_as_stated,
    null as stated,
    null as recomputed_as_stated,
    null as basis,
    null as on_the_other_basis,
    null as readings_that_agree,
    null as nearby_that_agree,
    null as nearby_words,
    null as fitted,
    null as why,
    null as source
from shared.newest_publication as newest
where
    not exists (
        select 1
        from marts.claim_checks
    )
