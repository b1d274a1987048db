-- A statement whose published figure is a month.
select
    claim_id,
    part
from ref.claims where regexp_full_match(figure, '[0-9]{4}-[0-9]{2}')
