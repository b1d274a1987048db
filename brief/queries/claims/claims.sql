-- One published statement up to the session, recomputed, in the order of its id.
select
    claim_id,
    part,
    as_of_date,
    statement,
    unit,
    comparison,
    published,
    recomputed,
    published_date,
    recomputed_date,
    recomputed_other_basis,
    recomputed_other_basis_date,
    verdict,
    readings_tried,
    readings_agreeing,
    nearby_readings,
    nearby_agreeing,
    why
from marts.claim_checks
where as_of_date <= $session
order by
    regexp_extract(claim_id, '[A-Z]+'),
    try_cast(regexp_extract(claim_id, '[0-9]+') as integer),
    part
